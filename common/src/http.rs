//! `/healthz`, `/readyz`, `/metrics` and `/status` of a process.
//!
//! The port is open to the whole cluster, so everything about a connection is bounded: one request, its head and its
//! whole time, and the number of connections. A probe is answered while thousands of silent connections come and go.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    heartbeat::Heartbeat,
    listen::{Bounds, Connection, Listener},
    readiness::Readiness,
};

/// Most connections at a time. Probes, a scraper and a person need a handful.
const MAX_CONNECTIONS: usize = 64;
/// Longest time for the head of the request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for the whole connection, so that a slow reader ends too.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest head of a request, bytes, and the most fields in it.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_FIELDS: usize = 64;
/// Age of a heartbeat from which on its loop counts as hung.
pub const HUNG_AFTER: Duration = Duration::from_secs(30);

/// The content of the pages.
#[derive(Clone)]
pub struct Pages {
    /// Content of `/readyz`: 200 if no part is missing, else 503, with the missing parts and the warnings as JSON.
    pub readiness: Readiness,
    /// Content of `/metrics`, `OpenMetrics` text.
    pub registry: Arc<Registry>,
    /// Content of `/healthz`: 200, or 503 while a heartbeat is older than [`HUNG_AFTER`].
    pub heartbeats: Heartbeats,
    /// Content of `/status`, JSON for programs; `None`: there is no such page.
    pub status: Option<Arc<dyn Fn() -> Value + Send + Sync>>,
}

/// The loops that a process cannot do without. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats(Arc<Mutex<BTreeMap<&'static str, Heartbeat>>>);

impl Heartbeats {
    /// Watches the loop `name`, which beats from now on, for example `the writer of the ledger`. A loop of the same name is
    /// replaced.
    pub fn watch(&self, name: &'static str, heartbeat: Heartbeat) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, heartbeat);
    }

    /// A sentence about a loop that hangs.
    fn hung(&self) -> Option<String> {
        let loops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, age) =
            loops.iter().map(|(name, heartbeat)| (name, heartbeat.age())).find(|(_, age)| *age > HUNG_AFTER)?;
        Some(format!("{name} has made no turn for {} seconds", age.as_secs()))
    }
}

/// Serves the pages until `shutdown` is cancelled, and then ends the open connections once they are answered. An
/// error means that the socket accepts nothing any more.
pub async fn serve(listener: TcpListener, pages: Pages, shutdown: CancellationToken) -> io::Result<()> {
    let bounds = Bounds { connections: MAX_CONNECTIONS, first_request: HEAD_TIMEOUT };
    let listener = Listener::new(listener, "HTTP", bounds);
    let router = Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(pages);
    let mut connections = JoinSet::new();
    while let Some(connection) = shutdown.run_until_cancelled(listener.accept()).await {
        connections.spawn(answer(connection?, router.clone()));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Waits until one of `servers` fails, with an error of [`serve`] or by a panic, or until all have ended in order.
pub async fn failed(servers: &mut JoinSet<io::Result<()>>) -> io::Error {
    while let Some(ended) = servers.join_next().await {
        match ended.map_err(io::Error::other) {
            Ok(Ok(())) => {}
            Ok(Err(error)) | Err(error) => return error,
        }
    }
    std::future::pending().await
}

/// Answers one request. There is no keep-alive: a connection between two requests would hold a place without use.
async fn answer(connection: Connection, router: Router) {
    let peer = connection.peer();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        peer.request();
        router.call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_FIELDS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(connection), service);
    match timeout(CONNECTION_TIMEOUT, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection ended with an error"),
        Err(_) => tracing::debug!("an HTTP connection took too long"),
    }
}

async fn healthy(State(pages): State<Pages>) -> Response {
    match pages.heartbeats.hung() {
        None => "ok".into_response(),
        Some(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response(),
    }
}

async fn ready(State(pages): State<Pages>) -> Response {
    let missing = pages.readiness.missing();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": missing.is_empty(), "missing": missing, "warnings": pages.readiness.warnings() })))
        .into_response()
}

async fn status(State(pages): State<Pages>) -> Response {
    match &pages.status {
        Some(status) => Json(status()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &pages.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests;
