//! `intuition backends` as a user calls it, with servers of algorithms and of a directory.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    net::{SocketAddr, TcpListener},
    pin::Pin,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use algo_runtime::algorithm::BUILTINS;
use intuition_api::v1::{
    AlgorithmBackend, BackendChange, DescribeRequest, DescribeResponse, EventRequest, EventResponse, EventsRequest,
    EventsResponse, InitializeRequest, InitializeResponse, ListBackendsRequest, ListBackendsResponse,
    WatchBackendsRequest,
    algorithm_server::{Algorithm, AlgorithmServer},
    backends_server::{Backends, BackendsServer},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime, task::JoinHandle};
use tokio_stream::{
    Stream,
    wrappers::{TcpListenerStream, UnixListenerStream},
};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::Router},
};

const SCHEMA: &str = r#"{"type":"object","properties":{"window":{"type":"integer","minimum":2,"maximum":500,"default":20,"description":"quotes looked back on"}},"additionalProperties":false}"#;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A server of `Algorithm`.
#[derive(Clone)]
struct Served {
    contract: &'static str,
    schema: &'static str,
    /// Why it refuses parameters.
    refusal: Option<&'static str>,
}

const MOMENTUM: Served = Served { contract: "intuition.v1", schema: SCHEMA, refusal: None };

#[tonic::async_trait]
impl Algorithm for Served {
    type EventsStream = Answers<EventsResponse>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            name: "momentum".to_owned(),
            version: "1.2.0".to_owned(),
            contract: self.contract.to_owned(),
            parameters_schema_json: self.schema.to_owned(),
        }))
    }

    async fn events(&self, _: Request<Streaming<EventsRequest>>) -> Result<Response<Self::EventsStream>, Status> {
        Err(Status::internal("nobody lists by the stream"))
    }

    async fn initialize(&self, request: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        if let Some(refusal) = self.refusal {
            return Err(Status::invalid_argument(refusal));
        }
        let parameters: Value = serde_json::from_str(&request.into_inner().parameters_json).unwrap();
        assert_eq!(parameters, json!({"threshold": 0.5}));
        let channels = vec!["quotes".to_owned(), "markets/+/quotes".to_owned()];
        Ok(Response::new(InitializeResponse { channels, ..InitializeResponse::default() }))
    }

    async fn event(&self, _: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        Err(Status::unimplemented("nobody lists by events"))
    }
}

/// A server of `Backends`.
struct Directory;

#[tonic::async_trait]
impl Backends for Directory {
    type WatchStream = Answers<BackendChange>;

    async fn list(&self, request: Request<ListBackendsRequest>) -> Result<Response<ListBackendsResponse>, Status> {
        let well = AlgorithmBackend {
            namespace: "default".to_owned(),
            name: "contrarian".to_owned(),
            address: "http://contrarian.default.svc:50051".to_owned(),
            algorithm: "contrarian-python".to_owned(),
            version: "0.3.1".to_owned(),
            contract: "intuition.v1".to_owned(),
            channels: vec!["quotes".to_owned()],
            healthy: true,
            used_by: vec!["a".to_owned(), "b".to_owned()],
            ..AlgorithmBackend::default()
        };
        let away = AlgorithmBackend {
            namespace: "trading".to_owned(),
            name: "new".to_owned(),
            reason: "BackendUnreachable".to_owned(),
            message: "nobody\nanswers\u{1b}[2J".to_owned(),
            ..AlgorithmBackend::default()
        };
        let namespace = request.into_inner().namespace;
        let is_asked = |backend: &AlgorithmBackend| namespace.is_empty() || backend.namespace == namespace;
        Ok(Response::new(ListBackendsResponse { backends: [well, away].into_iter().filter(is_asked).collect() }))
    }

    async fn watch(&self, _: Request<WatchBackendsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nobody lists by a watch"))
    }
}

/// A free port that is listened at from now on.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// Serves until the runtime goes.
fn serve(tokio: &Runtime, router: Router) -> (String, JoinHandle<()>) {
    let (listener, address) = listen();
    listener.set_nonblocking(true).unwrap();
    let task = tokio.spawn(async move {
        let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
        router.serve_with_incoming(incoming).await.unwrap();
    });
    (address, task)
}

fn algorithm(tokio: &Runtime, served: Served) -> String {
    serve(tokio, Server::builder().add_service(AlgorithmServer::new(served))).0
}

fn directory(tokio: &Runtime) -> String {
    serve(tokio, Server::builder().add_service(BackendsServer::new(Directory))).0
}

/// An address that nobody listens at.
fn nobody() -> String {
    listen().1
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("backends").args(arguments).stdin(Stdio::null());
    command
}

