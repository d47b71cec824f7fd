//! The subscriptions of the broker's session, and the wanted ones, without I/O.
//!
//! The runtime's ledger keeps the filters that a session may hold, so that none is forgotten by a crash: they are
//! recorded before SUBSCRIBE and after UNSUBACK. Each round goes
//! `Hold(union)` -> recorded -> SUBSCRIBE each -> SUBACK of all -> `Mark` -> UNSUBSCRIBE the rest -> `Hold(the wanted)`.
//! A round begins with every CONNACK, every stream, and every change of the wanted filters.

mod error;
mod lost_filters;
mod standing;

use intuition_api::{topic, v1::Filter};
use intuition_common::planted::{self, Mistake};

pub use self::{error::SubscriptionError, lost_filters::LostFilters, standing::Standing};
use intuition_mqtt::Code;

/// The highest identifier that MQTT has (section 3.8.2.1.2).
const MAX_SUBSCRIPTION_ID: u32 = 268_435_455;

/// The next step for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Have the runtime record these filters, in the order in which they were first held.
    Hold(Vec<Filter>),
    /// Send SUBSCRIBE.
    Subscribe {
        /// For [`Subscriptions::subscribed`].
        token: u64,
        /// Filter with its identifier.
        filter: Filter,
    },
    /// Send UNSUBSCRIBE.
    Unsubscribe {
        /// For [`Subscriptions::unsubscribed`].
        token: u64,
        /// The filter alone.
        filter: String,
    },
    /// Send the runtime a marker: this version is subscribed to in full.
    Mark(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Recorded, and perhaps on its way.
    Pending,
    /// The broker's session has it.
    Active,
    /// The broker refused it.
    Refused,
}

#[derive(Debug, Clone)]
struct Held {
    filter: Filter,
    known: Known,
    /// The `QoS` that the broker granted to this process.
    granted_qos: Option<u8>,
    /// The filter is not wanted any more. The broker may have dropped it already, with an UNSUBACK that was lost.
    is_leaving: bool,
    /// The number of its first SUBACK that this process has had in the session.
    confirmed: Option<u64>,
}

