//! Carries a backend's orders out: the only place that talks to backends.
//!
//! One task per backend. It has one call under way at most, every answer has a deadline, and it ends at once when it is
//! let go or the process shuts down: nothing waits for a backend.

use std::{future::pending, time::Duration};

use intuition_api::v1::{
    DescribeRequest, EventsRequest, EventsResponse, algorithm_client::AlgorithmClient, events_request, events_response,
};
use intuition_common::exit::with_causes;
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{Address, Failure, Fault, Order, Report, Said, describe::Described};

/// An initialized stream that stays open so long shows that its server is well.
pub const STEADY: Duration = Duration::from_secs(30);
/// A batch that serves to find a quote that is never answered is waited for this part of the deadline: a quarter.
pub const SEARCH_PARTS: u32 = 4;

/// Largest message sent and taken, bytes: what gRPC servers and clients take by default.
const MAX_MESSAGE: usize = 4 << 20;
const CONNECT: Duration = Duration::from_secs(5);
/// Of TCP. The pings of HTTP/2 would do better, and servers in Go, Java and Python hang up on a client that sends them more
/// often than every five minutes (gRPC proposal A8). What is asked has a deadline anyway.
const KEEPALIVE: Duration = Duration::from_secs(20);

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
pub struct Link(mpsc::UnboundedSender<Order>);

impl Link {
    /// Gives it an order. One that has ended does nothing any more, as the process is shutting down.
    pub fn order(&self, order: Order) {
        drop(self.0.send(order));
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

    /// Starts a link to `address`. `tell` is called with each report; false: nobody listens any more.
    pub fn start<F, T>(&self, address: Address, tell: F) -> Link
    where
        F: Fn(Report) -> T + Send + Sync + 'static,
        T: Future<Output = bool> + Send,
    {
        let (orders, receiver) = mpsc::unbounded_channel();
        let (shutdown, deadline) = (self.shutdown.clone(), self.deadline);
        let work = async move {
            let worker = Worker { address, deadline, attempt: 0, client: None, stream: None };
            shutdown.run_until_cancelled(worker.work(receiver, tell)).await;
        };
        self.tasks.spawn_on(work, &self.tokio);
        Link(orders)
    }
}

/// An open stream.
struct Stream {
    requests: mpsc::UnboundedSender<EventsRequest>,
    responses: Streaming<EventsResponse>,
    /// How long the message under way is waited for, and until when; `None`: nothing is under way.
    due: Option<(Duration, Instant)>,
    /// When the stream will have been open for [`STEADY`]; `None`: it is not initialized, or that was reported.
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
    async fn work<F, T>(mut self, mut orders: mpsc::UnboundedReceiver<Order>, tell: F)
    where
        F: Fn(Report) -> T,
        T: Future<Output = bool>,
    {
        let mut next = orders.recv().await;
        while let Some(order) = next {
            // A newer order is heard while one is carried out: it may be to give up.
            let said = tokio::select! {
                biased;
                said = self.carry_out(order) => said,
                newer = orders.recv() => {
                    next = newer;
                    continue;
                }
            };
            if let Some(said) = said
                && !self.report(said, &tell).await
            {
                return;
            }
            next = loop {
                let heard = tokio::select! {
                    order = orders.recv() => break order,
                    heard = listen(self.stream.as_mut()) => heard,
                };
                if !self.report(heard, &tell).await {
                    return;
                }
            };
        }
    }

    async fn report<F, T>(&mut self, said: Result<Said, Failure>, tell: &F) -> bool
    where
        F: Fn(Report) -> T,
        T: Future<Output = bool>,
    {
        if said.is_err() {
            // Closed by being dropped: what still comes on it is void.
            (self.client, self.stream) = (None, None);
        }
        tell(Report { attempt: self.attempt, said }).await
    }

    /// Does what an order says; `None` where the answer comes on the stream.
    async fn carry_out(&mut self, order: Order) -> Option<Result<Said, Failure>> {
        match order {
            Order::Call { attempt, pause } => {
                (self.client, self.stream) = (None, None);
                self.attempt = attempt;
                time::sleep(pause).await;
                Some(self.within(self.deadline, self.call()).await.map(|(client, described)| {
                    self.client = Some(client);
                    described
                }))
            }
            Order::Initialize(request) => {
                let opened = self.open(events_request::Message::Initialize(request)).await;
                opened.err().map(Err)
            }
            Order::Batch { batch, is_search } => {
                let patience = if is_search { self.deadline / SEARCH_PARTS } else { self.deadline };
                self.send(events_request::Message::Batch(batch), patience)
            }
            Order::Reconfigure(reconfigure) => {
                self.send(events_request::Message::Reconfigure(reconfigure), self.deadline)
            }
        }
    }

