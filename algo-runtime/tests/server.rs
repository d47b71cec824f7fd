//! A real runtime over its gRPC server and a real ledger on disk.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{path::Path, sync::Arc, time::Duration};

use algo_runtime::{
    ledger::{Changes, EntryKind, JournalEntry, Ledger as _, sqlite::SqliteLedger},
    metrics::Metrics,
    portfolio::Policy,
    server::{self, ALGORITHM_DEADLINE, Config, Running, RuntimeError},
    settings::{AlgorithmRef, Initial, Input, LiveSettings, Settings, SettingsSource, Topics},
};
use intuition_api::v1::{
    AccountRequest, AccountResponse, Acknowledged, Batch, CloseRequest, Committed, ConfigureRequest, DecisionsRequest,
    Delivery, Filter, ForgetSourcesRequest, Holding, Open, ProcessRequest, ProcessResponse, Published, Quote,
    ResetSourceRequest, SetTradingStateRequest, Source, SourcesRequest, Tick, TradingCause, TradingState,
    close_request::What, outbox_entry::Content as Entry, process_request, process_response::Message,
    runtime_client::RuntimeClient, tick::Content, tick_outcome::SeenBy,
};
use intuition_api::{capability, decimal::Money, part};
use intuition_common::{
    clock::{Clock, SystemClock},
    readiness::Readiness,
};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming, transport::Channel};

use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

const ACCOUNT: &str = "default/test";

fn settings() -> Settings {
    Settings {
        account: ACCOUNT.to_owned(),
        live: LiveSettings {
            algorithm: AlgorithmRef::Builtin("random".to_owned()),
            threshold: 0.0,
            parameters: serde_json::Map::new(),
            starting_cash: "10000".to_owned(),
            suspend: false,
            retention: None,
        },
        source: SettingsSource::Start,
        policy: Policy::from_parts("fixed-amount", None, Some("100")).unwrap(),
        topics: Topics::default(),
        subscribe: None,
        inputs: Vec::new(),
        initial: Initial::default(),
    }
}

struct Runtime {
    running: Running,
    shutdown: CancellationToken,
    client: RuntimeClient<Channel>,
    readiness: Readiness,
}

fn readiness() -> Readiness {
    Readiness::new(&[part::runtime::LEDGER], Arc::new(SystemClock))
}