impl Held {
    const fn new(filter: Filter, known: Known) -> Self {
        Self { filter, known, granted_qos: None, is_leaving: false, confirmed: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The connection, the stream or the wanted filters are missing.
    Waiting,
    Recording,
    Subscribing,
    Unsubscribing,
    RecordingRest,
    Settled,
    Failed,
}

/// The state of all subscriptions of one session.
#[derive(Debug)]
pub struct Subscriptions {
    own: Vec<String>,
    /// In the order in which they were first held.
    held: Vec<Held>,
    /// The filters of the session that the broker has lost last, until they are taken.
    lost: LostFilters,
    wanted: Option<(u64, Vec<String>)>,
    connected: bool,
    streaming: bool,
    phase: Phase,
    /// Filters that a SUBACK has confirmed so far.
    confirmations: u64,
    /// Hold steps that were not answered.
    recordings: usize,
    next_token: u64,
    /// The last subscription identifier that this process has given.
    last_id: u32,
    /// Tokens of this round without an answer, each with its filter.
    waiting: Vec<(u64, String)>,
    error: Option<SubscriptionError>,
}

impl Subscriptions {
    /// None yet. `own`: filters over the algorithm's own topics. `before_first_id`: subscription identifiers follow this one.
    pub const fn new(own: Vec<String>, before_first_id: u32) -> Self {
        Self {
            own,
            held: Vec::new(),
            lost: LostFilters::new(Vec::new()),
            wanted: None,
            connected: false,
            streaming: false,
            phase: Phase::Waiting,
            confirmations: 0,
            recordings: 0,
            next_token: 1,
            last_id: before_first_id % MAX_SUBSCRIPTION_ID,
            waiting: Vec::new(),
            error: None,
        }
    }

    #[cfg(test)]
    pub(crate) const fn begin_ids_after(&mut self, id: u32) {
        self.last_id = id;
    }

    /// Whether the session has the wanted filters and no others.
    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Settled
    }

    /// The error that keeps the subscriptions from settling.
    pub const fn error(&self) -> Option<&SubscriptionError> {
        self.error.as_ref()
    }

    /// Filters that the broker granted `QoS` 0 for: it sends such a message once, whether it arrives or not.
    pub fn without_redelivery(&self) -> impl Iterator<Item = &str> {
        let granted = self.held.iter().filter(|held| held.granted_qos == Some(0));
        granted.map(|held| held.filter.filter.as_str())
    }

    /// Two filters that one topic may match.
    pub fn overlapping(&self) -> Option<(&str, &str)> {
        let filters = || self.held.iter().map(|held| held.filter.filter.as_str());
        filters().enumerate().find_map(|(index, one)| {
            let overlapping = filters().skip(index + 1).find(|other| topic::overlap(one, other));
            overlapping.map(|other| (one, other))
        })
    }

    /// Filters that a SUBACK has confirmed so far.
    pub const fn confirmations(&self) -> u64 {
        self.confirmations
    }

    /// Whether the broker has confirmed a subscription with one of these identifiers for the first time after this many
    /// confirmations. A message from before was not sent for it.
    pub fn is_younger(&self, subscription_ids: &[u32], confirmations: u64) -> bool {
        let ids = |held: &&Held| subscription_ids.contains(&held.filter.subscription_id);
        self.held.iter().filter(ids).any(|held| held.confirmed.is_some_and(|number| number > confirmations))
    }

    /// How a message stands that came for subscriptions with these identifiers.
    pub fn standing(&self, topic: &str, subscription_ids: &[u32]) -> Standing {
        standing::among(&self.held, topic, subscription_ids)
    }

    /// The filters of the session that the broker has lost with the last connection.
    pub fn take_lost(&mut self) -> LostFilters {
        std::mem::take(&mut self.lost)
    }

    /// The broker accepted a connection.
    pub fn connected(&mut self, session_present: bool) -> Vec<Step> {
        self.connected = true;
        if !session_present {
            self.lost = LostFilters::new(std::mem::take(&mut self.held));
        }
        self.begin()
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) {
        self.connected = false;
        self.halt();
    }

    /// The runtime names the filters that its ledger has for the session. `restored`: the ledger has gone back, so that they are those
    /// of an earlier time. The filters that the broker has confirmed to this process count then.
    pub fn opened(&mut self, named: Vec<Filter>, restored: bool) {
        self.streaming = true;
        if !planted::is(Mistake::RecordingsOfEarlierStream) {
            self.recordings = 0;
        }
        self.wanted = None;
        let own = std::mem::take(&mut self.held);
        if restored {
            self.held = own.into_iter().filter(|held| held.confirmed.is_some()).collect();
            for mut filter in named {
                if self.held.iter().any(|held| held.filter.subscription_id == filter.subscription_id) {
                    filter.subscription_id = self.unused_id();
                }
                if self.held.iter().all(|held| held.filter.filter != filter.filter) {
                    self.held.push(Held::new(filter, Known::Pending));
                }
            }
        } else {
            let held = named.into_iter().map(|filter| {
                let known = own.iter().find(|held| held.filter.filter == filter.filter);
                let confirmed = known.filter(|held| held.filter == filter).and_then(|held| held.confirmed);
                let is_leaving = known.is_some_and(|held| held.is_leaving);
                Held { is_leaving, confirmed, ..Held::new(filter, Known::Active) }
            });
            self.held = held.collect();
        }
        self.halt();
    }

    /// The stream is gone.
    pub fn stream_ended(&mut self) {
        self.streaming = false;
        self.halt();
    }

    /// The runtime names the wanted filters.
    pub fn wanted(&mut self, version: u64, filters: Vec<String>) -> Vec<Step> {
        for held in &mut self.held {
            held.is_leaving = !filters.contains(&held.filter.filter);
        }
        self.wanted = Some((version, filters));
        self.begin()
    }

    /// The runtime recorded the filters of the last [`Step::Hold`].
    pub fn recorded(&mut self) -> Vec<Step> {
        self.recordings = self.recordings.saturating_sub(1);
        match self.phase {
            // An earlier round's record is answered first.
            _ if self.recordings > 0 => Vec::new(),
            Phase::Recording => self.subscribe(),
            Phase::RecordingRest => {
                self.phase = Phase::Settled;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The broker answered a SUBSCRIBE.
    pub fn subscribed(&mut self, token: u64, code: Code) -> Vec<Step> {
        let Some(filter) = self.answered(token) else { return Vec::new() };
        if let Some(held) = self.held.iter_mut().find(|held| held.filter.filter == filter) {
            if code.is_success() && held.confirmed.is_none() {
                self.confirmations += 1;
                held.confirmed = Some(self.confirmations);
            }
            held.known = if code.is_success() { Known::Active } else { Known::Refused };
            // The codes of a success are the granted QoS (section 3.9.3).
            held.granted_qos = code.is_success().then_some(code.value);
        }
        self.note(filter, code);
        if !self.waiting.is_empty() || self.phase != Phase::Subscribing {
            return Vec::new();
        }
        if self.error.is_some() {
            self.phase = Phase::Failed;
            return Vec::new();
        }
        let Some((version, filters)) = self.wanted.clone() else { return Vec::new() };
        let mut steps = vec![Step::Mark(version)];
        let left: Vec<String> = self.held.iter().map(|held| held.filter.filter.clone()).collect();
        for filter in left.into_iter().filter(|filter| !filters.contains(filter)) {
            let token = self.token(&filter);
            steps.push(Step::Unsubscribe { token, filter });
        }
        self.phase = if self.waiting.is_empty() { Phase::Settled } else { Phase::Unsubscribing };
        steps
    }

    /// The broker answered an UNSUBSCRIBE.
    pub fn unsubscribed(&mut self, token: u64, code: Code) -> Vec<Step> {
        let Some(filter) = self.answered(token) else { return Vec::new() };
        if code.is_success() {
            self.held.retain(|held| held.filter.filter != filter);
        }
        self.note(filter, code);
        if !self.waiting.is_empty() || self.phase != Phase::Unsubscribing {
            return Vec::new();
        }
        if self.error.is_some() {
            self.phase = Phase::Failed;
            return Vec::new();
        }
        if planted::is(Mistake::UnsubscribedUnrecorded) {
            self.phase = Phase::Settled;
            return Vec::new();
        }
        self.phase = Phase::RecordingRest;
        vec![self.hold()]
    }

    /// Begins again after a refusal.
    pub fn retry(&mut self) -> Vec<Step> {
        if self.phase == Phase::Failed { self.begin() } else { Vec::new() }
    }

    fn begin(&mut self) -> Vec<Step> {
        self.halt();
        let (true, true, Some((_, filters))) = (self.connected, self.streaming, self.wanted.clone()) else {
            return Vec::new();
        };
        if let Some(error) = filters.iter().find_map(|filter| self.rejection(filter)) {
            self.error = Some(error);
            self.phase = Phase::Failed;
            return Vec::new();
        }
        for filter in filters {
            if self.held.iter().all(|held| held.filter.filter != filter) {
                let subscription_id = self.unused_id();
                self.held.push(Held::new(Filter { filter, subscription_id }, Known::Pending));
            }
        }
        self.phase = Phase::Recording;
        vec![self.hold()]
    }

    fn rejection(&self, filter: &str) -> Option<SubscriptionError> {
        if let Err(problem) = topic::check_filter(filter) {
            return Some(SubscriptionError::InvalidFilter { filter: filter.to_owned(), problem });
        }
        let own = self.own.iter().find(|own| topic::overlap(filter, own))?;
        Some(SubscriptionError::MatchOwnTopic { filter: filter.to_owned(), own: own.clone() })
    }

    fn subscribe(&mut self) -> Vec<Step> {
        self.phase = Phase::Subscribing;
        let Some((_, wanted)) = self.wanted.clone() else { return Vec::new() };
        // In the order in which they were first held, so that no copy for a younger filter comes before its owner's subscription.
        let held: Vec<Filter> = self.held.iter().map(|held| held.filter.clone()).collect();
        let mut steps = Vec::new();
        for filter in held.into_iter().filter(|held| wanted.contains(&held.filter)) {
            let token = self.token(&filter.filter);
            steps.push(Step::Subscribe { token, filter });
        }
        steps
    }

    fn hold(&mut self) -> Step {
        self.recordings += 1;
        Step::Hold(self.held.iter().map(|held| held.filter.clone()).collect())
    }

    fn halt(&mut self) {
        self.phase = Phase::Waiting;
        self.waiting.clear();
        self.error = None;
    }

    fn note(&mut self, filter: String, code: Code) {
        if !code.is_success() {
            self.error.get_or_insert(SubscriptionError::Refused { filter, code });
        }
    }

    fn token(&mut self, filter: &str) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.waiting.push((token, filter.to_owned()));
        token
    }

    fn answered(&mut self, token: u64) -> Option<String> {
        let index = self.waiting.iter().position(|(waiting, _)| *waiting == token)?;
        Some(self.waiting.swap_remove(index).1)
    }

    /// An identifier that no other filter has had: messages may still wait for a subscription that was left. Processes begin at
    /// different identifiers, since a ledger that went back names fewer filters than there were.
    fn unused_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id % MAX_SUBSCRIPTION_ID + 1;
            if self.held.iter().all(|held| held.filter.subscription_id != self.last_id) {
                return self.last_id;
            }
        }
    }
}

#[cfg(test)]
mod tests;
