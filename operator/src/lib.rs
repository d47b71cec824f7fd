//! The resources `TradingAlgo` and `Algorithm`, and the operator that makes them true.
//!
//! What `intuition validate` and `intuition run` share, without I/O:
//! - [`resource`]: the types, from which the CRD in `crds/` is generated.
//! - [`validate`]: a manifest against the CRD's schema, its CEL rules and what neither can say; every problem at once.
//! - [`address`]: hosts and ports in a manifest.
//! - [`mod@reference`]: the CRDs as a page for people.
//!
//! The operator, in the order of one look at a resource (feature `controller`):
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

pub mod address;
#[cfg(feature = "controller")]
pub mod args;
#[cfg(feature = "controller")]
pub mod ask;
#[cfg(feature = "controller")]
pub mod build;
#[cfg(feature = "controller")]
pub mod cluster;
#[cfg(feature = "controller")]
pub mod confine;
#[cfg(feature = "controller")]
pub mod controller;
#[cfg(feature = "controller")]
pub mod directory;
#[cfg(feature = "controller")]
pub mod guarded;
#[cfg(feature = "controller")]
pub mod lease;
#[cfg(feature = "controller")]
pub mod metrics;
#[cfg(feature = "controller")]
pub mod names;
#[cfg(feature = "controller")]
pub mod owner;
#[cfg(feature = "controller")]
pub mod plan;
#[cfg(feature = "controller")]
pub mod pods;
#[cfg(feature = "controller")]
pub mod process;
pub mod reference;
pub mod reset;
pub mod resource;
#[cfg(feature = "controller")]
pub mod settings;
#[cfg(feature = "controller")]
pub mod status;
#[cfg(feature = "controller")]
pub mod trading;
pub mod validate;
