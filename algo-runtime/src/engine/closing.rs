//! Closing by hand: symbols that are sold whole at their next quote, by a person's request.
//!
//! A sale waits for no algorithm. While symbols wait, the quotes behind the turn are recognised ahead, in their order, and
//! each that sells is booked at once. Its tick keeps the sale and has its outcome in its turn like any other.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use intuition_api::v1::{CloseRequest, CloseResponse, Delivery, TradingState, close_request::What};
use intuition_common::planted::{self, Fault};

use super::{
    Engine, RequestError,
    configure::refuse,
    counter,
    turn::{Asked, Plan, Planned, Work, unusable},
};
use crate::{
    algorithm::{Quote, Signal},
    backend::answer::{Verdict, Wish},
    identity::event_of,
    ledger::{ClosingChanges, ClosingRecords, EntryKind, Ledger, LedgerError, Outcome, UnsettledSale},
    portfolio::Denial,
    sizes::Sizes,
};

/// Longest id of a request, in characters.
const REQUEST_CHARS: usize = 64;
/// Symbols of a request, at most.
const SYMBOLS: usize = 10_000;

/// A sale by hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sale {
    pub(super) position: u64,
    pub(super) seq: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Closing {
    sizes: Sizes,
    /// Symbols that wait. A tick sells one if its number is above this; `None`: the request is not committed yet.
    waiting: BTreeMap<String, Option<u64>>,
    /// Ids of the last requests, the oldest first.
    requests: VecDeque<String>,
    known: BTreeSet<String>,
    /// Symbols held since before the start that no subscribed channel has brought yet.
    unseen: BTreeSet<String>,
    /// Sales of a process before this one whose ticks come again.
    unsettled: Vec<UnsettledSale>,
    /// Ticks recognised since the start.
    recognised: u64,
    changes: ClosingChanges,
}

