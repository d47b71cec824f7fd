//! A real runtime, a real ledger and backends over real sockets that do what backends do: crash, hang, answer rubbish, too
//! late, twice, too much, and come back without their memory.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use algo_runtime::{
    ledger::verify::verify,
    metrics::Metrics,
    portfolio::Policy,
    server::{self, Config, Running},
    settings::{AlgorithmRef, Initial, LiveSettings, Settings, SettingsSource, Topics},
};
use intuition_api::{
    part,
    v1::{
        AccountRequest, AccountResponse, Batch, Committed, ConfigureRequest, ConfigureResponse, Delivery,
        DescribeRequest, DescribeResponse, EventBatch, EventBatchResult, EventRequest, EventResponse, EventResult,
        EventsRequest, EventsResponse, Filter, Holding, Indicator, IndicatorValue, InitializeRequest,
        InitializeResponse, InputEvent, Marker, Open, ProcessRequest, ProcessResponse, Publication, Quote,
        ReconfigureResponse, Side, Signal, Tick,
        algorithm_server::{Algorithm, AlgorithmServer},
        events_request::Message as Asked,
        events_response::Message as Said,
        input_event::Kind as EventKind,
        process_request,
        process_response::Message,
        runtime_client::RuntimeClient,
        tick::Content,
        tick_outcome::Kind,
    },
};
use intuition_common::{
    clock::{Clock, SystemClock},
    readiness::Readiness,
};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::TcpListener, sync::mpsc};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{ReceiverStream, TcpListenerStream, UnboundedReceiverStream, UnixListenerStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

const ACCOUNT: &str = "default/test";
const DEADLINE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(1);

/// What a backend does with the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Answer,
    /// Ends the stream with an error.
    Fail,
    /// Ends the stream with OK.
    Close,
    /// Never answers.
    Hang,
    /// Answers behind the deadline.
    Late,
    Twice,
    WrongNumber,
    TooFew,
    Reversed,
    ForeignEvent,
    NoSide,
    HugeState,
    /// More than a gRPC message may hold.
    HugeAnswer,
    /// One answer after another, without end.
    Flood,
    Empty,
    /// An answer to something else.
    Odd,
}

const MISTAKES: [Act; 15] = [
    Act::Fail,
    Act::Close,
    Act::Hang,
    Act::Late,
    Act::Twice,
    Act::WrongNumber,
    Act::TooFew,
    Act::Reversed,
    Act::ForeignEvent,
    Act::NoSide,
    Act::HugeState,
    Act::HugeAnswer,
    Act::Flood,
    Act::Empty,
    Act::Odd,
];

/// What a backend was asked, and what it shall do.
#[derive(Debug, Default)]
struct Script {
    /// For the next batches; then they are answered.
    acts: VecDeque<Act>,
    /// Batches with this symbol, or with values of the indicator of this name, fail, whatever else they hold.
    poison: Option<&'static str>,
    /// Every batch fails.
    broken: bool,
    /// States that streams began with, in order.
    begun: Vec<Vec<u8>>,
    /// Sizes of the batches asked.
    asked: Vec<usize>,
    /// The batches: the symbol of a quote, the name of the indicator of values.
    told: Vec<Vec<String>>,
    schema: String,
    channels: Vec<String>,
    name: String,
}

/// Counts the quotes that it answered, in its state, and buys at each.
#[derive(Clone)]
struct Backend(Arc<Mutex<Script>>);

impl Backend {
    fn new(name: &str) -> Self {
        let script = Script { channels: vec!["quotes".to_owned()], name: name.to_owned(), ..Script::default() };
        Self(Arc::new(Mutex::new(script)))
    }

    fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Serves until the token is cancelled, at once and without a drain.
    async fn serve(&self, addr: &str) -> (SocketAddr, CancellationToken) {
        let until = Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(addr).await {
                Ok(listener) => break listener,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::task::yield_now().await;
        };
        let (addr, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = Server::builder().add_service(AlgorithmServer::new(self.clone()));
        let serving = serving.serve_with_incoming(TcpListenerStream::new(listener));
        let ended = stop.clone();
        drop(spawn(async move { drop(ended.run_until_cancelled(serving).await) }));
        (addr, stop)
    }

    fn answer(&self, count: &mut u64, batch: &EventBatch) -> Result<(EventBatchResult, Act), Status> {
        let act = self.script(|script| {
            script.asked.push(batch.events.len());
            script.told.push(batch.events.iter().map(|event| subject(event).to_owned()).collect());
            let poisoned = batch.events.iter().any(|event| Some(subject(event)) == script.poison);
            if script.broken || poisoned { Act::Fail } else { script.acts.pop_front().unwrap_or(Act::Answer) }
        });
        if act == Act::Fail {
            return Err(Status::internal("division by zero"));
        }
        let buy = |event| Signal { event, side: Side::Buy.into(), quantity: String::new() };
        let signals = |event: &InputEvent| match &event.kind {
            Some(EventKind::Quote(_)) => vec![buy(event.event)],
            _ => Vec::new(),
        };
        let results = batch.events.iter().map(|event| EventResult {
            event: event.event,
            signals: signals(event),
            reject: String::new(),
        });
        let mut answer = EventBatchResult { number: batch.number, results: results.collect(), ..Default::default() };
        *count += batch.events.len() as u64;
        answer.state = Some(count.to_string().into_bytes().into());
        match act {
            Act::WrongNumber => answer.number += 1,
            Act::TooFew => drop(answer.results.pop()),
            Act::Reversed => answer.results.iter_mut().for_each(|result| result.event += 1),
            Act::ForeignEvent => answer.results[0].signals[0].event += 100_000,
            Act::NoSide => answer.results[0].signals[0].side = 0,
            Act::HugeState => answer.state = Some(vec![0; (1 << 20) + 1].into()),
            Act::HugeAnswer => {
                let payload = vec![0; 200 << 10];
                answer.publications = vec![Publication { channel: "much".to_owned(), payload: payload.into() }; 40];
            }
            _ => {}
        }
        Ok((answer, act))
    }
}

fn subject(event: &InputEvent) -> &str {
    match &event.kind {
        Some(EventKind::Quote(quote)) => &quote.sid,
        Some(EventKind::Indicator(indicator)) => &indicator.name,
        None => "",
    }
}

#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(work)
}

type Answers = mpsc::UnboundedSender<Result<EventsResponse, Status>>;

fn say(out: &Answers, said: Said) {
    drop(out.send(Ok(EventsResponse { message: Some(said) })));
}

impl Backend {
    async fn stream(self, mut requests: Streaming<EventsRequest>, out: Answers) {
        let mut count = 0;
        while let Some(Ok(request)) = requests.next().await {
            match request.message {
                Some(Asked::Initialize(request)) => {
                    count = String::from_utf8(request.state.to_vec()).unwrap().parse().unwrap_or_default();
                    let channels = self.script(|script| {
                        script.begun.push(request.state.to_vec());
                        script.channels.clone()
                    });
                    say(&out, Said::Initialized(InitializeResponse { channels, refusal: String::new() }));
                }
                Some(Asked::Batch(batch)) => match self.answer(&mut count, &batch) {
                    Err(status) => return drop(out.send(Err(status))),
                    Ok((answer, act)) => match act {
                        Act::Close => return,
                        Act::Hang => out.closed().await,
                        Act::Late => {
                            tokio::time::sleep(DEADLINE * 2).await;
                            say(&out, Said::Result(answer));
                        }
                        Act::Twice => (0..2).for_each(|_| say(&out, Said::Result(answer.clone()))),
                        Act::Flood => {
                            while out.send(Ok(EventsResponse { message: Some(Said::Result(answer.clone())) })).is_ok() {
                                tokio::task::yield_now().await;
                            }
                        }
                        Act::Empty => drop(out.send(Ok(EventsResponse { message: None }))),
                        Act::Odd => say(&out, Said::Initialized(InitializeResponse::default())),
                        _ => say(&out, Said::Result(answer)),
                    },
                },
                Some(Asked::Reconfigure(_)) => say(&out, Said::Reconfigured(ReconfigureResponse::default())),
                None => return,
            }
        }
    }
}

