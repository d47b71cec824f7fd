//! The stream to the runtime, opened again whenever it ends.

use std::{collections::VecDeque, time::Duration};

use intuition_api::{
    capability,
    v1::{Acknowledged, Batch, Delivery, Open, Opened, Published, process_request},
};
use intuition_common::{
    backoff::Backoff,
    planted::{self, Mistake},
};
use tokio::time::Instant;

use super::Action;
use crate::runtime::RuntimeError;

/// Longest time without an answer to a batch or to the opening.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// The pause after another bridge of the account has opened a stream: two that fight for it must not do so at full speed.
const SUPERSEDED_PAUSE: Duration = Duration::from_secs(30);
/// Doubtful questions about a loss of the session, at most. The loss counts as confirmed beyond it: slow answers of a runtime must not keep
/// the bridge from its work.
const MAX_DOUBTS: u32 = 5;
/// A stream that lasted this long resets the pauses.
const STEADY_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
enum State {
    Idle {
        not_before: Instant,
    },
    /// The attempt has a deadline of its own.
    Opening,
    /// Connected; the runtime's first message is due.
    Greeting {
        since: Instant,
    },
    Open,
}

/// The state of reports to the runtime.
#[derive(Default)]
struct Reporting {
    /// It knows send queues and credit.
    has_queues: bool,
    /// It knows values of indicators.
    takes_indicators: bool,
    /// It takes acknowledgements that the broker has read for certain.
    is_wanted: bool,
    /// The last report.
    last: Option<Acknowledged>,
}

/// The runtime asks whether the session was lost after a delivery of another bridge.
#[derive(Debug, Default)]
struct Confirmation {
    /// The delivery that came before the loss.
    delivery: Option<u64>,
    /// Questions that came too late to show it.
    doubts: u32,
}

pub(super) struct RuntimeStream {
    account: String,
    pub(super) broker_url: String,
    pub(super) client_id: String,
    run: u64,
    state: State,
    backoff: Backoff,
    /// The broker was reached, so that the state of its session is known.
    allowed: bool,
    /// The time of the CONNECT of the last connection that found no session at the broker, while the runtime does not know it.
    lost: Option<Instant>,
    /// The bridge's answer about that loss.
    confirmation: Confirmation,
    /// What the stream under way was opened with.
    announced_lost: bool,
    opened_at: Option<Instant>,
    /// The end of the pause after another bridge superseded the last stream.
    superseded_until: Option<Instant>,
    /// The ledger's id on the last stream.
    ledger: Option<String>,
    /// The highest outbox position of that ledger that the runtime named.
    last_position: u64,
    reporting: Reporting,
    /// Batches without an outcome: their last delivery and when they were sent.
    batches: VecDeque<(u64, Instant)>,
}

