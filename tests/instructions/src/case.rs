//! The counted inputs.

use bytes::Bytes;
use intuition_mqtt::Incoming;

/// The connection to the broker, which stays the same.
pub(crate) const EPOCH: u64 = 1;
/// Messages in a group: a commit serves all of them.
pub const GROUP: u64 = 256;

/// How a message is identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// By `source` and `seq`, of so many sources in turn.
    Sequence { sources: u64 },
    /// By an id that is always the same, although the price changes.
    ConstantId,
    /// By nothing, at `QoS` 0, with a payload that is always the same.
    ConstantPayload,
}

/// One kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// As on the command line and in the bounds.
    pub name: &'static str,
    /// Above this the built-in algorithm buys: at 0 always, at 1 never.
    pub(crate) threshold: f64,
    /// For a case that has more to look up: percent by which its sum may be above that of the plain case.
    pub most_above_plain: Option<u64>,
    identity: Identity,
    symbols: u64,
    /// Topic filters that are subscribed to; the messages come on all of them in turn.
    pub(crate) filters: u64,
}

/// The goal for look-ups.
const LOOK_UP: Option<u64> = Some(20);

/// The case that others are compared with.
pub const PLAIN: Case = Case {
    name: "decided",
    threshold: 0.0,
    most_above_plain: None,
    identity: Identity::Sequence { sources: 1 },
    symbols: 1,
    filters: 1,
};

/// All cases. The last one takes the longest time.
pub const CASES: [Case; 7] = [
    PLAIN,
    Case { name: "no-signal", threshold: 1.0, ..PLAIN },
    Case { name: "constant-id", identity: Identity::ConstantId, most_above_plain: LOOK_UP, ..PLAIN },
    Case { name: "constant-payload", identity: Identity::ConstantPayload, most_above_plain: LOOK_UP, ..PLAIN },
    Case { name: "5000-sources", identity: Identity::Sequence { sources: 5_000 }, most_above_plain: LOOK_UP, ..PLAIN },
    Case { name: "64-filters", filters: 64, most_above_plain: LOOK_UP, ..PLAIN },
    Case { name: "10000-holdings", symbols: 10_000, most_above_plain: LOOK_UP, ..PLAIN },
];

impl Case {
    /// The case of that name.
    pub fn find(name: &str) -> Option<Self> {
        CASES.into_iter().find(|case| case.name == name)
    }

    /// Messages in which every source comes so many times.
    pub(crate) const fn rounds(&self, times: u64) -> u64 {
        match self.identity {
            Identity::Sequence { sources } => sources * times,
            Identity::ConstantId | Identity::ConstantPayload => 0,
        }
    }

    /// The filters.
    pub(crate) fn filters(&self) -> Vec<String> {
        (0..self.filters).map(topic).collect()
    }

    /// Messages that make every symbol a holding, and are not counted.
    pub(crate) fn holdings(&self) -> Vec<Incoming> {
        let symbols: Vec<u64> = (0..self.symbols).collect();
        let map = |symbols: &[u64]| {
            let members: Vec<String> =
                symbols.iter().map(|symbol| format!("\"{}\":{}", sid(*symbol), price(*symbol))).collect();
            message(0, 0, format!("{{{}}}", members.join(",")))
        };
        symbols.chunks(1_000).map(map).collect()
    }

    /// The message with this number, from 0 on.
    pub(crate) fn message(&self, number: u64) -> Incoming {
        let symbol = match self.identity {
            Identity::ConstantPayload => 0,
            // Not in order: neighbours in a map would be cheap.
            _ => number.wrapping_mul(7_919) % self.symbols,
        };
        let (sid, topic) = (sid(symbol), number % self.filters);
        let packet_id = u16::try_from(number % 60_000 + 1).unwrap_or(1);
        match self.identity {
            Identity::Sequence { sources } => {
                // A source counts on each channel by itself, without gaps.
                let on_channel = number / self.filters;
                let (source, seq) = (on_channel % sources, on_channel / sources);
                let price = price(number);
                let payload =
                    format!("{{\"sid\":\"{sid}\",\"quote\":{price},\"source\":\"feed-{source:04}\",\"seq\":{seq}}}");
                message(packet_id, topic, payload)
            }
            Identity::ConstantId => {
                let price = price(number);
                message(packet_id, topic, format!("{{\"sid\":\"{sid}\",\"quote\":{price},\"id\":\"{sid}\"}}"))
            }
            Identity::ConstantPayload => message(0, topic, format!("{{\"sid\":\"{sid}\",\"quote\":101.25}}")),
        }
    }
}

fn sid(symbol: u64) -> String {
    format!("S{symbol:05}")
}

/// From 100.0000 to 109.9999.
fn price(number: u64) -> String {
    format!("{}.{:04}", 100 + number / 10_000 % 10, number % 10_000)
}

fn topic(filter: u64) -> String {
    format!("quotes/channel-{filter:02}")
}

fn message(packet_id: u16, filter: u64, payload: String) -> Incoming {
    Incoming::new(EPOCH, packet_id, topic(filter), Bytes::from(payload))
}
