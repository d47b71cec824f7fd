//! `intuition sources` as a user calls it, with a server of the runtime's calls.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    net::{SocketAddr, TcpListener},
    pin::Pin,
    process::{Command, Output, Stdio},
};

use intuition_api::v1::{
    AccountRequest, AccountResponse, CloseRequest, CloseResponse, ConfigureRequest, ConfigureResponse, Decision,
    DecisionsRequest, ForgetSourcesRequest, ForgetSourcesResponse, ProcessRequest, ProcessResponse, Refusal,
    ResetSourceRequest, ResetSourceResponse, SetTradingStateRequest, SetTradingStateResponse, Source, SourcesRequest,
    runtime_server::{Runtime as Service, RuntimeServer},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

const ACCOUNT: &str = "default/goog";

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An account with two sources, of which one is in conflict. `is_old`: as v0.1.0 answers.
struct Served {
    is_old: bool,
}

fn nyse() -> Source {
    Source {
        channel: "quotes".to_owned(),
        name: "nyse".to_owned(),
        era: 1,
        last: Some(17),
        last_micros: 1_767_323_045_678_000,
        ..Source::default()
    }
}

impl Served {
    fn check(&self, account: &str) -> Result<(), Status> {
        if self.is_old {
            return Err(Status::unimplemented("no such call"));
        }
        if account == ACCOUNT { Ok(()) } else { Err(Status::not_found(format!("this runtime serves {ACCOUNT}"))) }
    }
}

#[tonic::async_trait]
impl Service for Served {
    type ProcessStream = Answers<ProcessResponse>;
    type DecisionsStream = Answers<Decision>;
    type SourcesStream = Answers<Source>;

    async fn process(&self, _: Request<Streaming<ProcessRequest>>) -> Result<Response<Self::ProcessStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn configure(&self, _: Request<ConfigureRequest>) -> Result<Response<ConfigureResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn set_trading_state(
        &self,
        _: Request<SetTradingStateRequest>,
    ) -> Result<Response<SetTradingStateResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn close(&self, _: Request<CloseRequest>) -> Result<Response<CloseResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn account(&self, _: Request<AccountRequest>) -> Result<Response<AccountResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn decisions(&self, _: Request<DecisionsRequest>) -> Result<Response<Self::DecisionsStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn sources(&self, request: Request<SourcesRequest>) -> Result<Response<Self::SourcesStream>, Status> {
        self.check(&request.into_inner().account)?;
        let lse = Source {
            channel: "quotes".to_owned(),
            name: "lse".to_owned(),
            conflicts: 12,
            conflict_reason: "SequenceWentBack".to_owned(),
            conflict_message: "it stands at 9".to_owned(),
            ..Source::default()
        };
        Ok(Response::new(Box::pin(tokio_stream::iter([Ok(lse), Ok(nyse())]))))
    }

    async fn reset_source(
        &self,
        request: Request<ResetSourceRequest>,
    ) -> Result<Response<ResetSourceResponse>, Status> {
        let request = request.into_inner();
        self.check(&request.account)?;
        assert_eq!((request.channel.as_str(), request.source.as_str()), ("quotes", "nyse"));
        let refusal = (request.resource_uid != "u-1").then(|| Refusal {
            reason: "OtherUid".to_owned(),
            message: "another resource".to_owned(),
            ..Refusal::default()
        });
        let applied = refusal.is_none() && (request.era, request.last) == (0, -17);
        Ok(Response::new(ResetSourceResponse { applied, source: Some(nyse()), refusal }))
    }

    async fn forget_sources(
        &self,
        request: Request<ForgetSourcesRequest>,
    ) -> Result<Response<ForgetSourcesResponse>, Status> {
        let request = request.into_inner();
        self.check(&request.account)?;
        let forgotten = if request.idle_seconds == 90 * 86_400 { 2 } else { u64::from(request.source == "nyse") };
        Ok(Response::new(ForgetSourcesResponse { forgotten, refusal: None }))
    }
}

fn serve(tokio: &Runtime, is_old: bool) -> String {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    tokio.spawn(async move {
        let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
        Server::builder()
            .add_service(RuntimeServer::new(Served { is_old }))
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    address
}

fn sources(runtime: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("sources").args(arguments).args(["--runtime", runtime]);
    if !arguments.contains(&"--account") {
        command.args(["--account", ACCOUNT]);
    }
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn sources_are_listed_as_a_table_and_as_json() {
    let tokio = Runtime::new().unwrap();
    let runtime = serve(&tokio, false);
    let output = sources(&runtime, &["list"]);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[1].starts_with("quotes    lse"), "{lines:#?}");
    assert!(lines[2].contains("2026-01-02T03:04:05.678Z"), "{lines:#?}");
    assert_eq!(lines[4], "lse on quotes: SequenceWentBack: it stands at 9");
    let output = sources(&runtime, &["list", "--output", "json"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "channel": "quotes", "source": "nyse", "era": 1, "last": 17, "lastTime": "2026-01-02T03:04:05.678Z",
        "conflicts": 0, "conflictReason": "", "conflictMessage": "",
    });
    assert_eq!(listing["sources"][1], expected);
}

#[test]
fn a_reset_says_what_came_of_it() {
    let tokio = Runtime::new().unwrap();
    let runtime = serve(&tokio, false);
    let reset = |uid: &str, last: &str| {
        let which = ["--uid", uid, "--channel", "quotes", "--source", "nyse", "--era", "0", "--last", last];
        sources(&runtime, &[&["reset"], which.as_slice()].concat())
    };
    assert_eq!(text(&reset("u-1", "-17").stdout), "nyse on quotes is reset and is in era 1\n");
    assert_eq!(text(&reset("u-1", "9").stdout), "nyse on quotes was reset by an earlier call and is in era 1\n");
    let refused = reset("u-2", "-17");
    assert_eq!((text(&refused.stdout), refused.status.code()), ("", Some(1)));
    assert!(text(&refused.stderr).contains("OtherUid: another resource"), "{}", text(&refused.stderr));
}

#[test]
fn sources_are_forgotten_by_name_or_by_age() {
    let tokio = Runtime::new().unwrap();
    let runtime = serve(&tokio, false);
    assert_eq!(text(&sources(&runtime, &["forget", "nyse"]).stdout), "1 source forgotten\n");
    let output = sources(&runtime, &["forget", "--idle-for", "90d", "--output", "json"]);
    assert_eq!(text(&output.stdout), "{\"forgotten\":2}\n");
    for wrong in [&["forget"][..], &["forget", "nyse", "--idle-for", "90d"], &["forget", "--idle-for", "90"]] {
        let output = sources(&runtime, wrong);
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{wrong:?}");
    }
}

#[test]
fn a_runtime_that_cannot_answer_is_an_error_with_a_way_out() {
    let tokio = Runtime::new().unwrap();
    let runtime = serve(&tokio, false);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for (runtime, arguments, part) in [
        (&nobody, &["list"][..], "kubectl port-forward"),
        (&serve(&tokio, true), &["list"], "has to be upgraded"),
        (&runtime, &["list", "--account", "default/other"], "this runtime serves default/goog"),
    ] {
        let output = sources(runtime, arguments);
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
        assert!(text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
}
