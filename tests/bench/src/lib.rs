//! The bench: figures of bridge and algo-runtime on this machine, beside the limits of its broker and its disk.
//!
//! Real binaries, a real mosquitto, everything on loopback. A run counts its messages: a lost or doubled one ends the
//! bench without figures.
//!
//! - [`part`]: the parts, and their order. [`run`]: an account at full rate; the parts are built from it.
//! - [`stage`]: folder, broker, account, remote algorithm. [`ledger`]: large ledgers. [`machine`]: its facts.
//! - [`client`]: MQTT in batches. [`publisher`], [`consumer`], [`relay`]: threads with such clients. [`progress`]:
//!   shared by them.
//! - [`quotes`]: payloads. [`tally`]: lost and doubled messages. [`latency`], [`rate`]: arithmetic. [`disk`]: the time
//!   of a sync.
//! - [`report`]: the table and the JSON object.

#![expect(clippy::disallowed_methods, reason = "it measures by the monotonic clock")]

pub mod client;
pub mod consumer;
pub mod disk;
pub mod latency;
pub mod ledger;
pub mod machine;
pub mod part;
pub mod progress;
pub mod publisher;
pub mod quotes;
pub mod rate;
pub mod relay;
pub mod report;
pub mod run;
pub mod stage;
pub mod tally;
