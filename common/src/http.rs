//! `/healthz`, `/readyz` and `/metrics` of a process.

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;

/// What the three pages show.
#[derive(Clone)]
pub struct Pages {
    /// Behind `/readyz`: 200 when nothing is missing, else 503, with what is missing and the warnings as JSON.
    pub readiness: Readiness,
    /// Behind `/metrics`, `OpenMetrics` text.
    pub registry: Arc<Registry>,
}

/// Serves the pages until `shutdown` is cancelled.
pub async fn serve(listener: TcpListener, pages: Pages, shutdown: CancellationToken) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(pages);
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn ready(State(pages): State<Pages>) -> Response {
    let missing = pages.readiness.missing();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": missing.is_empty(), "missing": missing, "warnings": pages.readiness.warnings() })))
        .into_response()
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &pages.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
