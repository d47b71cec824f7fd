//! Hosts one trading algorithm: decides, sizes, and keeps the ledger.
//!
//! The way of a quote: [`server`] takes the bridge's stream, the writer's thread groups what waits, the [`engine`]
//! recognises each tick ([`identity`]), asks the [`algorithm`], sizes and books its signals ([`portfolio`]), the
//! [`ledger`] makes the group durable, and only then the answers go out.
//!
//! The engine and all that it uses are pure: times, randomness and I/O come in from outside.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read clocks"))]

pub mod algorithm;
pub mod args;
pub mod backend;
mod dropper;
pub mod engine;
pub mod generator;
pub mod identity;
mod journal_task;
pub mod ledger;
pub mod maintenance;
pub mod metrics;
pub mod portfolio;
pub mod process;
pub mod responses;
pub mod server;
mod service;
pub mod settings;
pub mod sizes;
pub mod sources;
pub mod trading;
mod verifier;
pub mod wire;
pub mod writer;

pub use writer::WriterError;
