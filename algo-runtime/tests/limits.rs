//! The process `algo-runtime` among clients that are not its bridge: silent, flooding, not reading.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use intuition_api::v1::{
    AccountRequest, AccountResponse, Batch, Delivery, Holding, Open, ProcessRequest, Quote, Tick,
    process_request::Message, process_response, runtime_client::RuntimeClient, tick::Content,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status, transport::Channel};

const ACCOUNT: &str = "default/test";
const PATIENCE: Duration = Duration::from_secs(30);
/// Memory that no client makes the runtime use.
const MOST_KIB: u64 = 100 << 10;
/// File descriptors of the runtime, as containers have it.
const FILES: usize = 1_024;
/// Connections that use up those files where nothing bounds them.
const SILENT: usize = 1_100;

struct Process {
    /// `None`: it has ended.
    child: Option<Child>,
    grpc: u16,
    http: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Process {
    fn start(dir: &Path) -> Self {
        let (grpc, http) = (free_port(), free_port());
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={FILES}")).arg(env!("CARGO_BIN_EXE_algo-runtime"));
        command.args(["--account", ACCOUNT, "--algorithm", "random", "--threshold", "0"]);
        command.args(["--portfolio", "fixed-amount", "--amount", "1", "--starting-cash", "100000"]);
        command.args(["--addr", &format!("127.0.0.1:{grpc}"), "--http-addr", &format!("127.0.0.1:{http}")]);
        command.arg("--data-dir").arg(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = Self { child: Some(command.spawn().unwrap()), grpc, http };
        let until = Instant::now() + PATIENCE;
        while process.status().is_none_or(|status| status != 200) {
            assert!(Instant::now() < until, "it does not become ready");
            thread::yield_now();
        }
        process
    }

    /// Status of `/readyz`; `None` without an answer.
    fn status(&self) -> Option<u16> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        write!(connection, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
        let mut text = String::new();
        connection.read_to_string(&mut text).ok()?;
        text.split(' ').nth(1)?.parse().ok()
    }

    async fn client(&self) -> RuntimeClient<Channel> {
        RuntimeClient::connect(format!("http://127.0.0.1:{}", self.grpc)).await.unwrap()
    }

    async fn account(&self) -> Result<AccountResponse, Status> {
        let request = AccountRequest { account: ACCOUNT.to_owned() };
        Ok(self.client().await.account(request).await?.into_inner())
    }

    /// The most memory that it has had.
    fn most_kib(&self) -> u64 {
        let pid = self.child.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// An HTTP/2 connection after the exchange of settings.
    fn http2(&self) -> TcpStream {
        let mut connection = TcpStream::connect(("127.0.0.1", self.grpc)).unwrap();
        connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        connection.write_all(&frame(4, 0, 0, &[])).unwrap();
        // The acknowledgement of these settings comes behind the server's settings and window.
        while !matches!(read_frame(&mut connection).unwrap(), (4, 1)) {}
        // Until this comes, the server counts with the smallest window.
        connection.write_all(&frame(4, 1, 0, &[])).unwrap();
        connection
    }

    fn terminate(mut self) -> Output {
        let child = self.child.take().unwrap();
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        child.wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill().and_then(|()| child.wait()));
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Kind and flags of the next frame.
fn read_frame(connection: &mut TcpStream) -> io::Result<(u8, u8)> {
    let mut head = [0; 9];
    connection.read_exact(&mut head)?;
    let length = head[..3].iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    connection.read_exact(&mut vec![0; length])?;
    Ok((head[3], head[4]))
}

/// The fields of a call, without compression.
fn fields(method: &str) -> Vec<u8> {
    let path = format!("/intuition.v1.Runtime/{method}");
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.into_iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
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

fn open() -> ProcessRequest {
    let open = Open {
        account: ACCOUNT.to_owned(),
        broker_url: "mqtt://127.0.0.1".to_owned(),
        run: 7,
        capabilities: vec!["test".to_owned()],
        ..Open::default()
    };
    ProcessRequest { message: Some(Message::Open(open)) }
}

/// Opens a stream, sends quotes, and waits for their outcomes.
async fn trade(process: &Process, numbers: std::ops::RangeInclusive<u64>) {
    let wanted = numbers.clone().count();
    let batch = Message::Batch(Batch { deliveries: numbers.map(delivery).collect() });
    let requests = tokio_stream::iter([open(), ProcessRequest { message: Some(batch) }]);
    let mut responses =
        process.client().await.process(requests.chain(tokio_stream::pending())).await.unwrap().into_inner();
    let mut outcomes = 0;
    while outcomes < wanted {
        let next = tokio::time::timeout(PATIENCE, responses.next()).await.unwrap();
        if let Some(process_response::Message::Committed(committed)) = next.unwrap().unwrap().message {
            outcomes += committed.outcomes.len();
        }
    }
}

/// Lets this process hold as many connections as the tests need.
fn raise_own_limit() {
    let pid = std::process::id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--nofile=4096:"]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_neither_a_bridge_nor_a_probe_out() {
    raise_own_limit();
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    trade(&process, 1..=10).await;
    let silent = |port: u16| -> Vec<TcpStream> {
        (0..SILENT).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect()
    };
    let connections = [silent(process.http), silent(process.grpc)];
    assert_eq!(process.status(), Some(200));
    trade(&process, 11..=20).await;
    assert_eq!(process.account().await.unwrap().decisions, 20);
    assert!(process.most_kib() < MOST_KIB, "{} KiB", process.most_kib());
    drop(connections);
    assert!(process.terminate().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_and_does_not_read_is_ended_and_costs_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let (requests, receiver) = mpsc::channel(1_000);
    requests.send(open()).await.unwrap();
    let unread = process.client().await.process(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let mut client = process.client().await;
    let until = Instant::now() + PATIENCE;
    loop {
        for _ in 0..2_000 {
            let holding = ProcessRequest { message: Some(Message::Holding(Holding::default())) };
            // Nothing of a stream that has ended is read.
            if tokio::time::timeout(Duration::from_millis(500), requests.send(holding)).await.is_err() {
                break;
            }
        }
        let request = AccountRequest { account: ACCOUNT.to_owned() };
        if client.account(request).await.unwrap().into_inner().bridge_capabilities.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "the stream is not ended");
    }
    trade(&process, 1..=10).await;
    assert!(process.most_kib() < MOST_KIB, "{} KiB", process.most_kib());
    drop(unread);
    let logged = String::from_utf8(process.terminate().stderr).unwrap();
    assert!(logged.contains("the bridge does not read its stream"), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_settings_and_of_resets_cost_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let mut settings = process.http2();
    settings.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // The acknowledgements are not read: once no more of them can be written, nothing is read either.
    let flood = frame(4, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(100_000);
    drop(settings.write_all(&flood));

    let mut resets = process.http2();
    let flood = (0..20_000_u32).flat_map(|number| {
        let stream = 2 * number + 1;
        [frame(1, 4, stream, &fields("Process")), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    });
    let flood: Vec<u8> = flood.collect();
    drop(resets.write_all(&flood));
    while read_frame(&mut resets).is_ok() {}
    trade(&process, 1..=10).await;
    assert!(process.most_kib() < MOST_KIB, "{} KiB", process.most_kib());
    assert!(process.terminate().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_from_fifty_connections_cost_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let mut connections = Vec::new();
    for number in 0..50 {
        let mut connection = process.http2();
        let method = if number % 2 == 0 { "Process" } else { "Account" };
        let refused = connection.write_all(&frame(1, 4, 1, &fields(method)));
        // A message of 16 MiB begins, as much of it as the server gives room for.
        let begin = [&[0, 1, 0, 0, 0][..], &[0; 16_000]].concat();
        let mut parts = std::iter::once(begin).chain(std::iter::repeat_n(vec![0; 16_000], 60));
        drop(refused.and_then(|()| parts.try_for_each(|part| connection.write_all(&frame(0, 0, 1, &part)))));
        connections.push(connection);
    }
    // Calls that have no complete message give way.
    process.account().await.unwrap();
    trade(&process, 1..=10).await;
    assert!(process.most_kib() < MOST_KIB, "{} KiB", process.most_kib());
    assert_eq!(process.status(), Some(200));
    drop(connections);
    let message = Message::Open(Open { broker_url: "x".repeat(2 << 20), ..Open::default() });
    let opening = tokio_stream::iter([ProcessRequest { message: Some(message) }]);
    let refused = process.client().await.process(opening).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(process.terminate().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_removed_under_the_runtime_ends_it_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path());
    trade(&process, 1..=20).await;
    fs::remove_file(dir.path().join("ledger.db-wal")).unwrap();
    trade(&process, 21..=30).await;
    let until = Instant::now() + PATIENCE;
    while process.child.as_mut().unwrap().try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it goes on");
        // Each call is a turn of the writer.
        if let Ok(mut client) = RuntimeClient::connect(format!("http://127.0.0.1:{}", process.grpc)).await {
            drop(client.account(AccountRequest { account: ACCOUNT.to_owned() }).await);
        }
    }
    let ended = process.child.take().unwrap().wait_with_output().unwrap();
    let logged = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{logged}");
    assert!(logged.contains("its write-ahead log was removed; the file has all commits"), "{logged}");
    let process = Process::start(dir.path());
    assert_eq!(process.account().await.unwrap().decisions, 30);
    assert!(process.terminate().status.success());
}
