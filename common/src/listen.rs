//! A TCP listener with a bounded number of connections.
//!
//! A full listener closes an idle connection for a new one, so that connections which never speak cannot keep a bridge or
//! a probe out. `places` ○ picks the connection to close.

mod places;

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

pub use self::places::{Call, Peer};
use self::places::{Place, Places};

/// Pause after an error of `accept`, most often because too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Longest time that a new connection waits for the place of a closed one.
const PLACE_TIMEOUT: Duration = Duration::from_secs(1);
/// Least time between two log lines about a full listener.
const LOG_PAUSE: Duration = Duration::from_mins(1);

/// Errors of `accept` after which the socket accepts nothing any more: EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP.
const FATAL_CODES: [i32; 4] = [9, 22, 88, 95];

/// The limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most connections at a time.
    pub connections: usize,
    /// Time from the accept to the first complete request; [`Peer::request`] reports it.
    pub first_request: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// Name for log lines.
    name: &'static str,
    bounds: Bounds,
    places: Arc<Places>,
    full: Mutex<Full>,
}

/// Connections that a full listener closed or refused since the last log line.
#[derive(Debug, Default)]
struct Full {
    logged: Option<Instant>,
    closed: u64,
    refused: u64,
}

impl Listener {
    /// Accepts on `socket` within `bounds`. `name` stands in log lines, for example `gRPC`.
    pub fn new(socket: TcpListener, name: &'static str, bounds: Bounds) -> Self {
        Self { socket, name, bounds, places: Places::new(bounds.connections), full: Mutex::default() }
    }

    /// The next connection. An error means that the socket accepts nothing any more; a shortage of files or memory is
    /// logged and waited for.
    pub async fn accept(&self) -> io::Result<Connection> {
        loop {
            let stream = self.next_stream().await?;
            let Some(place) = self.place().await else {
                self.note(|full| full.refused += 1);
                continue;
            };
            // Without this option small answers wait for the acknowledgement of the previous answer.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, listener = self.name, "cannot set TCP_NODELAY");
            }
            return Ok(Connection {
                stream,
                ended: Box::pin(place.peer().ended()),
                first_request: Some(Box::pin(sleep(self.bounds.first_request))),
                place,
            });
        }
    }

    async fn next_stream(&self) -> io::Result<TcpStream> {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => return Ok(stream),
                Err(error) if error.raw_os_error().is_some_and(|code| FATAL_CODES.contains(&code)) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(%error, listener = self.name, "cannot accept a connection, trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place for one more connection, where necessary that of an idle one. `None` while all have calls under way.
    async fn place(&self) -> Option<Place> {
        if let Some(place) = self.places.take() {
            return Some(place);
        }
        if !self.places.close_an_idle_one() {
            return None;
        }
        self.note(|full| full.closed += 1);
        // The closed connection's task runs next, so that its file descriptor is free before the next accept.
        timeout(PLACE_TIMEOUT, self.places.wait()).await.ok().flatten()
    }

    #[expect(clippy::disallowed_methods, reason = "an edge: it limits the rate of a warning by the monotonic clock")]
    fn note(&self, count: impl FnOnce(&mut Full)) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        count(&mut full);
        if full.logged.is_none_or(|logged| logged.elapsed() >= LOG_PAUSE) {
            let Full { closed, refused, .. } = std::mem::take(&mut *full);
            full.logged = Some(Instant::now());
            let (listener, most) = (self.name, self.bounds.connections);
            tracing::warn!(listener, most, closed, refused, "too many connections: closing idle connections");
        }
    }
}

/// An accepted connection. It ends with an error once its place is given to another, or if no request comes in time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The deadline of the first request, until it has come.
    first_request: Option<Pin<Box<Sleep>>>,
    place: Place,
}

impl Connection {
    /// The connection for the services that answer its requests.
    pub fn peer(&self) -> Peer {
        self.place.peer().clone()
    }

    /// Ready when the connection must end.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, "too many connections"));
        }
        let Some(deadline) = &mut self.first_request else { return Poll::Pending };
        if self.place.peer().has_requested() {
            self.first_request = None;
            return Poll::Pending;
        }
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no request came in time"))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if let Poll::Ready(error) = connection.poll_end(context) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut connection.stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            connection.place.peer().speak();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        if let Poll::Ready(error) = connection.poll_end(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut connection.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        if let Poll::Ready(error) = connection.poll_end(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut connection.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
