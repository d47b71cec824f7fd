//! The properties of a broker, drawn from the seed. Each is a behaviour of a broker in use.

use std::{ops::RangeInclusive, time::Duration};

use intuition_mqtt::Capabilities;
use rand::{RngExt as _, rngs::ChaCha8Rng};

use crate::plan::Scale;

/// Longest time from a publication to its PUBACK, milliseconds.
const LONGEST_DELAY: u64 = 200;
/// The same in a large run. With two publications on their way at a time, each 200 ms, a large backlog takes an hour.
const LONGEST_DELAY_LARGE: u64 = 5;

/// How many messages the broker writes before the first of them has its PUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// At most as many as the client's Receive Maximum.
    WithinReceiveMaximum,
    /// All that wait, as far as there are packet identifiers (mosquitto 2.0.11).
    AllAtOnce,
    /// At most so many in each millisecond, without regard to Receive Maximum.
    Paced(usize),
}

/// How a message is sent for which several subscriptions of a session match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// One copy for each subscription, with its identifier (mosquitto).
    CopyForEach,
    /// One copy with the identifiers of all.
    OneCopy,
}

/// The answer to a publication that the broker refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A PUBACK with the code.
    Answer,
    /// A PUBACK with the code, then the end of the connection (mosquitto 2.0.11).
    AnswerAndClose,
    /// A DISCONNECT with the code, then the end of the connection.
    Disconnect,
}

/// The end of a connection that another one of the same client id takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// DISCONNECT 0x8E, then the end.
    Announced,
    /// The end alone (mosquitto 2.0.11).
    Silent,
}

/// The properties of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a capability of its own")]
pub struct Options {
    /// Messages on their way to a client.
    pub writing: Writing,
    /// The most messages without a PUBACK, beside the client's Receive Maximum (mosquitto's `max_inflight_messages`).
    /// No bound with [`Writing::AllAtOnce`] and [`Writing::Paced`].
    pub max_inflight: Option<u16>,
    /// Messages that a session holds beside those that are written; further ones are dropped, and their publishers get
    /// a PUBACK with success (mosquitto's `max_queued_messages`).
    pub queue_limit: Option<usize>,
    /// The highest packet identifier. Each new one follows the one before, past those in use.
    pub highest_packet_id: u16,
    /// Subscription Identifiers are available.
    pub subscription_ids: bool,
    /// Messages for which several subscriptions match.
    pub overlap: Overlap,
    /// Retained messages are available.
    pub retain: bool,
    /// Each SUBSCRIBE is answered with retained messages, also where its Retain Handling is 2.
    pub ignores_retain_handling: bool,
    /// Publications without an answer that the broker takes (its Receive Maximum).
    pub receive_maximum: u16,
    /// Bytes of the largest packet that the broker takes.
    pub max_packet_size: Option<u32>,
    /// The CONNACK names [`Self::max_packet_size`].
    pub announces_packet_size: bool,
    /// The longest session expiry.
    pub session_expiry: Option<Duration>,
    /// A refused publication.
    pub refusal: Refusal,
    /// A client id that connects again.
    pub takeover: Takeover,
    /// Time from a publication to its PUBACK.
    pub puback_delay: RangeInclusive<Duration>,
    /// PUBACKs of publications that no session gets have the code 0x10, No matching subscribers.
    pub reports_no_subscribers: bool,
}

impl Options {
    /// A broker without bounds of its own, which keeps to the specification and answers at once.
    pub const fn plain() -> Self {
        Self {
            writing: Writing::WithinReceiveMaximum,
            max_inflight: None,
            queue_limit: None,
            highest_packet_id: u16::MAX,
            subscription_ids: true,
            overlap: Overlap::OneCopy,
            retain: true,
            ignores_retain_handling: false,
            receive_maximum: u16::MAX,
            max_packet_size: None,
            announces_packet_size: true,
            session_expiry: None,
            refusal: Refusal::Answer,
            takeover: Takeover::Announced,
            puback_delay: Duration::ZERO..=Duration::ZERO,
            reports_no_subscribers: false,
        }
    }

