//! The progress of a run, shared between its publisher, its consumer and the part that waits for both.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::ensure;

/// Longest time without progress.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
struct State {
    reached: u64,
    wanted: Option<u64>,
    has_failed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<State>,
    moved: Condvar,
}

impl Progress {
    /// A message about the quote with this number has arrived.
    pub fn advance(&self, reached: u64) {
        let mut state = self.lock();
        state.reached = state.reached.max(reached);
        self.moved.notify_all();
    }

    /// The highest number so far.
    pub fn reached(&self) -> u64 {
        self.lock().reached
    }

    /// Waits until that number is reached, and returns the number that is.
    pub fn wait_for(&self, number: u64) -> anyhow::Result<u64> {
        let mut state = self.lock();
        while state.reached < number {
            ensure!(!state.has_failed, "the consumer has failed");
            let waited = self.moved.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            ensure!(!waited.1.timed_out(), "no message for 60 s, the last one was about quote {}", waited.0.reached);
            state = waited.0;
        }
        Ok(state.reached)
    }

    /// So many messages are to be received in all.
    pub fn want(&self, messages: u64) {
        self.lock().wanted = Some(messages);
    }

    /// See [`Progress::want`]; `None` while the number is not known.
    pub fn wanted(&self) -> Option<u64> {
        self.lock().wanted
    }

    /// The consumer ends: the publisher is not to wait for it any longer.
    pub fn fail(&self) {
        self.lock().has_failed = true;
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
