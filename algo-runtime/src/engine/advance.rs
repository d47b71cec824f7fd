//! The loop of the engine: does everything that has become possible, up to the quotes that a backend has to answer first.
//!
//! The way of a batch goes down: the backlog gives ticks that were recognised, the active algorithm decides their quotes, and
//! each tick is booked. Outcomes leave by the return value of [`Engine::advance`] alone.

use intuition_api::v1::DeliveryOutcome;

use super::{
    Engine,
    backlog::Head,
    booking::QuoteAnswer,
    counters::counter,
    link_action::{LinkAction, LinkId},
    notice::EngineNotice,
    tick::PendingEvent,
};
use crate::{
    backend::{
        BackendEvent, BatchLimit, LinkEvent,
        reply::{BatchResult, QuoteResult},
    },
    ledger::{Ledger, LedgerError},
};

/// Outcomes, and the stream that waits for them. Entries to publish are in the changes of the commit.
#[derive(Debug)]
pub struct SettledBatch {
    /// The stream that brought the deliveries.
    pub stream: u64,
    /// The outcomes of the deliveries.
    pub outcomes: Vec<DeliveryOutcome>,
}

impl Engine {
    /// Does everything that has become possible. Returns all outcomes since the last call, also those of answers that came by
    /// [`Engine::on_link_event`]. `ledger`, as of the last commit: outcomes that memory no longer has.
    pub fn advance(&mut self, now_micros: i64, ledger: &mut dyn Ledger) -> Result<Vec<SettledBatch>, LedgerError> {
        self.swap_clock.note_work(self.backlog.has_work(), now_micros);
        self.silence.look(self.deciders.is_ready(), now_micros, &mut self.notices);
        self.sell_by_hand(now_micros, ledger)?;
        loop {
            self.take_over_when_due();
            if self.deciders.is_refreshing() {
                break;
            }
            match self.backlog.head() {
                Head::Empty => break,
                Head::Marker(version) => {
                    self.backlog.pop_marker();
                    self.pass_marker(version);
                    continue;
                }
                Head::Waiting if !self.deciders.is_ready() => break,
                Head::Waiting => {
                    self.backlog.begin_batch(&mut self.recogniser, &mut self.closing, &self.channels, ledger)?;
                }
                Head::Begun => {}
            }
            let Some(limit) = self.deciders.batch_limit() else { break };
            let next = self.backlog.next_events(limit, &self.channels, &mut self.recogniser, now_micros);
            if next.events.is_empty() {
                self.settle_batch(&[], BatchResult::default(), now_micros);
            } else if let Some((events, result)) = self.deciders.ask(next, &mut self.notices) {
                self.count_late();
                self.settle_batch(&events, result, now_micros);
            }
        }
        Ok(std::mem::take(&mut self.settled))
    }

    /// Takes an event of a link to a backend.
    pub fn on_link_event(&mut self, link: LinkId, event: LinkEvent, now_micros: i64) {
        match self.deciders.on_link_event(link, event, &mut self.channels, &mut self.notices) {
            BackendEvent::Nothing => {}
            BackendEvent::Described => {
                if let Some(message) = self.deciders.rejection() {
                    self.reject_head(message, now_micros);
                    self.deciders.note_rejected(true);
                }
                self.deciders.initialize_active();
            }
            BackendEvent::Initialized(channels) => self.want_channels(channels),
            BackendEvent::Answered(result) => {
                let events = self.deciders.take_outstanding();
                self.settle_batch(&events, result, now_micros);
                self.deciders.note_rejected(false);
            }
            BackendEvent::Reconfigured(answer) => self.on_reconfigured(answer),
            BackendEvent::Failed => self.deciders.on_active_failed(),
        }
    }

    /// Actions on links to backends, to be carried out once the results of the group are durable.
    pub fn take_link_actions(&mut self) -> Vec<LinkAction> {
        self.deciders.take_link_actions()
    }

    /// Settles the current batch as far as it is answered.
    ///
    /// The rule: ticks are settled in their order, up to the first event without a result. Ticks that need no result, such as
    /// repetitions and dead letters, do not end the run: those behind the last answered event are settled with it.
    /// State and publications of the batch belong to its last answered event: they are booked with it, in one transaction.
    fn settle_batch(&mut self, events: &[PendingEvent], result: BatchResult, now_micros: i64) {
        let Some(stream) = self.backlog.batch_stream() else { return };
        let BatchResult { results, state, publications, mut outputs } = result;
        let mut results = results.into_iter().enumerate();
        let mut of_batch = Some((state, publications));
        let mut outcomes = Vec::new();
        while let Some(tick) = self.backlog.pop_tick(results.len() > 0) {
            let result = if tick.needs_answer() { results.next() } else { None };
            let answer = result.map(|(index, result)| {
                let of_batch = if results.len() == 0 { of_batch.take() } else { None };
                QuoteAnswer { result, outputs: outputs.remove(&index).unwrap_or_default(), events, of_batch }
            });
            outcomes.extend(self.settle_tick(tick, answer, now_micros));
        }
        if events.iter().any(|event| event.quote().is_some())
            && let Some(pause) = self.swap_clock.note_decision(self.backlog.has_work(), now_micros)
        {
            self.notices.add(EngineNotice::DecidesFirst { pause });
        }
        self.settled.push(SettledBatch { stream, outcomes });
    }

    /// Counts the quotes that the algorithm took too late.
    fn count_late(&mut self) {
        let late = self.deciders.take_late();
        if late > 0 {
            self.counters.count(counter::LATE, "", late);
        }
    }

    /// Gives the group at the head its outcome without the algorithm, which fails at it. Its last event, a quote where it has one, is
    /// dead-lettered.
    fn reject_head(&mut self, message: String, now_micros: i64) {
        let limit = BatchLimit { groups: 1, events: self.sizes.batch_events };
        let events = self.backlog.next_events(limit, &self.channels, &mut self.recogniser, now_micros).events;
        let Some(before) = events.len().checked_sub(1) else { return };
        let mut results: Vec<_> = (0..before).map(|_| QuoteResult::Signals(Vec::new())).collect();
        results.push(QuoteResult::Reject(message));
        self.settle_batch(&events, BatchResult { results, ..BatchResult::default() }, now_micros);
    }
}
