//! The responses of a stream on their way to the bridge: a queue bounded in bytes, so that a client which does not read
//! cannot make the runtime grow.
//!
//! Entries of the outbox wait in the ledger while the queue is [full](Sizes::full_bytes). Outcomes cannot wait there: they
//! answer deliveries of a bridge, which bounds those that have no outcome. A queue that is full for 20 s without a response
//! being read, or grows beyond [`Sizes::most_bytes`], ends its stream.
//!
//! The writer's end takes the time as an argument. [`Reader::try_next`] does so too and needs no async runtime; as a stream,
//! the reader reads the clock.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use intuition_api::v1::{Committed, DeliveryOutcome, ProcessResponse, TickOutcome, process_response::Message};
use prost::Message as _;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::Status;

/// Time without a response being read, while the queue is full, that ends the stream.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// The bounds of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of memory from which on the queue takes no more entries of the outbox. The writer goes on once half of them
    /// are free.
    pub full_bytes: usize,
    /// Bytes of memory that end the stream. Larger than `full_bytes`, by the outcomes of all ticks that a bridge may hold
    /// without one: 32,768 by default, which need less than 8 MiB.
    pub most_bytes: usize,
    /// Bytes that a stream which ends has before its status. The bridge gets the rest again on the next stream.
    pub last_bytes: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { full_bytes: 8 << 20, most_bytes: 16 << 20, last_bytes: 64 << 10 }
    }
}

type Response = Result<ProcessResponse, Status>;

/// Makes the queue of a stream. `wake` is called when the queue has room again after [`Responses::has_room`] was false.
///
/// `wake` may run inside [`Reader::try_next`]. It must not wait.
pub fn responses(sizes: Sizes, wake: impl Fn() + Send + Sync + 'static) -> (Responses, Reader) {
    let queue = Mutex::new(Queue { sizes, ..Queue::default() });
    let shared = Arc::new(Shared { queue, wake: Box::new(wake) });
    (Responses(Arc::clone(&shared)), Reader(shared))
}

/// The writer's end. The stream ends in order when it is dropped.
pub struct Responses(Arc<Shared>);

/// The client's end. Dropped, the stream takes no more responses.
pub struct Reader(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    /// The queue is whole at every step.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next response, and wakes a writer that has room again.
    fn read(&self, mut queue: MutexGuard<'_, Queue>, now: Instant) -> Option<Response> {
        let response = queue.pop(now)?;
        let is_awaited = queue.has_room_again();
        drop(queue);
        if is_awaited {
            (self.wake)();
        }
        Some(response)
    }
}

impl Responses {
    /// Sends a response. `false`: the stream takes no more, since its client has gone or does not read.
    pub fn send(&self, response: ProcessResponse, now: Instant) -> bool {
        let mut queue = self.0.lock();
        let is_taken = queue.push(response, now);
        let waker = queue.reader.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
        is_taken
    }

    /// Ends the stream with a status, after the first responses that wait.
    pub fn end(&self, status: Status) {
        let mut queue = self.0.lock();
        let kept = queue.sizes.last_bytes;
        queue.end(status, kept);
        let waker = queue.reader.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Whether an entry of the outbox may be sent.
    pub fn has_room(&self) -> bool {
        self.0.lock().has_room()
    }

    /// Whether the client does not read: the stream has ended for it.
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.0.lock().is_stuck(now)
    }
}

impl Drop for Responses {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.has_ended = true;
        let waker = queue.reader.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Stream for Reader {
    type Item = Response;

    #[expect(clippy::disallowed_methods, reason = "an edge: tonic polls the queue and has no time to hand over")]
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Response>> {
        let mut queue = self.0.lock();
        if queue.waiting.is_empty() {
            if queue.has_ended {
                return Poll::Ready(None);
            }
            queue.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.0.read(queue, Instant::now()))
    }
}

impl Reader {
    /// The next response, or the status that the stream ends with. `None`: nothing waits. See [`Reader::has_ended`].
    pub fn try_next(&mut self, now: Instant) -> Option<Result<ProcessResponse, Status>> {
        self.0.read(self.0.lock(), now)
    }

