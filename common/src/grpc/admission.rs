//! The share of a call in the limits of its server.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::listen::{Call, Peer};

/// Longest time that a new call waits for the place of another.
const PLACE_TIMEOUT: Duration = Duration::from_secs(1);

/// The calls of a server that count against its limits.
#[derive(Debug)]
pub(super) struct Calls {
    free: Arc<Semaphore>,
    /// Calls without a complete first message, by number: the oldest first. Each ends when its token is cancelled.
    incomplete: Mutex<BTreeMap<u64, CancellationToken>>,
    next: AtomicU64,
}

impl Calls {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let (free, incomplete) = (Arc::new(Semaphore::new(most)), Mutex::default());
        Arc::new(Self { free, incomplete, next: AtomicU64::new(0) })
    }

    /// Admits a call from `peer`. If there are too many, the oldest one without a complete message gives way: a client
    /// that begins calls and does not continue must not keep others out. `None`: all have their message.
    pub(super) async fn admit(self: &Arc<Self>, peer: Option<Peer>) -> Option<Admission> {
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            permit
        } else {
            let (_, oldest) = self.lock().pop_first()?;
            oldest.cancel();
            timeout(PLACE_TIMEOUT, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()?
        };
        let (number, gives_way) = (self.next.fetch_add(1, Ordering::Relaxed), CancellationToken::new());
        self.lock().insert(number, gives_way.clone());
        let counted = Counted { _permit: permit, place: peer.as_ref().map(Peer::call) };
        let held = Mutex::new(Held { counted: Some(counted), ..Held::default() });
        Some(Admission(Arc::new(Inner { calls: Arc::clone(self), number, gives_way, peer, held })))
    }

    /// The map is whole at every step.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, CancellationToken>> {
        self.incomplete.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of a call in the limits of its server, an extension of its request. It is given back when the answer was
/// read to its end, or the call was given up. Copies share it.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    calls: Arc<Calls>,
    number: u64,
    gives_way: CancellationToken,
    peer: Option<Peer>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// The call counts against the limits, and the bounds of its first message apply.
    counted: Option<Counted>,
    kept: Vec<Box<dyn Any + Send>>,
    has_lasted: bool,
}

struct Counted {
    _permit: OwnedSemaphorePermit,
    /// The connection keeps its place.
    place: Option<Call>,
}

impl Admission {
    /// Takes the call out of the limits: it lasts, and its service bounds it from here on, with its messages. The
    /// connection keeps its place until the result is dropped.
    pub fn lasts(&self) -> Option<Call> {
        self.0.complete();
        let mut held = self.lock();
        held.has_lasted = true;
        held.counted.take()?.place
    }

    /// Keeps `thing`, for example a permit of the service, until the answer was read to its end.
    pub fn keep(&self, thing: impl Any + Send) {
        self.lock().kept.push(Box::new(thing));
    }

    /// Whether [`Self::lasts`] was called.
    pub(super) fn has_lasted(&self) -> bool {
        self.lock().has_lasted
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        self.0.peer.as_ref()
    }

    /// The call has its message: it gives way to no other.
    pub(super) fn complete(&self) {
        self.0.complete();
    }

    /// Ready when the call has to give way to another.
    pub(super) fn gives_way(&self) -> WaitForCancellationFutureOwned {
        self.0.gives_way.clone().cancelled_owned()
    }

    /// Gives back the share of the call.
    pub(super) fn end(&self) {
        self.0.complete();
        let mut held = self.lock();
        held.counted = None;
        held.kept.clear();
    }

    /// Every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn complete(&self) {
        self.calls.lock().remove(&self.number);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.complete();
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Admission").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}