async fn try_start(
    dir: &Path,
    settings: Settings,
    readiness: Readiness,
) -> Result<(Running, CancellationToken), RuntimeError> {
    let shutdown = CancellationToken::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = Config {
        settings,
        data_dir: dir.to_owned(),
        readiness,
        clock,
        metrics: Metrics::register(&mut Registry::default()),
        algorithm_deadline: ALGORITHM_DEADLINE,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server::start(config, listener, shutdown.clone()).await.map(|running| (running, shutdown))
}

async fn start(dir: &Path) -> Runtime {
    start_with(dir, settings()).await
}

async fn start_with(dir: &Path, settings: Settings) -> Runtime {
    let readiness = readiness();
    let (running, shutdown) = try_start(dir, settings, readiness.clone()).await.unwrap();
    let client = RuntimeClient::connect(format!("http://{}", running.addr)).await.unwrap();
    Runtime { running, shutdown, client, readiness }
}

impl Runtime {
    async fn open(&mut self, run: u64) -> Bridge {
        self.open_as(run, &[]).await
    }

    /// Opens a stream as a bridge with these capabilities.
    async fn open_as(&mut self, run: u64, capabilities: &[&str]) -> Bridge {
        let (requests, receiver) = mpsc::channel(16);
        let mut bridge = Bridge { requests, responses: None };
        let open = Open {
            account: ACCOUNT.to_owned(),
            broker_url: "mqtt://127.0.0.1:1883".to_owned(),
            session_present: true,
            run,
            capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
            ..Open::default()
        };
        bridge.send(process_request::Message::Open(open)).await;
        bridge.responses = Some(self.client.process(ReceiverStream::new(receiver)).await.unwrap().into_inner());
        bridge
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.stopped().await.unwrap();
    }
}

struct Bridge {
    requests: mpsc::Sender<ProcessRequest>,
    responses: Option<Streaming<ProcessResponse>>,
}

impl Bridge {
    async fn send(&self, message: process_request::Message) {
        self.requests.send(ProcessRequest { message: Some(message) }).await.unwrap();
    }

    async fn next(&mut self) -> Result<Message, Status> {
        let response = self.responses.as_mut().unwrap().next().await.expect("a response, or how the stream ended");
        Ok(response?.message.unwrap())
    }

    /// Skips what a stream begins with.
    async fn opened(&mut self) -> u64 {
        let Ok(Message::Opened(opened)) = self.next().await else { panic!("Opened comes first") };
        let Ok(Message::Channels(channels)) = self.next().await else { panic!("Channels come second") };
        assert_eq!(channels.filters, ["quotes"]);
        opened.published_through
    }

    async fn committed(&mut self) -> Committed {
        match self.next().await {
            Ok(Message::Committed(committed)) => committed,
            other => panic!("a commit, not {other:?}"),
        }
    }

    async fn quotes(&self, numbers: std::ops::RangeInclusive<u64>) {
        let deliveries = numbers.map(delivery).collect();
        self.send(process_request::Message::Batch(Batch { deliveries })).await;
    }
}

fn delivery(number: u64) -> Delivery {
    let quote = Quote { sid: "GOOG".to_owned(), price: "345".to_owned(), time_micros: 0, ..Quote::default() };
    Delivery {
        number,
        topic: "quotes".to_owned(),
        packet_id: 1,
        payload_sha256: vec![0; 32].into(),
        connection: 1,
        ticks: vec![Tick { content: Some(Content::Quote(quote)), ..Tick::default() }],
        ..Delivery::default()
    }
}

#[tokio::test]
async fn unpublished_decision_is_sent_on_every_new_stream_and_after_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let mut bridge = runtime.open(7).await;
    assert_eq!(bridge.opened().await, 0);
    bridge.quotes(1..=3).await;
    let committed = bridge.committed().await;
    assert_eq!((committed.entries.len(), committed.outcomes.len()), (3, 3));
    let mut tally = runtime.running.tally();
    bridge.send(process_request::Message::Published(Published { through: 1, ..Published::default() })).await;
    tally.wait_for(|tally| tally.published_through == 1).await.unwrap();

    runtime.stop().await;
    let mut runtime = start(dir.path()).await;
    let mut bridge = runtime.open(7).await;
    assert_eq!(bridge.opened().await, 1);
    assert_eq!(bridge.committed().await.entries, committed.entries[1..]);
    bridge.quotes(2..=4).await;
    let again = bridge.committed().await;
    let seen: Vec<SeenBy> = again.outcomes.iter().map(|outcome| outcome.ticks[0].seen_by()).collect();
    assert_eq!(seen, [SeenBy::Number, SeenBy::Number, SeenBy::Unspecified]);
    assert_eq!(again.entries[0].position, 4);
    runtime.stop().await;
}

#[tokio::test]
async fn unwritable_ledger_keeps_nothing_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let outside = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON segments BEGIN SELECT RAISE(ABORT, 'no room'); END";
    outside.execute_batch(refuse).unwrap();
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    bridge.quotes(1..=3).await;
    let status = bridge.next().await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("no room"), "{status}");
    assert_eq!(runtime.readiness.missing()[0].part, part::runtime::LEDGER);

    outside.execute_batch("DROP TRIGGER refuse").unwrap();
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    bridge.quotes(1..=3).await;
    let seqs: Vec<u64> = bridge.committed().await.outcomes.iter().map(|outcome| outcome.ticks[0].seqs[0]).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert!(runtime.readiness.missing().is_empty());
    runtime.stop().await;
}

/// Asks for the state of the cause Halt, or for its end.
fn halt(from: Option<u64>, state: Option<TradingState>) -> SetTradingStateRequest {
    let cause = |state: TradingState| TradingCause {
        cause: "Halt".to_owned(),
        state: state.into(),
        message: "ann".to_owned(),
        since_micros: 0,
    };
    SetTradingStateRequest {
        account: ACCOUNT.to_owned(),
        from,
        causes: state.map(cause).into_iter().collect(),
        ..SetTradingStateRequest::default()
    }
}

