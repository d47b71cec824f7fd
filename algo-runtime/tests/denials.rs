//! Denied signals as the process `algo-runtime` shows them: on `/metrics`, in its log and in the account.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use intuition_api::v1::{
    AccountRequest, Batch, Delivery, Open, ProcessRequest, Quote, Tick, process_request, process_response::Message,
    runtime_client::RuntimeClient, tick::Content,
};
use tokio_stream::StreamExt as _;

const ACCOUNT: &str = "default/test";
const PATIENCE: Duration = Duration::from_secs(30);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn page(port: u16, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text.contains(" 200 ").then_some(text)
}

fn delivery(number: u64, sid: &str) -> Delivery {
    let quote = Quote { sid: sid.to_owned(), price: "345".to_owned(), time_micros: 0, ..Quote::default() };
    Delivery {
        number,
        topic: "quotes".to_owned(),
        payload_sha256: vec![0; 32].into(),
        connection: 1,
        ticks: vec![Tick { content: Some(Content::Quote(quote)), ..Tick::default() }],
        ..Delivery::default()
    }
}

/// Sends quotes of this symbol on a stream of their own, and waits for their outcomes.
async fn decide(client: &mut RuntimeClient<tonic::transport::Channel>, numbers: std::ops::Range<u64>, sid: &str) {
    let open = Open { account: ACCOUNT.to_owned(), session_present: true, run: 1, ..Open::default() };
    let batch = Batch { deliveries: numbers.map(|number| delivery(number, sid)).collect() };
    let requests = [process_request::Message::Open(open), process_request::Message::Batch(batch)]
        .map(|message| ProcessRequest { message: Some(message) });
    // The stream stays open until the outcomes are there.
    let requests = tokio_stream::iter(requests).chain(tokio_stream::pending());
    let mut responses = client.process(requests).await.unwrap().into_inner();
    loop {
        let response = responses.next().await.unwrap().unwrap();
        if matches!(response.message, Some(Message::Committed(committed)) if !committed.outcomes.is_empty()) {
            return;
        }
    }
}

fn terminate(mut child: Child) -> String {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let log = BufReader::new(child.stderr.take().unwrap());
    log.lines().map(|line| line.unwrap() + "\n").collect()
}

#[tokio::test]
async fn denials_are_counted_by_reason_and_no_symbol_forges_a_log_line() {
    let folder = tempfile::tempdir().unwrap();
    let (grpc, http) = (free_port(), free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_algo-runtime"));
    command.args(["--account", ACCOUNT, "--algorithm", "random", "--threshold", "0", "--starting-cash", "0"]);
    command.args(["--portfolio", "fixed-amount", "--amount", "100", "--data-dir"]).arg(folder.path());
    command.args(["--addr", &format!("127.0.0.1:{grpc}"), "--http-addr", &format!("127.0.0.1:{http}")]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while page(http, "/readyz").is_none() {
        assert!(Instant::now() < until, "it is not ready");
        thread::yield_now();
    }
    let mut client = RuntimeClient::connect(format!("http://127.0.0.1:{grpc}")).await.unwrap();
    decide(&mut client, 1..4, "A\n2026 ERROR forged \u{1b}[31m\u{202e}\u{2028}\u{9b}\0").await;
    decide(&mut client, 4..6, "B").await;

    let metrics = page(http, "/metrics").unwrap();
    for line in [
        "tradingalgo_runtime_denied_signals_total{reason=\"InsufficientCash\"} 5",
        "tradingalgo_runtime_ticks_total{outcome=\"denied\"} 5",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let account = client.account(AccountRequest { account: ACCOUNT.to_owned() }).await.unwrap().into_inner();
    let counter = account.counters.iter().find(|counter| counter.name == "signalsDenied").unwrap();
    assert_eq!((counter.reason.as_str(), counter.value), ("InsufficientCash", 5));

    let log = terminate(child);
    let denied: Vec<_> = log.lines().filter(|line| line.contains("signals denied")).collect();
    assert_eq!(denied.len(), 1, "the first has a line, the others are counted: {log}");
    let expected = r#"signals denied reason="InsufficientCash" signals=3 sid="A\n2026 ERROR forged \u{1b}[31m\u{202e}"#;
    assert!(denied[0].contains(expected), "{log}");
    assert!(!log.contains(|character: char| character != '\n' && character.is_control()), "{log:?}");
    assert!(!log.lines().any(|line| line.starts_with("2026 ERROR")), "{log}");
}
