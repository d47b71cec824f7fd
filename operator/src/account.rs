//! Accounts: a runtime with its ledger, and a bridge. The kinds `TradingAlgo` and `Indicator` are accounts; each has a plan, a
//! status and a controller of its own, and shares these steps:
//!
//! - `kind`: the kinds, and the names that follow from them.
//! - `plan`: the account that a resource asks for, with the files and calls of its runtime; pure.
//! - `trading_state`, `reset`, `confine`, `sources`: parts of a plan; pure.
//! - `source_cache`, `source_watch`: the feeds and indicators that resources name.
//! - `build`: from the plan to the children; pure.
//! - `apply`: the caches of the children, and the writes in their order.
//! - `ask`: calls runtime and bridge.
//! - `pass`: these steps in order.
//! - `status`: from the observation to findings; pure.

pub(crate) mod apply;
pub(crate) mod ask;
pub mod build;
pub(crate) mod confine;
pub mod kind;
pub(crate) mod pass;
pub mod plan;
pub(crate) mod reset;
pub(crate) mod source_cache;
pub(crate) mod source_watch;
pub mod sources;
pub(crate) mod status;
pub(crate) mod trading_state;
