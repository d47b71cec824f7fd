//! One REST request on one connection, within bounds of time and size.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, HOST, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use intuition_common::text::{printable, shortened};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use super::dial::dial;
use crate::session::FetchError;

/// Largest answer, bytes. A page of 1,000 trades has about 150 KB.
const MAX_BODY: usize = 4 << 20;
/// Characters of an error's answer that are shown.
const EXCERPT_CHARS: usize = 120;
/// The pause after a refusal for too many requests that names no time.
const DEFAULT_PAUSE: Duration = Duration::from_mins(1);

/// The text that `path` below `base` has. `longest`: time for the whole answer.
pub(super) async fn fetch(
    base: &Url,
    path: &str,
    tls: Option<&Arc<ClientConfig>>,
    longest: Duration,
) -> Result<String, FetchError> {
    match timeout(longest, request(base, path, tls)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::Reach(format!("no answer within {} ms", longest.as_millis()))),
    }
}

async fn request(base: &Url, path: &str, tls: Option<&Arc<ClientConfig>>) -> Result<String, FetchError> {
    let reach = |error: hyper::Error| FetchError::Reach(error.to_string());
    let stream = dial(base, tls).await.map_err(|error| FetchError::Reach(error.to_string()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(reach)?;
    let request = Request::get(path)
        .header(HOST, base[url::Position::BeforeHost..url::Position::AfterPort].to_owned())
        .header(ACCEPT, "application/json")
        // Coinbase refuses requests without one.
        .header(USER_AGENT, concat!("intuition/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| FetchError::Reach(error.to_string()))?;
    let answer = Box::pin(async {
        let response = sender.send_request(request).await.map_err(reach)?;
        read(response).await
    });
    // The connection is driven by this task, and ends with it.
    match select(answer, Box::pin(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((Ok(()), answer)) => answer.await,
        Either::Right((Err(error), _)) => Err(reach(error)),
    }
}

async fn read(response: Response<Incoming>) -> Result<String, FetchError> {
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| FetchError::Reach(format!("the answer cannot be read: {error}")))?.to_bytes();
    if status != 200 {
        let found = String::from_utf8_lossy(&body);
        let found = printable(&shortened(&found, EXCERPT_CHARS)).into_owned();
        let is_limit = matches!(status, 418 | 429);
        let retry_after = seconds.map(Duration::from_secs).or(is_limit.then_some(DEFAULT_PAUSE));
        return Err(FetchError::Status { status, retry_after, found });
    }
    String::from_utf8(body.into()).map_err(|_| FetchError::Reach("the answer is not text in UTF-8".to_owned()))
}
