//! What is to happen, in order of time, and in the order it was planned where the time is the same.

use std::collections::BTreeMap;

use crate::facts::Time;

/// See the module.
#[derive(Debug)]
pub(super) struct Queue<E> {
    events: BTreeMap<(Time, u64), E>,
    planned: u64,
}

impl<E> Queue<E> {
    /// Nothing is planned.
    pub(super) const fn new() -> Self {
        Self { events: BTreeMap::new(), planned: 0 }
    }

    /// Plans an event.
    pub(super) fn plan(&mut self, at: Time, event: E) {
        self.planned += 1;
        self.events.insert((at, self.planned), event);
    }

    /// The next event, with its time.
    pub(super) fn next(&mut self) -> Option<(Time, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
