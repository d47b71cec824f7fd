//! The way of a quote: recognise, decide, size, book, answer.

use std::sync::Arc;

use bytes::Bytes;
use intuition_api::v1::{
    Delivery, DeliveryOutcome, Publication, TickOutcome,
    tick_outcome::{Kind, SeenBy},
};
use intuition_common::planted::{self, Fault};

use super::{
    Engine, counter,
    decider::{Decider, in_process},
    letters::Letters,
    load::Load,
    turn::{Asked, Plan, Planned, Work, unusable},
};
use crate::{
    algorithm::{Quote, Signal},
    backend::answer::{Answer, Verdict, Wish},
    identity::{Known, RowRef, class_of, event_of},
    ledger::{Class, EntryKind, Ledger, LedgerError, OutboxContent, OutboxRow, Outcome, Trade, WindowRow},
    portfolio::{Booked, Denial},
    wire,
};

/// Why the algorithm could not use a quote, as it says or as it shows.
pub(super) const REJECTED: &str = "Rejected";

/// Outcomes, and the stream that waits for them. Entries to publish are in the changes of the commit.
#[derive(Debug)]
pub struct Settled {
    /// The stream that brought the deliveries.
    pub stream: u64,
    /// What became of them.
    pub outcomes: Vec<DeliveryOutcome>,
}

/// The delivery whose ticks are being settled.
#[derive(Debug, Default)]
pub(super) struct Progress {
    rows: Vec<Option<(Known, SeenBy)>>,
    pub(super) letters: Letters,
}

impl Progress {
    /// Its ticks that have their outcome.
    pub(super) const fn rows(&self) -> usize {
        self.rows.len()
    }
}

impl Engine {
    /// Does everything that has become possible: gives ticks their turn, asks the algorithm, books what it answered. What
    /// a backend has to answer first waits. `ledger`, as of the last commit: outcomes that memory no longer has.
    pub fn advance(&mut self, now_micros: i64, ledger: &mut dyn Ledger) -> Result<Vec<Settled>, LedgerError> {
        let mut settled = std::mem::take(&mut self.settled);
        self.waits(now_micros);
        self.sell_by_hand(now_micros, ledger)?;
        loop {
            self.take_over_when_due();
            if self.is_held() {
                break;
            }
            if self.turn.is_none() {
                match self.backlog.front() {
                    None => break,
                    Some(Work::Marker(version)) => {
                        let version = *version;
                        self.backlog.pop_front();
                        self.pass_marker(version);
                        continue;
                    }
                    Some(Work::Delivery { .. } | Work::Turn(_)) if !self.decider.is_ready() => break,
                    Some(Work::Delivery { .. } | Work::Turn(_)) => self.begin_turn(ledger)?,
                }
            }
            let Some(limit) = self.decider.batch_limit() else { break };
            let asked = self.question(limit);
            if asked.is_empty() {
                settled.extend(self.settle_turn(&[], Answer::default(), now_micros));
            } else {
                match &mut self.decider {
                    Decider::Builtin { builtin, algorithm } => {
                        let quotes: Vec<Quote> = asked.iter().map(|asked| asked.quote.clone()).collect();
                        let answer = in_process(builtin.name, algorithm.decide(&quotes), quotes.len());
                        settled.extend(self.settle_turn(&asked, answer, now_micros));
                    }
                    Decider::Backend { backend, .. } => {
                        backend.ask(asked.iter().map(|asked| &asked.quote));
                        self.asked = asked;
                    }
                }
            }
        }
        Ok(settled)
    }

    /// Settles the turn up to the last quote asked, and what behind it needs no asking.
    pub(super) fn settle_turn(&mut self, asked: &[Asked], answer: Answer, now_micros: i64) -> Option<Settled> {
        let mut turn = self.turn.take()?;
        let mut outcomes = Vec::new();
        let Answer { verdicts, state, publications } = answer;
        let mut verdicts = verdicts.into_iter();
        let mut last_words = Some((state, publications));
        while let Some(planned) = turn.ticks.pop_front() {
            if matches!(planned.plan, Plan::Decide { .. }) && verdicts.len() == 0 {
                turn.ticks.push_front(planned);
                break;
            }
            let verdict = if matches!(planned.plan, Plan::Decide { .. }) { verdicts.next() } else { None };
            let words = if verdict.is_some() && verdicts.len() == 0 { last_words.take() } else { None };
            self.settle_tick(planned, verdict, words, asked, now_micros, &mut outcomes);
        }
        let stream = turn.stream;
        if !turn.ticks.is_empty() {
            self.turn = Some(turn);
        }
        if !asked.is_empty() {
            self.has_decided(now_micros);
        }
        Some(Settled { stream, outcomes })
    }

