use std::pin::pin;

use futures::StreamExt as _;
use intuition_api::v1::{AlgorithmBackend, backend_change::Change, backends_client::BackendsClient};
use intuition_resources::{Algorithm, TradingAlgo};
use kube::{ResourceExt as _, runtime::watcher::Event};
use serde_json::{from_value, json};
use tokio::task::JoinSet;
use tonic::{Code, Streaming, transport::Channel};

use super::*;
use crate::kubernetes::object::PartialObject;

fn algorithm(namespace: &str, name: &str, healthy: bool) -> PartialObject<Algorithm> {
    let reason = if healthy { "Answering" } else { "BackendUnreachable" };
    from_value(json!({
        "apiVersion": "intuition.dev/v1alpha1", "kind": "Algorithm",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "address": "http://elsewhere:7" },
        "status": {
            "address": "http://elsewhere:7", "algorithm": "mean-reversion", "version": "1.4.0", "contract": "intuition.v1",
            "parametersSchema": { "type": "object" }, "channels": ["quotes"], "healthy": healthy, "usedBy": 2,
            "users": ["a", "b"],
            "conditions": [{
                "type": "Ready", "status": if healthy { "True" } else { "False" }, "reason": reason, "message": "why",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }],
        },
    }))
    .unwrap()
}

/// A served store, its client, and its shutdown token.
struct Served {
    addr: std::net::SocketAddr,
    store: Arc<DirectoryStore>,
    channel: Channel,
    client: BackendsClient<Channel>,
    shutdown: CancellationToken,
    server: JoinSet<Result<(), ServeError>>,
}

async fn served() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (store, shutdown, mut server) =
        (Arc::new(DirectoryStore::new(&[None])), CancellationToken::new(), JoinSet::new());
    server.spawn(serve(listener, Arc::clone(&store), shutdown.clone()));
    let channel = Channel::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
    Served { addr, store, client: BackendsClient::new(channel.clone()), channel, shutdown, server }
}

impl Served {
    /// Everything is read: these are there, and one account refers to each of them.
    fn read(&self, algorithms: impl IntoIterator<Item = PartialObject<Algorithm>>) {
        let mut algos = Vec::new();
        for algorithm in algorithms {
            let (name, namespace) = (algorithm.name_any(), algorithm.namespace());
            algos.push(json!({
                "metadata": { "name": format!("of-{name}"), "namespace": namespace },
                "spec": { "algorithm": { "name": name } },
            }));
            self.store.take_algorithm(0, Event::InitApply(algorithm));
        }
        self.store.take_algorithm(0, Event::InitDone);
        for algo in algos {
            self.store.take_user(0, Event::InitApply(from_value::<PartialObject<TradingAlgo>>(algo).unwrap()));
        }
        self.store.take_user(0, Event::InitDone);
    }

    fn apply(&self, algorithm: PartialObject<Algorithm>) {
        self.store.take_algorithm(0, Event::Apply(algorithm));
    }

    async fn watch(&self, namespace: &str) -> Streaming<BackendChange> {
        let request = WatchBackendsRequest { namespace: namespace.to_owned() };
        self.client.clone().watch(request).await.unwrap().into_inner()
    }

    async fn list(&self, namespace: &str) -> Result<Vec<AlgorithmBackend>, Status> {
        let request = ListBackendsRequest { namespace: namespace.to_owned() };
        Ok(self.client.clone().list(request).await?.into_inner().backends)
    }
}

async fn next(stream: &mut Streaming<BackendChange>) -> String {
    match stream.message().await.unwrap().unwrap().change.unwrap() {
        Change::Updated(backend) => format!("{}/{} {}", backend.namespace, backend.name, backend.healthy),
        Change::Deleted(backend) => {
            let only = AlgorithmBackend {
                namespace: backend.namespace.clone(),
                name: backend.name.clone(),
                ..AlgorithmBackend::default()
            };
            assert_eq!(backend, only, "of one that is gone nothing else is said");
            format!("{}/{} gone", backend.namespace, backend.name)
        }
        Change::Synced(_) => "synced".to_owned(),
    }
}