#[tonic::async_trait]
impl Algorithm for Backend {
    type EventsStream = Pin<Box<dyn Stream<Item = Result<EventsResponse, Status>> + Send>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(self.script(|script| DescribeResponse {
            name: script.name.clone(),
            version: "1".to_owned(),
            contract: "intuition.v1".to_owned(),
            parameters_schema_json: script.schema.clone(),
        })))
    }

    async fn events(&self, request: Request<Streaming<EventsRequest>>) -> Result<Response<Self::EventsStream>, Status> {
        let (out, answers) = mpsc::unbounded_channel();
        drop(spawn(self.clone().stream(request.into_inner(), out)));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(answers))))
    }

    async fn initialize(&self, _: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        Err(Status::unimplemented("the runtime does without"))
    }

    async fn event(&self, _: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        Err(Status::unimplemented("the runtime does without"))
    }
}

/// A runtime and its bridge.
struct Bench {
    dir: TempDir,
    running: Running,
    shutdown: CancellationToken,
    readiness: Readiness,
    client: RuntimeClient<tonic::transport::Channel>,
    requests: mpsc::Sender<ProcessRequest>,
    responses: Streaming<ProcessResponse>,
    /// Version of the channels told last.
    channels: u64,
    sent: u64,
    outcomes: Vec<(u64, Kind, String)>,
    generation: i64,
}

fn choice(address: &str) -> AlgorithmRef {
    AlgorithmRef::from_fields("", address).unwrap()
}

async fn runtime(dir: &Path, algorithm: AlgorithmRef) -> (Running, CancellationToken, Readiness) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let readiness = Readiness::new(&[part::runtime::LEDGER], Arc::clone(&clock));
    let settings = Settings {
        account: ACCOUNT.to_owned(),
        live: LiveSettings {
            algorithm,
            threshold: 0.5,
            parameters: serde_json::Map::new(),
            starting_cash: "1000000".to_owned(),
            suspend: false,
            retention: None,
        },
        source: SettingsSource::Resource { uid: "u-1".to_owned(), generation: 1 },
        policy: Policy::from_parts("fixed-amount", None, Some("1")).unwrap(),
        topics: Topics::default(),
        subscribe: None,
        inputs: Vec::new(),
        initial: Initial::default(),
    };
    let config = Config {
        settings,
        data_dir: dir.to_owned(),
        clock,
        metrics: Metrics::register(&mut Registry::default()),
        readiness: readiness.clone(),
        algorithm_deadline: DEADLINE,
    };
    let (listener, shutdown) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
    (server::start(config, listener, shutdown.clone()).await.unwrap(), shutdown, readiness)
}

impl Bench {
    async fn new(algorithm: AlgorithmRef) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (running, shutdown, readiness) = runtime(dir.path(), algorithm).await;
        let mut client = RuntimeClient::connect(format!("http://{}", running.addr)).await.unwrap();
        let (requests, receiver) = mpsc::channel(64);
        let broker_url = "mqtt://127.0.0.1:1883".to_owned();
        let open = Open { account: ACCOUNT.to_owned(), broker_url, session_present: true, run: 7, ..Open::default() };
        let first = ProcessRequest { message: Some(process_request::Message::Open(open)) };
        requests.send(first).await.unwrap();
        let responses = client.process(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let (sent, outcomes, channels, generation) = (0, Vec::new(), 0, 1);
        Self { dir, running, shutdown, readiness, client, requests, responses, channels, sent, outcomes, generation }
    }

    async fn say(&self, message: process_request::Message) {
        self.requests.send(ProcessRequest { message: Some(message) }).await.unwrap();
    }

