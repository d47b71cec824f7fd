use std::net::SocketAddr;

use tokio::{net::TcpStream, task::JoinSet};
use tonic::{Code, codegen::Bytes, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::*;

const LIMITS: Limits = Limits { name: "test", connections: 3, calls: 1, connection_calls: 8, first_message: 1_000 };

struct Served {
    addr: SocketAddr,
    shutdown: CancellationToken,
    server: JoinSet<Result<(), ServeError>>,
}

async fn served() -> Served {
    let (_, health) = tonic_health::server::health_reporter();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, shutdown, mut server) = (socket.local_addr().unwrap(), CancellationToken::new(), JoinSet::new());
    server.spawn(serve(socket, Routes::new(health), LIMITS, shutdown.clone()));
    Served { addr, shutdown, server }
}

async fn client(served: &Served) -> HealthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", served.addr)).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_until_an_answer_was_read() {
    let mut served = served().await;
    let mut client = client(&served).await;
    for _ in 0..3 {
        client.check(about("")).await.unwrap();
    }
    let watching = client.watch(about("")).await.unwrap();
    assert_eq!(client.check(about("")).await.unwrap_err().code(), Code::ResourceExhausted);
    drop(watching);
    while let Err(status) = client.check(about("")).await {
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
    let refused = client.check(about(&"x".repeat(40_000))).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    served.shutdown.cancel();
    drop(client);
    served.server.join_next().await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(served.addr).await.is_err(), "the socket is closed");
}

/// Messages that never come.
struct PendingBody;

impl hyper::body::Body for PendingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_call_without_a_message_gives_way_to_the_next() {
    let served = served().await;
    let endpoint = Channel::from_shared(format!("http://{}", served.addr)).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    std::future::poll_fn(|context| Service::<Request<Body>>::poll_ready(&mut channel, context)).await.unwrap();
    let uri = format!("http://{}/grpc.health.v1.Health/Check", served.addr);
    let request = Request::post(uri).header("content-type", "application/grpc").body(Body::new(PendingBody)).unwrap();
    let mut calls = JoinSet::new();
    calls.spawn(channel.call(request));
    let mut caller = client(&served).await;
    // The first of these may come before it.
    while calls.try_join_next().is_none() {
        caller.check(about("")).await.unwrap();
    }
}

#[tokio::test]
async fn silent_connections_make_room_and_a_call_under_way_keeps_its_connection() {
    let served = served().await;
    let mut caller = client(&served).await;
    let mut watching = caller.watch(about("")).await.unwrap().into_inner();
    watching.message().await.unwrap().unwrap();
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(served.addr).await.unwrap());
    }
    let refused = client(&served).await.check(about("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "one call may be under way");
    drop(watching);
    while let Err(status) = caller.check(about("")).await {
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
}
