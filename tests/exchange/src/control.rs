//! The control endpoint: trades and faults on request, the record, the counters.

use std::collections::HashMap;

use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use serde_json::json;

use crate::{
    faults::Faults,
    http::{Body, text},
    hub::Hub,
};

/// Largest body of a request, bytes.
const MAX_BODY: usize = 64 << 10;

pub(crate) async fn answer(hub: &Hub, request: Request<Incoming>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let symbol = query.get("symbol").cloned().unwrap_or_default();
    let number = |key: &str, default: u64| query.get(key).and_then(|text| text.parse().ok()).unwrap_or(default);
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/control/trades") => {
            let from = number("from", 0);
            let place = hub.place(|name| name == symbol);
            let trades = place.and_then(|place| {
                hub.with(place, |one, _| one.from(from).iter().map(crate::Trade::recorded).collect::<Vec<_>>())
            });
            match trades {
                Some(trades) => text(StatusCode::OK, json!(trades).to_string()),
                None => text(StatusCode::NOT_FOUND, json!({"error": "unknown symbol", "symbol": symbol}).to_string()),
            }
        }
        (&Method::GET, "/control/state") => text(StatusCode::OK, json!(hub.counts()).to_string()),
        (&Method::GET, "/control/faults") => text(StatusCode::OK, json!(hub.faults()).to_string()),
        (&Method::POST, "/control/make") => done(|| hub.make(&symbol, number("count", 1))),
        (&Method::POST, "/control/cut") => done(|| hub.cut()),
        (&Method::POST, "/control/shutdown") => done(|| hub.announce_shutdown()),
        (&Method::POST, "/control/filler") => {
            let bytes = usize::try_from(number("bytes", 1_024)).unwrap_or(0);
            done(|| hub.send_filler(bytes))
        }
        (&Method::POST, "/control/faults") => set(hub, request).await,
        _ => text(StatusCode::NOT_FOUND, json!({"error": "unknown path", "path": path}).to_string()),
    }
}

fn done(act: impl FnOnce()) -> Response<Body> {
    act();
    text(StatusCode::OK, "{}")
}

/// Sets the faults in the body, and ends all others.
async fn set(hub: &Hub, request: Request<Incoming>) -> Response<Body> {
    let refuse = |error: String| text(StatusCode::BAD_REQUEST, json!({"error": error}).to_string());
    let body = match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return refuse(error.to_string()),
    };
    match serde_json::from_slice::<Faults>(&body) {
        Ok(faults) => done(|| hub.set(|current| *current = faults)),
        Err(error) => refuse(error.to_string()),
    }
}