#[tokio::test]
async fn a_list_says_what_the_statuses_say_in_order_and_by_namespace() {
    let served = served().await;
    served.read([algorithm("n", "b", false), algorithm("m", "c", true), algorithm("n", "a", true)]);
    let all = served.list("").await.unwrap();
    let names: Vec<_> = all.iter().map(|backend| format!("{}/{}", backend.namespace, backend.name)).collect();
    assert_eq!(names, ["m/c", "n/a", "n/b"]);
    let expected = AlgorithmBackend {
        namespace: "n".to_owned(),
        name: "b".to_owned(),
        address: "http://elsewhere:7".to_owned(),
        algorithm: "mean-reversion".to_owned(),
        version: "1.4.0".to_owned(),
        contract: "intuition.v1".to_owned(),
        parameters_schema_json: r#"{"type":"object"}"#.to_owned(),
        channels: vec!["quotes".to_owned()],
        healthy: false,
        reason: "BackendUnreachable".to_owned(),
        message: "why".to_owned(),
        used_by: vec!["of-b".to_owned()],
    };
    assert_eq!(all.last(), Some(&expected));
    assert_eq!((all[0].reason.as_str(), all[0].message.as_str()), ("", ""), "one that is well lacks nothing");
    assert_eq!(served.list("m").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_known_is_no_empty_directory() {
    let served = served().await;
    let watch = async || served.client.clone().watch(WatchBackendsRequest::default()).await.map(drop);
    for status in [served.list("").await.unwrap_err(), watch().await.unwrap_err()] {
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "the directory has not been read yet: try again")
        );
    }
    served.store.lose_algorithms(0, "the role is missing");
    for status in [served.list("").await.unwrap_err(), watch().await.unwrap_err()] {
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().ends_with("goes on trying: the role is missing"), "{status}");
    }
    served.read([]);
    assert_eq!(served.list("").await.unwrap(), []);
    watch().await.unwrap();
}

#[tokio::test]
async fn a_watch_tells_all_then_every_change_and_ends_with_the_server() {
    let mut served = served().await;
    served.read([algorithm("n", "b", true), algorithm("n", "a", true)]);
    let mut stream = served.watch("n").await;
    for expected in ["n/a true", "n/b true", "synced"] {
        assert_eq!(next(&mut stream).await, expected);
    }
    served.apply(algorithm("m", "x", true));
    served.apply(algorithm("n", "a", true));
    served.apply(algorithm("n", "a", false));
    assert_eq!(next(&mut stream).await, "n/a false", "another namespace, and what is as it was, are no change");
    served.store.take_algorithm(0, Event::Delete(algorithm("n", "a", false)));
    assert_eq!(next(&mut stream).await, "n/a gone");
    served.shutdown.cancel();
    let end = stream.message().await.unwrap_err();
    assert_eq!((end.code(), end.message()), (Code::Unavailable, SHUTTING_DOWN));
    drop((stream, served.client, served.channel));
    served.server.join_next().await.unwrap().unwrap().unwrap();
}

/// One that does not take what it is told: the stream as the server has it, and not asked for more.
#[tokio::test]
async fn who_is_slow_misses_what_was_in_between_and_never_the_last() {
    let served = served().await;
    served.read([algorithm("n", "a", true), algorithm("n", "b", true)]);
    let watches = Arc::new(Semaphore::new(MAX_WATCHES));
    let directory = Directory {
        store: Arc::clone(&served.store),
        shutdown: served.shutdown.clone(),
        watches: Arc::clone(&watches),
        lists: Arc::new(Semaphore::new(1)),
    };
    let request = Request::new(WatchBackendsRequest::default());
    let stream = directory.watch(request).await.unwrap().into_inner();
    let mut stream = pin!(stream.map(|change| match change.unwrap().change.unwrap() {
        Change::Updated(backend) => format!("{} {}", backend.name, backend.version),
        Change::Deleted(backend) => format!("{} gone", backend.name),
        Change::Synced(_) => "synced".to_owned(),
    }));
    assert_eq!(stream.next().await.unwrap(), "a 1.4.0");
    for number in 0..1_000 {
        let mut changed = algorithm("n", "b", true);
        changed.status.as_mut().unwrap().version = Some(number.to_string());
        served.apply(changed);
    }
    served.store.take_algorithm(0, Event::Delete(algorithm("n", "a", true)));
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(stream.next().await.unwrap());
    }
    assert_eq!(told, ["b 1.4.0", "synced", "a gone", "b 999"]);
    assert_eq!(watches.available_permits(), MAX_WATCHES - 1);
}

