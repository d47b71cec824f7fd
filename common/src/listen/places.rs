//! The places of a listener: one for each connection, and the choice of the connection that makes room.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A fixed number of places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Connections by number, the oldest first, without those that make room.
    peers: Mutex<BTreeMap<u64, Peer>>,
    /// Numbers connections and requests in their order, from 1.
    order: Arc<AtomicU64>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(most)),
            peers: Mutex::default(),
            order: Arc::new(AtomicU64::new(1)),
        })
    }

    /// A free place, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.give(permit))
    }

    /// The next place that becomes free.
    pub(super) async fn wait(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        Some(self.give(permit))
    }

    /// Ends the connection of the lowest rank. `false`: all have calls under way.
    pub(super) fn close_an_idle_one(&self) -> bool {
        let mut peers = self.lock();
        let idle = peers.iter().filter(|(_, peer)| peer.0.calls.load(Ordering::Relaxed) == 0);
        let Some(number) = idle.min_by_key(|(number, peer)| peer.rank(**number)).map(|(number, _)| *number) else {
            return false;
        };
        if let Some(peer) = peers.remove(&number) {
            peer.close();
        }
        true
    }

    fn give(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let number = self.order.fetch_add(1, Ordering::Relaxed);
        let peer = Peer(Arc::new(State { order: Arc::clone(&self.order), ..State::default() }));
        self.lock().insert(number, peer.clone());
        Place { number, peer, places: Arc::clone(self), _permit: permit }
    }

    /// The map is whole at every step.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    peer: Peer,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.number);
    }
}

/// The other side of a connection, for the services.
#[derive(Debug, Clone)]
pub struct Peer(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// A byte has come.
    spoke: AtomicBool,
    /// The order of the last request; 0 before the first.
    request: AtomicU64,
    /// Calls that keep the connection from making room.
    calls: AtomicUsize,
    end: CancellationToken,
    order: Arc<AtomicU64>,
}

impl Peer {
    /// A request has come whole, its head at least.
    pub fn request(&self) {
        self.0.request.store(self.0.order.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Keeps the connection from making room for another until the result is dropped: for calls that last.
    pub fn call(&self) -> Call {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        Call(Arc::clone(&self.0))
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.0.end.cancel();
    }

    pub(super) fn speak(&self) {
        self.0.spoke.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_requested(&self) -> bool {
        self.0.request.load(Ordering::Relaxed) > 0
    }

    pub(super) fn ended(&self) -> WaitForCancellationFutureOwned {
        self.0.end.clone().cancelled_owned()
    }

    /// Lowest for a connection that never sent a byte, then for one without a request, then by its last request; among
    /// equals the oldest.
    fn rank(&self, number: u64) -> (bool, u64, u64) {
        (self.0.spoke.load(Ordering::Relaxed), self.0.request.load(Ordering::Relaxed), number)
    }
}

/// A call under way. See [`Peer::call`].
#[derive(Debug)]
pub struct Call(Arc<State>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(place: &Place) -> bool {
        place.peer.0.end.is_cancelled()
    }

    #[test]
    fn silent_connections_make_room_first_and_calls_keep_their_place() {
        let places = Places::new(4);
        let calling = places.take().unwrap();
        let asked = places.take().unwrap();
        let speaking = places.take().unwrap();
        let silent = places.take().unwrap();
        assert!(places.take().is_none());
        let call = calling.peer.call();
        for place in [&calling, &asked] {
            place.peer.speak();
            place.peer.request();
        }
        speaking.peer.speak();
        for expected in [&silent, &speaking, &asked] {
            assert!(!ended(expected));
            assert!(places.close_an_idle_one());
            assert!(ended(expected));
        }
        assert!(!places.close_an_idle_one(), "only the one with a call is left");
        drop(call);
        assert!(places.close_an_idle_one());
        drop(calling);
        assert!(places.take().is_some());
    }

    #[test]
    fn of_two_that_asked_the_one_that_was_silent_longer_makes_room() {
        let places = Places::new(2);
        let (first, second) = (places.take().unwrap(), places.take().unwrap());
        for place in [&first, &second, &first] {
            place.peer.speak();
            place.peer.request();
        }
        assert!(places.close_an_idle_one());
        assert!(ended(&second) && !ended(&first));
    }
}
