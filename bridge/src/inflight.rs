//! The acknowledgement protocol, without I/O and clock: which deliveries are at the runtime, which may be acknowledged.
//!
//! A delivery keeps its number for as long as this process lives. It may be acknowledged once every outbox position in
//! its outcome is published or given up, in the order the broker gave them ([MQTT-4.6.0-2]), and only on the connection it came on:
//! a broker that still has the session sends the others again. A delivery is in flight, and counts against the bounds, until
//! its PUBACK was written to the socket: before that, the broker would send the message again.

mod arrival;
pub(crate) mod cost;
mod entry;
mod indicators;

use std::collections::VecDeque;

use intuition_api::v1::Delivery;
use intuition_common::planted::{self, Mistake};

pub use self::arrival::Arrival;
use self::entry::{Entry, State};
use crate::outbox::Ranges;
use intuition_mqtt::Ack;

/// Bytes of a payload that are kept, for a dead letter.
pub const KEPT_PAYLOAD_BYTES: usize = intuition_api::bounds::PAYLOAD_BYTES;

/// How much may be unacknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Ticks, at least those of one message: when fewer than a message may hold are left, reading stops.
    pub ticks: usize,
    /// Ticks that one message may hold. A message of more exceeds the bound by as many.
    pub message_ticks: usize,
    /// Bytes of memory, exceeded by those of one message at most.
    pub bytes: usize,
}

/// Every delivery that is not acknowledged, in the order the broker gave them.
#[derive(Debug)]
pub struct Inflight {
    bounds: Bounds,
    /// Numbered without holes, from `first`.
    entries: VecDeque<Entry>,
    first: u64,
    /// The lowest number that has not been sent on this stream.
    unsent: u64,
    /// The lowest number without an [`Ack`].
    unacknowledged: u64,
    /// The highest number with a PUBACK that was written on this connection.
    written: u64,
    /// A channels version, and the number of the first delivery behind its marker.
    marker: Option<(u64, u64)>,
    takes_indicators: bool,
    epoch: u64,
    /// The last connection that has ended.
    ended: u64,
    /// The first connection of the broker's session: packet ids from before it mean nothing.
    session_since: u64,
    /// The connection at the time at which the stream was opened. Before that another bridge may have had the session and the
    /// runtime, for so long that the runtime has forgotten the outcomes.
    before_stream: u64,
    /// The last connection during which another bridge had the session: it may have had messages of this one decided.
    superseded: u64,
    ticks: usize,
    bytes: usize,
    open: usize,
    /// Encoded bytes that are at the runtime without an outcome.
    under_way: usize,
    /// Times of arrival of acknowledged messages, until they are taken.
    acknowledged: Vec<i64>,
}

/// The runtime named a delivery that waits for no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the runtime gave an outcome for delivery {0}, which waits for none")]
pub struct UnknownDelivery(pub u64);

