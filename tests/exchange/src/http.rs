//! HTTP: WebSocket upgrades, REST, and the control endpoint.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    control,
    dialect::{Dialect, RestRequest},
    faults::RestFault,
    hub::Hub,
    market::Trade,
    socket::{Socket, Times},
};

/// The body of all answers.
pub(crate) type Body = Full<Bytes>;

/// The request cannot be answered at all: the connection is closed.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault cuts the connection")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The state that all requests share.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) hub: Hub,
    pub(crate) times: Times,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Service {
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let path = request.uri().path().to_owned();
        if path.starts_with("/control/") {
            return Ok(control::answer(&self.hub, request).await);
        }
        if request.headers().contains_key(UPGRADE) {
            return Ok(self.upgrade(&path, request));
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let Some(rest) = RestRequest::of(&path, &query) else {
            return Ok(text(StatusCode::NOT_FOUND, r#"{"message":"NotFound"}"#));
        };
        let fault = self.hub.request(&format!("{path}?{query}"));
        if fault == Some(RestFault::Hang) {
            std::future::pending::<()>().await;
        }
        self.rest(&rest, fault)
    }

    fn upgrade(self, path: &str, mut request: Request<Incoming>) -> Response<Body> {
        let key = request.headers().get(SEC_WEBSOCKET_KEY).cloned();
        let (Some(dialect), Some(key)) = (Dialect::of_socket(path), key) else {
            return text(StatusCode::NOT_FOUND, "no WebSocket here");
        };
        if self.hub.refuses() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "refused by a fault");
        }
        let accept = derive_accept_key(key.as_bytes());
        let Self { hub, times, tasks, stop } = self;
        tasks.spawn(stop.run_until_cancelled_owned(async move {
            if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
                let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
                Socket::new(hub, dialect, times).run(stream).await;
            }
        }));
        let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(accept) = HeaderValue::from_str(&accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }

    fn rest(&self, request: &RestRequest, fault: Option<RestFault>) -> Result<Response<Body>, Cut> {
        let place = self.hub.place(|name| request.dialect.spells(&request.symbol, name));
        let answer = place.and_then(|place| {
            self.hub.with(place, |instrument, faults| {
                let shown = instrument.record().len().saturating_sub(faults.rest_lag);
                let lacks = |trade: &Trade| {
                    faults.rest_lacks.is_some_and(|(first, last)| (first..=last).contains(&trade.number))
                };
                let visible: Vec<_> =
                    instrument.record().iter().take(shown).filter(|trade| !lacks(trade)).copied().collect();
                request.answer(instrument, &visible, faults.exponents)
            })
        });
        let Some(answer) = answer else {
            return Ok(text(StatusCode::BAD_REQUEST, r#"{"code":-1121,"msg":"Invalid symbol."}"#));
        };
        Ok(match fault {
            None | Some(RestFault::Hang) => text(StatusCode::OK, answer),
            Some(RestFault::Error) => text(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
            Some(RestFault::Html) => text(StatusCode::OK, "<html><body>We are back soon.</body></html>"),
            Some(RestFault::Half) => text(StatusCode::OK, answer.chars().take(answer.len() / 2).collect::<String>()),
            Some(RestFault::Cut) => return Err(Cut),
            Some(RestFault::RateLimit) => {
                let mut response = text(StatusCode::TOO_MANY_REQUESTS, r#"{"code":-1003,"msg":"Too many requests."}"#);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
        })
    }
}

/// An answer with a body, as JSON.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
