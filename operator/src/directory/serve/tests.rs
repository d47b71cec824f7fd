use intuition_api::v1::{AlgorithmBackend, backends_client::BackendsClient};
use serde_json::{from_value, json};
use tokio::task::JoinSet;
use tonic::{Code, Streaming, transport::Channel};

use super::*;

fn algorithm(namespace: &str, name: &str, healthy: bool) -> Guarded<Algorithm> {
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

/// A served book, what calls it, and what ends it.
struct Served {
    book: Arc<Book>,
    client: BackendsClient<Channel>,
    shutdown: CancellationToken,
    server: JoinSet<Result<(), tonic::transport::Error>>,
}

async fn served(scopes: usize) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (book, shutdown, mut server) = (Arc::new(Book::new(scopes)), CancellationToken::new(), JoinSet::new());
    server.spawn(serve(listener, Arc::clone(&book), shutdown.clone()));
    let client = BackendsClient::connect(url).await.unwrap();
    Served { book, client, shutdown, server }
}

async fn next(stream: &mut Streaming<BackendChange>) -> String {
    let change = stream.message().await.unwrap().unwrap().change.unwrap();
    match change {
        Change::Updated(backend) => format!("{}/{} {}", backend.namespace, backend.name, backend.healthy),
        Change::Deleted(backend) => format!("{}/{} gone", backend.namespace, backend.name),
        Change::Synced(_) => "synced".to_owned(),
    }
}

#[tokio::test]
async fn a_list_says_what_the_statuses_say_in_order_and_by_namespace() {
    let mut served = served(1).await;
    let asked = |namespace: &str| ListBackendsRequest { namespace: namespace.to_owned() };
    let early = served.client.list(asked("")).await.unwrap_err();
    assert_eq!(early.code(), Code::Unavailable, "nothing is not the same as not known");
    for (namespace, name, healthy) in [("n", "b", false), ("m", "c", true), ("n", "a", true)] {
        served.book.update(0, &algorithm(namespace, name, healthy));
    }
    served.book.complete(0);
    let all = served.client.list(asked("")).await.unwrap().into_inner().backends;
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
        used_by: vec!["a".to_owned(), "b".to_owned()],
    };
    assert_eq!(all.last(), Some(&expected));
    assert_eq!((all[0].reason.as_str(), all[0].message.as_str()), ("", ""), "one that is well lacks nothing");
    let some = served.client.list(asked("m")).await.unwrap().into_inner().backends;
    assert_eq!(some.len(), 1);
}

#[tokio::test]
async fn a_watch_tells_all_then_every_change_and_ends_with_the_server() {
    let mut served = served(1).await;
    served.book.update(0, &algorithm("n", "a", true));
    served.book.complete(0);
    let request = WatchBackendsRequest { namespace: "n".to_owned() };
    let mut stream = served.client.watch(request).await.unwrap().into_inner();
    assert_eq!((next(&mut stream).await.as_str(), next(&mut stream).await.as_str()), ("n/a true", "synced"));
    served.book.update(0, &algorithm("m", "x", true));
    served.book.update(0, &algorithm("n", "a", true));
    served.book.update(0, &algorithm("n", "a", false));
    assert_eq!(next(&mut stream).await, "n/a false", "another namespace, and what is as it was, are no change");
    served.book.delete(0, &algorithm("n", "a", false));
    assert_eq!(next(&mut stream).await, "n/a gone");
    served.shutdown.cancel();
    let end = stream.message().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    drop(stream);
    drop(served.client);
    served.server.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn one_who_watches_before_anything_is_known_is_told_once_it_is() {
    let mut served = served(2).await;
    let mut stream = served.client.watch(WatchBackendsRequest::default()).await.unwrap().into_inner();
    served.book.update(0, &algorithm("n", "a", true));
    served.book.complete(0);
    // The other namespace is gone: nobody waits for it.
    served.book.give_up(1);
    assert_eq!((next(&mut stream).await.as_str(), next(&mut stream).await.as_str()), ("n/a true", "synced"));
}

#[test]
fn what_a_new_reading_does_not_have_is_gone_and_what_was_in_between_is_not_told() {
    let book = Book::new(2);
    let mut told = Told::default();
    let mut news = || -> Vec<String> {
        let changes = told.differences(&book.pages().unwrap(), "");
        changes.into_iter().map(|change| format!("{change:?}").chars().take(60).collect()).collect()
    };
    book.update(0, &algorithm("n", "a", true));
    book.update(0, &algorithm("n", "b", true));
    book.update(1, &algorithm("m", "c", true));
    book.complete(0);
    book.complete(1);
    assert_eq!(news().len(), 3);
    book.begin(0);
    book.update(0, &algorithm("n", "a", false));
    book.update(0, &algorithm("n", "a", true));
    book.complete(0);
    let news = news();
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(news[0].contains("Deleted"), "the other scope's are not concerned: {news:?}");
}
