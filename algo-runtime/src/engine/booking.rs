//! Booking: gives a tick its outcome, with its decisions, dead letter, publications and saved state.

use std::sync::Arc;

use bytes::Bytes;
use intuition_api::{
    topic,
    v1::{
        Delivery, DeliveryOutcome, Publication, Unusable,
        tick_outcome::{Kind, SeenBy},
    },
};
use intuition_common::planted::{self, Mistake};

use super::{
    Engine,
    counters::counter,
    joined::{self, Origin, Publisher},
    letters::Letters,
    notice::EngineNotice,
    tick::{NewTick, PendingEvent, PendingQuote, PendingTick, Sale, TickAction},
    unusable::unusable,
};
use crate::{
    algorithm::{Event, Output, Signal},
    backend::reply::{IndexedSignal, QuoteResult},
    identity::{Known, class_of},
    ledger::{Class, OutboxContent, Outcome},
    portfolio::Denial,
};

/// Reason of a dead letter: the algorithm cannot use the quote, by its own answer or because it fails at it.
pub(super) const REJECTED: &str = "Rejected";

/// The delivery with the ticks that are being settled.
#[derive(Debug, Default)]
pub(super) struct DeliveryProgress {
    rows: Vec<Option<(Known, SeenBy)>>,
    letters: Letters,
    /// By [`joined::shared_ranks`]. Empty until a tick has an output.
    shared_ranks: Vec<Option<u32>>,
}

impl DeliveryProgress {
    /// Its ticks that have their outcome.
    pub(super) const fn settled(&self) -> usize {
        self.rows.len()
    }
}

/// The answer about one event.
pub(super) struct QuoteAnswer<'a> {
    pub(super) result: QuoteResult,
    /// Messages for the topic of an indicator's account.
    pub(super) outputs: Vec<Output>,
    /// The events of the batch, which signals name by their index.
    pub(super) events: &'a [PendingEvent],
    /// State and publications of the whole batch, which come with its last event.
    pub(super) of_batch: Option<(Option<Bytes>, Vec<Publication>)>,
}

impl Engine {
    /// Gives a tick its outcome. `answer`: about its event, if it has one. Returns the outcome of the delivery with its last
    /// tick.
    pub(super) fn settle_tick(
        &mut self,
        tick: PendingTick,
        answer: Option<QuoteAnswer<'_>>,
        now_micros: i64,
    ) -> Option<DeliveryOutcome> {
        let PendingTick { delivery, index, action, reused, taken, sale, .. } = tick;
        if index == 0 {
            self.progress = DeliveryProgress::default();
        }
        self.recogniser.sources_mut().settle(&delivery, index, taken, now_micros, &mut self.counters);
        if reused {
            self.counters.count(counter::SEQ_REUSED, "", 1);
        }
        let row = match action {
            TickAction::Repeat(known, by) => {
                let bare = delivery.ticks.get(index as usize).is_none_or(|tick| class_of(tick) == Class::Packet);
                self.count_repetition(by, bare);
                Some((known, by))
            }
            TickAction::Forgotten => {
                self.counters.count(counter::DUPLICATES, "", 1);
                self.counters.count(counter::FORGOTTEN, "", 1);
                None
            }
            TickAction::Reparsed => {
                self.counters.count(counter::REPARSED, "", 1);
                None
            }
            TickAction::New { row, reference, step } => {
                let outcome = self.outcome_of_new((&delivery, index), step, sale, answer, now_micros);
                Some((self.recogniser.settle(row, reference, outcome), SeenBy::Unspecified))
            }
        };
        self.progress.rows.push(row);
        if index as usize + 1 < delivery.ticks.len() {
            return None;
        }
        // Every row named has its outcome by now, also a row that a later tick of the same delivery repeats.
        let rows = std::mem::take(&mut self.progress).rows;
        self.backlog.note_settled(&delivery);
        Some(self.recogniser.outcome_of(delivery.number, &rows))
    }

    /// `bare`: nothing but its packet identifies the tick.
    fn count_repetition(&mut self, by: SeenBy, bare: bool) {
        if by != SeenBy::Number {
            self.counters.count(counter::DUPLICATES, "", 1);
        }
        if by == SeenBy::Packet && bare && !planted::is(Mistake::AmbiguousUncounted) {
            self.counters.count(counter::AMBIGUOUS, "", 1);
        }
    }

    fn outcome_of_new(
        &mut self,
        (delivery, index): (&Arc<Delivery>, u32),
        step: NewTick,
        sale: Option<Sale>,
        answer: Option<QuoteAnswer<'_>>,
        now_micros: i64,
    ) -> Outcome {
        if let NewTick::DeadLetter(cause) = &step {
            self.recogniser.sources_mut().note_dead_letter(delivery, index, cause);
        } else {
            self.recogniser.sources_mut().note_accepted(delivery, index);
        }
        match step {
            NewTick::DeadLetter(cause) => self.dead_letter(delivery, &cause),
            NewTick::NotSubscribed => {
                self.counters.count(counter::NOT_SUBSCRIBED, "", 1);
                Outcome { kind: Kind::NotSubscribed, ..Outcome::no_signal() }
            }
            NewTick::NotListed => {
                self.counters.count(counter::NOT_LISTED, "", 1);
                Outcome { kind: Kind::NotListed, ..Outcome::no_signal() }
            }
            NewTick::Decide(event) => {
                let nothing = QuoteAnswer {
                    result: QuoteResult::Signals(Vec::new()),
                    outputs: Vec::new(),
                    events: &[],
                    of_batch: None,
                };
                let QuoteAnswer { result, outputs, events, of_batch } = answer.unwrap_or(nothing);
                let mut outcome = match sale {
                    Some(sale) => self.settle_sale(sale, delivery, result, events),
                    None => self.book((delivery, &event), result, events, now_micros),
                };
                if !outputs.is_empty() {
                    self.post_joined((delivery, index), outputs, &mut outcome);
                }
                if let Some((state, publications)) = of_batch {
                    self.deciders.save_state(state, &mut self.notices);
                    self.publish(publications, &mut outcome);
                }
                outcome
            }
        }
    }