    /// Sends so many quotes, each a delivery, of this symbol.
    async fn quotes(&mut self, count: u64, sid: &str, topic: &str) {
        self.quotes_with_values(count, sid, topic, None).await;
    }

    /// The same, each behind values of the indicator of this name.
    async fn quotes_with_values(&mut self, count: u64, sid: &str, topic: &str, indicator: Option<&str>) {
        let values = |name: &str| {
            let value = IndicatorValue { name: "value".to_owned(), value: "1".to_owned() };
            let (name, sid) = (name.to_owned(), sid.to_owned());
            Content::Indicator(Box::new(Indicator { name, sid, values: vec![value], time_micros: 0 }))
        };
        let quote = || {
            let (sid, price) = (sid.to_owned(), "1".to_owned());
            Content::Quote(Quote { sid, price, time_micros: 0, ..Quote::default() })
        };
        let tick = |number: u64, (ordinal, content): (u32, Content)| Tick {
            source: "feed".to_owned(),
            seq: Some(i64::try_from(number).unwrap()),
            ordinal: Some(ordinal),
            content: Some(content),
            ..Tick::default()
        };
        let delivery = |number: u64| Delivery {
            number,
            topic: topic.to_owned(),
            packet_id: 1,
            payload_sha256: vec![0; 32].into(),
            connection: 1,
            ticks: (0..)
                .zip(indicator.map(values).into_iter().chain([quote()]))
                .map(|part| tick(number, part))
                .collect(),
            ..Delivery::default()
        };
        let numbers = self.sent + 1..=self.sent + count;
        self.sent += count;
        self.say(process_request::Message::Batch(Batch { deliveries: numbers.map(delivery).collect() })).await;
    }

