//! The rules of one connection, from its CONNACK to its end, without a socket or a clock.
//!
//! Everything that was requested is written before more is read, many packets at once, so that no acknowledgement waits
//! behind messages. Where an event finds no room, reading stops until there is some: the socket fills up, and the broker
//! keeps the rest. The keep alive goes on meanwhile.
//!
//! The caller repeats two things: one [`Protocol::turn`], then the first step of [`Protocol::work`] that the socket can do
//! now, which it reports by [`Protocol::wrote`], [`Protocol::flushed`] or [`Protocol::read`]. Between them it waits until
//! [`Protocol::wake`], or until a step, a request or room for the stalled event comes ([`Protocol::resume`]).

use std::time::Duration;

use intuition_common::planted::{self, Mistake};
use tokio::time::Instant;

use super::{
    Event, LinkError, Request,
    events::Lanes,
    liveness::Liveness,
    output::Output,
    packets::{Accepted, Malformed, Packet},
    sizes::Sizes,
    underway::Underway,
};

/// Deadlines and bounds of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A packet is sent to the broker at least this often. The broker's own keep alive replaces it.
    pub keep_alive: Duration,
    /// How long a request may be without an answer, and bytes without being taken.
    pub answer_timeout: Duration,
    /// Bounds that no user sets.
    pub sizes: Sizes,
}

/// The end of a connection.
#[derive(Debug)]
pub enum Ended {
    /// By [`Request::Disconnect`]: the rest of the output is to be written, and a DISCONNECT behind it.
    Disconnect,
    /// The link or the receiver of events was dropped. [`Protocol`] itself never ends by this: the source of its requests
    /// does.
    Abandoned,
    /// By an error, or this side gave it up.
    Failed(LinkError),
}

impl From<LinkError> for Ended {
    fn from(error: LinkError) -> Self {
        Self::Failed(error)
    }
}

/// A step of a connection's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Write the front of the output.
    Write,
    /// Hand everything written to the operating system.
    Flush,
    /// Read from the broker.
    Read,
}

/// One connection that the broker has accepted. Its events go into [`Lanes`].
#[derive(Debug)]
pub struct Protocol {
    epoch: u64,
    /// Bytes were written and not flushed.
    is_unflushed: bool,
    /// The last acknowledgement in the output, and the last reported as written.
    acked: u64,
    acks_told: u64,
    underway: Underway,
    liveness: Liveness,
    /// How long an answer may take.
    answer_timeout: Duration,
    write_ahead: usize,
    /// An event without room; nothing is read meanwhile.
    stalled: Option<Event>,
    has_refused: bool,
    lanes: Lanes,
}

impl Protocol {
    /// Begins a connection by its CONNACK, and reports it by [`Event::Connected`]. `epoch` is above that of the connection
    /// before. `asked`: when its CONNECT was sent.
    pub fn new(
        epoch: u64,
        accepted: &Accepted,
        settings: &Settings,
        lanes: Lanes,
        (asked, now): (Instant, Instant),
    ) -> Self {
        let Accepted { session_present, capabilities, keep_alive } = *accepted;
        let Settings { answer_timeout, sizes, .. } = *settings;
        lanes.tell(Event::Connected { epoch, asked, session_present, capabilities });
        Self {
            epoch,
            is_unflushed: false,
            acked: 0,
            acks_told: 0,
            underway: Underway::new(capabilities, answer_timeout),
            liveness: Liveness::new(keep_alive.unwrap_or(settings.keep_alive), sizes, now),
            answer_timeout,
            write_ahead: sizes.write_ahead,
            stalled: None,
            has_refused: false,
            lanes,
        }
    }

    /// Does everything that is possible without the socket: takes all of `requests`, then `packets` of the broker until one
    /// finds no room, then adds to `output` the requests that the broker takes now and the PINGREQ that is due. Fails where
    /// an answer or a sign of life of the broker is overdue.
    ///
    /// Both sources give `None` where nothing waits now.
    pub fn turn(
        &mut self,
        mut requests: impl FnMut() -> Result<Option<Request>, Ended>,
        mut packets: impl FnMut() -> Result<Option<Packet>, Malformed>,
        output: &mut impl Output,
        now: Instant,
    ) -> Result<(), Ended> {
        // All of them, also where the socket takes nothing: a DISCONNECT must not wait behind publications.
        while let Some(request) = requests()? {
            self.request(request, output)?;
        }
        while self.is_reading() {
            let Some(packet) = packets().map_err(LinkError::BreakProtocol)? else { break };
            self.receive(packet, now)?;
        }
        self.send(output, now);
        self.check(output.is_empty(), now)?;
        Ok(())
    }

    /// Takes one request; the next turn writes it, where it is no acknowledgement. It is void in another epoch.
    pub fn request(&mut self, request: Request, output: &mut impl Output) -> Result<(), Ended> {
        let ours = self.epoch;
        match request {
            Request::Publish { epoch, token, message } if epoch == ours => self.underway.publish(token, message),
            Request::PublishUnconfirmed { epoch, token, message } if epoch == ours => {
                self.underway.publish_unconfirmed(token, message);
            }
            Request::Subscribe { epoch, token, filter, subscription_id } if epoch == ours => {
                self.underway.subscribe(token, filter, subscription_id);
            }
            Request::LookUp { epoch, token, filter } if epoch == ours => {
                self.underway.look_up(token, filter);
            }
            Request::Unsubscribe { epoch, token, filter } if epoch == ours => {
                self.underway.unsubscribe(token, filter);
            }
            Request::Acknowledge { epoch, acks } if epoch == ours => {
                for ack in acks {
                    output.puback(ack.packet_id);
                    self.liveness.acknowledged(ack.number);
                    self.acked = ack.number;
                }
            }
            Request::StandDown { epoch } if epoch == ours => return Err(LinkError::StandDown.into()),
            Request::Renew { epoch } if epoch == ours => return Err(LinkError::Renew.into()),
            Request::Disconnect => return Err(Ended::Disconnect),
            // A request of an earlier connection.
            _ => {}
        }
        Ok(())
    }

