//! Publishes the quotes of a source on MQTT: each numbered, none lost, none invented.
//!
//! - [`source`]: the interface of sources. [`mod@exchange`], [`mod@file`], [`postgres`], [`generator`]: the sources.
//! - [`quote`]: a quote and its published form.
//! - [`machine`]: the step function around them, pure. The driver, one task, connects it to broker, source and clock.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read clocks"))]

mod config;
mod driver;
pub mod exchange;
pub mod file;
pub mod generator;
pub mod machine;
pub mod metrics;
pub mod postgres;
pub mod quote;
mod readiness;
pub mod source;

pub use self::{
    config::{Config, ConfigError},
    driver::{FeedDeps, FeedError, run},
    machine::Mark,
    metrics::Metrics,
    postgres::DatabaseFiles,
    readiness::{BROKER, PARTS, POSITION, PUBLISHING, SOURCE},
};