#[tokio::test]
async fn answered_stop_holds_and_a_failed_commit_changes_no_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let stop = halt(None, Some(TradingState::Halted));
    let other = SetTradingStateRequest { account: "default/other".to_owned(), ..stop.clone() };
    assert_eq!(runtime.client.set_trading_state(other).await.unwrap_err().code(), Code::NotFound);
    let malformed = halt(None, Some(TradingState::Active));
    assert_eq!(runtime.client.set_trading_state(malformed).await.unwrap_err().code(), Code::InvalidArgument);
    let answer = runtime.client.set_trading_state(stop).await.unwrap().into_inner();
    let trading = answer.trading.unwrap();
    assert_eq!((trading.state(), trading.number, answer.refusal), (TradingState::Halted, 1, None));

    let outside = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON trading BEGIN SELECT RAISE(ABORT, 'no room'); END";
    outside.execute_batch(refuse).unwrap();
    let status = runtime.client.set_trading_state(halt(Some(1), None)).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    outside.execute_batch("DROP TRIGGER refuse").unwrap();
    let account = AccountRequest { account: ACCOUNT.to_owned() };
    let trading = runtime.client.account(account).await.unwrap().into_inner().trading.unwrap();
    assert_eq!((trading.state(), trading.causes[0].message.as_str()), (TradingState::Halted, "ann"));
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    bridge.quotes(1..=2).await;
    assert!(bridge.committed().await.outcomes.iter().all(|outcome| outcome.ticks[0].reason == "Halted"));
    let answer = runtime.client.set_trading_state(halt(Some(1), None)).await.unwrap().into_inner();
    assert_eq!(answer.trading.unwrap().state(), TradingState::Active);
    bridge.quotes(3..=3).await;
    assert_eq!(bridge.committed().await.outcomes[0].ticks[0].seqs, [1]);
    runtime.stop().await;
}

#[tokio::test]
async fn holding_closed_by_hand_has_its_origin_on_stream_and_in_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    bridge.quotes(1..=1).await;
    bridge.committed().await;
    let all = CloseRequest {
        account: ACCOUNT.to_owned(),
        request: "r-1".to_owned(),
        what: Some(What::All(true)),
        ..CloseRequest::default()
    };
    let refused = runtime.client.close(all.clone()).await.unwrap().into_inner();
    assert_eq!(refused.refusal.unwrap().reason, "NotHalted");
    let nothing = CloseRequest { what: None, ..all.clone() };
    assert_eq!(runtime.client.close(nothing).await.unwrap_err().code(), Code::InvalidArgument);
    runtime.client.set_trading_state(halt(None, Some(TradingState::Halted))).await.unwrap();
    assert_eq!(runtime.client.close(all).await.unwrap().into_inner().closing, ["GOOG"]);
    bridge.quotes(2..=2).await;
    let sold = bridge.committed().await;
    let Some(Entry::Decision(decision)) = &sold.entries[0].content else { panic!("a decision") };
    assert_eq!((decision.seq, decision.origin.as_str()), (2, "manual"));
    assert_eq!(sold.outcomes[0].ticks[0].seqs, [2], "the outcome comes with the sale");
    let request = DecisionsRequest { account: ACCOUNT.to_owned(), from_seq: 0 };
    let mut decisions = runtime.client.decisions(request).await.unwrap().into_inner();
    let mut origins = Vec::new();
    while let Some(decision) = decisions.next().await {
        origins.push(decision.unwrap().origin);
    }
    assert_eq!(origins, ["", "manual"]);
    runtime.stop().await;
}

#[tokio::test]
async fn a_newer_stream_ends_the_older_and_the_end_of_the_process_ends_both() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let mut older = runtime.open(1).await;
    older.opened().await;
    let mut newer = runtime.open(2).await;
    newer.opened().await;
    assert_eq!(older.next().await.unwrap_err().code(), Code::Aborted);
    older.requests.closed().await;
    runtime.shutdown.cancel();
    assert_eq!(newer.next().await.unwrap_err().code(), Code::Unavailable);
    runtime.running.stopped().await.unwrap();
    assert!(!dir.path().join("ledger.db-wal").exists(), "a clean stop leaves a single file");
}

