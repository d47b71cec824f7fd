//! Faults of the cluster itself that take minutes each, one at a time. `make nightly` runs them.

mod nodes;
