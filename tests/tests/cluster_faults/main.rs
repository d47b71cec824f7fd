//! What breaks the cluster itself, or the operator under all tests: one at a time. `make e2e` runs it last.

mod audit;
mod operator;
mod releases;
