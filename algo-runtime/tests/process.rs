//! The process `algo-runtime` as a container runs it: pages, signals, settings from a file.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use intuition_api::{
    capability,
    v1::{
        AccountRequest, AccountResponse, Batch, ConfigureRequest, Credit, DecisionsRequest, Delivery, Open, Opened,
        ProcessRequest, Published, Quote, SetTradingStateRequest, SetTradingStateResponse, Settings, Tick,
        TradingCause, TradingState, outbox_entry::Content as Entry, process_request::Message, process_response,
        runtime_client::RuntimeClient, tick::Content,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;

const ACCOUNT: &str = "default/test";
const PATIENCE: Duration = Duration::from_secs(30);

struct Process {
    /// `None`: it was told to end.
    child: Option<Child>,
    grpc: u16,
    http: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn command(dir: &Path, settings: &Path) -> (Command, u16, u16) {
    let (grpc, http) = (free_port(), free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
    command.args(["--account", ACCOUNT, "--addr", &format!("127.0.0.1:{grpc}")]);
    command.args(["--http-addr", &format!("127.0.0.1:{http}")]);
    command.arg("--data-dir").arg(dir.join("data")).arg("--settings").arg(settings);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    (command, grpc, http)
}

/// Writes the settings of a generation of the resource `u-1`, changed by `change`.
fn settings(dir: &Path, generation: i64, change: &Value) -> PathBuf {
    let mut settings = json!({"resourceUid": "u-1", "generation": generation, "algorithm": "random", "threshold": 0.5});
    settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let path = dir.join(format!("settings-{generation}.json"));
    fs::write(&path, settings.to_string()).unwrap();
    path
}

impl Process {
    fn start(dir: &Path, settings: &Path) -> Self {
        let (mut command, grpc, http) = command(dir, settings);
        Self { child: Some(command.spawn().unwrap()), grpc, http }
    }

    /// Status and body of a page; `None` if no server answers.
    fn page(&self, path: &str) -> Option<(u16, String)> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
    }

    /// Waits for a page to have this status, and gives its body.
    fn page_with(&mut self, path: &str, status: u16) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.page(path) {
                Some((found, body)) if found == status => return body,
                page => assert!(Instant::now() < until, "{path}: {page:?}"),
            }
            assert!(self.child.as_mut().unwrap().try_wait().unwrap().is_none(), "it ended");
            thread::yield_now();
        }
    }

    fn terminate(mut self) -> Output {
        let child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        child.wait_with_output().unwrap()
    }

    async fn client(&mut self) -> RuntimeClient<Channel> {
        self.page_with("/readyz", 200);
        RuntimeClient::connect(format!("http://127.0.0.1:{}", self.grpc)).await.unwrap()
    }

    async fn account(&mut self) -> AccountResponse {
        let request = AccountRequest { account: ACCOUNT.to_owned() };
        self.client().await.account(request).await.unwrap().into_inner()
    }
}

/// A bridge's knowledge of its ledger.
#[derive(Default)]
struct Bridge {
    ledger_id: String,
    published: u64,
    delivered: u64,
    /// By id: the content of each decision that it has published.
    decisions: BTreeMap<String, String>,
}

