use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use super::*;
use crate::backends::store::Unavailable;

/// An API server that lists these and then has nothing to tell. What it has nothing of, it forbids.
fn api_server(algorithms: Option<Value>, algos: Option<Value>) -> Client {
    let serve = move |request: Request<Body>| {
        let items = if request.uri().path().ends_with("/algorithms") { &algorithms } else { &algos };
        let (code, answer) = match items {
            Some(items) => (200, json!({ "metadata": { "resourceVersion": "1" }, "items": items })),
            None => {
                (403, json!({ "status": "Failure", "code": 403, "reason": "Forbidden", "message": "may not list" }))
            }
        };
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        async move {
            if is_watch {
                std::future::pending::<()>().await;
            }
            let body = Body::from(serde_json::to_vec(&answer).unwrap());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    };
    Client::new(tower::service_fn(serve), "default")
}

/// What the book says of the namespace once it says something, or why it does not.
async fn kept(client: Client, scopes: &[Option<String>]) -> Result<Value, Unavailable> {
    let (book, shutdown) = (DirectoryStore::new(scopes), CancellationToken::new());
    let metrics = Metrics::register(&mut Registry::default());
    let mut changes = book.changes();
    let known = async {
        loop {
            match book.entries("") {
                Err(Unavailable::NotRead) => changes.changed().await.unwrap(),
                answer => return answer,
            }
        }
    };
    let answer = tokio::select! {
        answer = known => answer,
        () = watch_into(&client, scopes, &book, &metrics, &shutdown) => unreachable!("it ended before the shutdown"),
    };
    answer.map(|pages| pages.values().map(|page| json!([page.name, page.version, page.used_by])).collect())
}

#[tokio::test]
async fn what_this_release_cannot_read_keeps_nothing_else_from_the_directory() {
    let object = |name: &str, spec: Value, status: Value| json!({ "metadata": { "name": name, "namespace": "n" }, "spec": spec, "status": status });
    let algorithms = json!([
        object("known", json!({ "address": "http://a:1" }), json!({ "version": "1", "healthy": true })),
        object("of-the-next-release", json!({ "wasm": "x" }), json!({ "version": "2", "healthy": true })),
        object("odd-status", json!({ "address": "http://a:1" }), json!({ "healthy": "perhaps" })),
    ]);
    let algos = json!([
        object("b", json!({ "algorithm": { "name": "known" } }), Value::Null),
        object("a", json!({ "algorithm": { "name": "known" } }), Value::Null),
        object("strange", json!({ "algorithm": { "ofTheNextRelease": 1 } }), Value::Null),
        object("builtin", json!({ "algorithm": { "builtin": "random" } }), Value::Null),
    ]);
    let expected = json!([["known", "1", ["a", "b"]], ["odd-status", "", []], ["of-the-next-release", "2", []]]);
    assert_eq!(kept(api_server(Some(algorithms), Some(algos)), &[None]).await, Ok(expected));
}

#[tokio::test]
async fn what_may_not_be_listed_is_said_and_is_no_empty_directory() {
    for (algorithms, algos) in [(None, Some(json!([]))), (Some(json!([])), None)] {
        let answer = kept(api_server(algorithms, algos), &[None]).await;
        assert!(
            matches!(&answer, Err(Unavailable::Failing(problem)) if problem.contains("may not list")),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let (book, shutdown) = (DirectoryStore::new(&[None]), CancellationToken::new());
    shutdown.cancel();
    let metrics = Metrics::register(&mut Registry::default());
    watch_into(&api_server(None, None), &[None], &book, &metrics, &shutdown).await;
}
