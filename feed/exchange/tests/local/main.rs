//! Sessions over real sockets, against the local exchange and its faults.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic, and so may their helpers")]
#![expect(clippy::disallowed_methods, reason = "a test has a clock, and its session a task")]

mod bars;
mod certificates;
mod faults;
mod harness;
mod markets;
