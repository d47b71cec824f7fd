//! One connection: it opens, subscribes at the pace of the exchange, is pinged when it is silent, and is replaced.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::time::Instant;

use crate::{market::Limits, message::Subscription};

/// Number of a connection within a session.
pub type ConnectionId = u64;

/// A subscription message for some of the symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The number that the answer may repeat.
    pub(super) id: u64,
    /// The message.
    pub(super) text: String,
    /// Its symbols, by their place in the session.
    pub(super) symbols: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Subscribing,
    Live,
}

/// The next work on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Send this message.
    Send(String),
    /// Send a ping.
    Ping,
    /// Close it: it is replaced.
    Retire,
    /// Close it: it does not work.
    GiveUp(&'static str),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    phase: Phase,
    /// When it has to be open, and then subscribed.
    deadline: Instant,
    /// The last frame.
    heard: Instant,
    /// A ping went out since the last frame.
    is_pinged: bool,
    /// When a successor opens, before the exchange closes this one.
    replace_at: Option<Instant>,
    /// A successor takes over.
    is_leaving: bool,
    close_at: Option<Instant>,
    requests: VecDeque<Request>,
    next_request: Instant,
    /// Symbols of the requests that went out.
    sent: BTreeMap<u64, Vec<usize>>,
    /// Symbols without an answer.
    unanswered: BTreeSet<usize>,
    live_since: Option<Instant>,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, replace_at: Option<Instant>, limits: &Limits, now: Instant) -> Self {
        Self {
            id,
            phase: Phase::Opening,
            deadline: now + limits.open_timeout,
            heard: now,
            is_pinged: false,
            replace_at,
            is_leaving: false,
            close_at: None,
            requests: VecDeque::new(),
            next_request: now,
            sent: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            live_since: None,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    pub(super) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// When all subscriptions were in force.
    pub(super) const fn live_since(&self) -> Option<Instant> {
        self.live_since
    }

    /// It is open, and subscribes.
    pub(super) fn opened(&mut self, requests: Vec<Request>, limits: &Limits, now: Instant) {
        if self.phase != Phase::Opening {
            return;
        }
        self.phase = Phase::Subscribing;
        self.unanswered = requests.iter().flat_map(|request| request.symbols.iter().copied()).collect();
        let pace = limits.message_pause.saturating_mul(u32::try_from(requests.len()).unwrap_or(u32::MAX));
        self.deadline = now + limits.open_timeout + pace;
        self.requests = requests.into();
        self.next_request = now;
        self.hear(now);
    }

    /// A frame came.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
        self.is_pinged = false;
    }

    /// Reading is paused, so that silence means nothing.
    pub(super) fn pause(&mut self, limits: &Limits, now: Instant) {
        self.hear(now);
        if self.phase != Phase::Live {
            self.deadline = self.deadline.max(now + limits.open_timeout);
        }
    }

    /// The symbols of an answer that had none before. `place` finds a symbol in the session.
    pub(super) fn answered(&mut self, answer: &Subscription, place: impl Fn(&str) -> Option<usize>) -> Vec<usize> {
        let symbols = match answer {
            Subscription::Request(id) => self.sent.remove(id).unwrap_or_default(),
            Subscription::Symbols(names) => names.iter().filter_map(|name| place(name)).collect(),
            Subscription::Unnamed => Vec::new(),
        };
        symbols.into_iter().filter(|symbol| self.unanswered.remove(symbol)).collect()
    }

    /// Becomes live once all subscriptions are answered. True: now.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let settles = self.phase == Phase::Subscribing && self.requests.is_empty() && self.unanswered.is_empty();
        if settles {
            self.phase = Phase::Live;
            self.live_since = Some(now);
        }
        settles
    }

    /// A successor takes over as soon as it is live.
    pub(super) const fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// Closes it soon: its successor is live.
    pub(super) fn close_at(&mut self, at: Instant) {
        self.close_at = Some(self.close_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// The work that is due.
    pub(super) fn work(&mut self, limits: &Limits, now: Instant) -> Option<Work> {
        if self.close_at.is_some_and(|at| at <= now) {
            return Some(Work::Retire);
        }
        if self.replace_at.is_some_and(|at| at <= now) {
            self.leave();
        }
        if self.phase != Phase::Live && self.deadline <= now {
            let reason = if self.phase == Phase::Opening {
                "it did not open in time"
            } else {
                "the exchange did not answer a subscription in time"
            };
            return Some(Work::GiveUp(reason));
        }
        if self.phase == Phase::Opening {
            return None;
        }
        if self.heard + limits.silence <= now {
            return Some(Work::GiveUp("nothing came on it, and no answer to a ping"));
        }
        if self.next_request <= now {
            if let Some(request) = self.requests.pop_front() {
                self.next_request = now + limits.message_pause;
                self.sent.insert(request.id, request.symbols);
                return Some(Work::Send(request.text));
            }
            if !self.is_pinged && self.heard + limits.ping_after <= now {
                self.is_pinged = true;
                self.next_request = now + limits.message_pause;
                return Some(Work::Ping);
            }
        }
        None
    }

    /// When [`Connection::work`] has something at the latest.
    pub(super) fn wake(&self, limits: &Limits) -> Instant {
        let mut wake = self.heard + limits.silence;
        if self.phase != Phase::Live {
            wake = wake.min(self.deadline);
        }
        if self.phase == Phase::Opening {
            wake = self.deadline;
        } else if !self.requests.is_empty() {
            wake = wake.min(self.next_request);
        } else if !self.is_pinged {
            wake = wake.min((self.heard + limits.ping_after).max(self.next_request));
        }
        if !self.is_leaving {
            wake = self.replace_at.map_or(wake, |at| wake.min(at));
        }
        self.close_at.map_or(wake, |at| wake.min(at))
    }
}
