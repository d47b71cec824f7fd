//! A delivery in flight.

use super::{Arrival, cost};
use crate::outbox::Ranges;

#[derive(Debug)]
pub(super) enum State {
    /// To be sent, or sent on the current stream and without outcome.
    Open(Box<Arrival>),
    /// Has its outcome: may go once these outbox positions are done.
    Done { awaited: Ranges },
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) epoch: u64,
    pub(super) packet_id: u16,
    pub(super) arrived_micros: i64,
    pub(super) ticks: usize,
    /// Bytes of memory.
    pub(super) bytes: usize,
    /// Bytes of its encoded form, if it goes to the runtime.
    pub(super) encoded: usize,
    pub(super) state: State,
}

impl Entry {
    /// Waits for its outcome.
    pub(super) fn open(arrival: Arrival, packet_id: u16) -> Self {
        Self {
            epoch: arrival.epoch,
            packet_id,
            arrived_micros: arrival.arrived_micros,
            ticks: arrival.ticks.len(),
            bytes: cost::memory(&arrival),
            encoded: cost::encoded(&arrival),
            state: State::Open(Box::new(arrival)),
        }
    }

    /// Needs no outcome. It counts as a tick: without a bound of their own, ever more of them would wait behind a delivery without
    /// an outcome.
    pub(super) fn done(epoch: u64, packet_id: u16, arrived_micros: i64) -> Self {
        let state = State::Done { awaited: Ranges::default() };
        Self { epoch, packet_id, arrived_micros, ticks: 1, bytes: cost::PLACE_BYTES, encoded: 0, state }
    }

    /// Has its outcome, and waits for the entries of that.
    pub(super) fn settle(&mut self, awaited: Ranges) {
        self.bytes = cost::PLACE_BYTES + awaited.memory();
        self.state = State::Done { awaited };
    }
}
