//! Closing by hand: symbols that are sold whole at their next quote, by a person's request.
//!
//! A sale waits for no algorithm. While symbols wait, the quotes behind the current batch are recognised ahead, in their order,
//! and a sale is booked at once. Its tick keeps the sale and gets its outcome in its own batch, like any other tick.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use intuition_api::{
    refusal::NOT_HALTED,
    v1::{CloseRequest, CloseResponse, Delivery, TradingState, close_request::What, tick_outcome::Kind},
};
use intuition_common::planted::{self, Mistake};

use super::{
    Engine,
    booking::REJECTED,
    channels::ChannelState,
    counters::counter,
    notice::EngineNotice,
    refusal::refuse,
    request_error::RequestError,
    tick::{PendingEvent, PendingQuote, PendingTick, Sale},
    unusable::unusable,
};
use crate::{
    algorithm::{Quote, Signal},
    backend::reply::{IndexedSignal, QuoteResult},
    identity::event_of,
    ledger::{Changes, ClosingChanges, ClosingRecords, Ledger, LedgerError, Outcome, UnsettledSale},
    portfolio::Denial,
    sizes::Sizes,
};

/// Longest id of a request, in characters.
const MAX_REQUEST_CHARS: usize = 64;
/// Symbols of a request, at most.
const MAX_SYMBOLS: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Closing {
    sizes: Sizes,
    /// Symbols that wait. A tick sells one if its number is above this; `None`: the request is not committed yet.
    waiting: BTreeMap<String, Option<u64>>,
    /// Ids of the last requests, the oldest first.
    requests: VecDeque<String>,
    known: BTreeSet<String>,
    /// Symbols held at the start of which no subscribed channel has brought a quote yet.
    unseen: BTreeSet<String>,
    /// Sales of an earlier process that come again as ticks.
    unsettled: Vec<UnsettledSale>,
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

    /// Meets a tick that was recognised: its symbol has a channel, and it may have made a sale before a crash.
    pub(super) fn meet(&mut self, tick: &mut PendingTick, channels: &ChannelState) {
        let Some(quote) = tick.quote() else { return };
        if self.unseen.contains(&quote.sid) && channels.take(&tick.delivery.topic, &quote.sid) {
            self.unseen.remove(&quote.sid);
        }
        tick.sale = self.sale_before(&tick.delivery, tick.index, quote);
    }

    /// Hands the changes over to a commit, and lets the symbols of new requests be sold from here on: at ticks behind
    /// `recognised`, the number of the last one. Nothing is answered or published before the commit, and a failed commit
    /// discards the engine.
    pub(super) fn take_changes(&mut self, recognised: u64, changes: &mut Changes) {
        if !self.changes.waiting.is_empty() {
            for after in self.waiting.values_mut() {
                after.get_or_insert(recognised);
            }
        }
        changes.closing = std::mem::take(&mut self.changes);
    }

    pub(super) fn drop_all(&mut self) {
        let dropped = std::mem::take(&mut self.waiting);
        self.changes.waiting.extend(dropped.into_keys().map(|sid| (sid, false)));
    }

    /// The sale that a tick made in an earlier process, which ended before the tick had its outcome.
    fn sale_before(&mut self, delivery: &Delivery, index: u32, quote: &Quote) -> Option<Sale> {
        let tick = delivery.ticks.get(index as usize).filter(|_| !self.unsettled.is_empty())?;
        let event = event_of(delivery, tick);
        let place = self.unsettled.iter().position(|sale| {
            let same_quote = (&sale.sid, sale.price, sale.time_micros) == (&quote.sid, quote.price, quote.time_micros);
            same_quote && sale.event == event && sale.channel == delivery.topic
        })?;
        let UnsettledSale { position, seq, .. } = self.unsettled.remove(place);
        Some(Sale { position, seq })
    }

    fn note_sale(&mut self, sale: Sale, about: &PendingQuote) {
        let PendingQuote { delivery, index, quote, .. } = about;
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

    /// The quote of a tick that sells its symbol. The symbol waits no more then. A quote that is too old sells nothing.
    fn due(&mut self, tick: &PendingTick, channels: &ChannelState, now_micros: i64) -> Option<PendingQuote> {
        let PendingTick { delivery, index, number, sale, .. } = tick;
        let quote = tick.quote().filter(|_| sale.is_none())?;
        let after = self.waiting.get(&quote.sid).copied().flatten()?;
        let is_too_old = || channels.on(&delivery.topic).denial(delivery, quote, now_micros).is_some();
        if *number <= after || !channels.take(&delivery.topic, &quote.sid) || is_too_old() {
            return None;
        }
        self.waiting.remove(&quote.sid);
        self.changes.waiting.insert(quote.sid.clone(), false);
        Some(PendingQuote { delivery: Arc::clone(delivery), index: *index, quote: quote.clone(), denial: None })
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
        if !(1..=MAX_REQUEST_CHARS).contains(&id.chars().take(MAX_REQUEST_CHARS + 1).count()) {
            return Err(RequestError::contract("Close: request has to be an id of 1 to 64 characters"));
        }
        let sids: BTreeSet<&str> = match &request.what {
            Some(What::Symbols(symbols)) if (1..=MAX_SYMBOLS).contains(&symbols.sids.len()) => {
                symbols.sids.iter().map(String::as_str).collect()
            }
            Some(What::Symbols(_)) => {
                return Err(RequestError::contract("Close: symbols has to name 1 to 10,000 symbols"));
            }
            Some(What::All(true)) => BTreeSet::new(),
            Some(What::Cancel(true)) => return Ok(self.cancel_closing(request)),
            Some(What::All(false) | What::Cancel(false)) | None => {
                return Err(RequestError::contract("Close: one of symbols, all and cancel has to be given"));
            }
        };
        let is_known = self.closing.known.contains(id);
        let refusal = self.settings.other_uid(&request.resource_uid).or_else(|| {
            let is_active = self.trading.state() == TradingState::Active;
            (is_active && !is_known).then(|| {
                let message = "the trading state is Active: halt the account first, or set it to Reducing".to_owned();
                refuse(NOT_HALTED, "", message)
            })
        });
        if refusal.is_some() {
            return Ok(CloseResponse { closing: self.closing.waiting(), refusal, ..CloseResponse::default() });
        }
        let sids: Vec<String> = if sids.is_empty() {
            self.accounting.book().holdings.keys().cloned().collect()
        } else {
            sids.into_iter().map(str::to_owned).collect()
        };
        let (held, not_held): (Vec<_>, Vec<_>) =
            sids.into_iter().partition(|sid| self.accounting.book().holdings.contains_key(sid));
        if !is_known || planted::is(Mistake::CloseAgain) {
            self.closing.note_request(id);
            for sid in &held {
                self.closing.wait_for(sid);
            }
        }
        let no_channel = held.into_iter().filter(|sid| self.closing.unseen.contains(sid)).collect();
        Ok(CloseResponse { closing: self.closing.waiting(), not_held, no_channel, refusal: None })
    }

    /// Drops the symbols that still wait. Harmless in every trading state.
    fn cancel_closing(&mut self, request: &CloseRequest) -> CloseResponse {
        let refusal = self.settings.other_uid(&request.resource_uid);
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
        let Self { backlog, recogniser, closing, channels, accounting, outbox, notices, .. } = self;
        backlog.recognise_ahead(recogniser, closing, channels, ledger)?;
        for tick in backlog.pending_ticks() {
            let Some(about) = closing.due(tick, channels, now_micros) else { continue };
            let sid = about.quote.sid.clone();
            match accounting.sell_by_hand(&about, now_micros, outbox) {
                Ok(sale) => {
                    closing.note_sale(sale, &about);
                    tick.sale = Some(sale);
                    notices.add(EngineNotice::SoldByHand { sid, seq: sale.seq });
                }
                // An algorithm sold it while the state was Reducing.
                Err(Denial::NothingHeld) => {}
                Err(denial) => {
                    let (price, reason) = (about.quote.price, denial.reason());
                    notices.add(EngineNotice::SaleDenied { sid, price, reason });
                }
            }
        }
        Ok(())
    }

    /// The outcome of a tick that sold a holding by hand. It is made of the sale alone: other decisions of the tick would
    /// not follow the sale's in number and position, so that its signals are denied.
    pub(super) fn settle_sale(
        &mut self,
        sale: Sale,
        delivery: &Arc<Delivery>,
        result: QuoteResult,
        events: &[PendingEvent],
    ) -> Outcome {
        let Sale { position, seq } = sale;
        self.closing.settled(seq);
        self.counters.count(counter::DECIDED, "", 1);
        match result {
            QuoteResult::Reject(message) => {
                self.dead_letter(delivery, &unusable(REJECTED, message));
            }
            QuoteResult::Signals(signals) => {
                for IndexedSignal { quote, signal } in signals {
                    let Some(about) = events.get(quote).and_then(PendingEvent::quote) else { continue };
                    let denial = self.forbids(signal == Signal::Buy).unwrap_or(Denial::NothingHeld);
                    self.denials.note(denial, &about.quote.sid, &mut self.counters);
                }
            }
        }
        let decided = Outcome { kind: Kind::Decided, first_position: position, positions: 1, ..Outcome::no_signal() };
        Outcome { first_seq: seq, seqs: 1, ..decided }
    }
}
