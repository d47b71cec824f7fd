//! One REST request on one connection, within bounds of time and size.

use std::{sync::Arc, time::Duration};

use intuition_common::text::{printable, shortened};
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;
use web_client::{Response, get};

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
    let url = base.join(path).map_err(|error| FetchError::Reach(error.to_string()))?;
    let response = get(&url, &[("accept", "application/json")], tls).await;
    read(response.map_err(|error| FetchError::Reach(error.to_string()))?).await
}

async fn read(Response { status, headers, body }: Response) -> Result<String, FetchError> {
    let seconds = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let cut = |cause: String| FetchError::Reach(format!("the answer cannot be read: {cause}"));
    let body = body.collect(MAX_BODY).await.map_err(|error| cut(error.to_string()))?;
    let body = body.ok_or_else(|| cut(format!("it has more than {MAX_BODY} bytes")))?;
    if status != 200 {
        let found = String::from_utf8_lossy(&body);
        let found = printable(&shortened(&found, EXCERPT_CHARS)).into_owned();
        let is_limit = matches!(status, 418 | 429);
        let retry_after = seconds.map(Duration::from_secs).or(is_limit.then_some(DEFAULT_PAUSE));
        return Err(FetchError::Status { status, retry_after, found });
    }
    String::from_utf8(body).map_err(|_| FetchError::Reach("the answer is not text in UTF-8".to_owned()))
}
