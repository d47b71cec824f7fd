//! The objects of one watch.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// Whether a watch has listed all objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// No list has completed yet.
    Starting,
    /// No list has completed yet, because of this error.
    Failing(String),
    /// A list has completed. The table may be behind since.
    Read,
}

/// The objects that one watch has reported.
#[derive(Debug)]
pub(crate) struct Table<V> {
    state: State,
    known: BTreeMap<Key, V>,
    /// The objects of a list under way. They replace the known ones when the list completes, so that objects that were
    /// deleted while the watch was interrupted disappear.
    reading: BTreeMap<Key, V>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { state: State::Starting, known: BTreeMap::new(), reading: BTreeMap::new() }
    }
}

impl<V: PartialEq> Table<V> {
    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    pub(crate) const fn is_read(&self) -> bool {
        matches!(self.state, State::Read)
    }

    pub(crate) const fn known(&self) -> &BTreeMap<Key, V> {
        &self.known
    }

    /// Handles an event. Returns whether the table has changed.
    pub(crate) fn take(&mut self, event: Event<(Key, V)>) -> bool {
        match event {
            Event::Init => {
                self.reading.clear();
                false
            }
            Event::InitApply((key, value)) => {
                self.reading.insert(key, value);
                false
            }
            Event::InitDone => {
                let read = std::mem::take(&mut self.reading);
                let is_new = !self.is_read() || self.known != read;
                self.known = read;
                self.state = State::Read;
                is_new
            }
            Event::Apply((key, value)) => {
                let is_new = self.known.get(&key) != Some(&value);
                if is_new {
                    self.known.insert(key, value);
                }
                is_new
            }
            Event::Delete((key, _)) => self.known.remove(&key).is_some(),
        }
    }

    /// Notes that it cannot be watched now. Returns whether anything is different from before.
    pub(crate) fn fail(&mut self, problem: &str) -> bool {
        let failing = State::Failing(problem.to_owned());
        let is_new = !self.is_read() && self.state != failing;
        if is_new {
            self.state = failing;
        }
        is_new
    }
}