impl Bridge {
    /// Opens a stream, sends so many quotes, and publishes the entries that come, of which there are `wanted`.
    async fn trade(&mut self, process: &mut Process, quotes: u64, wanted: u64) -> Opened {
        let open = Open {
            account: ACCOUNT.to_owned(),
            broker_url: "mqtt://127.0.0.1".to_owned(),
            session_present: true,
            run: 7,
            capabilities: vec![capability::OUTBOX_QUEUES.to_owned()],
            ledger_id: self.ledger_id.clone(),
            published: Some(Published { through: self.published, ..Published::default() }),
            pages: true,
            ..Open::default()
        };
        let deliveries = (self.delivered + 1..=self.delivered + quotes).map(delivery).collect();
        self.delivered += quotes;
        let messages =
            [Message::Open(open), Message::Batch(Batch { deliveries }), Message::Credit(Credit { bytes: 1 << 20 })];
        let (requests, receiver) = tokio::sync::mpsc::channel(8);
        for message in messages {
            requests.send(ProcessRequest { message: Some(message) }).await.unwrap();
        }
        let receiver = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut responses = process.client().await.process(receiver).await.unwrap().into_inner();
        let (mut opened, mut came) = (Opened::default(), 0);
        while came < wanted {
            let next = tokio::time::timeout(PATIENCE, responses.next()).await.unwrap();
            match next.unwrap().unwrap().message.unwrap() {
                process_response::Message::Opened(first) => {
                    self.ledger_id.clone_from(&first.ledger_id);
                    self.published = first.published_through;
                    opened = first;
                }
                process_response::Message::Committed(committed) => {
                    for entry in committed.entries {
                        assert_eq!(entry.position, self.published + 1);
                        self.published = entry.position;
                        came += 1;
                        let Some(Entry::Decision(decision)) = entry.content else { panic!("a decision") };
                        let (id, content) = (decision.id.clone(), format!("{decision:?}"));
                        let known = self.decisions.entry(id).or_insert_with(|| content.clone());
                        assert_eq!(*known, content, "an id with two contents");
                    }
                }
                _ => {}
            }
        }
        let published = Published { through: self.published, ..Published::default() };
        requests.send(ProcessRequest { message: Some(Message::Published(published)) }).await.unwrap();
        let until = Instant::now() + PATIENCE;
        while process.account().await.unpublished > 0 {
            assert!(Instant::now() < until, "the report does not arrive");
        }
        opened
    }
}

fn delivery(number: u64) -> Delivery {
    let quote = Quote { sid: "GOOG".to_owned(), price: format!("{number}"), time_micros: 5, ..Quote::default() };
    Delivery {
        number,
        topic: "quotes".to_owned(),
        payload_sha256: vec![1; 32].into(),
        ticks: vec![Tick { id: format!("q-{number}"), content: Some(Content::Quote(quote)), ..Tick::default() }],
        ..Delivery::default()
    }
}

impl Process {
    /// Asks for these causes, as the resource `u-1`.
    async fn set(
        &mut self,
        generation: i64,
        from: Option<u64>,
        causes: &[(&str, TradingState)],
    ) -> SetTradingStateResponse {
        let cause = |(code, state): &(&str, TradingState)| TradingCause {
            cause: (*code).to_owned(),
            state: (*state).into(),
            ..TradingCause::default()
        };
        let request = SetTradingStateRequest {
            account: ACCOUNT.to_owned(),
            resource_uid: "u-1".to_owned(),
            generation,
            from,
            causes: causes.iter().map(cause).collect(),
        };
        self.client().await.set_trading_state(request).await.unwrap().into_inner()
    }