fn backends(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The object on standard output, and the exit code.
fn object(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = backends(&[arguments, &["--output", "json"]].concat());
    assert_eq!(text(&output.stdout).lines().count(), 1, "{}", text(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// Line of the first server, below the head and the built-in algorithms.
const FIRST: usize = 1 + BUILTINS.len();

/// The lines' words.
fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn builtins_are_listed_without_any_server() {
    let output = backends(&[]);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(
        lines[..6],
        [
            "NAME              VERSION   ADDRESS    HEALTHY   USED BY",
            "random            1         built in   yes       -",
            "sma-crossover     1         built in   yes       -",
            "indicator-cross   1         built in   yes       -",
            "rsi-reversion     1         built in   yes       -",
            "",
        ]
    );
    assert!(lines.contains(&"    fast  integer, default 20, 1 to 9999: quotes in the fast average"), "{lines:#?}");

    let row = lines.iter().find(|line| line.starts_with("    indicator  ")).unwrap();
    assert!(row.starts_with("    indicator  string, for example \"rsi-14\", matching ^"), "{row}");

    let (listing, code) = object(&[]);
    assert_eq!((code, &listing["backends"]), (Some(0), &json!([])));
    let names: Vec<_> = listing["builtins"].as_array().unwrap().iter().map(|builtin| &builtin["name"]).collect();
    assert_eq!(names, ["random", "sma-crossover", "indicator-cross", "rsi-reversion"]);
    assert_eq!(listing["builtins"][1]["version"], "1");
    assert!(listing["builtins"][1]["summary"].as_str().unwrap().starts_with("buys when"));
    assert_eq!(listing["builtins"][1]["parametersSchema"]["properties"]["fast"]["maximum"], 9_999);
}

#[test]
fn a_server_at_an_address_is_asked_for_its_name_parameters_and_channels() {
    let tokio = Runtime::new().unwrap();
    let address = algorithm(&tokio, MOMENTUM);
    let (listing, code) = object(&["--address", &address]);
    assert_eq!(code, Some(0));
    let expected = json!([{
        "namespace": null, "name": "momentum", "address": address, "algorithm": "momentum", "version": "1.2.0",
        "contract": "intuition.v1", "parametersSchema": serde_json::from_str::<Value>(SCHEMA).unwrap(),
        "channels": ["quotes", "markets/+/quotes"], "healthy": true, "reason": "", "message": "", "usedBy": [],
    }]);
    assert_eq!(listing["backends"], expected);

    let output = backends(&["--address", &address]);
    let lines = words(text(&output.stdout));
    assert_eq!(lines[FIRST], format!("momentum 1.2.0 {address} yes -"));
    let paragraph = lines.iter().position(|line| *line == format!("momentum at {address}")).unwrap();
    assert_eq!(
        lines[paragraph + 1..],
        [
            "algorithm: momentum 1.2.0, speaks intuition.v1",
            "channels: quotes, markets/+/quotes",
            "parameters:",
            "window integer, default 20, 2 to 500: quotes looked back on",
        ]
    );
}

#[test]
fn unix_socket_server_that_needs_parameters_is_listed_without_channels() {
    let (tokio, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let path = folder.path().join("algorithm.sock");
    let served = Served { schema: "", refusal: Some("window is missing"), ..MOMENTUM };
    let router = Server::builder().add_service(AlgorithmServer::new(served));
    let listener = tokio.block_on(async { UnixListener::bind(&path) }).unwrap();
    tokio.spawn(async move { router.serve_with_incoming(UnixListenerStream::new(listener)).await });
    let address = format!("unix:{}", path.display());
    let (listing, code) = object(&["--address", &address]);
    let backend = &listing["backends"][0];
    assert_eq!((code, &backend["healthy"], &backend["channels"]), (Some(0), &json!(true), &json!([])));
    assert_eq!((&backend["address"], &backend["parametersSchema"]), (&json!(address), &Value::Null));
    let output = backends(&["--address", &address]);
    assert!(text(&output.stdout).ends_with("speaks intuition.v1\n  parameters: any\n"), "{}", text(&output.stdout));
}

#[test]
fn invalid_backends_are_listed_with_errors_in_flag_order() {
    let tokio = Runtime::new().unwrap();
    let well = algorithm(&tokio, MOMENTUM);
    let newer = algorithm(&tokio, Served { contract: "intuition.v2", ..MOMENTUM });
    let broken = algorithm(&tokio, Served { schema: "{", ..MOMENTUM });
    let addresses = [nobody(), newer, directory(&tokio), broken, well];
    let arguments: Vec<_> = addresses.iter().flat_map(|address| ["--address", address]).collect();
    let (listing, code) = object(&arguments);
    assert_eq!(code, Some(1));
    let found = listing["backends"].as_array().unwrap();
    let reasons: Vec<_> = found.iter().map(|backend| backend["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["BackendUnreachable", "ContractUnsupported", "ContractUnsupported", "ContractBroken", ""]);
    for (backend, address) in found.iter().zip(&addresses) {
        assert_eq!(backend["address"], **address);
        let message = backend["message"].as_str().unwrap();
        assert!(backend["healthy"] == true || message.starts_with(&format!("{address}: ")), "{message}");
    }
    assert!(found[1]["message"].as_str().unwrap().contains("intuition.v2"), "{}", found[1]);
    assert!(found[2]["message"].as_str().unwrap().contains("does not serve intuition.v1.Algorithm"), "{}", found[2]);

    let output = backends(&arguments);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(1)));
    let lines = words(text(&output.stdout));
    assert_eq!(lines[FIRST], format!("- - {} no: BackendUnreachable -", addresses[0]));
    assert!(lines.contains(&format!("momentum 1.2.0 {} yes -", addresses[4])), "{lines:#?}");
    let told = format!("BackendUnreachable: {}: no server answers", addresses[0]);
    assert!(lines.iter().any(|line| line.starts_with(&told)), "{lines:#?}");
}

#[test]
fn silent_servers_are_waited_for_together() {
    let silent = [listen(), listen(), listen()];
    let arguments: Vec<_> = silent.iter().flat_map(|(_, address)| ["--address", address]).collect();
    let start = Instant::now();
    let (listing, code) = object(&arguments);
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    assert_eq!(code, Some(1));
    for backend in listing["backends"].as_array().unwrap() {
        assert_eq!(backend["reason"], "BackendTimeout");
    }
}

#[test]
fn a_directory_is_listed_by_namespace_and_name_with_users() {
    let tokio = Runtime::new().unwrap();
    let address = directory(&tokio);
    let output = backends(&["--directory", &address]);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    let lines = words(text(&output.stdout));
    assert_eq!(
        lines[FIRST..FIRST + 3],
        [
            "default/contrarian 0.3.1 http://contrarian.default.svc:50051 yes a, b",
            "trading/new - - no: BackendUnreachable -",
            "",
        ]
    );
    let paragraphs = text(&output.stdout).split("\n\n").collect::<Vec<_>>();
    assert_eq!(
        paragraphs[paragraphs.len() - 2..],
        [
            "default/contrarian at http://contrarian.default.svc:50051\n  algorithm: contrarian-python 0.3.1, speaks \
             intuition.v1\n  channels: quotes\n  parameters: any",
            "trading/new\n  BackendUnreachable: nobody\\nanswers\\u{1b}[2J\n",
        ]
    );

    let (listing, code) = object(&["--directory", &address, "--namespace", "default"]);
    let expected = json!([{
        "namespace": "default", "name": "contrarian", "address": "http://contrarian.default.svc:50051",
        "algorithm": "contrarian-python", "version": "0.3.1", "contract": "intuition.v1", "parametersSchema": null,
        "channels": ["quotes"], "healthy": true, "reason": "", "message": "", "usedBy": ["a", "b"],
    }]);
    assert_eq!((&listing["backends"], code), (&expected, Some(0)));
}

#[test]
fn unreachable_directory_is_an_error_and_other_addresses_are_listed() {
    let tokio = Runtime::new().unwrap();
    let served = algorithm(&tokio, MOMENTUM);
    for (address, problem) in
        [(nobody(), "no server answers"), (served.clone(), "does not serve intuition.v1.Backends")]
    {
        let output = backends(&["--directory", &address, "--address", &served]);
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with(&format!("error: cannot list the directory {address}: ")), "{stderr}");
        assert!(stderr.contains(problem), "{stderr}");
        let help = "kubectl port-forward -n intuition-system service/intuition-operator 50052";
        assert!(stderr.contains(help) && stderr.lines().count() == 1, "{stderr}");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(words(text(&output.stdout))[FIRST], format!("momentum 1.2.0 {served} yes -"));
    }
}

#[test]
fn flags_that_cannot_be_used_are_refused() {
    for (arguments, expected) in [
        (&["--address", "127.0.0.1:50051"][..], "must be http://HOST:PORT or unix:/PATH"),
        (&["--directory", "https://host:1"], "TLS is not supported"),
        (&["--namespace", "default"], "--directory"),
        (&["--output", "yaml"], "yaml"),
    ] {
        let output = backends(arguments);
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_left_is_no_error() {
    for format in ["text", "json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(&["--output", format]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)), "{format}");
    }
}
