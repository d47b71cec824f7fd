//! The state topic, on which a bridge publishes whether it is ready.

use std::time::Duration;

use intuition_api::topic::OwnTopics;
use intuition_mqtt::{Code, Message};
use tokio::time::Instant;

use crate::render;

/// A third of the time for which the broker keeps the state.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);
/// Pause after the end of a connection on which the state was under way.
const PAUSE_AFTER_END: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) online: bool,
    since_micros: i64,
    /// The time of the last publication on this connection.
    told: Option<Instant>,
    /// The last publication has no PUBACK yet.
    under_way: usize,
    /// The broker refused the state, so that no publication comes earlier: some brokers end the connection over a refusal.
    refused_until: Option<Instant>,
    /// Not before, since a connection ended while it was under way.
    held_until: Option<Instant>,
}

impl State {
    /// The connection ended. While the state was under way, that may be the cause. The next connection begins without it, so that
    /// an end over an entry of the outbox shows.
    pub(super) fn connection_ended(&mut self, is_about_a_message: bool, now: Instant) {
        if !self.is_answered() {
            self.held_until = Some(now + if is_about_a_message { REFRESH_INTERVAL } else { PAUSE_AFTER_END });
        }
        self.connection_changed();
    }

    /// Another connection, or none.
    pub(super) const fn connection_changed(&mut self) {
        self.told = None;
        self.under_way = 0;
    }

    /// `now_micros`: the time since which it holds, where it has changed.
    pub(super) const fn set(&mut self, online: bool, now_micros: i64) {
        if online != self.online || self.since_micros == 0 {
            (self.online, self.since_micros, self.told) = (online, now_micros, None);
        }
    }

    /// It has to be published: it has changed, the broker forgets it soon, or an answer to it is asked for.
    pub(super) fn is_due(&self, is_probe_wanted: bool, now: Instant) -> bool {
        if self.is_held(now) {
            return false;
        }
        let is_refused = self.refused_until.is_some_and(|until| until > now);
        let is_due = self.told.is_none_or(|told| told + REFRESH_INTERVAL <= now) && !is_refused;
        is_due || (is_probe_wanted && self.under_way == 0)
    }

    /// It is not sent yet, nor as a probe.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| until > now)
    }

    /// The message, which counts as sent.
    pub(super) fn send(&mut self, topics: &OwnTopics, account: &str, session: &str, now: Instant) -> Message {
        self.told = Some(now);
        self.under_way += 1;
        render::state(topics, self.online, account, session, self.since_micros)
    }

    /// Takes the broker's answer. True: it is the first refusal.
    pub(super) fn answered(&mut self, code: Code, now: Instant) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let refused_until = (!code.is_success()).then(|| now + REFRESH_INTERVAL);
        let was_refused = std::mem::replace(&mut self.refused_until, refused_until).is_some();
        refused_until.is_some() && !was_refused
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.under_way == 0
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        [self.told.map(|told| told + REFRESH_INTERVAL), self.refused_until, self.held_until].into_iter().flatten().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_state_is_not_sent_again_with_each_connection() {
        let (mut state, start) = (State::default(), Instant::now());
        let topics = OwnTopics::new("intuition", "ns/a", None);
        state.set(true, 1);
        assert!(state.is_due(false, start));
        state.send(&topics, "ns/a", "0f", start);
        assert!(state.answered(Code { value: 0x87, name: "NotAuthorized" }, start));
        state.connection_changed();
        assert!(!state.is_due(false, start) && state.is_due(true, start), "as a probe alone");
        let later = state.wake().unwrap();
        assert!(later == start + REFRESH_INTERVAL && state.is_due(false, later));
        state.send(&topics, "ns/a", "0f", later);
        assert!(!state.answered(Code { value: 0, name: "Success" }, later));
        state.connection_changed();
        assert!(state.is_due(false, later), "with each connection");
    }

    #[test]
    fn state_waits_after_the_end_of_a_connection_on_which_it_was_under_way() {
        let (topics, start) = (OwnTopics::new("intuition", "ns/a", None), Instant::now());
        for (is_about_a_message, pause) in [(true, REFRESH_INTERVAL), (false, PAUSE_AFTER_END)] {
            let mut state = State::default();
            state.set(true, 1);
            state.connection_ended(is_about_a_message, start);
            assert!(state.is_due(false, start), "it was not under way");
            state.send(&topics, "ns/a", "0f", start);
            state.connection_ended(is_about_a_message, start);
            assert!(!state.is_due(false, start) && !state.is_due(true, start), "not as a probe either");
            assert_eq!(state.wake(), Some(start + pause));
            assert!(state.is_due(false, start + pause));
        }
    }
}
