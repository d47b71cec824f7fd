//! The operator: it reconciles the resources `TradingAlgo` and `Algorithm`, whose types are in [`intuition_resources`].
//!
//! In the order in which one resource is reconciled:
//! - [`process`], [`args`], [`lease`]: the process, until it leads.
//! - [`controller`]: watches, and looks at what changed.
//! - [`guarded`], [`plan`], [`confine`], [`settings`], [`names`], [`owner`]: from a resource as it is watched to a plan; pure.
//! - [`trading`]: the trading state that a resource asks for, whatever else is wrong with it; pure.
//! - [`build`]: from a plan to the objects that make it true; pure.
//! - [`cluster`]: the caches, and the only writer.
//! - [`pods`], [`ask`]: how runtime and bridge are, by what the cluster and by what they themselves say.
//! - [`status`]: from what was seen to conditions and Events; pure.
//! - [`metrics`]: what is counted.
//! - [`directory`]: the same for the kind `Algorithm`, and the service `Backends`.

pub mod algorithm;
pub mod args;
pub mod backends;
pub mod controllers;
pub mod kubernetes;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod process;
pub mod reconcile;
pub mod settings;
pub mod trading_algo;
pub mod workload;
