//! Messages from the runtime.

use std::time::Duration;

use intuition_api::{
    reason::LEDGER_WENT_BACK,
    v1::{Committed, Opened, process_response},
};
use intuition_common::{
    exit::with_causes,
    planted::{self, Mistake},
};
use tokio::time::Instant;

use super::{Machine, StreamEvent};
use crate::{message::Inputs, metrics::link, outbox::Ranges, readiness, runtime::RuntimeError};

/// A ledger that has gone back is warned of for this long.
const LEDGER_WARNING_PERIOD: Duration = Duration::from_hours(1);

impl Machine {
    pub(super) fn on_stream(&mut self, event: StreamEvent, now: Instant) {
        let understood = match event {
            StreamEvent::Connected => {
                self.stream.connected(now);
                Ok(())
            }
            StreamEvent::Message(message) if self.stream.is_connected() => self.understand(message, now),
            StreamEvent::Ended(error) if !self.stream.is_idle() => Err(error),
            // Late events of a stream that was given up.
            StreamEvent::Message(_) | StreamEvent::Ended(_) => return,
        };
        if let Err(error) = understood {
            self.end_stream(&error, now);
        }
        self.subscriber.update_readiness_and_retry(&mut self.readiness, now);
    }

    pub(super) fn end_stream(&mut self, error: &RuntimeError, now: Instant) {
        self.readiness.set_missing(readiness::RUNTIME, error.reason(), &with_causes(error));
        self.stream.close(error, now, &mut self.actions);
        if error.is_superseded() {
            self.subscriber.stand_down(&mut self.actions);
            self.publisher.stand_down(&mut self.actions);
        }
        self.subscriber.subscriptions.stream_ended();
    }

    fn understand(&mut self, message: process_response::Message, now: Instant) -> Result<(), RuntimeError> {
        use process_response::Message;
        let steps = match message {
            Message::Opened(opened) => {
                self.opened(opened, now)?;
                Vec::new()
            }
            _ if !self.stream.is_open() => {
                return Err(RuntimeError::BreakContract("it did not begin with Opened".to_owned()));
            }
            Message::Channels(channels) => {
                self.subscriber.inputs = Inputs::new(channels.inputs);
                self.subscriber.wanted(channels.version, channels.filters, &self.metrics)
            }
            Message::HoldingRecorded(_) => self.subscriber.subscriptions.recorded(),
            Message::Committed(committed) => {
                self.committed(committed, now)?;
                Vec::new()
            }
            Message::Waiting(waiting) => {
                tracing::debug!(reason = waiting.reason, "the runtime waits for the algorithm: {}", waiting.message);
                self.stream.asked_to_wait(now);
                Vec::new()
            }
        };
        self.perform(steps);
        Ok(())
    }

    fn opened(&mut self, opened: Opened, now: Instant) -> Result<(), RuntimeError> {
        if self.stream.is_open() {
            return Err(RuntimeError::BreakContract("it opened the stream twice".to_owned()));
        }
        if let Some(name) = opened.confirm_loss {
            self.stream.confirm_loss(name, opened.other_bridge_ms, now);
            return Err(RuntimeError::ConfirmLoss);
        }
        self.metrics.connected(link::RUNTIME);
        if opened.session_lost && self.keeps_session && !self.loss_reported {
            self.report_loss(now);
        }
        self.loss_reported = false;
        let ledger_before = self.stream.opened(&opened, now, &mut self.actions);
        if let Some(before) = &ledger_before {
            self.ledger_changed(before, &opened.ledger_id, now);
        }
        if let Some(at) = opened.other_bridge_ms.and_then(|since| now.checked_sub(Duration::from_millis(since))) {
            self.subscriber.superseded(at, &mut self.actions);
        }
        self.publisher.stream_opened(&opened, &mut self.readiness, &self.metrics);
        let takes_indicators = self.stream.takes_indicators();
        self.subscriber.stream_opened(opened.held, ledger_before.is_some(), takes_indicators);
        self.readiness.set_ready(readiness::RUNTIME);
        Ok(())
    }

    /// Positions and outcomes of another ledger mean nothing to this one.
    fn ledger_changed(&mut self, before: &str, ledger: &str, now: Instant) {
        let message = format!(
            "the runtime's ledger {ledger} lacks what the bridge knows of {before}, its ledger before: an older copy was put in \
             its place, or a new one; decisions may be missing, or be made again under other ids"
        );
        self.readiness.warn(readiness::RUNTIME, LEDGER_WENT_BACK, &message);
        self.ledger_warning_until = Some(now + LEDGER_WARNING_PERIOD);
        let outbox = &self.publisher.outbox;
        if self.subscriber.inflight.ledger_changed(|first, last| outbox.is_done(first, last)) {
            self.subscriber.renew(&mut self.actions);
        }
        if !planted::is(Mistake::WentBackUnnoticed) {
            self.publisher.restart();
        }
    }

    fn committed(&mut self, committed: Committed, now: Instant) -> Result<(), RuntimeError> {
        let named = committed.outcomes.iter().flat_map(|outcome| &outcome.ticks).flat_map(|tick| &tick.positions);
        let sent = committed.entries.iter().map(|entry| &entry.position);
        self.stream.position_named(named.chain(sent).copied().max().unwrap_or(0));
        for entry in committed.entries {
            self.publisher.take(entry, now)?;
        }
        for outcome in committed.outcomes {
            let positions: Ranges = outcome.ticks.iter().flat_map(|tick| &tick.positions).copied().collect();
            let settled = self.subscriber.inflight.outcome(outcome.number, positions);
            settled.map_err(|error| RuntimeError::BreakContract(error.to_string()))?;
            self.stream.answered(outcome.number);
            for tick in &outcome.ticks {
                self.metrics.outcome(tick);
            }
        }
        Ok(())
    }

    /// Clears the warning about a ledger that went back once its time is over.
    pub(super) fn expire_ledger_warning(&mut self, now: Instant) {
        if self.ledger_warning_until.take_if(|until| *until <= now).is_some() {
            self.readiness.clear_warning(readiness::RUNTIME, LEDGER_WENT_BACK);
        }
    }
}
