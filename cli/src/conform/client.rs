//! Talks to the server: every answer has a deadline, so that a server that hangs never hangs the kit.

use std::{fmt, time::Duration};

use algo_runtime::backend::Address;
use intuition_api::{
    limits::MAX_MESSAGE_BYTES,
    status::CallEnd,
    v1::{
        DescribeRequest, DescribeResponse, EventBatch, EventBatchResult, EventsRequest, EventsResponse,
        InitializeRequest, InitializeResponse, InputEvent, Reconfigure, ReconfigureResponse,
        algorithm_client::AlgorithmClient, events_request, events_response::Message,
    },
};
use intuition_common::exit::with_causes;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::row::Row;

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(crate) enum CallError {
    /// Nobody is there.
    Unreachable(String),
    /// None within the deadline.
    Late { what: &'static str, seconds: f64 },
    /// The call ended with an error.
    Ended { what: &'static str, status: Box<Status> },
    /// The stream ended with OK.
    Closed { what: &'static str },
    /// Another kind of message.
    Odd { what: &'static str, came: &'static str },
}

impl CallError {
    /// The row that it belongs to, where it is met in the check of `row`.
    pub(crate) const fn row(&self, row: Row) -> Row {
        match self {
            Self::Late { .. } => Row::Deadline,
            Self::Odd { .. } => Row::Order,
            _ => row,
        }
    }

    /// Whether the server may be starting: it has no connection, breaks it, or answers `UNAVAILABLE`.
    pub(crate) fn is_of_a_start(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Ended { status, .. } => {
                matches!(CallEnd::of(status), CallEnd::Broken | CallEnd::Unavailable)
            }
            Self::Late { .. } | Self::Closed { .. } | Self::Odd { .. } => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the server cannot be reached: {why}"),
            Self::Late { what, seconds } => write!(f, "{what} was not answered within {seconds} s"),
            Self::Ended { what, status } if status.message().is_empty() => {
                write!(f, "{what} was answered by {:?}, without a message", status.code())
            }
            Self::Ended { what, status } => {
                write!(f, "{what} was answered by {:?}: {}", status.code(), super::judge::sentence(status.message()))
            }
            Self::Closed { what } => write!(f, "{what} was answered by the end of the stream, with OK"),
            Self::Odd { what, came } => write!(f, "{what} was answered by {came}"),
        }
    }
}

/// The server, and how long it may take.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) deadline: Duration,
}

impl Target {
    /// A connection of its own, as every account's runtime has one.
    pub(crate) async fn connect(&self) -> Result<AlgorithmClient<Channel>, CallError> {
        let unreachable = |error: tonic::transport::Error| CallError::Unreachable(with_causes(&error));
        let endpoint = self.address.endpoint().map_err(unreachable)?.connect_timeout(self.deadline);
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(AlgorithmClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Waits for an answer to a call.
    pub(crate) async fn call<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let answer = time::timeout(self.deadline, call).await.map_err(|_| self.late(what))?;
        answer.map(tonic::Response::into_inner).map_err(|status| CallError::Ended { what, status: Box::new(status) })
    }

    pub(crate) async fn describe(&self) -> Result<DescribeResponse, CallError> {
        let mut client = self.connect().await?;
        self.call("Describe", client.describe(DescribeRequest {})).await
    }

    /// Opens a stream with this message.
    pub(crate) async fn stream(&self, first: events_request::Message) -> Result<Stream, CallError> {
        let mut client = self.connect().await?;
        let (requests, receiver) = mpsc::unbounded_channel();
        drop(requests.send(EventsRequest { message: Some(first) }));
        let opening = client.events(UnboundedReceiverStream::new(receiver));
        let responses = self.call("the opening of Events", opening).await?;
        Ok(Stream { target: self.clone(), requests: Some(requests), responses })
    }

    /// Opens a stream and initializes it.
    pub(crate) async fn open(
        &self,
        account: &str,
        parameters_json: &str,
        state: Vec<u8>,
    ) -> Result<(Stream, InitializeResponse), CallError> {
        let initialize = InitializeRequest {
            account: account.to_owned(),
            parameters_json: parameters_json.to_owned(),
            state: state.into(),
        };
        let mut stream = self.stream(events_request::Message::Initialize(initialize)).await?;
        match stream.next("initialize").await? {
            Message::Initialized(answer) => Ok((stream, answer)),
            other => Err(odd("initialize", &other)),
        }
    }

    fn late(&self, what: &'static str) -> CallError {
        CallError::Late { what, seconds: self.deadline.as_secs_f64() }
    }
}

/// An open stream.
pub(crate) struct Stream {
    target: Target,
    /// `None`: our side is closed.
    requests: Option<mpsc::UnboundedSender<EventsRequest>>,
    responses: Streaming<EventsResponse>,
}

impl Stream {
    /// Waits so long for each answer from here on.
    pub(crate) const fn be_patient(&mut self, deadline: Duration) {
        self.target.deadline = deadline;
    }

    /// Sends a message without waiting.
    pub(crate) fn send(&self, message: Option<events_request::Message>) {
        if let Some(requests) = &self.requests {
            drop(requests.send(EventsRequest { message }));
        }
    }

    /// The next message, which answers `what`.
    pub(crate) async fn next(&mut self, what: &'static str) -> Result<Message, CallError> {
        let answer = time::timeout(self.target.deadline, self.responses.message()).await;
        match answer.map_err(|_| self.target.late(what))? {
            Ok(Some(EventsResponse { message: Some(message) })) => Ok(message),
            Ok(Some(EventsResponse { message: None })) => Err(CallError::Odd { what, came: "an empty message" }),
            Ok(None) => Err(CallError::Closed { what }),
            Err(status) => Err(CallError::Ended { what, status: Box::new(status) }),
        }
    }

    pub(crate) async fn batch(&mut self, number: u64, events: Vec<InputEvent>) -> Result<EventBatchResult, CallError> {
        self.send(Some(events_request::Message::Batch(EventBatch { number, events })));
        match self.next("batch").await? {
            Message::Result(result) => Ok(result),
            other => Err(odd("batch", &other)),
        }
    }

    pub(crate) async fn reconfigure(&mut self, parameters_json: &str) -> Result<ReconfigureResponse, CallError> {
        let reconfigure = Reconfigure { parameters_json: parameters_json.to_owned() };
        self.send(Some(events_request::Message::Reconfigure(reconfigure)));
        match self.next("reconfigure").await? {
            Message::Reconfigured(answer) => Ok(answer),
            other => Err(odd("reconfigure", &other)),
        }
    }

    /// Closes our side and waits for the end; a message that still comes is an answer to nothing.
    pub(crate) async fn finish(&mut self) -> Result<(), CallError> {
        self.requests = None;
        match self.next("the closing of the runtime's side").await {
            Ok(_) => Err(CallError::Odd { what: "nothing", came: "another message" }),
            Err(CallError::Closed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const fn odd(what: &'static str, message: &Message) -> CallError {
    let came = match message {
        Message::Initialized(_) => "`initialized`",
        Message::Result(_) => "`result`",
        Message::Reconfigured(_) => "`reconfigured`",
    };
    CallError::Odd { what, came }
}
