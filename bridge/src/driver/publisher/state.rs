//! The state topic, on which a bridge publishes whether it is ready.

use std::time::Duration;

use intuition_api::topic::OwnTopics;
use tokio::time::Instant;

use crate::{
    mqtt::{Code, Message},
    render,
};

/// A third of what the broker keeps the state for.
const REFRESH: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) online: bool,
    since_micros: i64,
    /// When it was last published on this connection.
    told: Option<Instant>,
    /// Without a PUBACK.
    under_way: usize,
    is_refused: bool,
}

impl State {
    /// Another connection, or none.
    pub(super) const fn connection_changed(&mut self) {
        self.told = None;
        self.under_way = 0;
    }

    /// `now_micros`: the time since which it holds, where it has changed.
    pub(super) fn set(&mut self, online: bool, now_micros: impl FnOnce() -> i64) {
        if online != self.online || self.since_micros == 0 {
            (self.online, self.since_micros, self.told) = (online, now_micros(), None);
        }
    }

    /// It has to be published: it has changed, the broker forgets it soon, or an answer to it is asked for.
    pub(super) fn is_due(&self, is_probe_wanted: bool, now: Instant) -> bool {
        self.told.is_none_or(|told| told + REFRESH <= now) || (is_probe_wanted && self.under_way == 0)
    }

    /// The message, which counts as sent.
    pub(super) fn send(&mut self, topics: &OwnTopics, account: &str, session: &str, now: Instant) -> Message {
        self.told = Some(now);
        self.under_way += 1;
        render::state(topics, self.online, account, session, self.since_micros)
    }

    /// The broker answered. True: it has begun to refuse.
    pub(super) const fn answered(&mut self, code: Code) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let was_refused = std::mem::replace(&mut self.is_refused, !code.is_success());
        self.is_refused && !was_refused
    }

    pub(super) const fn is_answered(&self) -> bool {
        self.under_way == 0
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.told.map(|told| told + REFRESH)
    }
}