#[tokio::test]
async fn stuck_client_delays_neither_others_nor_the_shutdown() {
    let mut served = served().await;
    let large = |name: &str, fill: char| {
        let mut large = algorithm("n", name, true);
        large.status.as_mut().unwrap().version = Some(fill.to_string().repeat(200_000));
        large
    };
    let names: Vec<_> = (0..40).map(|number| format!("a{number}")).collect();
    served.read(names.iter().map(|name| large(name, 'x')));
    let stuck = served.watch("").await;
    assert_eq!(served.list("m").await.unwrap(), []);
    for name in &names {
        served.apply(large(name, 'y'));
    }
    let mut other = BackendsClient::new(served.channel.clone());
    let request = WatchBackendsRequest { namespace: "m".to_owned() };
    let mut stream = other.watch(request).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, "synced");
    served.shutdown.cancel();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    let ended = tokio::time::timeout(SHUTDOWN_GRACE * 10, served.server.join_next()).await;
    ended.expect("it ends").unwrap().unwrap().unwrap();
    drop(stuck);
}

#[tokio::test]
async fn more_watches_than_there_is_memory_for_are_refused() {
    let served = served().await;
    served.read([]);
    let watches = Arc::new(Semaphore::new(1));
    let directory = Directory {
        store: Arc::clone(&served.store),
        shutdown: served.shutdown.clone(),
        watches: Arc::clone(&watches),
        lists: Arc::new(Semaphore::new(1)),
    };
    let watch = async || directory.watch(Request::new(WatchBackendsRequest::default())).await;
    let first = watch().await.unwrap();
    assert_eq!(watch().await.map(drop).unwrap_err().code(), Code::ResourceExhausted);
    drop(first);
    watch().await.unwrap();
}

#[tokio::test]
async fn a_list_that_is_too_long_is_refused_with_what_to_do() {
    let served = served().await;
    let large = |number: usize| {
        let mut large = algorithm("n", &format!("a{number}"), true);
        large.status.as_mut().unwrap().version = Some("x".repeat(MAX_LIST_BYTES / 4));
        large
    };
    served.read((0..4).map(large).chain([algorithm("m", "small", true)]));
    let status = served.list("").await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().ends_with("name a namespace, or watch"), "{status}");
    assert_eq!(served.list("m").await.unwrap().len(), 1);
}

#[tokio::test]
async fn health_and_reflection_say_what_is_served() {
    use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };

    let served = served().await;
    let request = HealthCheckRequest { service: "intuition.v1.Backends".to_owned() };
    let mut health = HealthClient::new(served.channel.clone()).watch(request).await.unwrap().into_inner();
    let mut status = async || health.message().await.unwrap().unwrap().status();
    assert_eq!(status().await, ServingStatus::NotServing, "it knows nothing yet");
    served.read([]);
    assert_eq!(status().await, ServingStatus::Serving);

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(served.channel.clone());
    let mut answers = client.server_reflection_info(stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"intuition.v1.Backends".to_owned()), "{names:?}");
    served.shutdown.cancel();
    assert_eq!(status().await, ServingStatus::NotServing, "nobody shall come any more");
}

#[tokio::test]
async fn silent_connections_keep_no_caller_out() {
    let served = served().await;
    served.read([algorithm("n", "a", true)]);
    let mut watching = served.watch("n").await;
    assert!(watching.message().await.unwrap().is_some());
    let url = format!("http://{}", served.addr);
    let mut silent = Vec::new();
    for _ in 0..2 * LIMITS.connections {
        silent.push(tokio::net::TcpStream::connect(served.addr).await.unwrap());
    }
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let request = ListBackendsRequest { namespace: "n".to_owned() };
    let listed = BackendsClient::new(channel).list(request).await.unwrap().into_inner();
    assert_eq!(listed.backends.len(), 1);
    served.apply(algorithm("n", "b", true));
    while let Some(change) = watching.message().await.unwrap() {
        if matches!(change.change, Some(Change::Updated(backend)) if backend.name == "b") {
            return;
        }
    }
    panic!("the watch has ended");
}

#[tokio::test]
async fn requests_that_are_too_large_and_lists_beyond_their_number_are_refused() {
    let served = served().await;
    served.read([]);
    let status = served.list(&"n".repeat(2 * MAX_REQUEST_BYTES)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    for _ in 0..2 * MAX_LISTS {
        served.list("").await.unwrap();
    }
}
