//! Links: each carries the commands to one backend out. No other module calls backends.
//!
//! A link is one task. It has at most one call under way, every answer has a deadline, and the task ends at once when its
//! near end is dropped or the process shuts down: nothing waits for a backend.

#![expect(clippy::disallowed_methods, reason = "an edge: it waits for answers by the monotonic clock")]

use std::{future::pending, time::Duration};

use intuition_api::{
    limits::{MAX_ERROR_CHARS, MAX_MESSAGE_BYTES},
    status::CallEnd,
    v1::{
        DescribeRequest, EventsRequest, EventsResponse, algorithm_client::AlgorithmClient, events_request,
        events_response,
    },
};
use intuition_common::exit::with_causes;
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, Streaming, transport::Channel};

use super::{Address, BackendError, BackendReply, ConditionReason, LinkCommand, LinkEvent, describe::Described};

/// An initialized stream that has been open for so long shows that its server is well.
pub const STEADY_AFTER: Duration = Duration::from_secs(30);
/// A batch that serves to find a quote that is never answered has this part of the deadline: a quarter.
pub const SEARCH_PARTS: u32 = 4;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of TCP. The pings of HTTP/2 would find a broken connection sooner, but servers in Go, Java and Python end the connection
/// of a client that sends them more often than every five minutes (gRPC proposal A8). Every command has a deadline anyway.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// Starts links.
#[derive(Debug, Clone)]
pub struct Links {
    tokio: tokio::runtime::Handle,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    deadline: Duration,
}

/// The near end of a link. Dropped, the link ends.
#[derive(Debug)]
pub struct Link(mpsc::UnboundedSender<LinkCommand>);

impl Link {
    /// Sends a command. A link that has ended ignores it: the process is shutting down.
    pub fn send(&self, command: LinkCommand) {
        drop(self.0.send(command));
    }
}

impl Links {
    /// Links of a process: each answer is waited for up to `deadline`, and none outlives `shutdown`.
    pub const fn new(
        tokio: tokio::runtime::Handle,
        tasks: TaskTracker,
        shutdown: CancellationToken,
        deadline: Duration,
    ) -> Self {
        Self { tokio, tasks, shutdown, deadline }
    }

    /// Starts a link to `address`. Calls `deliver` with each event, until it returns false because the receiver has gone.
    pub fn start<F, T>(&self, address: Address, deliver: F) -> Link
    where
        F: Fn(LinkEvent) -> T + Send + Sync + 'static,
        T: Future<Output = bool> + Send,
    {
        let (commands, receiver) = mpsc::unbounded_channel();
        let (shutdown, deadline) = (self.shutdown.clone(), self.deadline);
        let work = async move {
            let worker = Worker { address, deadline, attempt: 0, client: None, stream: None };
            shutdown.run_until_cancelled(worker.work(receiver, deliver)).await;
        };
        self.tasks.spawn_on(work, &self.tokio);
        Link(commands)
    }
}

/// An open stream.
struct Stream {
    requests: mpsc::UnboundedSender<EventsRequest>,
    responses: Streaming<EventsResponse>,
    /// The deadline of the command under way, as a duration and as a time; `None`: none is under way.
    due: Option<(Duration, Instant)>,
    /// Time at which [`STEADY_AFTER`] has passed; `None`: the stream is not initialized, or that event was sent.
    steady: Option<Instant>,
}

struct Worker {
    address: Address,
    deadline: Duration,
    attempt: u64,
    client: Option<AlgorithmClient<Channel>>,
    stream: Option<Stream>,
}

impl Worker {
    async fn work<F, T>(mut self, mut commands: mpsc::UnboundedReceiver<LinkCommand>, deliver: F)
    where
        F: Fn(LinkEvent) -> T,
        T: Future<Output = bool>,
    {
        let mut next = commands.recv().await;
        while let Some(command) = next {
            // Receive commands also while one is carried out: a newer one may give it up.
            let reply = tokio::select! {
                biased;
                reply = self.carry_out(command) => reply,
                newer = commands.recv() => {
                    next = newer;
                    continue;
                }
            };
            if let Some(reply) = reply
                && !self.report(reply, &deliver).await
            {
                return;
            }
            next = loop {
                let reply = tokio::select! {
                    command = commands.recv() => break command,
                    reply = listen(self.stream.as_mut()) => reply,
                };
                if !self.report(reply, &deliver).await {
                    return;
                }
            };
        }
    }

    async fn report<F, T>(&mut self, reply: Result<BackendReply, BackendError>, deliver: &F) -> bool
    where
        F: Fn(LinkEvent) -> T,
        T: Future<Output = bool>,
    {
        if reply.is_err() {
            // Dropping them closes the stream, and later messages on it are void.
            (self.client, self.stream) = (None, None);
        }
        deliver(LinkEvent { attempt: self.attempt, reply }).await
    }

    /// Carries a command out; `None` if the answer comes on the stream.
    async fn carry_out(&mut self, command: LinkCommand) -> Option<Result<BackendReply, BackendError>> {
        match command {
            LinkCommand::Call { attempt, pause } => {
                (self.client, self.stream) = (None, None);
                self.attempt = attempt;
                time::sleep(pause).await;
                Some(self.within(self.deadline, self.call()).await.map(|(client, described)| {
                    self.client = Some(client);
                    described
                }))
            }
            LinkCommand::Initialize(request) => {
                let opened = self.open(events_request::Message::Initialize(request)).await;
                opened.err().map(Err)
            }
            LinkCommand::Batch { batch, is_search } => {
                let patience = if is_search { self.deadline / SEARCH_PARTS } else { self.deadline };
                self.send(events_request::Message::Batch(batch), patience)
            }
            LinkCommand::Reconfigure(reconfigure) => {
                self.send(events_request::Message::Reconfigure(reconfigure), self.deadline)
            }
        }
    }