    /// Whether the stream has ended and everything of it was read.
    pub fn has_ended(&self) -> bool {
        let queue = self.0.lock();
        queue.has_ended && queue.waiting.is_empty()
    }
}

#[cfg(test)]
impl Reader {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().waiting.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.lock().bytes
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.clear();
        queue.has_ended = true;
    }
}

/// The queue. Pure: times come in as arguments.
#[derive(Debug, Default)]
struct Queue {
    sizes: Sizes,
    /// Each with its bytes in memory.
    waiting: VecDeque<(Response, usize)>,
    bytes: usize,
    /// When the queue became full, or a response was last read since.
    full_since: Option<Instant>,
    /// The writer has more entries and found no room.
    is_awaited: bool,
    /// Nothing is added any more.
    has_ended: bool,
    /// It has ended since the client does not read.
    is_unread: bool,
    reader: Option<Waker>,
}

impl Queue {
    fn push(&mut self, response: ProcessResponse, now: Instant) -> bool {
        if self.has_ended {
            return false;
        }
        let bytes = memory(&response);
        if self.bytes > 0 && self.bytes + bytes > self.sizes.most_bytes {
            self.end_unread();
            return false;
        }
        self.bytes += bytes;
        self.waiting.push_back((Ok(response), bytes));
        if self.bytes >= self.sizes.full_bytes {
            self.full_since.get_or_insert(now);
        }
        true
    }

    fn pop(&mut self, now: Instant) -> Option<Response> {
        let (response, bytes) = self.waiting.pop_front()?;
        self.bytes -= bytes;
        self.full_since = (self.bytes >= self.sizes.full_bytes).then_some(now);
        Some(response)
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.bytes < self.sizes.full_bytes;
        self.is_awaited = !has_room;
        has_room
    }

    /// Whether a writer that found no room has it again; once for each time.
    fn has_room_again(&mut self) -> bool {
        self.is_awaited && self.bytes <= self.sizes.full_bytes / 2 && std::mem::take(&mut self.is_awaited)
    }

    fn is_stuck(&mut self, now: Instant) -> bool {
        let is_late = self.full_since.is_some_and(|since| now.saturating_duration_since(since) >= READ_TIMEOUT);
        if is_late && !self.has_ended {
            self.end_unread();
        }
        self.is_unread
    }

    fn end_unread(&mut self) {
        self.is_unread = true;
        let bytes = self.bytes;
        let status = format!("the bridge does not read: {bytes} bytes of responses wait for it");
        self.end(Status::resource_exhausted(status), 0);
    }

    /// Ends the queue with a status behind the first `kept` bytes.
    fn end(&mut self, status: Status, kept: usize) {
        if self.has_ended {
            return;
        }
        while self.bytes > kept
            && let Some((_, bytes)) = self.waiting.pop_back()
        {
            self.bytes -= bytes;
        }
        self.waiting.push_back((Err(status), 0));
        self.has_ended = true;
    }

    fn clear(&mut self) {
        self.waiting = VecDeque::new();
        (self.bytes, self.full_since) = (0, None);
    }
}

/// Bytes of a response in memory, about. Outcomes need many times their encoded form.
fn memory(response: &ProcessResponse) -> usize {
    let content = match &response.message {
        Some(Message::Committed(Committed { entries, outcomes })) => {
            let entries = entries.iter().map(|entry| size_of_val(entry) + entry.encoded_len());
            entries.sum::<usize>() + outcomes.iter().map(outcome_memory).sum::<usize>()
        }
        _ => response.encoded_len(),
    };
    size_of::<(Response, usize)>() + content
}

fn outcome_memory(outcome: &DeliveryOutcome) -> usize {
    let tick = |tick: &TickOutcome| {
        let TickOutcome { reason, positions, seqs, .. } = tick;
        size_of_val(tick) + reason.capacity() + 8 * (positions.capacity() + seqs.capacity())
    };
    size_of_val(outcome) + outcome.ticks.iter().map(tick).sum::<usize>()
}

#[cfg(test)]
mod tests;
