//! Fetches a file from a web server, and goes on behind a cut: with a range where the server names a strong `ETag`, otherwise from the
//! first byte, where the bytes that came before are compared by their hash.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use intuition_common::{backoff::Backoff, text::printable};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use url::Url;
use web_client::{Body, ClientConfig, GetError, Response, TlsError, client_config, get};

/// Parts between the connection and the reader: 4 MiB.
pub(super) const PARTS: usize = 64;
/// Longest time for a connection and the head of its answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time without a byte, while the reader has room.
const SILENCE: Duration = Duration::from_secs(30);
/// The first pause is at most so long, and at least half of it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, also of those that the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Redirects that one request follows.
const MAX_REDIRECTS: usize = 5;

/// A file that cannot be fetched until a person changes something.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The certificates of the machine cannot be used.
    #[error("TLS cannot be set up: {0}")]
    Tls(TlsError),
    /// The server answers with another status than that of a file.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// A redirect leads nowhere.
    #[error("the server redirects to {0:?}, which is no http:// or https:// URL")]
    Redirect(String),
    /// A redirect leaves TLS.
    #[error("the server redirects from https to {0}, without TLS")]
    Downgrade(String),
    /// Redirects that lead to each other.
    #[error("the server redirects more than {MAX_REDIRECTS} times")]
    Redirects,
    /// The end of the answer would look like a cut.
    #[error("the answer has neither a length nor chunks, so that a cut would look like its end")]
    Endless,
    /// The bytes before a cut are others than those that came first.
    #[error("the file has changed while it was read")]
    Changed,
}

/// The progress of a fetch.
#[derive(Debug)]
pub(super) enum Item {
    /// The next bytes.
    Part(Bytes),
    /// A connection was cut behind new bytes. The fetch goes on.
    Cut,
    /// A request had no usable answer. The fetch tries again.
    Unreachable(String),
    /// The fetch is over.
    Failed(FetchError),
    /// All bytes have come.
    End,
}

/// An attempt that did not come to the end of the file.
enum Stop {
    /// Try again, after this time at the earliest.
    Retry(String, Duration),
    Refused(FetchError),
    /// The reader is gone.
    Gone,
}

impl Stop {
    fn retry(message: impl Into<String>) -> Self {
        Self::Retry(message.into(), Duration::ZERO)
    }
}

/// A file on its way.
pub(super) struct Fetch {
    url: Url,
    items: mpsc::Sender<Item>,
    tls: Option<Arc<ClientConfig>>,
    /// Bytes that the reader got, and their hash.
    sent: u64,
    hash: Sha256,
    /// The strong `ETag` of the first answer, while ranges are of use.
    etag: Option<String>,
}

impl Fetch {
    pub(super) fn new(url: Url, items: mpsc::Sender<Item>) -> Self {
        Self { url, items, tls: None, sent: 0, hash: Sha256::new(), etag: None }
    }

