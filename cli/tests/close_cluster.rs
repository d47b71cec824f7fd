//! `intuition close NAME`: through an API server on this machine, which forwards a port to a real runtime as a kubelet does.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by it")]

mod runtime;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Command, Output, Stdio},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{RawQuery, Request, State},
    http::{Response, StatusCode},
    routing::get,
};
use futures::{SinkExt as _, StreamExt as _};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use self::runtime::{Numbered, Runtime};

const UID: &str = "u-1";
/// The port that a runtime listens on in its pod, as the frames carry it.
const PORT: [u8; 2] = 50_051_u16.to_le_bytes();

/// The API server.
#[derive(Clone)]
struct Api {
    /// Where the runtime is; `None`: its pod does not run.
    runtime: Option<SocketAddr>,
    may_forward: bool,
}

async fn algo() -> Json<Value> {
    let metadata = json!({ "name": "goog", "namespace": "default", "uid": UID });
    Json(json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata }))
}

async fn pods(State(api): State<Api>, RawQuery(query): RawQuery) -> Json<Value> {
    let query = query.unwrap();
    for part in ["component%3Druntime", "instance%3Dgoog", "intuition.dev%2Fuid%3Du-1"] {
        assert!(query.contains(part), "{query}");
    }
    let pod = |name: &str, phase: &str, created: &str| json!({ "metadata": { "name": name, "creationTimestamp": created }, "status": { "phase": phase } });
    let mut items = vec![pod("old", "Failed", "2026-01-03T00:00:00Z")];
    if api.runtime.is_some() {
        items.push(pod("goog-runtime-1", "Running", "2026-01-02T00:00:00Z"));
    }
    Json(json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items }))
}

async fn forward(State(api): State<Api>, mut request: Request) -> Response<Body> {
    if !api.may_forward {
        let message = "pods \"goog-runtime-1\" is forbidden: User \"alice\" cannot get resource \"pods/portforward\"";
        let status =
            json!({ "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": message });
        return Response::builder().status(403).body(Body::from(status.to_string())).unwrap();
    }
    let key = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    #[expect(clippy::disallowed_methods, reason = "the runtime of the test ends it")]
    tokio::spawn(async move {
        let upgraded = TokioIo::new(upgrade.await.unwrap());
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        let runtime = TcpStream::connect(api.runtime.unwrap()).await.unwrap();
        // It ends with whichever side ends first.
        drop(carry(socket, runtime).await);
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", key)
        .header("sec-websocket-protocol", "v4.channel.k8s.io")
        .body(Body::empty())
        .unwrap()
}

/// Channel 0 carries the bytes, channel 1 an error; each begins with its port.
async fn carry(
    socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>,
    mut runtime: TcpStream,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (mut to_client, mut from_client) = socket.split();
    for channel in [0, 1] {
        to_client.send(Message::binary(vec![channel, PORT[0], PORT[1]])).await?;
    }
    let mut buffer = [0; 4_096];
    loop {
        tokio::select! {
            read = runtime.read(&mut buffer) => match read? {
                0 => return Ok(()),
                read => to_client.send(Message::binary([&[0], &buffer[..read]].concat())).await?,
            },
            message = from_client.next() => match message {
                Some(Ok(Message::Binary(bytes))) => runtime.write_all(&bytes[1..]).await?,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

struct Cluster {
    folder: TempDir,
    _tokio: tokio::runtime::Runtime,
}

impl Cluster {
    fn start(runtime: Option<&Runtime>, may_forward: bool) -> Self {
        let runtime = runtime.map(|runtime| runtime.address.strip_prefix("http://").unwrap().parse().unwrap());
        let router = Router::new()
            .route("/apis/intuition.dev/v1alpha1/namespaces/default/tradingalgos/goog", get(algo))
            .route("/api/v1/namespaces/default/pods", get(pods))
            .route("/api/v1/namespaces/default/pods/goog-runtime-1/portforward", get(forward))
            .with_state(Api { runtime, may_forward });
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        tokio.spawn(async move {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
        let folder = TempDir::new().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{ "name": "here", "cluster": { "server": server } }],
            "users": [{ "name": "alice", "user": {} }],
            "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "alice" } }],
        });
        fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        Self { folder, _tokio: tokio }
    }

    fn close(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        command.args(["close", "goog"]).args(arguments).env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        command.stdin(Stdio::null()).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_close_reaches_the_runtime_through_the_api_server() {
    let mut runtime = Runtime::start(Some(UID));
    runtime.decide(&[Numbered { source: "nyse", seq: 1, sid: "A" }]);
    let cluster = Cluster::start(Some(&runtime), true);
    let output = cluster.close(&["--all-holdings"]);
    let error = text(&output.stderr);
    assert!(error.starts_with("error: NotHalted: ") && error.contains("`intuition halt default/goog`"), "{error}");
    assert_eq!(output.status.code(), Some(1));

    let mut halt = Command::new(env!("CARGO_BIN_EXE_intuition"));
    halt.args(["halt", "--runtime", &runtime.address, "--account", "default/goog", "--uid", UID]);
    assert!(halt.output().unwrap().status.success());
    let output = cluster.close(&["--all-holdings"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("default/goog: sold at the next quote: A\n", ""));
    let sold = runtime.decide(&[Numbered { source: "nyse", seq: 2, sid: "A" }]);
    assert_eq!(sold.entries.len(), 1);
    let output = cluster.close(&["--symbol", "A", "--wait"]);
    assert_eq!(text(&output.stdout), "default/goog: no symbol waits for a sale\ndefault/goog: not held: A\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_runtime_that_cannot_be_reached_is_an_error_in_words() {
    let runtime = Runtime::start(Some(UID));
    for (cluster, expected) in [
        (Cluster::start(None, true), "error: no runtime of default/goog is running: see `kubectl describe ta goog"),
        (
            Cluster::start(Some(&runtime), false),
            "error: the right to get and create pods/portforward in the namespace default is missing: ",
        ),
    ] {
        let output = cluster.close(&["--cancel"]);
        assert!(text(&output.stderr).starts_with(expected), "{}", text(&output.stderr));
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
    }
}