#[tokio::test]
async fn filters_are_recorded_before_they_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    let filters = vec![Filter { filter: "quotes".to_owned(), subscription_id: 1 }];
    bridge.send(process_request::Message::Holding(Holding { filters: filters.clone() })).await;
    assert!(matches!(bridge.next().await, Ok(Message::HoldingRecorded(_))));
    let mut next = runtime.open(1).await;
    let Ok(Message::Opened(opened)) = next.next().await else { panic!("Opened comes first") };
    assert_eq!(opened.held, filters);
    runtime.stop().await;
}

#[tokio::test]
async fn account_and_decisions_are_those_of_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let mut tally = runtime.running.tally();
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    bridge.quotes(1..=5).await;
    tally.wait_for(|tally| tally.account.decisions == 5).await.unwrap();
    let request = AccountRequest { account: ACCOUNT.to_owned() };
    let account = runtime.client.account(request).await.unwrap().into_inner();
    assert_eq!((account.cash.as_str(), account.invested.as_str()), ("9500.00", "500.00"));
    assert_eq!(account.unpublished, 5);
    let request = DecisionsRequest { account: ACCOUNT.to_owned(), from_seq: 4 };
    let decisions: Vec<_> = runtime.client.decisions(request).await.unwrap().into_inner().collect().await;
    let seqs: Vec<u64> = decisions.into_iter().map(|decision| decision.unwrap().seq).collect();
    assert_eq!(seqs, [4, 5]);
    let other = AccountRequest { account: "default/other".to_owned() };
    assert_eq!(runtime.client.account(other).await.unwrap_err().code(), Code::NotFound);
    runtime.stop().await;
}

#[tokio::test]
async fn acknowledgements_and_capabilities_of_a_connected_bridge_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let (requests, receiver) = mpsc::channel(16);
    let open = Open {
        account: ACCOUNT.to_owned(),
        broker_url: "mqtt://127.0.0.1:1883".to_owned(),
        run: 1,
        client_id: "client".to_owned(),
        capabilities: capability::OF_BRIDGE.map(str::to_owned).to_vec(),
        ..Open::default()
    };
    let mut bridge = Bridge { requests, responses: None };
    bridge.send(process_request::Message::Open(open)).await;
    bridge.responses = Some(runtime.client.process(ReceiverStream::new(receiver)).await.unwrap().into_inner());
    bridge.opened().await;
    bridge.quotes(1..=1).await;
    bridge.committed().await;
    let report = Acknowledged { through: 1, connection: 1 };
    bridge.send(process_request::Message::Acknowledged(report)).await;
    // The stream goes on.
    bridge.quotes(2..=2).await;
    bridge.committed().await;
    let request = || AccountRequest { account: ACCOUNT.to_owned() };
    let account = runtime.client.account(request()).await.unwrap().into_inner();
    assert_eq!(
        (account.capabilities.as_slice(), account.bridge_capabilities.as_slice()),
        (&capability::OF_RUNTIME.map(str::to_owned)[..], &capability::OF_BRIDGE.map(str::to_owned)[..],)
    );
    drop(bridge);
    while !runtime.client.account(request()).await.unwrap().into_inner().bridge_capabilities.is_empty() {
        tokio::task::yield_now().await;
    }
    runtime.stop().await;
}

#[tokio::test]
async fn configure_is_refused_where_flags_rule() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let request = ConfigureRequest { account: ACCOUNT.to_owned(), ..ConfigureRequest::default() };
    let response = runtime.client.configure(request).await.unwrap().into_inner();
    assert_eq!(response.refusals[0].reason, "NoUid");
    runtime.stop().await;
}

