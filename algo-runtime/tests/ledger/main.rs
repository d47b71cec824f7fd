//! The ledger as its users see it: what it keeps, what it refuses, and that damage never passes.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod archive;
mod copies;
mod damage;
mod fixture;
mod joined;
mod model;
mod opening;
mod retention;
mod salvage;
mod speed;
mod store;
mod tampering;
