//! The flags that tune a bridge. The defaults suit one broker in the same network.

use std::time::Duration;

use bridge::{Limits, MAX_TICKS, MqttConfig};
use clap::{Args, value_parser};
use intuition_common::duration;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// The longest keep alive that a CONNECT can hold, seconds.
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(65_535);
/// Quotes that the runtime recognises by id when they are delivered again.
const RECOGNISED_QUOTES: u64 = 65_536;
/// The lowest bound on memory. A message of the usual largest size fits.
const MIN_MEMORY_BYTES: u64 = 1 << 20;
/// The highest bound on memory, 16 GiB.
const MAX_MEMORY_BYTES: u64 = 16 << 30;

/// See the module.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tuning")]
pub(crate) struct TuningArgs {
    /// Messages that the broker may send before the first of them is acknowledged (Receive Maximum).
    #[arg(long, env = "INTUITION_RECEIVE_MAXIMUM", value_name = "N", default_value = "1024", value_parser = value_parser!(u16).range(1..))]
    receive_maximum: u16,
    /// Messages published before the broker has acknowledged the first of them; fewer where its own Receive Maximum is less.
    #[arg(long, env = "INTUITION_PUBLISH_WINDOW", value_name = "N", default_value = "1024", value_parser = value_parser!(u16).range(1..))]
    publish_window: u16,
    /// Quotes taken from the broker and not yet acknowledged, at most. The runtime recognises no more by their ids
    /// when they are delivered again than the upper bound.
    #[arg(
        long, env = "INTUITION_UNACKNOWLEDGED_TICKS", value_name = "N", default_value = "32768",
        value_parser = value_parser!(u64).range(MAX_TICKS as u64..=RECOGNISED_QUOTES)
    )]
    unacknowledged_ticks: u64,
    /// Memory for these, bytes.
    #[arg(
        long, env = "INTUITION_UNACKNOWLEDGED_BYTES", value_name = "BYTES", default_value = "33554432",
        value_parser = value_parser!(u64).range(MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES)
    )]
    unacknowledged_bytes: u64,
    /// Memory for decisions and other messages that wait for the broker, bytes.
    #[arg(
        long, env = "INTUITION_OUTBOX_BYTES", value_name = "BYTES", default_value = "16777216",
        value_parser = value_parser!(u64).range(MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES)
    )]
    outbox_bytes: u64,
    /// A packet is sent to the broker at least this often (Keep Alive), 5s to 65535s.
    #[arg(
        long, env = "INTUITION_KEEP_ALIVE", value_name = "TIME", default_value = "30s",
        value_parser = duration::within(Duration::from_secs(5), MAX_KEEP_ALIVE)
    )]
    keep_alive: Duration,
    /// How long a connection may take, from the look-up of the host to the answer to the login, 1s to 5m.
    #[arg(
        long, env = "INTUITION_CONNECT_TIMEOUT", value_name = "TIME", default_value = "15s",
        value_parser = duration::within(Duration::from_secs(1), 5 * MINUTE)
    )]
    connect_timeout: Duration,
    /// How long the broker may leave a request without an answer before the connection is given up, 5s to 10m.
    #[arg(
        long, env = "INTUITION_ANSWER_TIMEOUT", value_name = "TIME", default_value = "30s",
        value_parser = duration::within(Duration::from_secs(5), 10 * MINUTE)
    )]
    answer_timeout: Duration,
    /// How long the broker keeps the session, and the quotes that wait in it, while the bridge is away, 1m to 30d.
    #[arg(
        long, env = "INTUITION_SESSION_EXPIRY", value_name = "TIME", default_value = "24h",
        value_parser = duration::within(MINUTE, 30 * 24 * HOUR)
    )]
    session_expiry: Duration,
}

impl TuningArgs {
    /// `mqtt` with these values.
    pub(crate) fn mqtt(&self, mqtt: MqttConfig) -> MqttConfig {
        MqttConfig {
            receive_maximum: self.receive_maximum,
            keep_alive: self.keep_alive,
            connect_timeout: self.connect_timeout,
            answer_timeout: self.answer_timeout,
            session_expiry: self.session_expiry,
            ..mqtt
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut limits = Limits::default();
        limits.unacknowledged.ticks = bytes(self.unacknowledged_ticks);
        limits.unacknowledged.bytes = bytes(self.unacknowledged_bytes);
        limits.publishes = usize::from(self.publish_window);
        limits.outbox_bytes = bytes(self.outbox_bytes);
        limits
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        tuning: TuningArgs,
    }

    fn parse(arguments: &[&str]) -> Result<TuningArgs, clap::Error> {
        Alone::try_parse_from(["x"].iter().chain(arguments)).map(|alone| alone.tuning)
    }

    fn shown(tuning: &TuningArgs) -> String {
        format!("{:?} {:?}", tuning.mqtt(MqttConfig::new("mqtt://broker")), tuning.limits())
    }

    #[test]
    fn largest_window_of_ticks_may_wait_at_the_runtime() {
        let largest = parse(&["--unacknowledged-ticks", "65536"]).unwrap().limits().unacknowledged.ticks;
        assert!(largest <= intuition_api::bounds::WAITING_TICKS);
    }

    #[test]
    fn without_flags_the_defaults_of_the_bridge_hold() {
        let expected = format!("{:?} {:?}", MqttConfig::new("mqtt://broker"), Limits::default());
        assert_eq!(shown(&parse(&[]).unwrap()), expected);
    }

    #[test]
    fn each_flag_changes_its_own_value_within_its_bounds() {
        for (flag, least, most, below, above, shows) in [
            ("--receive-maximum", "1", "65535", "0", "65536", "receive_maximum: 65535"),
            ("--publish-window", "1", "65535", "0", "65536", "publishes: 65535"),
            ("--unacknowledged-ticks", "10000", "65536", "9999", "65537", "ticks: 65536"),
            ("--unacknowledged-bytes", "1048576", "17179869184", "1048575", "17179869185", "bytes: 17179869184 }"),
            ("--outbox-bytes", "1048576", "17179869184", "1048575", "17179869185", "outbox_bytes: 17179869184"),
            ("--keep-alive", "5s", "65535s", "4s", "24h", "keep_alive: 65535s"),
            ("--connect-timeout", "1s", "5m", "0s", "6m", "connect_timeout: 300s"),
            ("--answer-timeout", "5s", "10m", "4s", "11m", "answer_timeout: 600s"),
            ("--session-expiry", "1m", "30d", "59s", "31d", "session_expiry: 2592000s"),
        ] {
            assert!(parse(&[flag, least]).is_ok(), "{flag} {least}");
            let tuned = shown(&parse(&[flag, most]).unwrap());
            assert!(tuned.contains(shows), "{flag}: {tuned}");
            for refused in [below, above] {
                let told = parse(&[flag, refused]).unwrap_err().to_string();
                assert!(told.contains(flag) && told.contains(refused), "{told}");
            }
        }
    }
}
