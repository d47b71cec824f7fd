//! The share of a call in the limits of its server.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::listen::{Call, Peer};

/// The share of a call in the limits of its server, an extension of its request. It is given back when the answer was
/// read to its end, or the call was given up. Copies share it.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
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
    pub(super) fn new(permit: OwnedSemaphorePermit, peer: Option<Peer>) -> Self {
        let counted = Counted { _permit: permit, place: peer.as_ref().map(Peer::call) };
        Self(Arc::new(Inner { peer, held: Mutex::new(Held { counted: Some(counted), ..Held::default() }) }))
    }

    /// Takes the call out of the limits: it lasts, and its service bounds it from here on, with its messages. The
    /// connection keeps its place until the result is dropped.
    pub fn lasts(&self) -> Option<Call> {
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

    /// Gives everything back.
    pub(super) fn end(&self) {
        let mut held = self.lock();
        held.counted = None;
        held.kept.clear();
    }

    /// Every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Admission").field("peer", &self.0.peer).finish_non_exhaustive()
    }
}
