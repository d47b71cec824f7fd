//! The stream to the runtime.

use std::time::Duration;

use intuition_api::{
    bounds::LARGEST_MESSAGE_BYTES,
    reason,
    v1::{Open, ProcessRequest, ProcessResponse, process_request, process_response, runtime_client::RuntimeClient},
};
use intuition_common::text::without_login;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming, transport::Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time from the attempt to the first byte of the answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Errors of the stream.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The address is no URL.
    #[error("{url:?} is no address of a runtime such as http://127.0.0.1:50051 or unix:/path")]
    ParseUrl {
        /// The value as given.
        url: String,
        /// The cause.
        source: tonic::transport::Error,
    },
    /// The URL is neither plain HTTP/2 nor a Unix socket.
    #[error("{url:?} is no address of a runtime: use http://HOST:PORT or unix:/PATH")]
    UseUrl {
        /// The value as given.
        url: String,
    },
    /// There is no connection.
    #[error("cannot reach the runtime")]
    Connect(#[source] tonic::transport::Error),
    /// The runtime did not answer in time.
    #[error("the runtime does not answer")]
    Stall,
    /// The runtime refused or ended the stream.
    #[error("the runtime ended the stream: {}", .0.message())]
    End(#[source] Box<Status>),
    /// The runtime asks for the loss of the broker's session once more.
    #[error("another bridge delivered too, and the runtime asks whether the loss of the broker's session came later")]
    ConfirmLoss,
    /// The runtime closed the stream without a status.
    #[error("the runtime closed the stream")]
    Close,
    /// The runtime broke the contract.
    #[error("the runtime breaks the contract: {0}")]
    BreakContract(String),
}

impl RuntimeError {
    /// Another bridge of the same account has opened a stream.
    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::End(status) if status.code() == Code::Aborted)
    }

    /// CamelCase code.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ParseUrl { .. } | Self::UseUrl { .. } => "InvalidUrl",
            Self::Connect(_) | Self::Close => reason::UNREACHABLE,
            Self::Stall => "NoAnswer",
            Self::ConfirmLoss => "SessionUnconfirmed",
            Self::BreakContract(_) => reason::CONTRACT_BROKEN,
            Self::End(status) => match status.code() {
                Code::NotFound => "OtherAccount",
                Code::Aborted => "Superseded",
                Code::Unavailable | Code::Cancelled | Code::Unknown => reason::UNREACHABLE,
                Code::InvalidArgument => reason::CONTRACT_BROKEN,
                Code::Unimplemented => "NoRuntime",
                _ => "RuntimeFailed",
            },
        }
    }
}

/// The runtime's endpoint, with deadlines that notice its loss.
pub fn endpoint(url: &str) -> Result<Endpoint, RuntimeError> {
    let parse = |source| RuntimeError::ParseUrl { url: without_login(url).into_owned(), source };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(parse)?;
    let uri = endpoint.uri();
    let is_http = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
    // tonic gives a Unix socket a URI of its own.
    let socket = url.strip_prefix("unix:");
    let is_reachable = socket.map_or(is_http, |path| !path.trim_start_matches('/').is_empty());
    if !is_reachable {
        return Err(RuntimeError::UseUrl { url: without_login(url).into_owned() });
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// An open stream.
pub struct Stream {
    // The channel needs no bound: batches wait for outcomes, confirmations for entries, records for answers.
    requests: mpsc::UnboundedSender<ProcessRequest>,
    responses: Streaming<ProcessResponse>,
}

/// Connects and opens a stream. The runtime's first message is still to come.
pub async fn open(endpoint: Endpoint, open: Open) -> Result<Stream, RuntimeError> {
    let attempt = async {
        let channel = endpoint.connect().await.map_err(RuntimeError::Connect)?;
        let mut client = RuntimeClient::new(channel)
            .max_decoding_message_size(LARGEST_MESSAGE_BYTES)
            .max_encoding_message_size(LARGEST_MESSAGE_BYTES);
        let (requests, receiver) = mpsc::unbounded_channel();
        let first = ProcessRequest { message: Some(process_request::Message::Open(open)) };
        requests.send(first).map_err(|_| RuntimeError::Close)?;
        let call = client.process(UnboundedReceiverStream::new(receiver)).await;
        let responses = call.map_err(|status| RuntimeError::End(Box::new(status)))?.into_inner();
        Ok(Stream { requests, responses })
    };
    time::timeout(OPEN_TIMEOUT, attempt).await.unwrap_or(Err(RuntimeError::Stall))
}

impl Stream {
    /// Sends a message, without waiting. [`Stream::next`] reports the end of the stream.
    pub fn send(&self, message: process_request::Message) {
        drop(self.requests.send(ProcessRequest { message: Some(message) }));
    }

    /// Ends this side, and returns when the runtime has read everything and ended its own. Its messages until then are
    /// dropped.
    pub async fn finish(self) {
        let Self { requests, mut responses } = self;
        drop(requests);
        while let Ok(Some(_)) = responses.message().await {}
    }

    /// The next message. May be abandoned at any time.
    pub async fn next(&mut self) -> Result<process_response::Message, RuntimeError> {
        match self.responses.message().await {
            Ok(Some(ProcessResponse { message: Some(message) })) => Ok(message),
            Ok(Some(ProcessResponse { message: None })) => {
                Err(RuntimeError::BreakContract("an empty message".to_owned()))
            }
            Ok(None) => Err(RuntimeError::Close),
            Err(status) => Err(RuntimeError::End(Box::new(status))),
        }
    }
}
