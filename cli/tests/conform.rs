//! `intuition conform` against a server that keeps the contract, and against servers that each break it in one way.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by it")]

use std::{
    collections::{BTreeMap, HashMap},
    net::{SocketAddr, TcpListener},
    pin::Pin,
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use intuition_api::v1::{
    DescribeRequest, DescribeResponse, EventBatch, EventBatchResult, EventRequest, EventResponse, EventResult,
    EventsRequest, EventsResponse, Indicator, InitializeRequest, InitializeResponse, InputEvent, Quote,
    ReconfigureResponse, Side, Signal,
    algorithm_server::{Algorithm, AlgorithmServer},
    events_request::Message as Asked,
    events_response::Message as Said,
    input_event::Kind,
};
use serde_json::Value;
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::{
    Stream, StreamExt as _,
    wrappers::{TcpListenerStream, UnboundedReceiverStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

const SCHEMA: &str =
    r#"{"type":"object","properties":{"run":{"type":"integer","minimum":1,"maximum":9}},"additionalProperties":false}"#;

/// One way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    ChangesName,
    LooksAhead,
    OtherContract,
    BadSchema,
    BadChannel,
    TakesAnyParameters,
    HangsAtParameters,
    WrongNumber,
    AnswersTwice,
    ReversesResults,
    LosesEvents,
    SignalsForeignEvents,
    SizesBuys,
    BadPublication,
    DiesAtUnknownKinds,
    FailsAtManyEvents,
    RefusesLargeBatches,
    NeedsBothSidesOfTheBook,
    NeedsNarrowVolumes,
    DiesAtIndicators,
    NeedsPositiveValues,
    LosesIndicators,
    SignalsIndicators,
    DiesAtReconfigure,
    SharesState,
    DescribesWhenIdle,
    IgnoresState,
    GivesNoState,
    RemembersAccounts,
    HugeState,
    NoUnaryCalls,
    AnswersSingleEventsEmpty,
    OtherSingleChannels,
    TakesBatchFirst,
    TakesSecondInitialize,
    AnswersEmptyMessages,
    StaysOpen,
    Slow,
}

/// Last prices and runs of each symbol: buys after two rises in a row, sells after two falls.
#[derive(Debug, Clone, Default, PartialEq)]
struct Memory(BTreeMap<String, (String, i8)>);

impl Memory {
    fn read(state: &[u8]) -> Self {
        let text = String::from_utf8(state.to_vec()).unwrap();
        let symbol = |line: &str| {
            let mut parts = line.split('\t');
            let mut next = || parts.next().unwrap().to_owned();
            (next(), (next(), next().parse().unwrap()))
        };
        Self(text.lines().map(symbol).collect())
    }

    fn write(&self) -> Vec<u8> {
        let lines: Vec<_> = self.0.iter().map(|(sid, (last, run))| format!("{sid}\t{last}\t{run}")).collect();
        lines.join("\n").into_bytes()
    }

    fn event(&mut self, event: &InputEvent) -> EventResult {
        let mut result = EventResult { event: event.event, ..EventResult::default() };
        let Some(Kind::Quote(quote)) = &event.kind else { return result };
        let price = |text: &str| text.parse::<intuition_api::decimal::Price>().unwrap();
        let (last, run) = self.0.entry(quote.sid.clone()).or_insert_with(|| (quote.price.clone(), 0));
        *run = match price(&quote.price).cmp(&price(last)) {
            std::cmp::Ordering::Greater => (*run).max(0) + 1,
            std::cmp::Ordering::Less => (*run).min(0) - 1,
            std::cmp::Ordering::Equal => *run,
        };
        last.clone_from(&quote.price);
        let side = match *run {
            2 => Side::Buy,
            -2 => Side::Sell,
            _ => return result,
        };
        *run = 0;
        result.signals.push(Signal { event: event.event, side: side.into(), quantity: String::new() });
        result
    }
}

#[derive(Clone)]
struct Served {
    fault: Fault,
    /// Of all accounts, by name.
    kept: Arc<Mutex<HashMap<String, Memory>>>,
    open: Arc<AtomicUsize>,
    described: Arc<AtomicUsize>,
}

fn refusal(parameters: &str) -> Option<String> {
    let all: Value = match serde_json::from_str(parameters) {
        Ok(all @ Value::Object(_)) => all,
        Ok(_) => return Some("parameters: must be one object".to_owned()),
        Err(error) => return Some(format!("parameters: {error}")),
    };
    let known = |name: &String| ["run", "threshold"].contains(&name.as_str());
    let unknown = all.as_object().unwrap().keys().find(|name| !known(name));
    match (unknown, &all["run"]) {
        (Some(name), _) => Some(format!("{name}: is unknown")),
        (None, Value::Null) => None,
        (None, run) => (!run.as_u64().is_some_and(|run| (1..=9).contains(&run))).then(|| "run: 1 to 9".to_owned()),
    }
}

/// Whether a server with the fault fails at the values beside the price of a quote, or at those of an indicator.
fn chokes(fault: Fault, kind: &Kind) -> bool {
    let details = match kind {
        Kind::Quote(Quote { details: Some(details), .. }) => details,
        Kind::Quote(_) => return false,
        Kind::Indicator(Indicator { values, .. }) => {
            let is_negative = values.iter().any(|value| value.value.starts_with('-'));
            return fault == Fault::DiesAtIndicators || (fault == Fault::NeedsPositiveValues && is_negative);
        }
    };
    match fault {
        Fault::NeedsBothSidesOfTheBook => details.bid.is_some() != details.ask.is_some(),
        Fault::NeedsNarrowVolumes => details.volume.as_ref().is_some_and(|volume| volume.len() > 20),
        _ => false,
    }
}

/// Makes the results of indicators those of a server with the fault.
fn mistake_indicators(fault: Fault, batch: &EventBatch, results: &mut Vec<EventResult>) {
    let indicators = batch.events.iter().filter(|event| matches!(event.kind, Some(Kind::Indicator(_))));
    for event in indicators.map(|event| event.event) {
        let result = results.iter_mut().find(|result| result.event == event).unwrap();
        match fault {
            Fault::SignalsIndicators => {
                result.signals.push(Signal { event, side: Side::Buy.into(), quantity: String::new() });
            }
            Fault::LosesIndicators => results.retain(|result| result.event != event),
            _ => {}
        }
    }
}

/// The stream of one account.
struct Session {
    served: Served,
    account: String,
    memory: Option<Memory>,
    out: mpsc::UnboundedSender<Result<EventsResponse, Status>>,
}

impl Session {
    fn say(&self, said: Said) {
        drop(self.out.send(Ok(EventsResponse { message: Some(said) })));
    }

    fn initialize(&mut self, request: &InitializeRequest) -> Result<(), Status> {
        let fault = self.served.fault;
        if self.memory.is_some() && fault != Fault::TakesSecondInitialize {
            return Err(Status::failed_precondition("initialize comes first, and only first"));
        }
        let refused = refusal(&request.parameters_json);
        let is_object = request.parameters_json.starts_with('{') && request.parameters_json.len() > 1;
        if refused.is_some() && is_object && fault == Fault::HangsAtParameters {
            return Ok(());
        }
        let refused = refused.filter(|_| fault != Fault::TakesAnyParameters).unwrap_or_default();
        self.account.clone_from(&request.account);
        let kept = self.served.kept.lock().unwrap();
        let memory = match fault {
            Fault::IgnoresState => Memory::default(),
            Fault::SharesState => kept.get("").cloned().unwrap_or_default(),
            Fault::RemembersAccounts if kept.contains_key(&request.account) => kept[&request.account].clone(),
            _ => Memory::read(&request.state),
        };
        drop(kept);
        self.memory = Some(memory);
        let channel = if fault == Fault::BadChannel { "a/#/b" } else { "quotes" };
        let channels = if refused.is_empty() { vec![channel.to_owned()] } else { Vec::new() };
        self.say(Said::Initialized(InitializeResponse { channels, refusal: refused }));
        Ok(())
    }

    async fn batch(&mut self, batch: EventBatch) -> Result<(), Status> {
        let fault = self.served.fault;
        if self.memory.is_none() && fault != Fault::TakesBatchFirst {
            return Err(Status::failed_precondition("initialize comes first"));
        }
        if fault == Fault::DiesAtUnknownKinds && batch.events.iter().any(|event| event.kind.is_none()) {
            return Err(Status::internal("unknown kind"));
        }
        let length = |kind: &Kind| match kind {
            Kind::Quote(Quote { sid, .. }) | Kind::Indicator(Indicator { sid, .. }) => sid.chars().count(),
        };
        let longest = batch.events.iter().filter_map(|event| event.kind.as_ref().map(length));
        if fault == Fault::RefusesLargeBatches && longest.max() > Some(32) {
            return Err(Status::resource_exhausted("a symbol is too long"));
        }
        if batch.events.iter().filter_map(|event| event.kind.as_ref()).any(|kind| chokes(fault, kind)) {
            return Err(Status::internal("a value of the quote cannot be read"));
        }
        if fault == Fault::FailsAtManyEvents && batch.events.len() > 200 {
            return Err(Status::internal("too many publications"));
        }
        if fault == Fault::Slow {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let memory = self.memory.get_or_insert_default();
        if fault == Fault::SharesState {
            *memory = self.served.kept.lock().unwrap().get("").cloned().unwrap_or_default();
        }
        let mut results: Vec<_> = batch.events.iter().map(|event| memory.event(event)).collect();
        mistake_indicators(fault, &batch, &mut results);
        let state = memory.write();
        let mut kept = self.served.kept.lock().unwrap();
        kept.insert(self.account.clone(), memory.clone());
        kept.insert(String::new(), memory.clone());
        drop(kept);
        let mut answer = EventBatchResult { number: batch.number, state: Some(state.into()), ..Default::default() };
        match fault {
            Fault::WrongNumber => answer.number += 1,
            Fault::ReversesResults => results.reverse(),
            Fault::LosesEvents if results.len() > 1 => drop(results.pop()),
            Fault::SignalsForeignEvents => {
                results.iter_mut().flat_map(|result| &mut result.signals).for_each(|signal| signal.event += 100_000);
            }
            Fault::LooksAhead => {
                let next = batch.events.iter().skip(1).map(|event| event.event);
                for (result, next) in results.iter_mut().zip(next) {
                    result.signals.iter_mut().for_each(|signal| signal.event = next);
                }
            }
            Fault::SizesBuys => {
                let buys = results.iter_mut().flat_map(|result| &mut result.signals);
                buys.filter(|signal| signal.side() == Side::Buy).for_each(|signal| signal.quantity.push('1'));
            }
            Fault::GivesNoState => answer.state = None,
            Fault::HugeState => answer.state = Some(vec![b'\n'; (1 << 20) + 1].into()),
            Fault::BadPublication => answer
                .publications
                .push(intuition_api::v1::Publication { channel: "averages/+".to_owned(), payload: vec![1].into() }),
            _ => {}
        }
        answer.results = results;
        self.say(Said::Result(answer.clone()));
        if fault == Fault::AnswersTwice {
            self.say(Said::Result(answer));
        }
        Ok(())
    }

    async fn work(mut self, mut requests: Streaming<EventsRequest>) {
        let fault = self.served.fault;
        while let Some(Ok(request)) = requests.next().await {
            let done = match request.message {
                Some(Asked::Initialize(request)) => self.initialize(&request),
                Some(Asked::Batch(batch)) => self.batch(batch).await,
                Some(Asked::Reconfigure(_)) if fault == Fault::DiesAtReconfigure => Err(Status::internal("boom")),
                Some(Asked::Reconfigure(reconfigure)) => {
                    let refusal = refusal(&reconfigure.parameters_json).unwrap_or_default();
                    self.say(Said::Reconfigured(ReconfigureResponse { channels: Vec::new(), refusal }));
                    Ok(())
                }
                None if fault == Fault::AnswersEmptyMessages => {
                    self.say(Said::Reconfigured(ReconfigureResponse::default()));
                    Ok(())
                }
                None => Err(Status::invalid_argument("an empty message")),
            };
            if let Err(status) = done {
                drop(self.out.send(Err(status)));
                break;
            }
        }
        if fault == Fault::StaysOpen {
            self.out.closed().await;
        }
        self.served.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl Algorithm for Served {
    type EventsStream = Pin<Box<dyn Stream<Item = Result<EventsResponse, Status>> + Send>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        while self.fault == Fault::DescribesWhenIdle && self.open.load(Ordering::SeqCst) >= 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let contract = if self.fault == Fault::OtherContract { "intuition.v2" } else { "intuition.v1" };
        let schema = if self.fault == Fault::BadSchema { r#"{"type":"objekt"}"# } else { SCHEMA };
        let times = self.described.fetch_add(1, Ordering::SeqCst);
        let name = if self.fault == Fault::ChangesName { format!("runs-{times}") } else { "runs".to_owned() };
        Ok(Response::new(DescribeResponse {
            name,
            version: "1.0.0".to_owned(),
            contract: contract.to_owned(),
            parameters_schema_json: schema.to_owned(),
        }))
    }

    async fn events(&self, request: Request<Streaming<EventsRequest>>) -> Result<Response<Self::EventsStream>, Status> {
        let (out, answers) = mpsc::unbounded_channel();
        self.open.fetch_add(1, Ordering::SeqCst);
        let session = Session { served: self.clone(), account: String::new(), memory: None, out };
        #[expect(clippy::disallowed_methods, reason = "it ends with its stream")]
        drop(tokio::spawn(session.work(request.into_inner())));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(answers))))
    }

    async fn initialize(&self, request: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        if self.fault == Fault::NoUnaryCalls {
            return Err(Status::unimplemented("the stream will do"));
        }
        if let Some(refusal) = refusal(&request.into_inner().parameters_json) {
            return Err(Status::invalid_argument(refusal));
        }
        let channel = if self.fault == Fault::OtherSingleChannels { "trades" } else { "quotes" };
        Ok(Response::new(InitializeResponse { channels: vec![channel.to_owned()], ..Default::default() }))
    }

    async fn event(&self, request: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        let request = request.into_inner();
        let mut memory = Memory::read(&request.state);
        let result = memory.event(&request.event.unwrap_or_default());
        let state = Some(memory.write().into());
        let result = (self.fault != Fault::AnswersSingleEventsEmpty).then_some(result);
        Ok(Response::new(EventResponse { result, state, publications: Vec::new() }))
    }
}

fn serve(runtime: &Runtime, fault: Fault) -> SocketAddr {
    serve_at(runtime, fault, TcpListener::bind("127.0.0.1:0").unwrap())
}

fn serve_at(runtime: &Runtime, fault: Fault, listener: TcpListener) -> SocketAddr {
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let served = Served { fault, kept: Arc::default(), open: Arc::default(), described: Arc::default() };
    let incoming = {
        let _guard = runtime.enter();
        TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap())
    };
    runtime.spawn(Server::builder().add_service(AlgorithmServer::new(served)).serve_with_incoming(incoming));
    addr
}

fn conform(address: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(["conform", "--address", address]).args(more).output().unwrap()
}

/// Names of the checks with this verdict.
fn named(output: &Output, verdict: &str) -> Vec<String> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let checks = report["checks"].as_array().unwrap();
    let fitting = checks.iter().filter(|check| check["verdict"] == verdict);
    fitting.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_server_that_keeps_the_contract_passes_everything() {
    let runtime = Runtime::new().unwrap();
    let address = format!("http://{}", serve(&runtime, Fault::None));
    let output = conform(&address, &["--output", "json"]);
    assert_eq!(named(&output, "fail"), Vec::<String>::new());
    assert_eq!(named(&output, "skip"), ["publications", "shutdown"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(conform(&address, &[]).stdout).unwrap();
    assert!(text.starts_with(&format!("runs 1.0.0 at {address}\nPASS  describe\n")), "{text}");
    assert!(text.ends_with("26 passed, 0 failed, 2 skipped\n"), "{text}");
}

#[test]
fn each_way_to_break_the_contract_fails_its_own_check_alone() {
    let runtime = Runtime::new().unwrap();
    let faults = [
        (Fault::OtherContract, "describe"),
        (Fault::ChangesName, "describe"),
        (Fault::LooksAhead, "signals"),
        (Fault::BadSchema, "schema"),
        (Fault::BadChannel, "initialize"),
        (Fault::HangsAtParameters, "parameters-refused"),
        (Fault::TakesAnyParameters, "parameters-malformed"),
        (Fault::WrongNumber, "order"),
        (Fault::AnswersTwice, "order"),
        (Fault::ReversesResults, "batches"),
        (Fault::LosesEvents, "batches"),
        (Fault::SignalsForeignEvents, "signals"),
        (Fault::SizesBuys, "signals"),
        (Fault::BadPublication, "publications"),
        (Fault::DiesAtUnknownKinds, "unknown-kinds"),
        (Fault::RefusesLargeBatches, "message-size"),
        (Fault::FailsAtManyEvents, "message-size"),
        (Fault::NeedsBothSidesOfTheBook, "details"),
        (Fault::NeedsNarrowVolumes, "details"),
        (Fault::DiesAtIndicators, "indicators"),
        (Fault::NeedsPositiveValues, "indicators"),
        (Fault::LosesIndicators, "indicators"),
        (Fault::SignalsIndicators, "indicators"),
        (Fault::DiesAtReconfigure, "reconfigure"),
        (Fault::SharesState, "accounts"),
        (Fault::DescribesWhenIdle, "describe-busy"),
        (Fault::IgnoresState, "state-restored"),
        (Fault::GivesNoState, "state-unchanged"),
        (Fault::RemembersAccounts, "state-over-memory"),
        (Fault::HugeState, "state-size"),
        (Fault::NoUnaryCalls, "unary"),
        (Fault::AnswersSingleEventsEmpty, "unary"),
        (Fault::OtherSingleChannels, "unary"),
        (Fault::TakesBatchFirst, "first-message"),
        (Fault::TakesSecondInitialize, "second-initialize"),
        (Fault::AnswersEmptyMessages, "empty-message"),
        (Fault::StaysOpen, "half-close"),
        (Fault::Slow, "deadline"),
    ];
    let runtime = &runtime;
    let check = |(fault, expected): (Fault, &str)| {
        let address = format!("http://{}", serve(runtime, fault));
        let output = conform(&address, &["--output", "json", "--deadline", "3"]);
        let failed = named(&output, "fail");
        let right = failed == [expected] && output.status.code() == Some(1);
        (!right).then(|| (fault, failed, String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    // Most of the time passes in waiting for those that are late.
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = faults.iter().map(|fault| scope.spawn(|| check(*fault))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    let told: Vec<_> = wrong.iter().map(|(fault, failed, _)| format!("{fault:?} fails {failed:?}")).collect();
    assert!(wrong.is_empty(), "{told:#?}\n{}", wrong[0].2);
}

#[test]
fn a_failure_is_told_with_what_came_what_the_contract_says_and_what_to_do() {
    let runtime = Runtime::new().unwrap();
    let output = conform(&format!("http://{}", serve(&runtime, Fault::WrongNumber)), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "FAIL  order\n      came      EventBatchResult.number is 2 for EventBatch.number 1\n",
        "      contract  every message is answered by one message of its kind, in order",
        "      to do     write exactly one answer per message",
        "SKIP  accounts              mend order first",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn what_cannot_be_reached_or_understood_is_told_with_exit_code_2() {
    let nobody = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    for (address, more, expected) in [
        (nobody.as_str(), vec!["--deadline", "0.3"], "; it was tried for 0.3 s"),
        ("https://localhost:1", vec![], "TLS is not supported"),
        ("unix:/nowhere.sock", vec!["--deadline", "0.3"], "cannot be reached"),
        (nobody.as_str(), vec!["--parameters", "[]"], "--parameters: must be one JSON object"),
        (nobody.as_str(), vec!["--deadline", "0"], "from 0.1 to 600"),
    ] {
        let output = conform(address, &more);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.contains(expected)), (Some(2), true), "{stderr}");
    }
}

#[test]
fn parameters_outside_the_schema_are_reported_before_the_server_is_called() {
    let runtime = Runtime::new().unwrap();
    let address = format!("http://{}", serve(&runtime, Fault::None));
    let output = conform(&address, &["--parameters", r#"{"run":10}"#]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("give --parameters that fit the schema of runs: parameters.run: 10"), "{stderr}");
}

#[test]
fn a_server_that_is_just_starting_is_waited_for() {
    let runtime = Runtime::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let tried = std::thread::spawn(move || conform(&address, &["--output", "json"]));
    // The first attempt finds no server of the contract.
    drop(listener.accept().unwrap());
    serve_at(&runtime, Fault::None, listener);
    let output = tried.join().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let server = report["server"].as_str().unwrap();
    assert!(output.status.success() && server.starts_with("runs 1.0.0 at http://"), "{output:?}");
}
