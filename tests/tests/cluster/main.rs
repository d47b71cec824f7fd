//! The operator in a real cluster: resources applied, changed, broken and mended as a person does it with `kubectl`.
//! Needs the cluster that `make cluster-up` makes or finds; `make e2e` runs it.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]

mod backends;
mod brokers;
mod changes;
mod children;
mod feeds;
mod from;
mod indicators;
mod life;
mod processes;
mod samples;
mod stops;
mod storage;
mod tenants;
mod trading;
