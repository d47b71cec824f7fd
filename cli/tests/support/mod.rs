//! A server of `Algorithm` for tests: an algorithm that is built in, served out of process, with faults on demand.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use algo_runtime::algorithm::{Algorithm, AlgorithmSettings, Builtin, Event, Quote, SavedState, Signal};
use intuition_api::v1::{
    self, DescribeRequest, DescribeResponse, EventBatch, EventBatchResult, EventRequest, EventResponse, EventResult,
    EventsRequest, EventsResponse, InitializeRequest, InitializeResponse, InputEvent, ReconfigureResponse, Side,
    Signal as WireSignal,
    algorithm_server::{Algorithm as Service, AlgorithmServer},
    events_request, events_response, input_event,
};
use serde_json::{Map, Value};
use tokio::{
    net::{TcpListener, UnixListener},
    runtime::Runtime,
};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{TcpListenerStream, UnboundedReceiverStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// What is served.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The algorithm.
    pub(crate) builtin: &'static str,
    /// The contract it says it speaks.
    pub(crate) contract: &'static str,
    /// Channels, for the algorithm's own.
    pub(crate) channels: Option<Vec<String>>,
    /// Quotes of this symbol are rejected.
    pub(crate) rejects: Option<&'static str>,
    /// A batch with a quote of this symbol ends the stream with an error.
    pub(crate) fails_at: Option<&'static str>,
    /// The batch with the event of this number, from 1 over the life of the backend, is taken and never answered. Told
    /// once by [`Backend::wait_until_it_hangs`].
    pub(crate) hangs_at: Option<u64>,
    /// The version it says it is.
    pub(crate) version: &'static str,
}

impl Rule {
    pub(crate) fn of(builtin: &'static str) -> Self {
        Self {
            builtin,
            contract: "intuition.v1",
            channels: None,
            rejects: None,
            fails_at: None,
            hangs_at: None,
            version: "7.8.9",
        }
    }
}

/// A backend that serves until it is dropped, which ends it as a kill does: listener and connections are gone at once.
pub(crate) struct Backend {
    /// For `--algorithm-address`.
    pub(crate) address: String,
    runtime: Option<Runtime>,
    hangs: mpsc::Receiver<()>,
    quotes: mpsc::Receiver<v1::Quote>,
}

impl Backend {
    /// On a port of the loopback interface; 0: any that is free.
    pub(crate) fn tcp(port: u16, rule: Rule) -> Self {
        let listener = StdListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        Self::start(address, rule, move || TcpListenerStream::new(TcpListener::from_std(listener).unwrap()))
    }

    /// On a socket, which must not be there yet.
    pub(crate) fn unix(path: &Path, rule: Rule) -> Self {
        let socket: PathBuf = path.to_owned();
        let address = format!("unix:{}", path.display());
        Self::start(address, rule, move || UnixListenerStream::new(UnixListener::bind(socket).unwrap()))
    }

