//! The Helm chart, rendered by the real `helm` for many kinds of releases, and read as data.
//! `tests/chart/tools` brings what it needs; `make test-chart` runs both.
#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null: nothing panics")]

mod broker;
mod checkers;
mod children;
mod metadata;
mod names;
mod network;
mod pods;
mod releases;
mod rights;
mod settings;
mod values;