    async fn state(&mut self) -> (TradingState, u64, i64) {
        let trading = self.account().await.trading.unwrap();
        (trading.state(), trading.number, trading.generation)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    dir
}

#[test]
fn the_pages_are_there_while_the_ledger_is_being_opened() {
    let dir = folder();
    // Who opens a ledger waits for whoever is doing so at the moment.
    let opening = File::open(dir.path().join("data")).unwrap();
    opening.lock().unwrap();
    let mut process = Process::start(dir.path(), &settings(dir.path(), 1, &json!({})));
    let missing: Value = serde_json::from_str(&process.page_with("/readyz", 503)).unwrap();
    assert_eq!(
        (&missing["missing"][0]["part"], &missing["missing"][0]["reason"]),
        (&json!("ledger"), &json!("Starting"))
    );
    assert_eq!(process.page_with("/healthz", 200), "ok");
    process.page_with("/metrics", 200);
    drop(opening);
    process.page_with("/readyz", 200);
    assert!(process.terminate().status.success());
    assert!(!dir.path().join("data/ledger.db-wal").exists(), "a clean stop leaves a single file");
}

#[test]
fn a_signal_ends_it_also_while_the_ledger_is_being_opened() {
    let dir = folder();
    let opening = File::open(dir.path().join("data")).unwrap();
    opening.lock().unwrap();
    let mut process = Process::start(dir.path(), &settings(dir.path(), 1, &json!({})));
    process.page_with("/readyz", 503);
    assert!(process.terminate().status.success());
}

#[test]
fn a_peer_that_is_frozen_does_not_hold_up_the_end() {
    let dir = folder();
    let mut process = Process::start(dir.path(), &settings(dir.path(), 1, &json!({})));
    process.page_with("/readyz", 200);
    let mut frozen = TcpStream::connect(("127.0.0.1", process.grpc)).unwrap();
    // The preface of HTTP/2 and empty settings; nothing after them.
    frozen.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    frozen.read_exact(&mut [0; 9]).unwrap();
    let told = Instant::now();
    assert!(process.terminate().status.success());
    // Kubernetes waits 30 seconds before it kills.
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_used_give_way_to_those_that_were_in_force() {
    let dir = folder();
    let wrong = |generation| settings(dir.path(), generation, &json!({"algorithm": "rnd", "threshold": 2}));
    let refused = command(dir.path(), &wrong(1)).0.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("threshold: must be from 0 to 1, is 2; algorithm: \"rnd\" is unknown"), "{said}");
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 0);

    let mut process = Process::start(dir.path(), &settings(dir.path(), 2, &json!({"startingCash": "500"})));
    assert_eq!(process.account().await.effective_generation, 2);
    assert!(process.terminate().status.success());

    let mut process = Process::start(dir.path(), &wrong(3));
    let account = process.account().await;
    assert_eq!((account.effective_generation, account.algorithm.as_str()), (2, "random"));
    assert_eq!((account.algorithm_version.as_str(), account.cash.as_str()), ("1", "500.00"));
    let request = ConfigureRequest {
        account: ACCOUNT.to_owned(),
        resource_uid: "u-1".to_owned(),
        generation: 3,
        settings: Some(Settings { algorithm: "rnd".to_owned(), threshold: "2".to_owned(), ..Settings::default() }),
        ..ConfigureRequest::default()
    };
    let response = process.client().await.configure(request).await.unwrap().into_inner();
    assert!(response.refusals.iter().all(|refusal| refusal.reason == "InvalidSettings"), "{response:?}");
    assert_eq!(response.effective_generation, 2);
    let ended = process.terminate();
    let logged = String::from_utf8(ended.stderr).unwrap() + &String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success() && logged.contains("WARN") && logged.contains("\"rnd\" is unknown"), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_in_use_can_be_verified_and_stays_as_it_is() {
    let dir = folder();
    let mut process = Process::start(dir.path(), &settings(dir.path(), 1, &json!({})));
    process.account().await;
    let read = |name: &str| fs::read(dir.path().join("data").join(name)).unwrap();
    let before = (read("ledger.db"), read("ledger.db-wal"));
    let mut verify = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
    let report = verify.arg("verify").arg("--data-dir").arg(dir.path().join("data")).output().unwrap();
    assert!(report.status.success(), "{report:?}");
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("cash         10000.00"), "{report}");
    assert!((read("ledger.db"), read("ledger.db-wal")) == before, "verify changed the ledger");
    assert!(process.terminate().status.success());
}

