//! Tables as sources, against a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by it, and waits by the clock"
)]

mod certificates;
mod connections;
mod harness;
mod order;
mod tables;
mod values;
mod volume;
mod writers;