    /// Gives the quote at the head its outcome without the algorithm, which fails at it.
    pub(super) fn reject_head(&mut self, message: String, now_micros: i64) {
        let asked = self.question(1);
        if asked.is_empty() {
            return;
        }
        let answer = Answer { verdicts: vec![Verdict::Reject(message)], ..Answer::default() };
        let settled = self.settle_turn(&asked, answer, now_micros);
        self.settled.extend(settled);
    }

    fn settle_tick(
        &mut self,
        planned: Planned,
        verdict: Option<Verdict>,
        words: Option<(Option<Bytes>, Vec<Publication>)>,
        asked: &[Asked],
        now_micros: i64,
        outcomes: &mut Vec<DeliveryOutcome>,
    ) {
        let Planned { delivery, index, plan, reused, taken, sale, .. } = planned;
        if index == 0 {
            self.progress = Progress::default();
        }
        self.settle_number(&delivery, index, taken, now_micros);
        if reused {
            self.count(counter::SEQ_REUSED, "", 1);
        }
        let row = match plan {
            Plan::Seen(known, by) => {
                let bare = delivery.ticks.get(index as usize).is_none_or(|tick| class_of(tick) == Class::Packet);
                self.count_seen(by, bare);
                Some((known, by))
            }
            Plan::Forgotten => {
                self.count(counter::DUPLICATES, "", 1);
                self.count(counter::FORGOTTEN, "", 1);
                None
            }
            Plan::Reparsed => {
                self.count(counter::REPARSED, "", 1);
                None
            }
            Plan::Dead { row, reference, cause } => {
                self.note_refused(&delivery, index, &cause);
                let outcome = self.dead_letter(&delivery, &cause);
                Some((self.settle(row, reference, outcome), SeenBy::Unspecified))
            }
            Plan::NotSubscribed { row, reference } => {
                self.note_accepted(&delivery, index);
                self.count(counter::NOT_SUBSCRIBED, "", 1);
                let outcome = Outcome { kind: Kind::NotSubscribed, ..undecided() };
                Some((self.settle(row, reference, outcome), SeenBy::Unspecified))
            }
            Plan::NotListed { row, reference } => {
                self.note_accepted(&delivery, index);
                self.count(counter::NOT_LISTED, "", 1);
                let outcome = Outcome { kind: Kind::NotListed, ..undecided() };
                Some((self.settle(row, reference, outcome), SeenBy::Unspecified))
            }
            Plan::Decide { row, reference, .. } => {
                self.note_accepted(&delivery, index);
                let verdict = verdict.unwrap_or(Verdict::Signals(Vec::new()));
                let mut outcome = match sale {
                    Some(sale) => self.sold(sale, &delivery, verdict, asked),
                    None => self.decide(&delivery, verdict, asked, now_micros),
                };
                if let Some((state, publications)) = words {
                    self.save_state(state);
                    self.publish(publications, &mut outcome);
                }
                Some((self.settle(row, reference, outcome), SeenBy::Unspecified))
            }
        };
        self.progress.rows.push(row);
        // Every row named has its outcome by now, also the one that a later tick of the same delivery repeats.
        if index as usize + 1 == delivery.ticks.len() {
            let rows = std::mem::take(&mut self.progress).rows;
            outcomes.push(self.outcome_of(delivery.number, &rows));
            self.load.subtract(Load::of(&delivery));
        }
    }

    /// `bare`: nothing but its packet identifies the tick.
    fn count_seen(&mut self, by: SeenBy, bare: bool) {
        if by != SeenBy::Number {
            self.count(counter::DUPLICATES, "", 1);
        }
        if by == SeenBy::Packet && bare && !planted::is(Fault::AmbiguousUncounted) {
            self.count(counter::AMBIGUOUS, "", 1);
        }
    }

    /// Sizes and books what the algorithm wishes about a quote.
    fn decide(&mut self, delivery: &Arc<Delivery>, verdict: Verdict, asked: &[Asked], now_micros: i64) -> Outcome {
        self.account.updated_micros = now_micros;
        let wishes = match verdict {
            Verdict::Reject(message) => return self.dead_letter(delivery, &unusable(REJECTED, message)),
            Verdict::Signals(wishes) => wishes,
        };
        if wishes.is_empty() {
            self.count(counter::NO_SIGNAL, "", 1);
            return undecided();
        }
        let (mut outcome, mut denied) = (undecided(), None);
        for Wish { quote, signal } in wishes {
            // Whoever judged the answer saw to it that the quote is one of those asked.
            let Some(about) = asked.get(quote) else { continue };
            match self.book_signal(&about.quote, signal) {
                Err(denial) => {
                    self.note_denial(denial, &about.quote.sid);
                    denied = denied.or(Some(denial));
                }
                Ok(booked) => {
                    let (position, seq) = self.journal(about, signal, booked, now_micros);
                    if outcome.positions == 0 {
                        outcome = Outcome { kind: Kind::Decided, first_position: position, first_seq: seq, ..outcome };
                    }
                    outcome.positions += 1;
                    outcome.seqs += 1;
                }
            }
        }
        match (outcome.kind, denied) {
            (Kind::Decided, _) => self.count(counter::DECIDED, "", 1),
            (_, Some(denial)) => {
                self.count(counter::DENIED, denial.reason(), 1);
                outcome = Outcome { kind: Kind::Denied, reason: denial.reason().to_owned(), ..outcome };
            }
            (_, None) => self.count(counter::NO_SIGNAL, "", 1),
        }
        outcome
    }