#[test]
fn contradicting_flags_and_settings_of_a_later_release_exit_with_2() {
    let dir = folder();
    let ended = |command: &mut Command| {
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        said
    };
    let mut flags = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
    flags.args(["--account", ACCOUNT, "--algorithm", "random", "--seed", "2", "--param", "seed=1"]);
    let said = ended(flags.arg("--data-dir").arg(dir.path().join("data")));
    assert!(said.contains("--seed 2 and --param seed=1"), "{said}");

    let first = settings(dir.path(), 1, &json!({}));
    let second = dir.path().join("settings-1-2.json");
    fs::write(second, r#"{"channels":{"inputs":[{"topic":"quotes","ofTheFuture":1}]}}"#).unwrap();
    let said = ended(&mut command(dir.path(), &first).0);
    assert!(said.contains("settings-1-2.json") && said.contains("unknown field `ofTheFuture`"), "{said}");
    assert_eq!(fs::read_dir(dir.path().join("data")).unwrap().count(), 0, "no ledger is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_outlasts_a_kill_and_is_lifted_by_its_number_alone() {
    let dir = folder();
    let first = settings(dir.path(), 1, &json!({}));
    let mut process = Process::start(dir.path(), &first);
    let answer = process.set(2, None, &[("Halt", TradingState::Halted)]).await;
    assert_eq!((answer.refusal, answer.trading.unwrap().number), (None, 1));
    // The process is killed, and the settings file is still that of the generation before.
    drop(process);
    let mut process = Process::start(dir.path(), &first);
    assert_eq!(process.state().await, (TradingState::Halted, 1, 0), "a stop alone records no generation");
    let request = ConfigureRequest {
        account: ACCOUNT.to_owned(),
        resource_uid: "u-1".to_owned(),
        generation: 3,
        settings: Some(Settings { algorithm: "rnd".to_owned(), suspend: true, ..Settings::default() }),
        ..ConfigureRequest::default()
    };
    let refused = process.client().await.configure(request).await.unwrap().into_inner();
    assert_eq!((refused.refusals[0].reason.as_str(), refused.effective_generation), ("InvalidSettings", 1));
    drop(process);
    let mut process = Process::start(dir.path(), &first);
    assert_eq!(process.state().await, (TradingState::Halted, 2, 3));
    for (generation, from, reason) in
        [(2, Some(2), "OlderGeneration"), (3, Some(1), "OtherNumber"), (3, None, "OtherNumber")]
    {
        assert_eq!(process.set(generation, from, &[]).await.refusal.unwrap().reason, reason);
    }
    assert_eq!(process.set(3, Some(2), &[]).await.refusal, None);
    drop(process);
    let mut process = Process::start(dir.path(), &first);
    assert_eq!(process.state().await, (TradingState::Active, 3, 3));
    assert!(process.terminate().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_beside_the_settings_set_the_trading_state_but_not_the_cash() {
    let dir = folder();
    let path = settings(dir.path(), 2, &json!({"startingCash": "700"}));
    let write = |name: &str, text: &Value| fs::write(dir.path().join(name), text.to_string()).unwrap();
    let ended = |name: &str| {
        let output = command(dir.path(), &path).0.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(name), "{said}");
    };
    let cause = |state: &str| json!({"cause": "User", "state": state, "message": "spec.tradingState"});
    for wrong in [
        json!({"resourceUid": "u-1", "generation": 2}),
        json!({"resourceUid": "u-1", "generation": 2, "causes": [cause("Paused")]}),
        json!({"resourceUid": "u-9", "generation": 2, "causes": []}),
    ] {
        write("trading-state.json", &wrong);
        ended("trading-state.json");
    }
    write("trading-state.json", &json!({"resourceUid": "u-1", "generation": 2, "causes": [cause("Reducing")]}));
    write("cash.json", &json!({"resourceUid": "u-1", "generation": 2, "startingCashUnchanged": "yes"}));
    ended("cash.json");
    write("cash.json", &json!({"resourceUid": "u-1", "generation": 2, "startingCashUnchanged": true}));
    let mut process = Process::start(dir.path(), &path);
    assert_eq!(process.state().await, (TradingState::Reducing, 1, 2));
    assert_eq!(process.account().await.deposits, "700.00", "the first start");
    assert!(process.terminate().status.success());
    let next = settings(dir.path(), 3, &json!({"startingCash": "9000"}));
    write("trading-state.json", &json!({"resourceUid": "u-1", "generation": 3, "causes": []}));
    let mut process = Process::start(dir.path(), &next);
    assert_eq!(process.state().await, (TradingState::Active, 2, 3));
    assert_eq!(process.account().await.deposits, "700.00");
    assert!(process.terminate().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn restored_ledger_publishes_later_decisions_under_new_ids() {
    let dir = folder();
    let settings = settings(dir.path(), 1, &json!({"threshold": 0, "startingCash": "100000"}));
    let start = || {
        let (mut command, grpc, http) = command(dir.path(), &settings);
        command.args(["--portfolio", "fixed-amount", "--amount", "1"]);
        Process { child: Some(command.spawn().unwrap()), grpc, http }
    };
    let (file, copy) = (dir.path().join("data/ledger.db"), dir.path().join("copy.db"));
    let mut bridge = Bridge::default();
    let mut process = start();
    let first = bridge.trade(&mut process, 10, 10).await;
    assert!(process.terminate().status.success());
    fs::copy(&file, &copy).unwrap();
    let mut process = start();
    assert!(!bridge.trade(&mut process, 20, 20).await.restored);
    assert!(process.terminate().status.success());
    assert_eq!((bridge.published, bridge.decisions.len()), (30, 30));

    fs::copy(&copy, &file).unwrap();
    let mut process = start();
    let opened = bridge.trade(&mut process, 25, 25).await;
    assert!(opened.restored && opened.ledger_id != first.ledger_id);
    assert_eq!((opened.published_through, bridge.published, bridge.decisions.len()), (10, 35, 55));
    let account = process.account().await;
    assert_eq!((account.ledger_id, account.ledger_first_seq), (opened.ledger_id.clone(), 11));
    let request = DecisionsRequest { account: ACCOUNT.to_owned(), from_seq: 0 };
    let mut decisions = process.client().await.decisions(request).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(decision) = decisions.next().await {
        let decision = decision.unwrap();
        assert_eq!(bridge.decisions.get(&decision.id), Some(&format!("{decision:?}")), "as it was published");
        count += 1;
    }
    assert_eq!(count, 35);
    let ended = process.terminate();
    let logged = String::from_utf8(ended.stderr).unwrap() + &String::from_utf8(ended.stdout).unwrap();
    assert_eq!(logged.matches("the ledger has gone back").count(), 1, "{logged}");

    let mut verify = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
    let report = verify.arg("verify").arg("--data-dir").arg(dir.path().join("data")).output().unwrap();
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains(&format!("ledger       {}\n", opened.ledger_id)), "{report}");
    assert!(report.contains(&format!("earlier id   {} for decisions 1 to 10\n", first.ledger_id)), "{report}");
}

#[test]
fn verify_names_the_ledgers_below_a_folder_that_holds_several() {
    let dir = tempfile::tempdir().unwrap();
    let account = dir.path().join("default");
    fs::create_dir_all(account.join("data")).unwrap();
    let mut process = Process::start(&account, &settings(&account, 1, &json!({})));
    process.page_with("/readyz", 200);
    assert!(process.terminate().status.success());
    let verify = |data: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
        let output = command.args(["verify", "--data-dir"]).arg(data).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (folder, ledger) = (dir.path().display().to_string(), account.join("data").display().to_string());
    let expected =
        format!("error: there is no ledger in {folder}; below it there are: {ledger}. Verify one of these\n");
    assert_eq!(verify(dir.path()), (Some(1), expected));
    let empty = account.join("data/none");
    let expected = format!("error: there is no ledger in {}\n", empty.display());
    assert_eq!(verify(&empty), (Some(1), expected));
    assert_eq!(verify(&account.join("data")).0, Some(0));
}
