//! The operator: it reconciles the resources `TradingAlgo`, `Algorithm`, `Feed` and `Indicator`. [`intuition_resources`] has their types.
//!
//! From top to bottom; no module uses one above it:
//! - [`process`], [`args`]: the process, from its arguments to its exit code.
//! - [`controllers`]: the controllers of all kinds.
//! - [`trading_algo`], [`indicator`], [`algorithm`], [`feed`]: a folder for each kind, with the same steps: plan, build, apply, observe, status.
//! - [`account`]: runtime, bridge and ledger, for the kinds [`trading_algo`] and [`indicator`].
//! - [`backends`]: the gRPC service `Backends`, the directory of algorithms for programs.
//! - [`workload`]: pods and network policies, for every kind.
//! - [`reconcile`]: one pass over an object, for every kind.
//! - [`kubernetes`]: calls, caches, ownership, and the only writer.
//! - [`lease`], [`settings`], [`names`], [`metrics`]: leader election, the settings file, names, counters.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read clocks"))]

pub mod account;
pub mod algorithm;
pub mod args;
pub mod backends;
pub mod controllers;
pub mod feed;
pub mod indicator;
pub mod kubernetes;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod process;
pub mod reconcile;
pub mod settings;
pub mod trading_algo;
pub mod workload;