    /// Takes what the runtime says until every quote has its outcome, as a bridge that subscribes to what it is told.
    async fn settle(&mut self) -> Vec<(u64, Kind, String)> {
        while (self.outcomes.len() as u64) < self.sent {
            self.step().await;
        }
        let numbers: Vec<_> = self.outcomes.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers, (1..=self.sent).collect::<Vec<_>>(), "each once, in order");
        self.outcomes.clone()
    }

    async fn step(&mut self) {
        let response = tokio::time::timeout(PATIENCE, self.responses.next()).await.expect("it says nothing");
        match response.unwrap().unwrap().message.unwrap() {
            Message::Channels(channels) => {
                self.channels = channels.version;
                let held = channels.filters.iter().zip(1..);
                let filters = held.map(|(filter, subscription_id)| Filter { filter: filter.clone(), subscription_id });
                self.say(process_request::Message::Holding(Holding { filters: filters.collect() })).await;
                self.say(process_request::Message::Marker(Marker { channels_version: channels.version })).await;
            }
            Message::Committed(Committed { outcomes, .. }) => {
                let tick = |outcome: intuition_api::v1::DeliveryOutcome| {
                    let quote = outcome.ticks.last().unwrap();
                    (outcome.number, quote.kind(), quote.reason.clone())
                };
                self.outcomes.extend(outcomes.into_iter().map(tick));
            }
            _ => {}
        }
    }

    async fn account(&mut self) -> AccountResponse {
        let request = AccountRequest { account: ACCOUNT.to_owned() };
        self.client.account(request).await.unwrap().into_inner()
    }

    /// Another algorithm, asked for until it decides or `enough` is said of it.
    async fn swap(
        &mut self,
        algorithm: &str,
        address: &str,
        enough: impl Fn(&ConfigureResponse) -> bool,
    ) -> ConfigureResponse {
        self.generation += 1;
        let settings = intuition_api::v1::Settings {
            algorithm: algorithm.to_owned(),
            algorithm_address: address.to_owned(),
            threshold: "0".to_owned(),
            parameters_json: "{}".to_owned(),
            starting_cash: "1000000".to_owned(),
            suspend: false,
        };
        let request = ConfigureRequest {
            account: ACCOUNT.to_owned(),
            resource_uid: "u-1".to_owned(),
            generation: self.generation,
            settings: Some(settings),
            ..ConfigureRequest::default()
        };
        let until = Instant::now() + PATIENCE;
        loop {
            let response = self.client.configure(request.clone()).await.unwrap().into_inner();
            if response.refusals.is_empty() || enough(&response) {
                return response;
            }
            assert!(Instant::now() < until, "{response:?}");
            // The bridge goes on: a swap may wait for its marker.
            drop(tokio::time::timeout(Duration::from_millis(20), self.step()).await);
        }
    }

    /// Waits until the algorithm lacks something for this reason, or nothing at all.
    async fn lacks(&self, reason: Option<&str>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let missing = self.readiness.missing();
            let found = missing.iter().find(|missing| missing.part == part::runtime::ALGORITHM);
            if found.map(|missing| missing.reason.as_str()) == reason {
                return;
            }
            assert!(Instant::now() < until, "{missing:?} instead of {reason:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Ends it, which nothing may hold up, and recomputes the ledger.
    async fn stop(self) {
        let began = Instant::now();
        self.shutdown.cancel();
        self.running.stopped().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        verify(self.dir.path()).unwrap();
    }
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaving_backend_decides_each_quote_once_from_committed_state() {
    for mistake in MISTAKES {
        let backend = Backend::new("counter");
        let (addr, _stop) = backend.serve("127.0.0.1:0").await;
        let mut bench = Bench::new(choice(&url(addr))).await;
        bench.quotes(10, "GOOG", "quotes").await;
        bench.settle().await;
        backend.script(|script| script.acts.extend([mistake, Act::Answer, mistake]));
        for _ in 0..6 {
            bench.quotes(20, "GOOG", "quotes").await;
        }
        let outcomes = bench.settle().await;
        assert!(outcomes.iter().all(|(_, kind, _)| *kind == Kind::Decided), "{mistake:?}: {outcomes:?}");
        assert_eq!(bench.account().await.decisions, 130, "{mistake:?}");
        // All quotes may have been one batch, whose second answer is read behind the outcomes.
        let until = Instant::now() + PATIENCE;
        while backend.script(|script| script.begun.len()) < 2 {
            assert!(Instant::now() < until, "{mistake:?}: it was not opened again");
            tokio::task::yield_now().await;
        }
        bench.lacks(None).await;
        let begun = backend.script(|script| script.begun.clone());
        assert_eq!(begun[0], b"", "{mistake:?}");
        for state in &begun[1..] {
            let count: u64 = String::from_utf8(state.clone()).unwrap().parse().unwrap();
            assert!((10..=130).contains(&count), "{mistake:?}: {count}");
        }
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_killed_and_comes_back_empty_costs_nothing() {
    let backend = Backend::new("counter");
    let (addr, stop) = backend.serve("127.0.0.1:0").await;
    let mut bench = Bench::new(choice(&url(addr))).await;
    bench.quotes(50, "GOOG", "quotes").await;
    bench.settle().await;
    let mut stop = stop;
    for _ in 0..3 {
        backend.script(|script| script.acts.push_back(Act::Hang));
        bench.quotes(50, "GOOG", "quotes").await;
        stop.cancel();
        bench.lacks(Some("BackendUnreachable")).await;
        stop = backend.serve(&addr.to_string()).await.1;
        bench.settle().await;
    }
    assert_eq!(bench.account().await.decisions, 200);
    let last = backend.script(|script| script.begun.last().cloned());
    assert_eq!(last.unwrap(), b"150");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_quote_is_found_by_halves_and_costs_itself_alone() {
    let backend = Backend::new("counter");
    let (addr, _stop) = backend.serve("127.0.0.1:0").await;
    let mut bench = Bench::new(choice(&url(addr))).await;
    backend.script(|script| script.poison = Some("BAD"));
    bench.quotes(37, "GOOG", "quotes").await;
    bench.quotes(1, "BAD", "quotes").await;
    bench.quotes(62, "GOOG", "quotes").await;
    let outcomes = bench.settle().await;
    let odd: Vec<_> = outcomes.iter().filter(|(_, kind, _)| *kind != Kind::Decided).collect();
    assert_eq!(odd, [&(38, Kind::DeadLettered, "Rejected".to_owned())]);
    let alone = backend.script(|script| script.asked.iter().filter(|size| **size == 1).count());
    assert!(alone >= 5, "{alone}");
    bench.lacks(None).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_in_the_batch_of_their_quote_also_while_a_failure_is_searched_for() {
    let backend = Backend::new("counter");
    let (addr, _stop) = backend.serve("127.0.0.1:0").await;
    let mut bench = Bench::new(choice(&url(addr))).await;
    backend.script(|script| script.poison = Some("bad"));
    bench.quotes_with_values(300, "GOOG", "quotes", Some("sma-20")).await;
    bench.quotes_with_values(1, "GOOG", "quotes", Some("bad")).await;
    bench.quotes_with_values(62, "GOOG", "quotes", Some("sma-20")).await;
    let outcomes = bench.settle().await;
    let odd: Vec<_> = outcomes.iter().filter(|(_, kind, _)| *kind != Kind::Decided).collect();
    assert_eq!(odd, [&(301, Kind::DeadLettered, "Rejected".to_owned())]);
    let told = backend.script(|script| std::mem::take(&mut script.told));
    assert_eq!(told.iter().map(Vec::len).max(), Some(256));
    for batch in told {
        let is_whole = |group: &[String]| group.len() == 2 && group[0] != "GOOG" && group[1] == "GOOG";
        assert!(batch.chunks(2).all(is_whole), "{batch:?}");
    }
    let account = bench.account().await;
    let counter = account.counters.iter().find(|counter| counter.name == "indicatorValues").unwrap();
    assert_eq!((account.decisions, counter.value), (362, 363));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_backend_costs_one_quote_and_stops_at_the_next() {
    let backend = Backend::new("counter");
    let (addr, _stop) = backend.serve("127.0.0.1:0").await;
    let mut bench = Bench::new(choice(&url(addr))).await;
    backend.script(|script| script.broken = true);
    bench.quotes(5, "GOOG", "quotes").await;
    bench.lacks(Some("BackendFailing")).await;
    assert_eq!(bench.account().await.decisions, 0);
    backend.script(|script| script.broken = false);
    let outcomes = bench.settle().await;
    let kinds: Vec<_> = outcomes.iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::DeadLettered, Kind::Decided, Kind::Decided, Kind::Decided, Kind::Decided]);
    bench.lacks(None).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backend_is_told_by_what_it_lacks_and_holds_up_no_end() {
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_addr = silent.local_addr().unwrap();
    drop(spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            kept.push(connection);
        }
    }));
    // Hangs up on everybody.
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude_addr = rude.local_addr().unwrap();
    drop(spawn(async move {
        while let Ok((mut connection, _)) = rude.accept().await {
            drop(connection.read(&mut [0; 16]).await);
        }
    }));
    let schemas = [r##"{"$ref":"#"}"##, r#"{"type":"objekt"}"#, r#"{"$ref":"http://127.0.0.1:1/schema"}"#];
    let mut cases = vec![
        (url(silent_addr), "BackendTimeout"),
        (url(rude_addr), "BackendUnreachable"),
        ("http://127.0.0.1:1".to_owned(), "BackendUnreachable"),
        ("unix:/nowhere/algo.sock".to_owned(), "BackendUnreachable"),
    ];
    for schema in schemas {
        let backend = Backend::new("counter");
        backend.script(|script| schema.clone_into(&mut script.schema));
        cases.push((url(backend.serve("127.0.0.1:0").await.0), "ContractBroken"));
    }
    let nameless = Backend::new("a/b").serve("127.0.0.1:0").await.0;
    cases.push((url(nameless), "ContractBroken"));
    let picky = Backend::new("counter");
    picky.script(|script| r#"{"required":["fast"]}"#.clone_into(&mut script.schema));
    cases.push((url(picky.serve("127.0.0.1:0").await.0), "ParametersRefused"));
    for (address, reason) in cases {
        let mut bench = Bench::new(choice(&address)).await;
        bench.quotes(3, "GOOG", "quotes").await;
        bench.lacks(Some(reason)).await;
        assert_eq!(bench.account().await.backend.unwrap().reason, reason, "{address}");
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_is_reached_by_a_unix_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("algo.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = Server::builder().add_service(AlgorithmServer::new(Backend::new("counter")));
    drop(spawn(async move { drop(server.serve_with_incoming(UnixListenerStream::new(listener)).await) }));
    let mut bench = Bench::new(choice(&format!("unix:{}", path.display()))).await;
    bench.quotes(3, "GOOG", "quotes").await;
    bench.settle().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_no_quote_and_state_is_taken_up_again() {
    let (one, other) = (Backend::new("one"), Backend::new("other"));
    let (one_addr, other_addr) = (url(one.serve("127.0.0.1:0").await.0), url(other.serve("127.0.0.1:0").await.0));
    let mut bench = Bench::new(AlgorithmRef::from_fields("random", "").unwrap()).await;
    let targets =
        [("", one_addr.as_str()), ("", &other_addr), ("random", ""), ("", &one_addr), ("", "http://127.0.0.1:1")];
    for (algorithm, address) in targets {
        bench.quotes(100, "GOOG", "quotes").await;
        bench.swap(algorithm, address, |response| response.refusals[0].reason == "BackendUnreachable").await;
        bench.quotes(100, "GOOG", "quotes").await;
    }
    let outcomes = bench.settle().await;
    assert!(outcomes.iter().all(|(_, kind, _)| matches!(kind, Kind::Decided | Kind::NoSignal)), "{outcomes:?}");
    // Who could not be reached did not take over.
    let account = bench.account().await;
    assert_eq!(
        (account.backend.unwrap().name.as_str(), account.candidate.unwrap().reason.as_str()),
        ("one", "BackendUnreachable")
    );
    let begun = one.script(|script| script.begun.clone());
    assert_eq!(begun[0], b"");
    assert_ne!(begun.last().unwrap(), b"", "what it saved before is given back");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_channels_are_subscribed_before_old_ones_are_left() {
    let backend = Backend::new("other");
    backend.script(|script| script.channels = vec!["trades".to_owned()]);
    let address = url(backend.serve("127.0.0.1:0").await.0);
    let mut bench = Bench::new(AlgorithmRef::from_fields("random", "").unwrap()).await;
    while bench.channels == 0 {
        bench.step().await;
    }
    bench.quotes(5, "GOOG", "quotes").await;
    bench.swap("", &address, |_| false).await;
    assert_eq!(bench.channels, 2);
    bench.quotes(2, "GOOG", "quotes").await;
    bench.quotes(3, "GOOG", "trades").await;
    let outcomes = bench.settle().await;
    let kinds: Vec<_> = outcomes.iter().skip(5).map(|(_, kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::NotSubscribed, Kind::NotSubscribed, Kind::Decided, Kind::Decided, Kind::Decided]);
    assert!(outcomes.iter().take(5).all(|(_, kind, _)| *kind != Kind::NotSubscribed), "{outcomes:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_away_from_a_backend_that_hangs_gives_its_quotes_to_the_next_one() {
    let backend = Backend::new("counter");
    let (addr, _stop) = backend.serve("127.0.0.1:0").await;
    let mut bench = Bench::new(choice(&url(addr))).await;
    bench.quotes(3, "GOOG", "quotes").await;
    bench.settle().await;
    backend.script(|script| script.acts.extend([Act::Late; 50]));
    bench.quotes(10, "GOOG", "quotes").await;
    bench.swap("random", "", |_| false).await;
    let outcomes = bench.settle().await;
    assert!(outcomes.iter().all(|(_, kind, _)| matches!(kind, Kind::Decided | Kind::NoSignal)), "{outcomes:?}");
    assert_eq!(bench.account().await.algorithm, "random");
    bench.stop().await;
}