#[tokio::test]
async fn inputs_go_to_a_bridge_that_knows_them() {
    let dir = tempfile::tempdir().unwrap();
    let input = Input { topic: "quotes".to_owned(), symbols: vec!["GOOG".to_owned()], ..Input::default() };
    let settings = Settings { subscribe: Some(vec!["quotes".to_owned()]), inputs: vec![input], ..settings() };
    let mut runtime = start_with(dir.path(), settings).await;
    for (run, capabilities, expected) in
        [(1, &["acknowledged", "inputs"][..], vec!["GOOG"]), (2, &["acknowledged"], vec![]), (3, &[], vec![])]
    {
        let mut bridge = runtime.open_as(run, capabilities).await;
        let Ok(Message::Opened(_)) = bridge.next().await else { panic!("Opened comes first") };
        let Ok(Message::Channels(channels)) = bridge.next().await else { panic!("Channels come second") };
        let symbols: Vec<_> = channels.inputs.iter().flat_map(|input| &input.symbols).map(String::as_str).collect();
        assert_eq!((symbols, channels.filters), (expected, vec!["quotes".to_owned()]), "{capabilities:?}");
    }
    runtime.stop().await;
}

#[tokio::test]
async fn quotes_of_a_bridge_that_knows_no_formats_are_not_taken_as_others() {
    let dir = tempfile::tempdir().unwrap();
    let format = serde_json::from_str(r#"{"sid":{"value":"GOOG"},"price":{"pointer":""}}"#).unwrap();
    let input = Input { topic: "quotes".to_owned(), format, ..Input::default() };
    let settings = Settings { subscribe: Some(vec!["quotes".to_owned()]), inputs: vec![input], ..settings() };
    let mut runtime = start_with(dir.path(), settings).await;
    let mut old = runtime.open_as(1, &["acknowledged", "inputs"]).await;
    let Ok(Message::Opened(_)) = old.next().await else { panic!("Opened comes first") };
    // A bridge with a session from before its rollback delivers although it gets no channels.
    old.quotes(1..=1).await;
    let error = loop {
        match old.next().await {
            Ok(Message::Channels(channels)) => panic!("{channels:?}"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("spec.channels.inputs[].format"), "{error}");
    let mut new = runtime.open_as(2, &["acknowledged", "inputs", "input-formats"]).await;
    let Ok(Message::Opened(_)) = new.next().await else { panic!("Opened comes first") };
    let Ok(Message::Channels(channels)) = new.next().await else { panic!("Channels come second") };
    assert!(channels.inputs[0].format.is_some());
    new.quotes(1..=1).await;
    new.committed().await;
    runtime.stop().await;
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_open_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let request = ProcessRequest { message: Some(process_request::Message::Batch(Batch::default())) };
    let error = runtime.client.process(tokio_stream::once(request)).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    runtime.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_leave_no_ledger_behind() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = Settings { subscribe: Some(vec!["quotes#".to_owned()]), ..settings() };
    let error = try_start(dir.path(), wrong, readiness()).await.err().unwrap();
    assert!(error.is_usage());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn health_and_reflection_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = start(dir.path()).await;
    let channel = Channel::from_shared(format!("http://{}", runtime.running.addr)).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    for service in ["", "intuition.v1.Runtime"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, tonic_health::pb::health_check_response::ServingStatus::Serving);
    }
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else { panic!("a list of services") };
    assert!(services.service.iter().any(|service| service.name == "intuition.v1.Runtime"));
    runtime.stop().await;
}

/// Deliveries of one numbered quote each.
async fn numbered(bridge: &mut Bridge, first: u64, ticks: &[(String, i64)]) -> Committed {
    let numbered = |(number, (source, seq)): (u64, &(String, i64))| {
        let mut delivery = delivery(number);
        let ticks = std::mem::take(&mut delivery.ticks);
        let numbered = |tick| Tick { source: source.clone(), seq: Some(*seq), ..tick };
        Delivery { ticks: ticks.into_iter().map(numbered).collect(), ..delivery }
    };
    let deliveries = (first..).zip(ticks).map(numbered).collect();
    bridge.send(process_request::Message::Batch(Batch { deliveries })).await;
    let mut all = Committed::default();
    while all.outcomes.len() < ticks.len() {
        let committed = bridge.committed().await;
        all.entries.extend(committed.entries);
        all.outcomes.extend(committed.outcomes);
    }
    all
}

async fn sources(client: &mut RuntimeClient<Channel>) -> Vec<Source> {
    let request = SourcesRequest { account: ACCOUNT.to_owned() };
    let stream = client.sources(request).await.unwrap().into_inner();
    stream.map(Result::unwrap).collect().await
}

#[tokio::test]
async fn sources_are_listed_reset_and_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut runtime = start(dir.path()).await;
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    // More than a page of them.
    let ticks: Vec<_> = (0..1_500).map(|source| (format!("s{source:04}"), 7)).collect();
    numbered(&mut bridge, 1, &ticks).await;
    let listed = sources(&mut runtime.client).await;
    assert_eq!(listed.len(), 1_500);
    assert!(listed.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!((listed[3].name.as_str(), listed[3].era, listed[3].last), ("s0003", 0, Some(7)));
    assert!(listed[3].last_micros > 0);

    let account = || ACCOUNT.to_owned();
    let reset = |source: &str, last| ResetSourceRequest {
        account: account(),
        channel: "quotes".to_owned(),
        source: source.to_owned(),
        last,
        ..ResetSourceRequest::default()
    };
    let refused = runtime.client.reset_source(reset("s0003", 6)).await.unwrap().into_inner();
    assert_eq!((refused.applied, refused.refusal.unwrap().reason.as_str()), (false, "OtherLast"));
    assert_eq!(refused.source.unwrap().last, Some(7));
    for applied in [true, false] {
        let answer = runtime.client.reset_source(reset("s0003", 7)).await.unwrap().into_inner();
        assert_eq!((answer.applied, answer.refusal), (applied, None));
        assert_eq!(answer.source.map(|source| (source.era, source.last)), Some((1, None)));
    }
    let forget = |source: &str, idle_seconds| ForgetSourcesRequest {
        account: account(),
        source: source.to_owned(),
        idle_seconds,
        ..ForgetSourcesRequest::default()
    };
    let forgotten = runtime.client.forget_sources(forget("s0004", 0)).await.unwrap().into_inner();
    assert_eq!((forgotten.forgotten, forgotten.refusal), (1, None));
    let idle = runtime.client.forget_sources(forget("", 3_600)).await.unwrap().into_inner();
    assert_eq!((idle.forgotten, idle.refusal), (0, None));

    let invalid = runtime.client.forget_sources(forget("s0005", 1)).await.unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    let invalid = runtime.client.reset_source(reset("", 7)).await.unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    let other = || "default/other".to_owned();
    let not_found = [
        runtime.client.sources(SourcesRequest { account: other() }).await.map(drop).unwrap_err(),
        runtime
            .client
            .reset_source(ResetSourceRequest { account: other(), ..reset("s0001", 7) })
            .await
            .map(drop)
            .unwrap_err(),
        runtime
            .client
            .forget_sources(ForgetSourcesRequest { account: other(), ..forget("s0001", 0) })
            .await
            .map(drop)
            .unwrap_err(),
    ];
    assert!(not_found.iter().all(|status| status.code() == Code::NotFound), "{not_found:?}");

    // An answer means that the change is durable.
    drop(bridge);
    runtime.stop().await;
    let mut runtime = start(dir.path()).await;
    let listed = sources(&mut runtime.client).await;
    assert_eq!((listed.len(), listed[3].name.as_str(), listed[3].era, listed[3].last), (1_499, "s0003", 1, None));
    let mut bridge = runtime.open(2).await;
    bridge.opened().await;
    let request = AccountRequest { account: ACCOUNT.to_owned() };
    let account = runtime.client.account(request).await.unwrap().into_inner();
    assert_eq!((account.source_count, account.sources.len(), account.sources[0].era), (1_499, 1, 1));
    runtime.stop().await;
}

/// Makes a ledger of deposits and withdrawals, with a checkpoint at each 10,000th entry.
fn fill_ledger(dir: &Path, entries: u64) {
    let mut ledger = SqliteLedger::open(dir, ACCOUNT).unwrap();
    let mut account = ledger.snapshot().unwrap().account;
    for first in (1..=entries).step_by(10_000) {
        let mut changes = Changes::default();
        for number in first..first + 10_000 {
            let (kind, cents) = match number {
                1 => (EntryKind::Deposit, 1_000_000),
                _ if number.is_multiple_of(2) => (EntryKind::Deposit, 100),
                _ => (EntryKind::Withdrawal, -100),
            };
            let moved = Money::from_cents(cents);
            account.cash = account.cash.checked_add(moved).unwrap();
            account.deposits = account.cash;
            account.entries = number;
            let amount = Money::from_cents(cents.abs());
            let entry = JournalEntry { number, kind, amount, cash: account.cash, committed_micros: 1, trade: None };
            changes.journal.push(entry);
        }
        changes.account = Some(account.clone());
        ledger.commit(&changes).unwrap();
    }
    Box::new(ledger).close().unwrap();
}

/// Changes the ledger around its triggers.
fn rewrite(dir: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(dir.join("ledger.db")).unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    connection.close().unwrap();
}

/// The volume of the test may be nearly full, too.
fn warns_of_damage(runtime: &Runtime) -> bool {
    runtime.readiness.warnings().iter().any(|warning| (warning.part, &*warning.reason) == ("ledger", "LedgerDamaged"))
}

/// Waits for the account to be Halted or not.
async fn account_with(runtime: &mut Runtime, state: TradingState) -> AccountResponse {
    let wait = async {
        loop {
            let request = AccountRequest { account: ACCOUNT.to_owned() };
            let account = runtime.client.account(request).await.unwrap().into_inner();
            if account.trading.as_ref().unwrap().state() == state {
                return account;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("a verification of three chunks")
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_far_back_halts_the_account_until_the_journal_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    fill_ledger(dir.path(), 30_000);
    rewrite(dir.path(), "UPDATE entries SET cash = cash + 1 WHERE number = 12345");
    let mut runtime = start(dir.path()).await;
    let account = account_with(&mut runtime, TradingState::Halted).await;
    let trading = account.trading.unwrap();
    let [cause] = trading.causes.as_slice() else { panic!("{trading:?}") };
    assert_eq!(cause.cause, "LedgerDamaged");
    let finding = "journal entry 12345: cash is 10000.01, should be 10000.00";
    let remedy = "restore the ledger from a copy with `algo-runtime restore`, or keep its sound part with `algo-runtime salvage`";
    assert_eq!(cause.message, format!("{finding}; {remedy}"));
    assert!(warns_of_damage(&runtime));

    let lifted = runtime.client.set_trading_state(halt(Some(trading.number), None)).await.unwrap().into_inner();
    assert_eq!(lifted.trading.unwrap().state(), TradingState::Halted);
    let mut bridge = runtime.open(1).await;
    bridge.opened().await;
    bridge.quotes(1..=5).await;
    let outcomes = bridge.committed().await.outcomes;
    assert!(outcomes.len() == 5 && outcomes.iter().all(|outcome| outcome.ticks[0].reason == "Halted"), "{outcomes:?}");
    assert_eq!(account_with(&mut runtime, TradingState::Halted).await.decisions, 0);
    drop(bridge);
    runtime.stop().await;
    assert!(!dir.path().join("ledger.db-wal").exists(), "no reader is left at a clean stop");

    // The halt is in the ledger.
    let recorded = SqliteLedger::open(dir.path(), ACCOUNT).unwrap().snapshot().unwrap().trading.unwrap();
    assert!(recorded.causes.contains_key(&("LedgerDamaged".to_owned(), false)), "{recorded:?}");
    rewrite(dir.path(), "UPDATE entries SET cash = cash - 1 WHERE number = 12345");
    let mut runtime = start(dir.path()).await;
    account_with(&mut runtime, TradingState::Active).await;
    assert!(!warns_of_damage(&runtime));
    let mut bridge = runtime.open(2).await;
    bridge.opened().await;
    bridge.quotes(6..=6).await;
    assert_eq!(bridge.committed().await.outcomes[0].ticks[0].reason, "");
    drop(bridge);
    runtime.stop().await;
}
