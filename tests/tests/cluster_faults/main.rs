//! What breaks the cluster itself, or the operator under all tests: one at a time. `make e2e` runs it last.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]

mod audit;
mod feeds;
mod operator;
mod releases;