    /// Whether packets are taken from the broker: no event is stalled for want of room.
    pub const fn is_reading(&self) -> bool {
        self.stalled.is_none()
    }

    /// Sends the stalled event, if there is room for it now.
    pub fn resume(&mut self) {
        self.stalled = self.stalled.take().and_then(|event| self.lanes.try_place(event));
    }

    /// The stalled event, for [`Lanes::place`].
    pub(super) const fn stalled(&mut self) -> &mut Option<Event> {
        &mut self.stalled
    }

    /// The steps of the socket to try, in this order; the first that is possible is the next. So a broker that does not
    /// read stops no reading, and the other way round.
    pub fn work(&self, output: &impl Output) -> [Option<Work>; 2] {
        let outward = if !output.is_empty() {
            Some(Work::Write)
        } else if self.is_unflushed {
            Some(Work::Flush)
        } else {
            None
        };
        [outward, self.is_reading().then_some(Work::Read)]
    }

    /// The socket took bytes of the output.
    pub const fn wrote(&mut self, now: Instant) {
        self.is_unflushed = true;
        self.liveness.wrote(now);
        self.underway.deadlines.wrote();
    }

    /// All of the output is written, and the operating system has it.
    pub fn flushed(&mut self) {
        self.is_unflushed = false;
        self.underway.deadlines.wrote();
        if self.acked > self.acks_told {
            self.acks_told = self.acked;
            self.lanes.tell(Event::AcksWritten { epoch: self.epoch, through: self.acked });
        }
    }

    /// Bytes came from the broker.
    pub const fn read(&mut self, now: Instant) {
        self.liveness.read(now);
    }

    /// The time of the next turn at the latest.
    pub fn wake(&self, output: &impl Output) -> Instant {
        let wake = self.liveness.wake(output.is_empty());
        self.underway.deadlines.next().map_or(wake, |at| at.min(wake))
    }

    /// Handles a packet that came after a write failed. Messages and answers to subscriptions are dropped: they come again on
    /// the next connection.
    pub fn receive_last(&mut self, packet: &Packet) -> Result<(), LinkError> {
        self.answered(packet)
    }

    /// The broker refused a request: some brokers end the connection over it.
    pub const fn has_refused(&self) -> bool {
        self.has_refused
    }

    /// Handles one packet. Its event is stalled where it finds no room.
    fn receive(&mut self, packet: Packet, now: Instant) -> Result<(), LinkError> {
        let event = match packet {
            Packet::Message(mut message) => {
                message.epoch = self.epoch;
                self.underway.deadlines.message(now);
                Some(Event::Message(message))
            }
            Packet::Subscribed { packet_id, code } => {
                self.has_refused |= !code.is_success();
                self.underway.subscribed(packet_id, code)
            }
            Packet::Unsubscribed { packet_id, code } => {
                self.has_refused |= !code.is_success();
                self.underway.unsubscribed(packet_id, code)
            }
            other => {
                self.answered(&other)?;
                None
            }
        };
        self.stalled = event.and_then(|event| self.lanes.try_place(event));
        if planted::is(Mistake::EventDropped) {
            self.stalled = None;
        }
        Ok(())
    }

    /// Handles a packet that is not ordered among the messages.
    fn answered(&mut self, packet: &Packet) -> Result<(), LinkError> {
        match *packet {
            Packet::Published { packet_id, code } => {
                self.has_refused |= !code.is_success();
                if let Some(answer) = self.underway.published(packet_id, code) {
                    self.lanes.tell(answer);
                }
                Ok(())
            }
            Packet::Pong => {
                self.underway.deadlines.ponged();
                if let Some(through) = self.liveness.answered() {
                    self.lanes.tell(Event::AcksConfirmed { epoch: self.epoch, through });
                }
                Ok(())
            }
            Packet::Ended(code) => Err(LinkError::End(code)),
            Packet::Accepted(_) | Packet::Refused(_) => Err(LinkError::BreakProtocol(Malformed::Unexpected(2))),
            Packet::Message(_) | Packet::Subscribed { .. } | Packet::Unsubscribed { .. } => Ok(()),
        }
    }

    /// Adds the requests that the broker takes now, and the PINGREQ that is due.
    fn send(&mut self, output: &mut impl Output, now: Instant) {
        let turns = self.underway.take_turns(output, now);
        let publications = self.underway.publish_waiting(output, self.write_ahead, now);
        let unconfirmed = self.underway.publish_unconfirmed_waiting(output, self.write_ahead);
        for answer in turns.into_iter().chain(publications).chain(unconfirmed) {
            self.lanes.tell(answer);
        }
        if self.liveness.ping(now, output.is_empty()) {
            output.ping();
            self.underway.deadlines.pinged();
        }
    }

    /// Fails where the broker owes an answer or a sign of life.
    fn check(&mut self, is_dry: bool, now: Instant) -> Result<(), LinkError> {
        let is_reading = self.is_reading();
        self.liveness.set_reading(is_reading, now);
        let deadlines = &mut self.underway.deadlines;
        deadlines.set_reading(is_reading, now);
        deadlines.set_writing(!is_dry || self.is_unflushed, now);
        if let Some(awaited) = deadlines.overdue(now) {
            return Err(LinkError::NoAnswer { awaited, answer_timeout: self.answer_timeout });
        }
        if self.liveness.is_dead(now) {
            return Err(LinkError::Reach("the broker has given no sign of life for too long".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
