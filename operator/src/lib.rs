//! The `TradingAlgo` resource and the operator that makes it true.
//!
//! - [`resource`]: the types, from which the CRD in `crds/` is generated.
//! - [`validate`]: a manifest against the CRD's schema, its CEL rules and what neither can say; every problem at once.
//! - [`mod@reference`]: the CRD as a page for people.
//!
//! None of these does I/O: the controller, `intuition validate` and `intuition run` share them.

#[cfg(feature = "controller")]
pub mod args;
#[cfg(feature = "controller")]
pub mod ask;
#[cfg(feature = "controller")]
pub mod build;
#[cfg(feature = "controller")]
pub mod cluster;
#[cfg(feature = "controller")]
pub mod controller;
#[cfg(feature = "controller")]
pub mod lease;
#[cfg(feature = "controller")]
pub mod metrics;
pub mod names;
pub mod plan;
#[cfg(feature = "controller")]
pub mod pods;
#[cfg(feature = "controller")]
pub mod process;
pub mod reference;
pub mod resource;
pub mod settings;
#[cfg(feature = "controller")]
pub mod status;
pub mod validate;
