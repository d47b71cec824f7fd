//! The directory of algorithms: the kind `Algorithm`, from a resource to what runs its images, how it is, and who asks for it.
//!
//! In the order of one look at a resource, as for a `TradingAlgo`:
//! - [`mod@plan`]: what it asks for; pure.
//! - [`users`]: which resources `TradingAlgo` refer to it, and which decide by it.
//! - [`build`]: from a plan to the objects that make it true; pure.
//! - `cluster`: the caches, what is applied and what goes.
//! - [`ask`]: how it describes itself.
//! - [`status`]: from what was seen to conditions and Events; pure.
//! - `controller`: watches, and looks at what changed.
//!
//! Beside it:
//! - [`serve`]: the service `Backends`, on every replica.

pub mod ask;
pub mod build;
mod cluster;
pub(crate) mod controller;
pub mod plan;
pub mod serve;
pub mod status;
pub mod users;

pub use self::plan::url;