    fn book_signal(&mut self, quote: &Quote, signal: Signal) -> Result<Booked, Denial> {
        let is_spared = planted::is(Fault::StopSparesAnswers) && matches!(self.decider, Decider::Backend { .. });
        if let Some(denial) = self.forbids(matches!(signal, Signal::Buy)).filter(|_| !is_spared) {
            return Err(denial);
        }
        let booked = match signal {
            Signal::Buy => {
                let amount = self.policy.size(self.book.cash, &mut self.generator);
                self.drawn = true;
                self.book.buy(&quote.sid, quote.price, amount)?
            }
            Signal::Sell(quantity) => self.book.sell(&quote.sid, quote.price, quantity)?,
        };
        self.pending.holdings.insert(quote.sid.clone(), self.book.holdings.get(&quote.sid).copied());
        Ok(booked)
    }

    /// Writes a booked trade to the journal and to the outbox. Gives its position and its number.
    fn journal(&mut self, about: &Asked, signal: Signal, booked: Booked, now_micros: i64) -> (u64, u64) {
        let kind = match signal {
            Signal::Buy => EntryKind::Buy,
            Signal::Sell(_) => EntryKind::Sell,
        };
        self.journal_as(about, kind, false, booked, now_micros)
    }

    pub(super) fn journal_as(
        &mut self,
        about: &Asked,
        kind: EntryKind,
        manual: bool,
        booked: Booked,
        now_micros: i64,
    ) -> (u64, u64) {
        let mut entry = self.append(kind, booked.amount, now_micros);
        self.account.decisions += 1;
        let seq = self.account.decisions;
        let tick = about.delivery.ticks.get(about.index as usize);
        entry.trade = Some(Trade {
            seq,
            event: tick.map(|tick| event_of(&about.delivery, tick)).unwrap_or_default(),
            sid: about.quote.sid.clone(),
            quantity: booked.quantity,
            price: about.quote.price,
            cost: booked.cost,
            time_micros: about.quote.time_micros,
            manual,
        });
        self.pending.journal.push(entry.clone());
        (self.post(OutboxContent::Decision(entry)), seq)
    }

    /// Posts what the algorithm publishes of its own. The quote that it came with waits for it.
    fn publish(&mut self, publications: Vec<Publication>, outcome: &mut Outcome) {
        for publication in publications {
            let position = self.post(OutboxContent::Publication(publication));
            if outcome.positions > 0 && planted::is(Fault::PublicationNotAwaited) {
                continue;
            }
            if outcome.positions == 0 {
                outcome.first_position = position;
            }
            outcome.positions = u32::try_from(position + 1 - outcome.first_position).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn post(&mut self, content: OutboxContent) -> u64 {
        self.account.position += 1;
        self.pending.outbox.push(OutboxRow { position: self.account.position, content });
        self.account.position
    }

    fn settle(&mut self, mut row: WindowRow, reference: RowRef, outcome: Outcome) -> Known {
        self.identities.settle(reference, outcome.clone());
        row.outcome = outcome;
        self.pending.window.push(row);
        Known::Row(reference)
    }

    fn outcome_of(&self, number: u64, rows: &[Option<(Known, SeenBy)>]) -> DeliveryOutcome {
        let tick = |row: &Option<(Known, SeenBy)>| {
            let known = row.as_ref().and_then(|(known, by)| Some((self.identities.outcome(known)?, *by)));
            known.map_or_else(forgotten, |(outcome, by)| wire::tick_outcome(outcome, by))
        };
        DeliveryOutcome { number, ticks: rows.iter().map(tick).collect() }
    }
}

pub(super) fn undecided() -> Outcome {
    Outcome { kind: Kind::NoSignal, reason: String::new(), first_position: 0, positions: 0, first_seq: 0, seqs: 0 }
}

fn forgotten() -> TickOutcome {
    TickOutcome { kind: Kind::Forgotten.into(), seen_by: SeenBy::Sequence.into(), ..TickOutcome::default() }
}
