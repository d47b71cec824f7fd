//! The stream to the runtime, opened again whenever it ends.

use std::{collections::VecDeque, future::pending, pin::Pin, time::Duration};

use intuition_api::{
    capability,
    v1::{Acknowledged, Batch, Delivery, Open, Opened, Published, process_request, process_response},
};
use intuition_common::backoff::Backoff;
use tokio::time::Instant;
use tonic::transport::Endpoint;

use crate::runtime::{self, RuntimeError, Stream};

/// How long a batch, or the opening, may be without an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// The pause after another bridge of the account has opened a stream: two that fight for it must not do so at full speed.
const SUPERSEDED_PAUSE: Duration = Duration::from_secs(30);
/// A stream that held this long was a success.
const STEADY: Duration = Duration::from_secs(5);

type Opening = Pin<Box<dyn Future<Output = Result<Stream, RuntimeError>> + Send>>;

enum State {
    Idle {
        not_before: Instant,
    },
    Opening(Opening),
    /// Connected; the runtime's first word is due.
    Greeting {
        stream: Stream,
        since: Instant,
    },
    Open(Stream),
}

/// Reports to the runtime of the stream.
#[derive(Default)]
struct Reporting {
    /// It knows send queues and credit.
    has_queues: bool,
    /// It takes acknowledgements that the broker has read for certain.
    is_wanted: bool,
    /// The last one.
    last: Option<Acknowledged>,
}

pub(super) struct Session {
    endpoint: Endpoint,
    account: String,
    pub(super) broker_url: String,
    pub(super) client_id: String,
    run: u64,
    state: State,
    backoff: Backoff,
    /// The broker was reached: what it said about its session can be told.
    allowed: bool,
    /// Some connection found no session at the broker, and the runtime does not know it yet.
    lost: bool,
    /// What the stream under way was opened with.
    told_lost: bool,
    opened_at: Option<Instant>,
    /// Until when the place is left to the bridge that superseded the last stream.
    superseded_until: Option<Instant>,
    /// That of the last stream.
    ledger: Option<String>,
    reporting: Reporting,
    /// Batches without an outcome: their last delivery and when they were sent.
    batches: VecDeque<(u64, Instant)>,
}

impl Session {
    pub(super) fn new(endpoint: Endpoint, account: String, broker_url: String, client_id: String, run: u64) -> Self {
        Self {
            endpoint,
            account,
            broker_url,
            client_id,
            run,
            state: State::Idle { not_before: Instant::now() },
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
            allowed: false,
            lost: false,
            told_lost: false,
            opened_at: None,
            superseded_until: None,
            ledger: None,
            reporting: Reporting::default(),
            batches: VecDeque::new(),
        }
    }

    /// What the runtime says next; nothing when the connection was made. May be abandoned at any time.
    pub(super) async fn next(&mut self) -> Result<Option<process_response::Message>, RuntimeError> {
        match &mut self.state {
            State::Idle { .. } => pending().await,
            State::Opening(opening) => {
                let stream = opening.await?;
                self.state = State::Greeting { stream, since: Instant::now() };
                Ok(None)
            }
            State::Greeting { stream, .. } | State::Open(stream) => stream.next().await.map(Some),
        }
    }

    /// The broker was reached.
    pub(super) const fn allow(&mut self) {
        self.allowed = true;
    }

    /// Ends the stream behind everything that was sent on it, and waits until the runtime has ended its side too.
    pub(super) async fn finish(&mut self) {
        let idle = State::Idle { not_before: Instant::now() };
        if let State::Open(stream) = std::mem::replace(&mut self.state, idle) {
            stream.finish().await;
        }
    }

    /// The broker has no session: the runtime has to know before it gets another delivery.
    pub(super) fn lose_broker_session(&mut self) {
        self.lost = true;
        self.reporting.last = None;
        self.batches.clear();
        let now = Instant::now();
        self.state = State::Idle { not_before: self.superseded_until.map_or(now, |until| until.max(now)) };
    }

    /// The stream is gone; the next attempt is made after a pause.
    pub(super) fn close(&mut self, now: Instant, error: &RuntimeError) {
        self.batches.clear();
        // A runtime that opens streams and can commit nothing is not to be asked at full speed.
        if self.opened_at.take().is_some_and(|at| now >= at + STEADY) {
            self.backoff.reset();
        }
        self.superseded_until = error.is_superseded().then(|| now + SUPERSEDED_PAUSE);
        let not_before = self.superseded_until.unwrap_or_else(|| now + self.backoff.pause());
        self.state = State::Idle { not_before };
    }