    /// Sizes and books the signals of the algorithm's answer about an event.
    fn book(
        &mut self,
        (delivery, event): (&Arc<Delivery>, &Event),
        result: QuoteResult,
        events: &[PendingEvent],
        now_micros: i64,
    ) -> Outcome {
        let no_signal = match event {
            Event::Quote(_) => {
                self.accounting.note_decision_at(now_micros);
                counter::NO_SIGNAL
            }
            Event::Indicator(_) => counter::INDICATOR_VALUES,
        };
        let signals = match result {
            QuoteResult::Reject(message) => return self.dead_letter(delivery, &unusable(REJECTED, message)),
            QuoteResult::Signals(signals) => signals,
        };
        let (mut outcome, mut denied) = (Outcome::no_signal(), None);
        for IndexedSignal { quote, signal } in signals {
            // The check of the answer refuses a signal about any other event.
            let Some(about) = events.get(quote).and_then(PendingEvent::quote) else { continue };
            match self.book_signal(about, signal, now_micros) {
                Err(denial) => {
                    self.denials.note(denial, &about.quote.sid, &mut self.counters);
                    denied = denied.or(Some(denial));
                }
                Ok((position, seq)) => {
                    if outcome.positions == 0 {
                        outcome = Outcome { kind: Kind::Decided, first_position: position, first_seq: seq, ..outcome };
                    }
                    outcome.positions += 1;
                    outcome.seqs += 1;
                }
            }
        }
        match (outcome.kind, denied) {
            (Kind::Decided, _) => self.counters.count(counter::DECIDED, "", 1),
            (_, Some(denial)) => {
                self.counters.count(counter::DENIED, denial.reason(), 1);
                outcome = Outcome { kind: Kind::Denied, reason: denial.reason().to_owned(), ..outcome };
            }
            (_, None) => self.counters.count(no_signal, "", 1),
        }
        outcome
    }

    fn book_signal(&mut self, about: &PendingQuote, signal: Signal, now_micros: i64) -> Result<(u64, u64), Denial> {
        let is_spared = planted::is(Mistake::StopSparesAnswers) && self.deciders.is_backend();
        if let Some(denial) = self.forbids(matches!(signal, Signal::Buy)).filter(|_| !is_spared) {
            return Err(denial);
        }
        if let Some(denial) = about.denial {
            return Err(denial);
        }
        self.accounting.book_signal(about, signal, now_micros, &mut self.outbox)
    }

    /// Posts publications of the algorithm. The quote that they came with waits for them.
    fn publish(&mut self, publications: Vec<Publication>, outcome: &mut Outcome) {
        for publication in publications {
            let position = self.outbox.post(OutboxContent::Publication(publication));
            if outcome.positions > 0 && planted::is(Mistake::PublicationNotAwaited) {
                continue;
            }
            await_position(outcome, position);
        }
    }

    /// Posts messages of an indicator's account, which the acknowledgement of their quote waits for.
    fn post_joined(&mut self, (delivery, index): (&Delivery, u32), outputs: Vec<Output>, outcome: &mut Outcome) {
        let tick = delivery.ticks.get(index as usize);
        let Some(tick) = tick.filter(|_| topic::is_indicator_account(self.accounting.name())) else {
            return self.notices.add(EngineNotice::OutputsDropped { outputs: outputs.len() });
        };
        if self.progress.shared_ranks.is_empty() {
            self.progress.shared_ranks = joined::shared_ranks(delivery);
        }
        let origin = Origin {
            delivery,
            tick,
            shared_rank: self.progress.shared_ranks.get(index as usize).copied().flatten(),
            joins_topics: self.channels.joins_topics(&delivery.topic),
            lists_symbols: self.channels.lists_symbols(&delivery.topic),
        };
        for output in outputs {
            let publisher = Publisher {
                account: self.accounting.name(),
                ledger_id: &self.accounting.ledger_ids().newest().id,
                position: self.outbox.position() + 1,
            };
            let Some(message) = joined::joined(publisher, origin, output) else { continue };
            self.joined.note(&message);
            self.counters.count(counter::JOINED, "", 1);
            await_position(outcome, self.outbox.post(OutboxContent::Joined(message)));
        }
    }

    /// Gives a tick the dead letter of its delivery.
    pub(super) fn dead_letter(&mut self, delivery: &Arc<Delivery>, cause: &Unusable) -> Outcome {
        let max_causes = self.sizes.letter_causes;
        self.progress.letters.post(delivery, cause, max_causes, &mut self.outbox, &mut self.counters)
    }
}

/// The quote of the outcome waits for the entry at a position, too.
fn await_position(outcome: &mut Outcome, position: u64) {
    if outcome.positions == 0 {
        outcome.first_position = position;
    }
    outcome.positions = u32::try_from(position + 1 - outcome.first_position).unwrap_or(u32::MAX);
}
