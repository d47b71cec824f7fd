use std::pin::Pin;

use futures::{Stream, stream};
use intuition_api::v1::{
    EventRequest, EventResponse, EventsRequest, EventsResponse,
    algorithm_server::{Algorithm, AlgorithmServer},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Streaming, transport::Server};

use super::*;

fn answer(change: impl FnOnce(&mut DescribeResponse)) -> Result<Described, &'static str> {
    let mut answer = DescribeResponse {
        name: "mean-reversion".to_owned(),
        version: "1.4.0".to_owned(),
        contract: CONTRACT.to_owned(),
        parameters_schema_json: r#"{"type":"object"}"#.to_owned(),
    };
    change(&mut answer);
    read(&answer).map_err(|error| error.reason())
}

#[test]
fn what_breaks_the_contract_is_told_from_another_contract() {
    assert_eq!(answer(|_| {}).unwrap().schema.unwrap()["type"], "object");
    assert_eq!(answer(|answer| answer.parameters_schema_json.clear()).unwrap().schema, None);
    assert_eq!(answer(|answer| answer.contract = "intuition.v2".to_owned()), Err("ContractUnsupported"));
    for change in [
        (|answer| answer.name.clear()) as fn(&mut DescribeResponse),
        |answer| answer.name = "a b".to_owned(),
        |answer| answer.name = "a".repeat(65),
        |answer| answer.version = "1".repeat(65),
        |answer| answer.parameters_schema_json = "[]".to_owned(),
        |answer| answer.parameters_schema_json = "{".to_owned(),
        |answer| answer.parameters_schema_json = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_SCHEMA_BYTES)),
    ] {
        assert_eq!(answer(change), Err("ContractBroken"));
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_told_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(describe(&url, "n/a").await.unwrap_err().reason(), "BackendUnreachable");
}

/// What a server in these tests does.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    /// As the contract says.
    Well,
    /// It needs a parameter to say its channels.
    Picky,
    /// It does not answer.
    Silent,
    /// It ends every call with an error.
    Failing,
    /// Its description has no end.
    Endless,
}

#[tonic::async_trait]
impl Algorithm for Behaviour {
    type EventsStream = Pin<Box<dyn Stream<Item = Result<EventsResponse, Status>> + Send>>;

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        match self {
            Self::Silent => std::future::pending().await,
            Self::Failing => Err(Status::internal("no model was loaded")),
            _ => Ok(Response::new(DescribeResponse {
                name: "mean-reversion".to_owned(),
                version: "1.4.0".to_owned(),
                contract: CONTRACT.to_owned(),
                parameters_schema_json: match self {
                    Self::Endless => format!("{{\"title\":\"{}\"}}", "x".repeat(MAX_MESSAGE_BYTES)),
                    _ => r#"{"type":"object"}"#.to_owned(),
                },
            })),
        }
    }

    async fn events(&self, _: Request<Streaming<EventsRequest>>) -> Result<Response<Self::EventsStream>, Status> {
        Ok(Response::new(Box::pin(stream::empty())))
    }

    async fn initialize(&self, request: Request<InitializeRequest>) -> Result<Response<InitializeResponse>, Status> {
        if *self == Self::Picky {
            return Err(Status::invalid_argument("window is required"));
        }
        let InitializeRequest { account, parameters_json, .. } = request.into_inner();
        assert_eq!((account.as_str(), parameters_json.as_str()), ("n/mine", r#"{"threshold":0.5}"#));
        Ok(Response::new(InitializeResponse { channels: vec!["quotes".to_owned()], refusal: String::new() }))
    }

    async fn event(&self, _: Request<EventRequest>) -> Result<Response<EventResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }
}

/// What comes of asking such a server.
async fn asked(behaviour: Behaviour) -> Result<Described, DescribeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    let service = AlgorithmServer::new(behaviour);
    server.spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
    describe(&url, "n/mine").await
}

#[tokio::test]
async fn what_it_says_of_itself_comes_back_with_its_channels() {
    let described = asked(Behaviour::Well).await.unwrap();
    assert_eq!((described.name.as_str(), described.version.as_str()), ("mean-reversion", "1.4.0"));
    assert_eq!(
        (described.schema.unwrap()["type"].as_str(), described.channels),
        (Some("object"), vec!["quotes".to_owned()])
    );
    let picky = asked(Behaviour::Picky).await.unwrap();
    assert_eq!((picky.name.as_str(), picky.channels), ("mean-reversion", Vec::new()), "needing parameters is no fault");
}

#[tokio::test]
async fn one_that_fails_is_told_by_what_it_does() {
    let failing = asked(Behaviour::Failing).await.unwrap_err();
    assert_eq!((failing.reason(), failing.to_string().contains("no model was loaded")), ("BackendError", true));
    assert_eq!(asked(Behaviour::Endless).await.unwrap_err().reason(), "ContractBroken");
    assert_eq!(asked(Behaviour::Silent).await.unwrap_err().reason(), "BackendTimeout");
}

#[tokio::test]
async fn a_server_of_something_else_speaks_another_contract() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (_, health) = tonic_health::server::health_reporter();
    let mut server = JoinSet::new();
    server.spawn(Server::builder().add_service(health).serve_with_incoming(TcpListenerStream::new(listener)));
    assert_eq!(describe(&url, "n/mine").await.unwrap_err().reason(), "ContractUnsupported");
}
