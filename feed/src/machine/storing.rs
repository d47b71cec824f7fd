//! The position on its way to the broker.

use intuition_common::clock::Now;
use intuition_mqtt::{Code, Message, Request};

use super::{Action, Machine, position::Stored, starting::run_name, tokens};
use crate::readiness::POSITION;

/// The broker does not take positions.
const POSITION_REFUSED: &str = "PositionRefused";

impl Machine {
    /// Stores the position if it is time.
    pub(super) fn store(&mut self, now: Now) {
        let (Some(connection), Some(run)) = (self.connection, &mut self.run) else { return };
        if self.lookup.is_some() || !run.keeper.is_due(now.instant, self.phase.is_last()) {
            return;
        }
        let allowed = run.keeper.write(run.sent, now.instant);
        let is_last = self.phase.is_last() && self.flight.len() == 0;
        let ahead = allowed.max(run.numbers.doubtful()).saturating_add(self.flight.len() as u64);
        let state = match self.state.as_ref().map(|state| state.to_json()) {
            Some(Ok(state)) => Some(state),
            None => run.stored_state.clone(),
            Some(Err(error)) => {
                tracing::error!(feed = self.settings.feed, %error, "cannot write the state of the source");
                None
            }
        };
        let mut stored = Stored::new(&self.settings.feed, &run_name(self.nonce), now.micros);
        stored.numbers = run.numbers.published();
        // Nothing follows the last position of a run.
        stored.ahead = if is_last { run.numbers.doubtful() } else { ahead };
        (stored.replay, stored.state) = (run.replay, state);
        let Ok(payload) = stored.write() else { return };
        let topic = self.settings.topics.position().to_owned();
        let message = Message { retain: true, ..Message::new(topic, payload) };
        let token = tokens::POSITION;
        self.actions.push(Action::Broker(Request::Publish { epoch: connection.epoch, token, message }));
    }

    /// The broker answered the position.
    pub(super) fn stored(&mut self, code: Code) {
        let Some(run) = &mut self.run else { return };
        if code.is_success() {
            run.keeper.confirm();
            self.metrics.positions.inc();
            self.reporter.clear_warning(POSITION, POSITION_REFUSED);
            return;
        }
        run.keeper.refuse();
        let topic = self.settings.topics.position();
        let message = format!("the broker refused the position on {topic}: {} (0x{:02x})", code.name, code.value);
        self.reporter.warn(POSITION, POSITION_REFUSED, &message);
    }
}