    /// Fetches until the end, an error, or until the reader is gone.
    pub(super) async fn run(self) {
        let items = self.items.clone();
        tokio::select! {
            () = items.closed() => {}
            () = self.fetch() => {}
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the pauses")]
    async fn fetch(mut self) {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE, rand::random());
        loop {
            let before = self.sent;
            let (message, asked) = match self.attempt().await {
                Ok(()) => return drop(self.items.send(Item::End).await),
                Err(Stop::Refused(error)) => return drop(self.items.send(Item::Failed(error)).await),
                Err(Stop::Gone) => return,
                Err(Stop::Retry(message, asked)) => (message, asked),
            };
            let has_progress = self.sent > before;
            if has_progress {
                pauses.reset();
            }
            tracing::debug!(url = shown(&self.url), bytes = self.sent, "the fetch goes on after a pause: {message}");
            // A server may cut a reader that is slow on purpose: only the next failure means that the server is away.
            let item = if has_progress { Item::Cut } else { Item::Unreachable(message) };
            if self.items.send(item).await.is_err() {
                return;
            }
            sleep(pauses.pause().max(asked.min(LONGEST_PAUSE))).await;
        }
    }

    /// One request, and its body.
    async fn attempt(&mut self) -> Result<(), Stop> {
        let etag = self.etag.clone().filter(|_| self.sent > 0);
        let Response { status, headers, body } = self.request(etag.as_deref()).await?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match status {
            200 => {}
            206 if etag.is_some()
                && header("etag") == etag.as_deref()
                && header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {}-", self.sent))) =>
            {
                return self.hand_over(body).await;
            }
            // Another part than the missing one, or none: the whole file shows the reason.
            206 | 416 if etag.is_some() => {
                self.etag = None;
                return Err(Stop::retry(format!("the server answers a range with status {status}")));
            }
            408 | 425 | 429 | 500.. => {
                let seconds = header("retry-after").and_then(|seconds| seconds.parse().ok());
                let asked = Duration::from_secs(seconds.unwrap_or_default());
                return Err(Stop::Retry(FetchError::Status(status).to_string(), asked));
            }
            _ => return Err(Stop::Refused(FetchError::Status(status))),
        }
        if header("content-length").is_none() && header("transfer-encoding").is_none() {
            return Err(Stop::Refused(FetchError::Endless));
        }
        self.etag = header("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned);
        let body = self.pass_over(body).await?;
        self.hand_over(body).await
    }

    /// The answer to a request, behind its redirects. `etag`: ask for the bytes that are missing of this version.
    async fn request(&mut self, etag: Option<&str>) -> Result<Response, Stop> {
        let mut url = self.url.clone();
        let range = format!("bytes={}-", self.sent);
        let mut headers = vec![("accept", "*/*"), ("accept-encoding", "identity")];
        headers.extend(etag.iter().flat_map(|etag| [("range", range.as_str()), ("if-range", *etag)]));
        for _ in 0..=MAX_REDIRECTS {
            if url.scheme() == "https" && self.tls.is_none() {
                self.tls = Some(client_config(None).map_err(|error| Stop::Refused(FetchError::Tls(error)))?);
            }
            let response = match timeout(HEAD_TIMEOUT, get(&url, &headers, self.tls.as_ref())).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(broken(&error)),
                Err(_) => {
                    return Err(Stop::retry(format!("no answer within {} seconds", HEAD_TIMEOUT.as_secs())));
                }
            };
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers.get("location").map(|value| String::from_utf8_lossy(value.as_bytes()));
            url = redirected(&url, &location.unwrap_or_default()).map_err(Stop::Refused)?;
        }
        Err(Stop::Refused(FetchError::Redirects))
    }

    /// Passes over the bytes that the reader has, if they are the same as before. The rest of the last part is handed over.
    async fn pass_over(&mut self, mut body: Body) -> Result<Body, Stop> {
        let mut missing = self.sent;
        let mut hash = Sha256::new();
        while missing > 0 {
            let Some(mut part) = next(&mut body).await? else { return Err(Stop::Refused(FetchError::Changed)) };
            let known = usize::try_from(missing).map_or(part.len(), |missing| missing.min(part.len()));
            let rest = part.split_off(known);
            hash.update(&part);
            missing -= known as u64;
            if missing > 0 {
                continue;
            }
            if hash.clone().finalize() != self.hash.clone().finalize() {
                return Err(Stop::Refused(FetchError::Changed));
            }
            if !rest.is_empty() {
                self.hand_over_part(rest).await?;
            }
        }
        Ok(body)
    }

    async fn hand_over(&mut self, mut body: Body) -> Result<(), Stop> {
        while let Some(part) = next(&mut body).await? {
            self.hand_over_part(part).await?;
        }
        Ok(())
    }

    async fn hand_over_part(&mut self, part: Bytes) -> Result<(), Stop> {
        self.hash.update(&part);
        self.sent += part.len() as u64;
        self.items.send(Item::Part(part)).await.map_err(|_| Stop::Gone)
    }
}

/// The next part of a body, within the bound of time.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Stop> {
    match timeout(SILENCE, body.next()).await {
        Ok(part) => part.map_err(|error| broken(&error)),
        Err(_) => Err(Stop::retry(format!("the server has sent nothing for {} seconds", SILENCE.as_secs()))),
    }
}

fn broken(error: &GetError) -> Stop {
    Stop::retry(printable(&error.to_string()))
}

/// The URL that a redirect leads to.
fn redirected(from: &Url, location: &str) -> Result<Url, FetchError> {
    let to = from.join(location).ok().filter(|to| matches!(to.scheme(), "http" | "https") && !location.is_empty());
    let to = to.ok_or_else(|| FetchError::Redirect(location.to_owned()))?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(FetchError::Downgrade(shown(&to)));
    }
    Ok(to)
}

/// A URL for people. The query may hold a key.
pub(super) fn shown(url: &Url) -> String {
    printable(&url[..url::Position::AfterPath]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_with_http_and_never_leave_tls() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, location, to) in [
            ("http://a/b/q.csv", "r.csv", Ok("http://a/b/r.csv")),
            ("http://a/q.csv", "https://c/q.csv?key=1", Ok("https://c/q.csv?key=1")),
            ("https://a/q.csv", "//c/q.csv", Ok("https://c/q.csv")),
            ("https://a/q.csv", "http://a/q.csv?key=1", Err("from https to http://a/q.csv, without")),
            ("http://a/q.csv", "file:///etc/passwd", Err("which is no http://")),
            ("http://a/q.csv", "", Err("redirects to \"\"")),
        ] {
            match (redirected(&url(from), location), to) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_str(), expected),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                other => panic!("{from} to {location}: {other:?}"),
            }
        }
    }
}
