//! The `TradingAlgo` resource: what a user writes, and what may be written.
//!
//! - [`resource`]: the types, from which the CRD in `crds/` is generated.
//! - [`validate`]: a manifest against the CRD's schema, its CEL rules and what neither can say; every problem at once.
//!
//! Nothing here does I/O: the controller, `intuition validate` and `intuition run` share it.

pub mod resource;
pub mod validate;