    fn start<S, C>(address: String, rule: Rule, listen: impl FnOnce() -> S) -> Self
    where
        S: Stream<Item = std::io::Result<C>> + Send + 'static,
        C: tokio::io::AsyncRead + tokio::io::AsyncWrite + tonic::transport::server::Connected + Unpin + Send + 'static,
    {
        let (hang, hangs) = mpsc::channel();
        let (quote, quotes) = mpsc::channel();
        let served = Served {
            rule,
            events: Arc::default(),
            hang: Arc::new(Mutex::new(hang)),
            quote: Arc::new(Mutex::new(quote)),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let guard = runtime.enter();
        let incoming = listen();
        drop(guard);
        runtime.spawn(Server::builder().add_service(AlgorithmServer::new(served)).serve_with_incoming(incoming));
        Self { address, runtime: Some(runtime), hangs, quotes }
    }

    /// The port, for another one to take over.
    pub(crate) fn port(&self) -> u16 {
        self.address.strip_prefix("http://").unwrap().parse::<SocketAddr>().unwrap().port()
    }

    /// The quotes that came since the last call.
    pub(crate) fn quotes(&self) -> Vec<v1::Quote> {
        self.quotes.try_iter().collect()
    }

    /// Waits until it hangs.
    pub(crate) fn wait_until_it_hangs(&self) {
        self.hangs.recv().unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits for its tasks, so that the port is free again.
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

/// A port of the loopback interface where nobody is.
pub(crate) fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[derive(Clone)]
struct Served {
    rule: Rule,
    events: Arc<Mutex<u64>>,
    hang: Arc<Mutex<mpsc::Sender<()>>>,
    quote: Arc<Mutex<mpsc::Sender<v1::Quote>>>,
}

type Responses = Pin<Box<dyn Stream<Item = Result<EventsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Service for Served {
    type EventsStream = Responses;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            name: format!("{}-outside", self.rule.builtin),
            version: self.rule.version.to_owned(),
            contract: self.rule.contract.to_owned(),
            parameters_schema_json: String::new(),
        }))
    }

    async fn events(
        &self,
        requests: Request<Streaming<EventsRequest>>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let (responses, receiver) = tokio::sync::mpsc::unbounded_channel();
        let served = self.clone();
        tokio::task::spawn(async move {
            let mut requests = requests.into_inner();
            let mut session = None;
            while let Some(Ok(EventsRequest { message: Some(message) })) = requests.next().await {
                if served.fails(&message) {
                    drop(responses.send(Err(Status::internal("division by zero"))));
                    return;
                }
                let Some(message) = served.answer(message, &mut session) else {
                    return std::future::pending().await;
                };
                drop(responses.send(Ok(EventsResponse { message: Some(message) })));
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }

    async fn initialize(&self, _: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        Err(Status::unimplemented("the runtime uses the stream"))
    }

    async fn event(&self, _: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        Err(Status::unimplemented("the runtime uses the stream"))
    }
}

struct Session {
    algorithm: Box<dyn Algorithm>,
    saved: SavedState,
}

impl Served {
    fn fails(&self, message: &events_request::Message) -> bool {
        let events_request::Message::Batch(batch) = message else { return false };
        batch.events.iter().any(|event| match &event.kind {
            Some(input_event::Kind::Quote(quote)) => self.rule.fails_at == Some(quote.sid.as_str()),
            _ => false,
        })
    }

    /// The answer; `None`: it hangs.
    fn answer(
        &self,
        message: events_request::Message,
        session: &mut Option<Session>,
    ) -> Option<events_response::Message> {
        use events_response::Message as Answer;
        Some(match message {
            events_request::Message::Initialize(request) => {
                let saved: SavedState = if request.state.is_empty() {
                    SavedState::new()
                } else {
                    serde_json::from_slice(&request.state).unwrap()
                };
                let builtin = Builtin::find(self.rule.builtin).unwrap();
                Answer::Initialized(match builtin.initialize(&settings(&request.parameters_json), &saved, 1) {
                    Ok(algorithm) => {
                        let channels = self.rule.channels.clone().unwrap_or_else(|| algorithm.channels());
                        *session = Some(Session { algorithm, saved });
                        InitializeResponse { channels, refusal: String::new() }
                    }
                    Err(errors) => InitializeResponse { channels: Vec::new(), refusal: errors.to_string() },
                })
            }
            events_request::Message::Batch(batch) => Answer::Result(self.decide(&batch, session.as_mut().unwrap())?),
            events_request::Message::Reconfigure(_) => Answer::Reconfigured(ReconfigureResponse::default()),
        })
    }

    fn decide(&self, batch: &EventBatch, session: &mut Session) -> Option<EventBatchResult> {
        let last = {
            let mut events = self.events.lock().unwrap();
            *events += batch.events.len() as u64;
            *events
        };
        let first = last + 1 - batch.events.len() as u64;
        if self.rule.hangs_at.is_some_and(|at| (first..=last).contains(&at)) {
            self.hang.lock().unwrap().send(()).unwrap();
            return None;
        }
        let results = batch.events.iter().map(|event| self.judge(event, session)).collect();
        session.saved.append(&mut session.algorithm.take_changes());
        let state = Some(serde_json::to_vec(&session.saved).unwrap().into());
        Some(EventBatchResult { number: batch.number, results, state, publications: Vec::new() })
    }

    fn judge(&self, event: &InputEvent, session: &mut Session) -> EventResult {
        let Some(input_event::Kind::Quote(quote)) = &event.kind else {
            return EventResult { event: event.event, ..EventResult::default() };
        };
        self.quote.lock().unwrap().send(quote.clone()).unwrap();
        if self.rule.rejects == Some(quote.sid.as_str()) {
            let reject = format!("{} is not for me", quote.sid);
            return EventResult { event: event.event, reject, ..EventResult::default() };
        }
        let quote = Quote {
            sid: quote.sid.clone(),
            price: quote.price.parse().unwrap(),
            time_micros: quote.time_micros,
            details: None,
        };
        let signals =
            session.algorithm.decide(&[Event::Quote(quote)]).into_iter().filter_map(|answer| answer.signal).map(
                |signal| {
                    let (side, quantity) = match signal {
                        Signal::Buy => (Side::Buy, None),
                        Signal::Sell(quantity) => (Side::Sell, quantity),
                    };
                    let quantity = quantity.map(|quantity| quantity.to_string()).unwrap_or_default();
                    WireSignal { event: event.event, side: side.into(), quantity }
                },
            );
        EventResult { event: event.event, signals: signals.collect(), reject: String::new() }
    }
}

fn settings(parameters_json: &str) -> AlgorithmSettings {
    let mut parameters: Map<String, Value> = serde_json::from_str(parameters_json).unwrap();
    let threshold = parameters.remove("threshold").unwrap().as_f64().unwrap();
    AlgorithmSettings { threshold, parameters }
}
