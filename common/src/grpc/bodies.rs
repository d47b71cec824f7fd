//! The two bodies of a call: the messages that a client sends, and the answer that it reads.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    task::JoinSet,
    time::{Sleep, sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, body::Body, codegen::Bytes};

use super::{MAX_FRAME_BYTES, admission::Admission};
use crate::listen::Peer;

/// Longest time until the first message of a call is complete.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that reads nothing of an answer for this long, at most twice as long, loses its connection.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// The messages of a client. The first is bounded in time and bytes; later ones are bounded by the service.
pub(super) struct Question {
    body: Body,
    /// Bytes of the first message and of the frame that ends it.
    bytes_left: usize,
    limit: usize,
    deadline: Pin<Box<Sleep>>,
    gives_way: Pin<Box<WaitForCancellationFutureOwned>>,
    admission: Admission,
}

impl Question {
    pub(super) fn new(body: Body, limit: usize, admission: Admission) -> Self {
        let bytes_left = limit.saturating_add(MAX_FRAME_BYTES as usize);
        let (deadline, gives_way) = (Box::pin(sleep(FIRST_MESSAGE_TIMEOUT)), Box::pin(admission.gives_way()));
        Self { body, bytes_left, limit, deadline, gives_way, admission }
    }
}

impl HttpBody for Question {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let question = self.get_mut();
        let body = Pin::new(&mut question.body);
        if question.admission.has_lasted() {
            return body.poll_frame(context);
        }
        if question.gives_way.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Status::resource_exhausted(
                "too many calls are under way, and this one has no complete message: try again",
            ))));
        }
        let Poll::Ready(frame) = body.poll_frame(context) else {
            ready!(question.deadline.as_mut().poll(context));
            let seconds = FIRST_MESSAGE_TIMEOUT.as_secs();
            return Poll::Ready(Some(Err(Status::deadline_exceeded(format!(
                "the call has no complete message after {seconds} s"
            )))));
        };
        if let Some(bytes) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            let Some(left) = question.bytes_left.checked_sub(bytes.len()) else {
                return Poll::Ready(Some(Err(Status::out_of_range(format!(
                    "the first message of the call is larger than {} bytes",
                    question.limit
                )))));
            };
            question.bytes_left = left;
        }
        if frame.is_none() || question.body.is_end_stream() {
            question.admission.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answer to a client. It holds the admission until it was read to its end, and ends the connection of a client that
/// reads nothing.
pub(super) struct Answer {
    body: Body,
    admission: Admission,
    reading: Arc<Reading>,
    /// Watches the client from the first frame on, and ends with the answer.
    watch: JoinSet<()>,
}

/// Progress of a client through an answer.
#[derive(Debug, Default)]
struct Reading {
    /// Frames that were handed out.
    frames: AtomicU64,
    /// The next frame was not asked for yet: the client has no room for it.
    is_behind: AtomicBool,
}

impl Answer {
    pub(super) fn new(body: Body, admission: Admission) -> Self {
        Self { body, admission, reading: Arc::default(), watch: JoinSet::new() }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let answer = self.get_mut();
        answer.reading.is_behind.store(false, Ordering::Relaxed);
        let frame = ready!(Pin::new(&mut answer.body).poll_frame(context));
        if frame.is_some() {
            answer.reading.frames.fetch_add(1, Ordering::Relaxed);
            answer.reading.is_behind.store(true, Ordering::Relaxed);
            if answer.watch.is_empty()
                && let Some(peer) = answer.admission.peer()
            {
                answer.watch.spawn(watch(Arc::clone(&answer.reading), peer.clone()));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.admission.end();
    }
}

async fn watch(reading: Arc<Reading>, peer: Peer) {
    let frames = || reading.frames.load(Ordering::Relaxed);
    let mut seen = frames();
    loop {
        sleep(READ_TIMEOUT).await;
        let frames = frames();
        if frames == seen && reading.is_behind.load(Ordering::Relaxed) {
            tracing::debug!("a client does not read its answer: its connection is closed");
            return peer.close();
        }
        seen = frames;
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::poll_fn, io};

    use axum::body::Body as Frames;
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
        time::Instant,
    };

    use super::{super::admission::Calls, *};
    use crate::listen::{Bounds, Listener};

    async fn admission(peer: Option<Peer>) -> Admission {
        Calls::new(1).admit(peer).await.unwrap()
    }

    /// A body of these bytes, or a body without bytes that never ends.
    struct Once(Option<&'static [u8]>);

    impl HttpBody for Once {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes.into())))))
        }
    }

    async fn next(body: &mut (impl HttpBody<Data = Bytes, Error = Status> + Unpin)) -> Result<usize, Status> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.unwrap();
        frame.map(|frame| frame.into_data().unwrap().len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_message_that_does_not_come_ends_the_call_after_ten_seconds() {
        let began = Instant::now();
        let mut question = Question::new(Body::new(Once(None)), 100, admission(None).await);
        assert_eq!(next(&mut question).await.unwrap_err().code(), tonic::Code::DeadlineExceeded);
        assert_eq!(began.elapsed(), FIRST_MESSAGE_TIMEOUT);

        let lasting = admission(None).await;
        let mut question = Question::new(Body::new(Once(None)), 100, lasting.clone());
        drop(lasting.lasts());
        tokio::time::timeout(2 * FIRST_MESSAGE_TIMEOUT, next(&mut question)).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_first_message_beyond_its_bound_ends_the_call() {
        let bytes = vec![1; MAX_FRAME_BYTES as usize + 101].leak();
        let mut question = Question::new(Body::new(Once(Some(bytes))), 100, admission(None).await);
        assert_eq!(next(&mut question).await.unwrap_err().code(), tonic::Code::OutOfRange);
        let lasting = admission(None).await;
        let mut question = Question::new(Body::new(Once(Some(bytes))), 100, lasting.clone());
        drop(lasting.lasts());
        assert_eq!(next(&mut question).await.unwrap(), bytes.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answer_loses_its_connection() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let bounds = Bounds { connections: 2, first_request: Duration::from_hours(1) };
        let listener = Listener::new(socket, "test", bounds);
        let _clients = (TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap());
        let (mut behind, mut reading) = (listener.accept().await.unwrap(), listener.accept().await.unwrap());

        // This client asks for more, and the service has no more.
        let mut waits = Answer::new(Body::new(Once(Some(b"a frame"))), admission(Some(reading.peer())).await);
        next(&mut waits).await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(1), next(&mut waits)).await;
        assert!(more.is_err());
        let mut unread = Answer::new(Body::new(Frames::from("a frame")), admission(Some(behind.peer())).await);
        next(&mut unread).await.unwrap();
        let began = Instant::now();
        assert_eq!(behind.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!((READ_TIMEOUT..=2 * READ_TIMEOUT).contains(&began.elapsed()), "{:?}", began.elapsed());
        tokio::time::timeout(10 * READ_TIMEOUT, reading.read_u8()).await.unwrap_err();
    }
}
