//! The retained message with the position of a feed.

use std::collections::BTreeMap;

use bytes::Bytes;
use intuition_common::clock::rfc3339_millis;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Version of the format. A reader refuses a later one.
const VERSION: u32 = 1;

/// Errors in a stored position.
#[derive(Debug, thiserror::Error)]
pub(super) enum PositionError {
    /// It is no position.
    #[error("the message is no position of a feed")]
    Parse(#[source] serde_json::Error),
    /// A later release wrote it.
    #[error("the position has the format {0}, and this release reads {VERSION}")]
    Version(u32),
    /// Another feed wrote it.
    #[error("the position is that of the feed {0}")]
    Feed(String),
}

/// A position as it is stored.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    version: u32,
    /// `<namespace>/<name>`, for people.
    feed: String,
    /// The name of the run that wrote it.
    pub(super) run: String,
    /// When it was written, for people.
    time: String,
    /// The last number of each source that the broker has, with all before it.
    pub(super) numbers: BTreeMap<String, u64>,
    /// Quotes behind the numbers that may have been published, at most so many of each source.
    pub(super) ahead: u64,
    /// Whether any number may have been published, since the feed once began without a position.
    pub(super) replay: bool,
    /// The state of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<Box<RawValue>>,
}

impl Stored {
    /// Of a run, by its name.
    pub(super) fn new(feed: &str, run: &str, micros: i64) -> Self {
        Self {
            version: VERSION,
            feed: feed.to_owned(),
            run: run.to_owned(),
            time: rfc3339_millis(micros),
            ..Self::default()
        }
    }

    pub(super) fn write(&self) -> serde_json::Result<Bytes> {
        serde_json::to_vec(self).map(Bytes::from)
    }

    /// Reads the position of a feed.
    pub(super) fn read(payload: &[u8], feed: &str) -> Result<Self, PositionError> {
        // A later release may have changed every member but this one.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(payload).map_err(PositionError::Parse)?;
        if version != VERSION {
            return Err(PositionError::Version(version));
        }
        let stored: Self = serde_json::from_slice(payload).map_err(PositionError::Parse)?;
        if stored.feed == feed { Ok(stored) } else { Err(PositionError::Feed(stored.feed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_read_as_it_was_written() {
        let state = RawValue::from_string(r#"{"rows": 7}"#.to_owned()).unwrap();
        let stored = Stored {
            numbers: BTreeMap::from([("binance-spot:BTCUSDT".into(), 7), ("b".into(), u64::MAX / 2)]),
            ahead: 3,
            replay: true,
            state: Some(state),
            ..Stored::new("desk/btc", "0f", 1_767_323_045_678_000)
        };
        let text = stored.write().unwrap();
        let read = Stored::read(&text, "desk/btc").unwrap();
        assert_eq!((&read.numbers, read.ahead, read.replay, read.run.as_str()), (&stored.numbers, 3, true, "0f"));
        assert_eq!(read.state.unwrap().get(), r#"{"rows": 7}"#);
        assert!(String::from_utf8_lossy(&text).contains(r#""time":"2026-01-02T03:04:05.678Z""#));
    }

    #[test]
    fn positions_of_other_feeds_and_later_releases_are_refused() {
        for (payload, expected) in [
            ("", "the message is no position of a feed"),
            (r#"{"numbers":{}}"#, "the message is no position of a feed"),
            (r#"{"version":2}"#, "the position has the format 2, and this release reads 1"),
            (
                r#"{"version":1,"feed":"desk/eth","run":"","time":"","numbers":{},"ahead":0,"replay":false}"#,
                "the position is that of the feed desk/eth",
            ),
        ] {
            assert_eq!(Stored::read(payload.as_bytes(), "desk/btc").unwrap_err().to_string(), expected);
        }
    }
}