    async fn call(&self) -> Result<(AlgorithmClient<Channel>, Said), Failure> {
        let unreachable = |error: tonic::transport::Error| {
            Failure::new(Fault::Unreachable, format!("nobody answers: {}", with_causes(&error)))
        };
        let endpoint = self.address.endpoint().map_err(unreachable)?;
        let endpoint = endpoint.connect_timeout(CONNECT.min(self.deadline)).tcp_keepalive(Some(KEEPALIVE));
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let mut client =
            AlgorithmClient::new(channel).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
        let described = client.describe(DescribeRequest {}).await;
        let described = described.map_err(|status| ended("Describe", &status))?.into_inner();
        // Compiling a schema from outside may take long, and would hold up this process's other tasks.
        let described = tokio::task::spawn_blocking(move || Described::read(&described)).await;
        let described = described
            .map_err(|error| Failure::new(Fault::Error, format!("reading its description failed: {error}")))??;
        Ok((client, Said::Described(described)))
    }

    /// Opens the stream. A server may send its headers with its first message only, so that the opening is not waited
    /// for on its own.
    async fn open(&mut self, first: events_request::Message) -> Result<(), Failure> {
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

    fn send(&mut self, message: events_request::Message, patience: Duration) -> Option<Result<Said, Failure>> {
        // Without a stream its end was reported, and this order crossed the report.
        let stream = self.stream.as_mut()?;
        stream.due = Some((patience, Instant::now() + patience));
        drop(stream.requests.send(EventsRequest { message: Some(message) }));
        None
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        time::timeout(deadline, answer).await.unwrap_or_else(|_| Err(late(deadline)))
    }
}

/// The next message of the stream, or that it stays open, or how it ended; never where there is none.
async fn listen(stream: Option<&mut Stream>) -> Result<Said, Failure> {
    let Some(stream) = stream else { return pending().await };
    let message = match (stream.due, stream.steady) {
        (Some((patience, due)), _) => {
            let message = time::timeout_at(due, stream.responses.message()).await;
            message.map_err(|_| late(patience))?
        }
        (None, Some(steady)) => {
            let Ok(message) = time::timeout_at(steady, stream.responses.message()).await else {
                stream.steady = None;
                return Ok(Said::Steady);
            };
            message
        }
        (None, None) => stream.responses.message().await,
    };
    stream.due = None;
    let broken = |message: &str| Failure::new(Fault::ContractBroken, message.to_owned());
    match message {
        Ok(Some(EventsResponse { message: Some(message) })) => Ok(match message {
            events_response::Message::Initialized(answer) => {
                stream.steady = Some(Instant::now() + STEADY);
                Said::Initialized(answer)
            }
            events_response::Message::Result(answer) => Said::Result(answer),
            events_response::Message::Reconfigured(answer) => Said::Reconfigured(answer),
        }),
        Ok(Some(EventsResponse { message: None })) => Err(broken("EventsResponse: it sent an empty message")),
        Ok(None) => Err(Failure::new(Fault::Error, "it ended the stream of Events without being told to".to_owned())),
        Err(status) => Err(ended("Events", &status)),
    }
}

fn late(deadline: Duration) -> Failure {
    Failure::new(Fault::Timeout, format!("it did not answer within {} s", deadline.as_secs_f64()))
}

fn ended(call: &str, status: &Status) -> Failure {
    let message = status.message();
    // The status is of our own making then: no server answered.
    if let Some(source) = std::error::Error::source(status) {
        let message = format!("{call}: the connection broke, or what is there speaks no gRPC: {}", with_causes(source));
        return Failure::new(Fault::Unreachable, message);
    }
    match status.code() {
        Code::Unavailable => Failure::new(Fault::Unreachable, format!("{call}: it went away: {message}")),
        Code::Unimplemented => Failure::new(
            Fault::ContractUnsupported,
            format!("{call}: what answers there does not serve intuition.v1.Algorithm"),
        ),
        // tonic's code for a message above the limit.
        Code::OutOfRange => {
            Failure::new(Fault::ContractBroken, format!("{call}: a message above {MAX_MESSAGE} bytes: {message}"))
        }
        Code::DeadlineExceeded => Failure::new(Fault::Timeout, format!("{call}: {message}")),
        code if message.is_empty() => {
            Failure::new(Fault::Error, format!("{call} ended with {code:?}, without a message"))
        }
        code => Failure::new(Fault::Error, format!("{call} ended with {code:?}: {}", shown(message))),
    }
}

/// What a server says, cut to what a condition can carry.
fn shown(text: &str) -> String {
    text.chars().take(512).collect()
}

#[cfg(test)]
mod tests;
