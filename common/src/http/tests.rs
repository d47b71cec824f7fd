use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use super::*;
use crate::clock::SystemClock;

struct Served {
    addr: SocketAddr,
    pages: Pages,
    shutdown: CancellationToken,
    server: JoinSet<io::Result<()>>,
}

async fn served() -> Served {
    let readiness = Readiness::new(&[], Arc::new(SystemClock));
    let pages = Pages { readiness, registry: Arc::default(), heartbeats: Heartbeats::default(), status: None };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, shutdown, mut server) = (listener.local_addr().unwrap(), CancellationToken::new(), JoinSet::new());
    server.spawn(serve(listener, pages.clone(), shutdown.clone()));
    Served { addr, pages, shutdown, server }
}

impl Served {
    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }
}

/// Reads until the other side ends the connection.
async fn end_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes).await);
    bytes
}

#[tokio::test]
async fn a_probe_is_answered_while_silent_connections_fill_the_listener() {
    let mut served = served().await;
    let mut silent = Vec::new();
    for number in 0..1_000 {
        silent.push(TcpStream::connect(served.addr).await.unwrap());
        if number % 250 == 0 {
            assert!(served.get("/healthz").await.starts_with("HTTP/1.1 200"));
        }
    }
    assert!(served.get("/readyz").await.contains("\"ready\":true"));
    assert!(end_of(&mut silent[0]).await.is_empty(), "the oldest of them was closed");
    served.shutdown.cancel();
    drop(silent);
    served.server.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_serves_one_request() {
    let served = served().await;
    let text = served.get("/metrics").await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "{text}");
    assert!(served.get("/nothing").await.starts_with("HTTP/1.1 404"));
    let fields = "a: b\r\n".repeat(MAX_FIELDS);
    assert!(served.get(&format!("/healthz HTTP/1.1\r\n{fields}c: d")).await.starts_with("HTTP/1.1 431"));
    let long = "x".repeat(2 * MAX_HEAD_BYTES);
    let refused = served.get(&format!("/{long}")).await;
    assert!(refused.starts_with("HTTP/1.1 414") || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_a_slow_head_end_after_five_seconds() {
    let served = served().await;
    let began = Instant::now();
    let mut slow = TcpStream::connect(served.addr).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    while slow.write_all(b"x: y\r\n").await.is_ok() && began.elapsed() < Duration::from_mins(1) {
        let mut byte = [0];
        if timeout(Duration::from_secs(1), slow.read(&mut byte)).await.is_ok() {
            break;
        }
    }
    assert!(began.elapsed() <= HEAD_TIMEOUT + Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_loop_that_hangs_is_unhealthy() {
    let served = served().await;
    served.pages.heartbeats.watch("the writer", Heartbeat::new());
    assert!(served.get("/healthz").await.ends_with("ok"));
    served.pages.heartbeats.watch("the writer", Heartbeat::of_age(Duration::from_secs(31)));
    let text = served.get("/healthz").await;
    assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    assert!(text.ends_with("the writer has made no turn for 31 seconds"), "{text}");
}