impl Inflight {
    /// Nothing in flight.
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: VecDeque::new(),
            first: 1,
            unsent: 1,
            unacknowledged: 1,
            written: 0,
            marker: None,
            takes_indicators: true,
            epoch: 0,
            ended: 0,
            session_since: 0,
            before_stream: 0,
            superseded: 0,
            ticks: 0,
            bytes: 0,
            open: 0,
            under_way: 0,
            acknowledged: Vec::new(),
        }
    }

    /// Whether any message at all still fits.
    pub const fn has_room(&self) -> bool {
        self.ticks + self.bounds.message_ticks <= self.bounds.ticks && self.bytes < self.bounds.bytes
    }

    /// Messages that are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.entries.len()
    }

    /// Ticks that are not acknowledged.
    pub const fn unacknowledged_ticks(&self) -> usize {
        self.ticks
    }

    /// A new connection. Without the previous session the broker gives packet ids anew, and earlier deliveries go to the
    /// runtime without theirs.
    pub fn connected(&mut self, epoch: u64, session_present: bool) {
        self.ended = self.epoch;
        self.epoch = epoch;
        self.written = 0;
        if !session_present {
            self.session_since = epoch;
            for entry in &mut self.entries {
                entry.packet_id = 0;
            }
        }
        self.release();
    }

    /// The connection has ended. The broker may redeliver its unacknowledged messages, also to another bridge that takes the
    /// session, so that the runtime has to search for their outcomes.
    pub fn disconnected(&mut self) {
        self.ended = self.epoch;
        self.release();
    }

    /// Another bridge has had the session since the connection `through` began, and may have had its messages decided. If it is the
    /// current one, the broker has ended it, and redelivers unacknowledged messages on the next one.
    pub fn superseded(&mut self, through: u64) {
        self.superseded = self.superseded.max(through);
        for entry in &mut self.entries {
            if let State::Open(arrival) = &mut entry.state {
                arrival.duplicate |= entry.epoch <= through;
            }
        }
        if through >= self.epoch {
            self.disconnected();
        }
    }

    /// Takes a message in, also one of a connection that has ended since. One without ticks does not go to the runtime.
    pub fn push(&mut self, mut arrival: Arrival) {
        if arrival.ticks.is_empty() {
            self.pass(arrival.epoch, arrival.packet_id, arrival.arrived_micros);
            return;
        }
        arrival.ticks.shrink_to_fit();
        arrival.duplicate |= arrival.epoch <= self.superseded;
        let packet_id = self.current(arrival.epoch, arrival.packet_id);
        let entry = Entry::open(arrival, packet_id);
        self.ticks += entry.ticks;
        self.bytes += entry.bytes;
        self.open += 1;
        self.entries.push_back(entry);
    }

    /// Takes a message that needs no outcome: it is acknowledged in its turn. `arrived_micros`: as in [`Arrival`].
    pub fn pass(&mut self, epoch: u64, packet_id: u16, arrived_micros: i64) {
        let packet_id = self.current(epoch, packet_id);
        let entry = Entry::done(epoch, packet_id, arrived_micros);
        self.ticks += entry.ticks;
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
    }

    /// The packet id of a message, or none if it was one of an earlier session.
    const fn current(&self, epoch: u64, packet_id: u16) -> u16 {
        if epoch < self.session_since { 0 } else { packet_id }
    }

    /// A new stream. Deliveries without an outcome are sent on it again, under their numbers, except those that the broker sends
    /// again itself. It has a marker of its own.
    pub fn stream_opened(&mut self) {
        if !planted::is(Mistake::UnsentOnNewStream) {
            self.unsent = self.first;
        }
        self.before_stream = self.epoch;
        if !planted::is(Mistake::UnderWayOfEarlierStream) {
            self.under_way = 0;
        }
        self.marker = None;
    }

    /// A channels version is subscribed to in full. Earlier messages belong in front of its marker, sent or not.
    pub fn mark(&mut self, channels_version: u64) {
        self.marker = Some((channels_version, self.first + self.entries.len() as u64));
    }

    /// The marker, once everything in front of it is sent.
    pub fn take_marker(&mut self) -> Option<u64> {
        let (channels_version, _) = self.marker.take_if(|(_, behind)| *behind <= self.unsent)?;
        Some(channels_version)
    }

    /// Another ledger than before answers. The outcomes and positions of the old one mean nothing to it. A message with a
    /// published outcome waits for nothing any more. True: the outcomes of other messages are lost with the ledger. Nothing is
    /// acknowledged on this connection from then on, and messages without an outcome wait for the next connection, which
    /// redelivers all of them in order.
    pub fn ledger_changed(&mut self, is_done: impl Fn(u64, u64) -> bool) -> bool {
        let mut has_lost = false;
        for entry in &mut self.entries {
            if let State::Done { awaited } = &mut entry.state {
                has_lost |= entry.epoch == self.epoch && !awaited.iter().all(|(first, last)| is_done(first, last));
                *awaited = Ranges::default();
            }
        }
        if has_lost && !planted::is(Mistake::AcknowledgedAfterLedgerLoss) {
            self.disconnected();
        }
        has_lost
    }

    /// The next deliveries for the runtime, of at most `max_bytes` in their encoded form, or a single larger one. A message of an
    /// ended connection that is older than the stream counts as done and is not sent: the next connection brings it again if
    /// the session lasts, and the message waits until that is known.
    pub fn next_batch(&mut self, max_deliveries: usize, max_bytes: usize) -> Vec<Delivery> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < max_deliveries && bytes < max_bytes {
            let number = self.unsent;
            if self.marker.is_some_and(|(_, behind)| behind <= number) {
                break;
            }
            if !self.takes_indicators {
                self.leave_out_indicators(number);
            }
            let Some(entry) = self.at(number).filter(|entry| !self.waits_for_connection(entry)) else { break };
            let State::Open(arrival) = &entry.state else {
                self.unsent += 1;
                continue;
            };
            if self.comes_again(entry) {
                self.settle(number, Ranges::default());
                self.unsent += 1;
                continue;
            }
            let (packet_id, encoded) = (entry.packet_id, entry.encoded);
            if !batch.is_empty() && bytes + encoded > max_bytes {
                break;
            }
            let interrupted = self.is_interrupted(entry);
            batch.push(Delivery { interrupted, ..arrival.delivery(number, packet_id) });
            self.unsent += 1;
            self.under_way += encoded;
            bytes += encoded;
        }
        batch
    }

    /// Visits every message without an outcome, in order. One with `is_copy` that was not sent on this stream counts as done.
    pub fn settle_copies(&mut self, mut is_copy: impl FnMut(&Arrival) -> bool) {
        for number in self.first..self.first + self.entries.len() as u64 {
            let Some(State::Open(arrival)) = self.at(number).map(|entry| &entry.state) else { continue };
            if is_copy(arrival) && number >= self.unsent {
                self.settle(number, Ranges::default());
            }
        }
    }

    /// Encoded bytes of the deliveries that are at the runtime without an outcome.
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether PUBACKs that were handed out have not been written yet.
    pub const fn awaits_written(&self) -> bool {
        self.first < self.unacknowledged
    }

    /// Whether something waits to be sent, and for nothing else.
    pub fn has_unsent(&self) -> bool {
        self.at(self.unsent).is_some_and(|entry| !self.waits_for_connection(entry))
    }

    /// The delivery's connection has ended, and the broker has the message in the session.
    const fn is_interrupted(&self, entry: &Entry) -> bool {
        entry.packet_id != 0 && entry.epoch <= self.ended
    }

    /// The broker sends it again on the next connection, and nothing shows whether another bridge had it meanwhile.
    fn comes_again(&self, entry: &Entry) -> bool {
        let is_left_behind = entry.epoch <= self.before_stream && !planted::is(Mistake::LeftBehindSent);
        self.is_interrupted(entry) && is_left_behind && matches!(entry.state, State::Open(_))
    }

    /// The same, as long as the next connection may still show that the session is gone, and the message with it.
    fn waits_for_connection(&self, entry: &Entry) -> bool {
        self.comes_again(entry) && self.epoch == self.ended
    }

    /// The runtime's outcome of a delivery, with the outbox positions in it.
    pub fn outcome(&mut self, number: u64, awaited: Ranges) -> Result<(), UnknownDelivery> {
        if number < self.unsent && self.settle(number, awaited) { Ok(()) } else { Err(UnknownDelivery(number)) }
    }

    /// The acknowledgements that are due on this connection. `is_done`: whether all outbox positions of a range, from its first
    /// to its last, are done. Each is given once.
    pub fn acknowledge(&mut self, is_done: impl Fn(u64, u64) -> bool) -> Vec<Ack> {
        let mut acks = Vec::new();
        while let Some(entry) = self.at(self.unacknowledged) {
            // On a connection that has ended there is nothing to acknowledge and so nothing to wait for.
            let is_free =
                entry.epoch != self.epoch || entry.epoch <= self.ended || planted::is(Mistake::AcknowledgedUnpublished);
            match &entry.state {
                State::Done { awaited } if is_free || awaited.iter().all(|(first, last)| is_done(first, last)) => {}
                _ => break,
            }
            if self.awaits_puback(entry) {
                acks.push(Ack { packet_id: entry.packet_id, number: self.unacknowledged });
            }
            self.unacknowledged += 1;
        }
        self.release();
        if planted::is(Mistake::AcksOutOfOrder) {
            acks.reverse();
        }
        acks
    }

    /// PUBACKs up to that of a delivery were written to the socket.
    pub fn written(&mut self, epoch: u64, through: u64) {
        if epoch == self.epoch {
            self.written = self.written.max(through);
            self.release();
        }
    }

    /// Times of arrival of the messages acknowledged since the last call, microseconds since the epoch.
    pub fn take_acknowledged(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.acknowledged)
    }

    /// Time of arrival of the oldest message in flight, microseconds since the epoch.
    pub fn oldest(&self) -> Option<i64> {
        self.entries.front().map(|entry| entry.arrived_micros)
    }

    /// Only the connection that it came on can acknowledge it.
    fn awaits_puback(&self, entry: &Entry) -> bool {
        let is_of_now = entry.epoch == self.epoch && entry.epoch > self.ended;
        entry.packet_id != 0 && (is_of_now || planted::is(Mistake::AckOfEarlierConnection))
    }

    /// Removes acknowledged deliveries from the front.
    fn release(&mut self) {
        while let Some(entry) = self.entries.front().filter(|_| self.first < self.unacknowledged) {
            if self.awaits_puback(entry) {
                if self.first > self.written && !planted::is(Mistake::InFlightUntilSubmitted) {
                    break;
                }
                self.acknowledged.push(entry.arrived_micros);
            }
            self.ticks -= entry.ticks;
            self.bytes -= entry.bytes;
            self.entries.pop_front();
            self.first += 1;
        }
        self.unsent = self.unsent.max(self.first);
    }

    /// Deliveries without an outcome.
    pub const fn without_outcome(&self) -> usize {
        self.open
    }

    /// False: the delivery waits for no outcome.
    fn settle(&mut self, number: u64, awaited: Ranges) -> bool {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else { return false };
        if !matches!(entry.state, State::Open(_)) {
            return false;
        }
        if number < self.unsent {
            self.under_way -= entry.encoded;
        }
        self.bytes -= entry.bytes;
        entry.settle(awaited);
        self.bytes += entry.bytes;
        self.open -= 1;
        true
    }

    fn at(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

#[cfg(test)]
mod tests;