impl RuntimeStream {
    /// `run`: names this process. `seed`: seed of the pauses.
    pub(super) fn new(
        account: String,
        broker_url: String,
        client_id: String,
        run: u64,
        seed: u64,
        now: Instant,
    ) -> Self {
        Self {
            account,
            broker_url,
            client_id,
            run,
            state: State::Idle { not_before: now },
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5), seed),
            allowed: false,
            lost: None,
            confirmation: Confirmation::default(),
            announced_lost: false,
            opened_at: None,
            superseded_until: None,
            ledger: None,
            last_position: 0,
            reporting: Reporting::default(),
            batches: VecDeque::new(),
        }
    }

    /// The attempt to open a stream has succeeded.
    pub(super) const fn connected(&mut self, now: Instant) {
        if matches!(self.state, State::Opening) {
            self.state = State::Greeting { since: now };
        }
    }

    /// The runtime has accepted the stream.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(self.state, State::Greeting { .. } | State::Open)
    }

    /// There is neither a stream nor an attempt to open one.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// The broker was reached.
    pub(super) const fn allow(&mut self) {
        self.allowed = true;
    }

    /// Ends the stream behind everything that was sent on it. False: none is open, so that there is no end to wait for.
    pub(super) fn finish(&mut self, now: Instant, actions: &mut Vec<Action>) -> bool {
        if self.is_open() {
            actions.push(Action::Finish);
            self.state = State::Idle { not_before: now };
            return true;
        }
        self.idle(now, actions);
        false
    }

    /// The broker has no session: the runtime has to know before it gets another delivery.
    /// `asked`: the time of the CONNECT.
    pub(super) fn lose_broker_session(&mut self, asked: Instant, now: Instant, actions: &mut Vec<Action>) {
        self.lost = Some(asked);
        self.confirmation = Confirmation::default();
        self.reporting.last = None;
        self.batches.clear();
        self.idle(self.superseded_until.map_or(now, |until| until.max(now)), actions);
    }

    /// The stream has ended. The next attempt is made after a pause.
    pub(super) fn close(&mut self, error: &RuntimeError, now: Instant, actions: &mut Vec<Action>) {
        if !planted::is(Mistake::BatchesOfEarlierStream) {
            self.batches.clear();
        }
        // A runtime that opens streams and can commit nothing is not to be asked at full speed.
        if self.opened_at.take().is_some_and(|at| now >= at + STEADY_AFTER) {
            self.backoff.reset();
        }
        self.superseded_until = error.is_superseded().then(|| now + SUPERSEDED_PAUSE);
        let not_before = self.superseded_until.unwrap_or_else(|| now + self.backoff.pause());
        self.idle(not_before, actions);
    }

    fn idle(&mut self, not_before: Instant, actions: &mut Vec<Action>) {
        if !self.is_idle() {
            actions.push(Action::Close);
        }
        self.state = State::Idle { not_before };
    }

    /// Another bridge works for the account, and this one waits.
    pub(super) fn is_standing_down(&self, now: Instant) -> bool {
        self.superseded_until.is_some_and(|until| until > now)
    }

    /// Opens a stream if it is time. `published`: the done positions of the last stream's ledger.
    pub(super) fn open_when_due(
        &mut self,
        now: Instant,
        published: impl FnOnce() -> Published,
        actions: &mut Vec<Action>,
    ) {
        match self.state {
            State::Idle { not_before } if self.allowed && not_before <= now => {}
            _ => return,
        }
        self.announced_lost = self.lost.is_some();
        let open = Open {
            account: self.account.clone(),
            broker_url: self.broker_url.clone(),
            session_present: self.lost.is_none(),
            run: self.run,
            client_id: self.client_id.clone(),
            capabilities: capability::OF_BRIDGE.map(str::to_owned).to_vec(),
            ledger_id: self.ledger.clone().unwrap_or_default(),
            published: self.ledger.is_some().then(published),
            pages: true,
            last_position: self.last_position,
            session_lost_ms: self
                .lost
                .map(|asked| u64::try_from(now.saturating_duration_since(asked).as_millis()).unwrap_or(u64::MAX)),
            confirmed_loss: self.lost.and(self.confirmation.delivery),
        };
        self.state = State::Opening;
        actions.push(Action::Open(open));
    }

    /// The runtime asks whether the session was lost after this delivery of another bridge, `since` milliseconds ago. The next stream has
    /// the answer. The question was under way for a time that is not known, so that the delivery was earlier than it looks. If it looks
    /// later than the loss, the next stream has no answer: the next question may be faster.
    pub(super) fn confirm_loss(&mut self, delivery: u64, since: Option<u64>, now: Instant) {
        let other = since.and_then(|since| now.checked_sub(Duration::from_millis(since)));
        let is_doubtful = other.zip(self.lost).is_some_and(|(other, lost)| other >= lost);
        self.confirmation.doubts += u32::from(is_doubtful);
        let is_confirmed = !is_doubtful || self.confirmation.doubts > MAX_DOUBTS;
        self.confirmation.delivery = is_confirmed.then_some(delivery);
    }

    /// The runtime opened the stream. Returns the id of the ledger before, if entries of that one mean nothing to the
    /// runtime's ledger.
    pub(super) fn opened(&mut self, opened: &Opened, now: Instant, actions: &mut Vec<Action>) -> Option<String> {
        if matches!(self.state, State::Greeting { .. }) {
            self.state = State::Open;
        }
        self.opened_at = Some(now);
        if self.announced_lost {
            self.lost = None;
        }
        let can = |capability: &str| opened.capabilities.iter().any(|name| name == capability);
        self.reporting.has_queues = can(capability::OUTBOX_QUEUES);
        self.reporting.takes_indicators = can(capability::INDICATORS);
        self.reporting.is_wanted = can(capability::ACKNOWLEDGED);
        self.send_acknowledged(actions);
        let before = self.ledger.replace(opened.ledger_id.clone());
        let changed = before.filter(|before| *before != opened.ledger_id || opened.restored);
        if changed.is_some() && !planted::is(Mistake::LastPositionOfEarlierLedger) {
            self.last_position = 0;
        }
        changed
    }

    /// The runtime named an outbox position, in an entry or in an outcome.
    pub(super) fn position_named(&mut self, position: u64) {
        self.last_position = self.last_position.max(position);
    }

    /// Whether the runtime of the open stream knows send queues and credit.
    pub(super) const fn has_queues(&self) -> bool {
        self.reporting.has_queues
    }

    /// Whether the runtime of the open stream takes values of indicators.
    pub(super) const fn takes_indicators(&self) -> bool {
        self.reporting.takes_indicators
    }

    /// The broker has read acknowledgements. A stream that is opened later gets the report too.
    pub(super) fn acknowledged(&mut self, connection: u64, through: u64, actions: &mut Vec<Action>) {
        self.reporting.last = Some(Acknowledged { through, connection });
        self.send_acknowledged(actions);
    }

    fn send_acknowledged(&self, actions: &mut Vec<Action>) {
        if let Some(acknowledged) = self.reporting.last.filter(|_| self.reporting.is_wanted) {
            self.send(process_request::Message::Acknowledged(acknowledged), actions);
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(super) fn send(&self, message: process_request::Message, actions: &mut Vec<Action>) {
        if self.is_open() {
            actions.push(Action::Send(message));
        }
    }

    /// Batches are at the runtime without an outcome.
    pub(super) fn awaits_outcomes(&self) -> bool {
        !self.batches.is_empty()
    }

    pub(super) fn takes_batches(&self, limit: usize) -> bool {
        self.is_open() && self.batches.len() < limit
    }

    pub(super) fn send_batch(&mut self, deliveries: Vec<Delivery>, last: u64, now: Instant, actions: &mut Vec<Action>) {
        tracing::debug!(deliveries = deliveries.len(), last, under_way = self.batches.len(), "batch");
        self.batches.push_back((last, now));
        self.send(process_request::Message::Batch(Batch { deliveries }), actions);
    }

    /// A delivery has its outcome.
    pub(super) fn answered(&mut self, number: u64) {
        while self.batches.front().is_some_and(|(last, _)| *last <= number) {
            self.backoff.reset();
            self.batches.pop_front();
        }
    }

    /// The runtime is well and waits for the algorithm, so that the deadlines of batches start again.
    pub(super) fn asked_to_wait(&mut self, now: Instant) {
        for (_, sent) in &mut self.batches {
            *sent = now;
        }
    }

    /// The runtime is connected and sends nothing.
    pub(super) fn stalled(&self, now: Instant) -> Option<RuntimeError> {
        self.deadline().filter(|deadline| *deadline <= now).map(|_| RuntimeError::Stall)
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        match self.state {
            State::Idle { not_before } if self.allowed => Some(not_before),
            _ => self.deadline(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle { .. } | State::Opening => None,
            State::Greeting { since } => Some(since + ANSWER_TIMEOUT),
            State::Open => self.batches.front().map(|(_, sent)| *sent + ANSWER_TIMEOUT),
        }
    }
}