    /// Another bridge works for the account, and this one waits.
    pub(super) fn is_standing_down(&self, now: Instant) -> bool {
        self.superseded_until.is_some_and(|until| until > now)
    }

    /// Opens a stream if it is time. `published`: the done positions of the last stream's ledger.
    pub(super) fn open_when_due(&mut self, now: Instant, published: impl FnOnce() -> Published) {
        match self.state {
            State::Idle { not_before } if self.allowed && not_before <= now => {}
            _ => return,
        }
        self.told_lost = self.lost;
        let open = Open {
            account: self.account.clone(),
            broker_url: self.broker_url.clone(),
            session_present: !self.lost,
            run: self.run,
            client_id: self.client_id.clone(),
            capabilities: capability::OF_BRIDGE.map(str::to_owned).to_vec(),
            ledger_id: self.ledger.clone().unwrap_or_default(),
            published: self.ledger.is_some().then(published),
            pages: true,
        };
        self.state = State::Opening(Box::pin(runtime::open(self.endpoint.clone(), open)));
    }

    /// The runtime opened the stream. Returns the id of the ledger before, if entries of that one mean nothing to the
    /// runtime's ledger.
    pub(super) fn opened(&mut self, opened: &Opened) -> Option<String> {
        let idle = State::Idle { not_before: Instant::now() };
        self.state = match std::mem::replace(&mut self.state, idle) {
            State::Greeting { stream, .. } => State::Open(stream),
            other => other,
        };
        self.opened_at = Some(Instant::now());
        if self.told_lost {
            self.lost = false;
        }
        let can = |capability: &str| opened.capabilities.iter().any(|name| name == capability);
        self.reporting.has_queues = can(capability::OUTBOX_QUEUES);
        self.reporting.is_wanted = can(capability::ACKNOWLEDGED);
        self.send_acknowledged();
        let before = self.ledger.replace(opened.ledger_id.clone());
        before.filter(|before| *before != opened.ledger_id || opened.restored)
    }

    /// Whether the runtime of the open stream knows send queues and credit.
    pub(super) const fn has_queues(&self) -> bool {
        self.reporting.has_queues
    }

    /// The broker has read acknowledgements. A stream that is opened later gets the report too.
    pub(super) fn acknowledged(&mut self, connection: u64, through: u64) {
        self.reporting.last = Some(Acknowledged { through, connection });
        self.send_acknowledged();
    }

    fn send_acknowledged(&self) {
        if let Some(acknowledged) = self.reporting.last.filter(|_| self.reporting.is_wanted) {
            self.send(process_request::Message::Acknowledged(acknowledged));
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(super) fn send(&self, message: process_request::Message) {
        if let State::Open(stream) = &self.state {
            stream.send(message);
        }
    }

    /// Batches are at the runtime without an outcome.
    pub(super) fn awaits_outcomes(&self) -> bool {
        !self.batches.is_empty()
    }

    pub(super) fn takes_batches(&self, limit: usize) -> bool {
        self.is_open() && self.batches.len() < limit
    }

    pub(super) fn send_batch(&mut self, deliveries: Vec<Delivery>, last: u64, now: Instant) {
        tracing::debug!(deliveries = deliveries.len(), last, under_way = self.batches.len(), "batch");
        self.batches.push_back((last, now));
        self.send(process_request::Message::Batch(Batch { deliveries }));
    }

    /// A delivery has its outcome.
    pub(super) fn answered(&mut self, number: u64) {
        while self.batches.front().is_some_and(|(last, _)| *last <= number) {
            self.backoff.reset();
            self.batches.pop_front();
        }
    }

    /// The runtime is well and waits for the algorithm: what is under way is so for longer.
    pub(super) fn asked_to_wait(&mut self, now: Instant) {
        for (_, sent) in &mut self.batches {
            *sent = now;
        }
    }

    /// The runtime is connected and says nothing.
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
            // The attempt has a deadline of its own.
            State::Idle { .. } | State::Opening(_) => None,
            State::Greeting { since, .. } => Some(since + PATIENCE),
            State::Open(_) => self.batches.front().map(|(_, sent)| *sent + PATIENCE),
        }
    }
}
