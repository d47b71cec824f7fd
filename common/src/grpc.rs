//! A gRPC server with bounded connections, calls and bytes: clients that flood it, stay silent or do not read cannot make
//! the process grow.
//!
//! - `admission`: the share of a call in the limits. `bodies`: the messages of a client and the answer to it, with deadlines.

mod admission;
mod bodies;

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tonic::{
    Status,
    body::Body,
    codegen::{
        Service,
        http::{Request, Response},
        tokio_stream::wrappers::ReceiverStream,
    },
    service::Routes,
    transport::{Server, server::Connected},
};

pub use self::admission::Admission;
use self::admission::Calls;
use self::bodies::{Answer, Question};
use crate::listen::{Bounds, Connection, Listener, Peer};

/// Longest time from a new connection to its first call.
const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that is silent for this long is pinged, and its connection ends if it does not answer within [`PING_TIMEOUT`].
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that a client may send on a stream, and on a connection, before they are read.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// Streams of a connection that wait to be reset by the server: more end the connection, as a flood of resets does.
const MAX_RESET_STREAMS: usize = 64;
/// Bytes of the fields of a request.
const MAX_HEADER_BYTES: u32 = 16 << 10;
const MAX_FRAME_BYTES: u32 = 16 << 10;

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Name for log lines, for example `gRPC`.
    pub name: &'static str,
    /// Most connections at a time. It has to be larger than the number of calls that can be under way, those that
    /// [last](Admission::lasts) included: otherwise a new connection may find no place.
    pub connections: usize,
    /// Most calls at a time, without those that last. A call counts until its answer was read to its end. At the limit the
    /// oldest call without a complete message ends; if all are complete, the new call is refused: `RESOURCE_EXHAUSTED`.
    pub calls: usize,
    /// Most calls at a time on one connection.
    pub connection_calls: u32,
    /// Largest first message of a call, bytes.
    pub first_message: usize,
}

/// Errors that end a server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket accepts nothing any more.
    #[error("cannot accept gRPC connections any more")]
    Accept(#[source] io::Error),
    /// The server failed.
    #[error("cannot serve gRPC")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves `routes` until `shutdown` is cancelled and the calls under way are answered.
pub async fn serve(
    socket: TcpListener,
    routes: Routes,
    limits: Limits,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let bounds = Bounds { connections: limits.connections, first_request: FIRST_CALL_TIMEOUT };
    let listener = Listener::new(socket, limits.name, bounds);
    let (connections, incoming) = mpsc::channel(1);
    let bounded = Bounded { routes: routes.prepare(), limits, calls: Calls::new(limits.calls) };
    let serving = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits.connection_calls)
        .max_frame_size(MAX_FRAME_BYTES)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESET_STREAMS))
        .http2_max_local_error_reset_streams(Some(MAX_RESET_STREAMS))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .serve_with_incoming_shutdown(bounded, ReceiverStream::new(incoming), shutdown.cancelled_owned());
    tokio::select! {
        ended = serving => ended.map_err(ServeError::Serve),
        error = accept(listener, connections) => Err(ServeError::Accept(error)),
    }
}

/// Hands connections on until the socket accepts nothing any more. The socket is closed once the server takes no more.
async fn accept(listener: Listener, connections: mpsc::Sender<io::Result<Connection>>) -> io::Error {
    loop {
        let accepted = tokio::select! {
            () = connections.closed() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(connection) => drop(connections.send(Ok(connection)).await),
            Err(error) => return error,
        }
    }
    drop(listener);
    std::future::pending().await
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer()
    }
}

/// All services of the server, behind its limits.
#[derive(Clone)]
struct Bounded {
    routes: Routes,
    limits: Limits,
    calls: Arc<Calls>,
}

impl Service<Request<Body>> for Bounded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let peer = request.extensions().get::<Peer>().cloned();
        if let Some(peer) = &peer {
            peer.request();
        }
        let Self { mut routes, limits, calls } = self.clone();
        Box::pin(async move {
            let Some(admission) = calls.admit(peer).await else {
                let most = limits.calls;
                let refusal = Status::resource_exhausted(format!("{most} calls are under way here already: try again"));
                return Ok(refusal.into_http());
            };
            let mut request =
                request.map(|body| Body::new(Question::new(body, limits.first_message, admission.clone())));
            request.extensions_mut().insert(admission.clone());
            let response = routes.call(request).await?;
            Ok(response.map(|body| Body::new(Answer::new(body, admission))))
        })
    }
}

#[cfg(test)]
mod tests;
