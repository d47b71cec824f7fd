//! What the end-to-end tests stand on: real brokers, our real binaries, and a checker that shares no code with them.
//!
//! - [`mosquitto`], [`embedded`], [`broker`]: MQTT brokers that can be stopped, killed and started again.
//! - [`proxy`]: a slow or breaking link to one.
//! - [`process`]: our binaries, found beside the test executable; [`command`]: run to their end; [`system`]: one account's runtime and bridge together.
//! - [`feed`]: a feed as a process, and the quotes that it publishes.
//! - [`web`]: a web server with one file, and its faults.
//! - [`meter`]: memory and processor time of a process.
//! - [`quotes`]: what is published, in the three shapes; [`mqtt`]: an MQTT client of the tests' own.
//! - [`ledger`]: reads a ledger's file by SQL; [`checker`]: recomputes it; [`amounts`]: the arithmetic it does it with.
//! - `chart`, with the feature of that name: the Helm chart, rendered.
//! - `cluster`, with the feature of that name: a real Kubernetes.
//! - [`wait`]: conditions with deadlines; [`seed`], [`ports`], [`http`]: small change.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]

pub mod amounts;
pub mod broker;
#[cfg(feature = "chart")]
pub mod chart;
pub mod checker;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod command;
pub mod embedded;
pub mod feed;
pub mod http;
pub mod indicator;
pub mod ledger;
mod marks;
pub mod meter;
pub mod mosquitto;
pub mod mqtt;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod quotes;
pub mod seed;
mod segment;
pub mod system;
pub mod wait;
pub mod web;