impl Closing {
    pub(super) fn load<'a>(records: ClosingRecords, held: impl Iterator<Item = &'a String>, sizes: Sizes) -> Self {
        Self {
            sizes,
            waiting: records.waiting.into_iter().map(|sid| (sid, Some(0))).collect(),
            known: records.requests.iter().cloned().collect(),
            requests: records.requests.into(),
            unseen: held.cloned().collect(),
            unsettled: records.unsettled,
            ..Self::default()
        }
    }

    /// The symbols that wait, in order.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.waiting.keys().cloned().collect()
    }

    /// Numbers a tick that is recognised.
    pub(super) const fn next_tick(&mut self) -> u64 {
        self.recognised += 1;
        self.recognised
    }

    /// The number of the tick recognised last.
    pub(super) const fn recognised(&self) -> u64 {
        self.recognised
    }

    pub(super) fn is_unseen(&self, sid: &str) -> bool {
        self.unseen.contains(sid)
    }

    pub(super) fn saw(&mut self, sid: &str) {
        self.unseen.remove(sid);
    }

    /// Returns the changes to commit, and lets the symbols of new requests be sold from here on. Nothing is answered or
    /// published before the commit, and a failed commit discards the engine.
    pub(super) fn take_changes(&mut self) -> ClosingChanges {
        if !self.changes.waiting.is_empty() {
            for after in self.waiting.values_mut() {
                after.get_or_insert(self.recognised);
            }
        }
        std::mem::take(&mut self.changes)
    }

    pub(super) fn drop_all(&mut self) {
        let dropped = std::mem::take(&mut self.waiting);
        self.changes.waiting.extend(dropped.into_keys().map(|sid| (sid, false)));
    }

    /// The sale that a tick made in a process before this one, which ended before the tick had its outcome.
    pub(super) fn sale_before(&mut self, delivery: &Delivery, index: u32, quote: &Quote) -> Option<Sale> {
        let tick = delivery.ticks.get(index as usize).filter(|_| !self.unsettled.is_empty())?;
        let event = event_of(delivery, tick);
        let place = self.unsettled.iter().position(|sale| {
            let same_quote = (&sale.sid, sale.price, sale.time_micros) == (&quote.sid, quote.price, quote.time_micros);
            same_quote && sale.event == event && sale.channel == delivery.topic
        })?;
        let UnsettledSale { position, seq, .. } = self.unsettled.remove(place);
        Some(Sale { position, seq })
    }

    fn sold(&mut self, sale: Sale, about: &Asked) {
        let Asked { delivery, index, quote } = about;
        let tick = delivery.ticks.get(*index as usize);
        let unsettled = UnsettledSale {
            seq: sale.seq,
            position: sale.position,
            channel: delivery.topic.clone(),
            event: tick.map(|tick| event_of(delivery, tick)).unwrap_or_default(),
            sid: quote.sid.clone(),
            price: quote.price,
            time_micros: quote.time_micros,
        };
        self.changes.unsettled.insert(sale.seq, unsettled);
    }

    fn settled(&mut self, seq: u64) {
        if self.changes.unsettled.remove(&seq).is_none() {
            self.changes.settled.push(seq);
        }
    }

    fn wait_for(&mut self, sid: &str) {
        if !self.waiting.contains_key(sid) {
            self.waiting.insert(sid.to_owned(), None);
            self.changes.waiting.insert(sid.to_owned(), true);
        }
    }

    fn drop_one(&mut self, sid: &str) {
        self.waiting.remove(sid);
        self.changes.waiting.insert(sid.to_owned(), false);
    }

    fn is_due(&self, sid: &str, tick: u64) -> bool {
        self.waiting.get(sid).copied().flatten().is_some_and(|after| tick > after)
    }

    fn has_due(&self) -> bool {
        self.waiting.values().any(Option::is_some)
    }

    fn note_request(&mut self, request: &str) {
        self.requests.push_back(request.to_owned());
        self.known.insert(request.to_owned());
        self.changes.requests.push(request.to_owned());
        while self.requests.len() > self.sizes.close_requests
            && let Some(oldest) = self.requests.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Engine {
    /// Takes a request to sell holdings by hand, by the contract's `Close`.
    pub fn close(&mut self, request: &CloseRequest) -> Result<CloseResponse, RequestError> {
        let id = &request.request;
        if !(1..=REQUEST_CHARS).contains(&id.chars().take(REQUEST_CHARS + 1).count()) {
            return Err(broken("Close: request has to be an id of 1 to 64 characters"));
        }
        let sids: BTreeSet<&str> = match &request.what {
            Some(What::Symbols(symbols)) if (1..=SYMBOLS).contains(&symbols.sids.len()) => {
                symbols.sids.iter().map(String::as_str).collect()
            }
            Some(What::Symbols(_)) => return Err(broken("Close: symbols has to name 1 to 10,000 symbols")),
            Some(What::All(true)) => BTreeSet::new(),
            Some(What::Cancel(true)) => return Ok(self.cancel_closing(request)),
            Some(What::All(false) | What::Cancel(false)) | None => {
                return Err(broken("Close: one of symbols, all and cancel has to be given"));
            }
        };
        let is_known = self.closing.known.contains(id);
        let refusal = self.other_uid(&request.resource_uid).or_else(|| {
            let is_active = self.trading.state() == TradingState::Active;
            (is_active && !is_known).then(|| {
                let message = "the trading state is Active: halt the account first, or set it to Reducing".to_owned();
                refuse("NotHalted", "", message)
            })
        });
        if refusal.is_some() {
            return Ok(CloseResponse { closing: self.closing.waiting(), refusal, ..CloseResponse::default() });
        }
        let sids: Vec<String> = if sids.is_empty() {
            self.book.holdings.keys().cloned().collect()
        } else {
            sids.into_iter().map(str::to_owned).collect()
        };
        let (held, not_held): (Vec<_>, Vec<_>) = sids.into_iter().partition(|sid| self.book.holdings.contains_key(sid));
        if !is_known || planted::is(Fault::CloseAgain) {
            self.closing.note_request(id);
            for sid in &held {
                self.closing.wait_for(sid);
            }
        }
        let no_channel = held.into_iter().filter(|sid| self.closing.is_unseen(sid)).collect();
        Ok(CloseResponse { closing: self.closing.waiting(), not_held, no_channel, refusal: None })
    }

    /// Drops the symbols that still wait. Harmless in every trading state.
    fn cancel_closing(&mut self, request: &CloseRequest) -> CloseResponse {
        let refusal = self.other_uid(&request.resource_uid);
        if refusal.is_none() && !self.closing.known.contains(&request.request) {
            self.closing.note_request(&request.request);
            self.closing.drop_all();
        }
        CloseResponse { closing: self.closing.waiting(), refusal, ..CloseResponse::default() }
    }

    /// Sells each symbol that waits and has had a quote since.
    pub(super) fn sell_by_hand(&mut self, now_micros: i64, ledger: &mut dyn Ledger) -> Result<(), LedgerError> {
        if !self.closing.has_due() {
            return Ok(());
        }
        self.recognise_ahead(ledger)?;
        let (mut turn, mut backlog) = (self.turn.take(), std::mem::take(&mut self.backlog));
        let ahead = backlog.iter_mut().filter_map(|work| match work {
            Work::Turn(turn) => Some(turn),
            Work::Delivery { .. } | Work::Marker(_) => None,
        });
        for planned in turn.iter_mut().chain(ahead).flat_map(|turn| &mut turn.ticks) {
            self.sell_at(planned, now_micros);
        }
        (self.turn, self.backlog) = (turn, backlog);
        Ok(())
    }

    fn sell_at(&mut self, planned: &mut Planned, now_micros: i64) {
        let Plan::Decide { quote, .. } = &planned.plan else { return };
        let sid = &quote.sid;
        if planned.sale.is_some()
            || !self.closing.is_due(sid, planned.number)
            || !self.takes(&planned.delivery.topic, sid)
        {
            return;
        }
        self.closing.drop_one(sid);
        match self.book.sell(sid, quote.price, None) {
            Ok(booked) => {
                self.pending.holdings.insert(sid.clone(), None);
                let about =
                    Asked { delivery: Arc::clone(&planned.delivery), index: planned.index, quote: quote.clone() };
                let (position, seq) = self.journal_as(&about, EntryKind::Sell, true, booked, now_micros);
                let sale = Sale { position, seq };
                self.closing.sold(sale, &about);
                planned.sale = Some(sale);
                tracing::info!(account = self.account.name, ?sid, seq, "a holding is sold by hand");
            }
            // An algorithm sold it while the state was Reducing.
            Err(Denial::NothingHeld) => {}
            Err(denial) => tracing::warn!(
                account = self.account.name,
                ?sid,
                price = %quote.price,
                reason = denial.reason(),
                "the sale by hand is denied, and the symbol waits no more: close it again at another price"
            ),
        }
    }

    /// The outcome of a tick that sold a holding by hand. It is made of the sale alone: other decisions of the tick would
    /// not follow the sale's in number and position, so that its signals are denied.
    pub(super) fn sold(&mut self, sale: Sale, delivery: &Arc<Delivery>, verdict: Verdict, asked: &[Asked]) -> Outcome {
        let Sale { position, seq } = sale;
        self.closing.settled(seq);
        self.count(counter::DECIDED, "", 1);
        match verdict {
            Verdict::Reject(message) => {
                self.dead_letter(delivery, &unusable(super::process::REJECTED, message));
            }
            Verdict::Signals(wishes) => {
                for Wish { quote, signal } in wishes {
                    let Some(about) = asked.get(quote) else { continue };
                    let denial = self.forbids(signal == Signal::Buy).unwrap_or(Denial::NothingHeld);
                    self.note_denial(denial, &about.quote.sid);
                }
            }
        }
        let kind = intuition_api::v1::tick_outcome::Kind::Decided;
        Outcome { kind, first_position: position, positions: 1, first_seq: seq, seqs: 1, ..super::process::undecided() }
    }
}

fn broken(message: &str) -> RequestError {
    RequestError::BreakContract(message.to_owned())
}