    async fn call(&self) -> Result<(AlgorithmClient<Channel>, BackendReply), BackendError> {
        let unreachable = |error: tonic::transport::Error| {
            BackendError::new(ConditionReason::Unreachable, format!("no server answers: {}", with_causes(&error)))
        };
        let endpoint = self.address.endpoint().map_err(unreachable)?;
        let endpoint =
            endpoint.connect_timeout(CONNECT_TIMEOUT.min(self.deadline)).tcp_keepalive(Some(KEEPALIVE_INTERVAL));
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let mut client = AlgorithmClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let described = client.describe(DescribeRequest {}).await;
        let described = described.map_err(|status| ended("Describe", &status))?.into_inner();
        // Compiling a schema may take long, and would block the other tasks of the process.
        let described = tokio::task::spawn_blocking(move || Described::read(&described)).await;
        let described = described.map_err(|error| {
            BackendError::new(ConditionReason::Error, format!("reading its description failed: {error}"))
        })??;
        Ok((client, BackendReply::Described(described)))
    }

    /// Opens the stream, and sends the first message before the server has answered: a server may send its headers only
    /// together with its first message.
    async fn open(&mut self, first: events_request::Message) -> Result<(), BackendError> {
        let Some(mut client) = self.client.clone() else { return Ok(()) };
        let (requests, receiver) = mpsc::unbounded_channel();
        let due = Instant::now() + self.deadline;
        drop(requests.send(EventsRequest { message: Some(first) }));
        let opening = async {
            let opened = client.events(UnboundedReceiverStream::new(receiver)).await;
            opened.map_err(|status| ended("Events", &status))
        };
        let responses = self.within(self.deadline, opening).await?.into_inner();
        self.stream = Some(Stream { requests, responses, due: Some((self.deadline, due)), steady: None });
        Ok(())
    }

    fn send(
        &mut self,
        message: events_request::Message,
        patience: Duration,
    ) -> Option<Result<BackendReply, BackendError>> {
        // Without a stream its end was reported, and the command crossed that event.
        let stream = self.stream.as_mut()?;
        stream.due = Some((patience, Instant::now() + patience));
        drop(stream.requests.send(EventsRequest { message: Some(message) }));
        None
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        answer: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        time::timeout(deadline, answer).await.unwrap_or_else(|_| Err(late(deadline)))
    }
}

/// Waits for the next message of the stream, its end, or the time at which it is steady; without a stream for ever.
async fn listen(stream: Option<&mut Stream>) -> Result<BackendReply, BackendError> {
    let Some(stream) = stream else { return pending().await };
    let message = match (stream.due, stream.steady) {
        (Some((patience, due)), _) => {
            let message = time::timeout_at(due, stream.responses.message()).await;
            message.map_err(|_| late(patience))?
        }
        (None, Some(steady)) => {
            let Ok(message) = time::timeout_at(steady, stream.responses.message()).await else {
                stream.steady = None;
                return Ok(BackendReply::Steady);
            };
            message
        }
        (None, None) => stream.responses.message().await,
    };
    stream.due = None;
    let broken = |message: &str| BackendError::new(ConditionReason::ContractBroken, message.to_owned());
    match message {
        Ok(Some(EventsResponse { message: Some(message) })) => Ok(match message {
            events_response::Message::Initialized(answer) => {
                stream.steady = Some(Instant::now() + STEADY_AFTER);
                BackendReply::Initialized(answer)
            }
            events_response::Message::Result(answer) => BackendReply::Result(answer),
            events_response::Message::Reconfigured(answer) => BackendReply::Reconfigured(answer),
        }),
        Ok(Some(EventsResponse { message: None })) => Err(broken("EventsResponse: it sent an empty message")),
        Ok(None) => {
            Err(BackendError::new(ConditionReason::Error, "it ended the stream of Events by itself".to_owned()))
        }
        Err(status) => Err(ended("Events", &status)),
    }
}

fn late(deadline: Duration) -> BackendError {
    BackendError::new(ConditionReason::Timeout, format!("it did not answer within {} s", deadline.as_secs_f64()))
}

fn ended(call: &str, status: &Status) -> BackendError {
    let message = status.message();
    let (reason, message) = match CallEnd::of(status) {
        CallEnd::Broken => {
            let cause = std::error::Error::source(status).map(with_causes).unwrap_or_default();
            let message = format!("{call}: the connection broke, or the server speaks no gRPC: {cause}");
            (ConditionReason::Unreachable, message)
        }
        CallEnd::Unavailable => (ConditionReason::Unreachable, format!("{call}: it went away: {message}")),
        CallEnd::Unserved => {
            let message = format!("{call}: the server does not serve intuition.v1.Algorithm");
            (ConditionReason::ContractUnsupported, message)
        }
        CallEnd::TooLarge => {
            (ConditionReason::ContractBroken, format!("{call}: a message above {MAX_MESSAGE_BYTES} bytes: {message}"))
        }
        CallEnd::Late => (ConditionReason::Timeout, format!("{call}: {message}")),
        CallEnd::Failed(code) if message.is_empty() => {
            (ConditionReason::Error, format!("{call} ended with {code:?}, without a message"))
        }
        CallEnd::Failed(code) => (ConditionReason::Error, format!("{call} ended with {code:?}: {}", shown(message))),
    };
    BackendError::new(reason, message)
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests;