    /// The properties of a run's broker.
    pub fn draw(draw: &mut ChaCha8Rng, scale: Scale) -> Self {
        let is_small = scale == Scale::Small;
        let writing = match draw.random_range(0..4) {
            0 | 1 => Writing::WithinReceiveMaximum,
            2 => Writing::AllAtOnce,
            _ => Writing::Paced(if is_small { draw.random_range(1..=8) } else { 64 }),
        };
        // One message after the other, each with 10 ms of the algorithm, takes 20 minutes for a large backlog.
        let max_inflight = draw.random_bool(0.3).then(|| if draw.random_bool(0.2) && is_small { 1 } else { 20 });
        let queue_limit = (is_small && draw.random_bool(0.15)).then(|| draw.random_range(20..=100));
        let highest_packet_id = if is_small && draw.random_bool(0.6) { draw.random_range(24..=64) } else { u16::MAX };
        let subscription_ids = draw.random_bool(0.85);
        // Without identifiers a copy for each subscription looks like another message: the bridge cannot distinguish them
        // (`OverlapUnresolved`), so that such a broker sends one copy here.
        let overlap = if subscription_ids && draw.random_bool(0.5) { Overlap::CopyForEach } else { Overlap::OneCopy };
        let packet_sizes = if is_small { 2_048..=8_192 } else { 131_072..=131_072 };
        let longest_delay = if is_small { LONGEST_DELAY } else { LONGEST_DELAY_LARGE };
        let longest_delay = if draw.random_bool(0.5) { 0 } else { draw.random_range(1..=longest_delay) };
        Self {
            writing,
            max_inflight,
            queue_limit,
            highest_packet_id,
            subscription_ids,
            overlap,
            retain: draw.random_bool(0.9),
            ignores_retain_handling: draw.random_bool(0.15),
            receive_maximum: if draw.random_bool(0.5) { draw.random_range(2..=24) } else { u16::MAX },
            max_packet_size: draw.random_bool(0.4).then(|| draw.random_range(packet_sizes)),
            announces_packet_size: draw.random_bool(0.7),
            session_expiry: draw.random_bool(0.1).then(|| Duration::from_secs(draw.random_range(30..=300))),
            refusal: match draw.random_range(0..3) {
                0 => Refusal::Answer,
                1 => Refusal::AnswerAndClose,
                _ => Refusal::Disconnect,
            },
            takeover: if draw.random_bool(0.5) { Takeover::Announced } else { Takeover::Silent },
            puback_delay: Duration::ZERO..=Duration::from_millis(longest_delay),
            reports_no_subscribers: draw.random_bool(0.5),
        }
    }

    /// The capabilities in the CONNACK. `granted`: the session expiry, where it is shorter than the requested one.
    pub(super) fn capabilities(&self, granted: Option<Duration>) -> Capabilities {
        Capabilities {
            receive_maximum: self.receive_maximum,
            max_packet_size: self.max_packet_size.filter(|_| self.announces_packet_size),
            retain: self.retain,
            subscription_ids: self.subscription_ids,
            max_qos: 2,
            session_expiry: granted.map(|expiry| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Stream, generator};

    #[test]
    fn a_large_backlog_drains_within_minutes_at_every_broker() {
        let drawn = |scale| (0..500).map(move |seed| Options::draw(&mut generator(seed, Stream::Broker), scale));
        let narrowest = |scale| drawn(scale).filter_map(|options| options.max_inflight).min();
        let slowest = |scale| drawn(scale).map(|options| *options.puback_delay.end()).max();
        assert_eq!((narrowest(Scale::Small), narrowest(Scale::Real)), (Some(1), Some(20)));
        assert_eq!(slowest(Scale::Real), Some(Duration::from_millis(LONGEST_DELAY_LARGE)));
        assert!(slowest(Scale::Small) > Some(Duration::from_millis(150)));
    }
}
