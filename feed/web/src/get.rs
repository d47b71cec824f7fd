//! One GET request on one connection. The body comes in parts, so that memory stays bounded for any length.

use std::{error::Error as _, future::poll_fn, pin::Pin, sync::Arc};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    HeaderMap, Request,
    body::{Body as _, Incoming},
    client::conn::http1,
    header::{HOST, USER_AGENT},
    http,
};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use url::Url;

use crate::dial::{ReachError, dial};

/// Largest part of a body, and about the largest head of an answer, bytes.
const MAX_PART_BYTES: usize = 64 << 10;

/// A request without a usable answer.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is no connection.
    #[error(transparent)]
    Reach(ReachError),
    /// The URL or a header holds characters that HTTP does not allow.
    #[error("HTTP has no such request: {0}")]
    Build(http::Error),
    /// The connection ended, or the answer breaks the rules of HTTP.
    #[error("the server gives no whole answer: {}", causes(.0))]
    Answer(hyper::Error),
}

fn causes(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The future that reads and writes the socket.
type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// An answer. Its body is on its way.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

/// Sends a request for `url` with these headers beside `Host` and `User-Agent`, and returns the head of the answer. Redirects are
/// answers as any other. `tls`: for the scheme `https`.
///
/// The caller bounds the time.
pub async fn get(url: &Url, headers: &[(&str, &str)], tls: Option<&Arc<ClientConfig>>) -> Result<Response, GetError> {
    let stream = dial(url, tls).await.map_err(GetError::Reach)?;
    let handshake = http1::Builder::new().max_buf_size(MAX_PART_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(GetError::Answer)?;
    let mut connection: Connection = Box::pin(connection);
    let mut request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        // Coinbase refuses requests without one.
        .header(USER_AGENT, concat!("intuition/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(GetError::Build)?;
    // The task of the caller drives the connection, which ends with it.
    let (response, connection) = {
        let mut answer = Box::pin(sender.send_request(request));
        let mut has_ended = false;
        let response = poll_fn(|context| {
            has_ended = has_ended || connection.as_mut().poll(context).is_ready();
            answer.as_mut().poll(context)
        })
        .await;
        (response.map_err(GetError::Answer)?, (!has_ended).then_some(connection))
    };
    let (head, incoming) = response.into_parts();
    Ok(Response { status: head.status.as_u16(), headers: head.headers, body: Body { incoming, connection } })
}

/// The body of an answer. Reading it drives the connection, and dropping it closes the connection.
pub struct Body {
    incoming: Incoming,
    /// `None`: it has ended, and the rest of the body is here.
    connection: Option<Connection>,
}

impl Body {
    /// The next part, of at most 64 KiB; `None`: the whole body has come. A body that ends before the length or the last chunk
    /// that the server announced is an error. One with neither ends with its connection, cut or not.
    pub async fn next(&mut self) -> Result<Option<Bytes>, GetError> {
        loop {
            let frame = poll_fn(|context| {
                let ended = self.connection.as_mut().map(|connection| connection.as_mut().poll(context).is_ready());
                if ended == Some(true) {
                    // The body has an error of its connection as well.
                    self.connection = None;
                }
                Pin::new(&mut self.incoming).poll_frame(context)
            })
            .await;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(GetError::Answer(error)),
                Some(Ok(frame)) => {
                    // Trailers are no part of the content.
                    if let Ok(part) = frame.into_data() {
                        return Ok(Some(part));
                    }
                }
            }
        }
    }

    /// The whole body; `None`: it has more than `longest` bytes.
    pub async fn collect(mut self, longest: usize) -> Result<Option<Vec<u8>>, GetError> {
        let mut whole = Vec::new();
        while let Some(part) = self.next().await? {
            if whole.len() + part.len() > longest {
                return Ok(None);
            }
            whole.extend_from_slice(&part);
        }
        Ok(Some(whole))
    }
}
