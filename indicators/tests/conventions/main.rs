//! The indicators against golden values, against the crate `ta-lib`, against naive arithmetic with integers of any length, and
//! against themselves after a restart.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod golden;
mod naive;
mod oracle;
mod restarts;
mod series;
mod sessions;
