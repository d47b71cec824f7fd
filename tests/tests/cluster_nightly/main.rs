//! Tests in a cluster that take minutes each, one at a time: faults of nodes, and upgrades from the release before.
//! `make nightly` runs them.

mod nodes;
mod releases;
