//! Access to the API server, for every kind. `writer` is the only code that writes children and statuses.

pub(crate) mod applied_cache;
pub(crate) mod apply_error;
pub(crate) mod caches;
pub mod call;
mod drift;
pub(crate) mod installation;
pub(crate) mod namespaces;
pub mod object;
pub mod owner;
pub(crate) mod ownership;
pub mod rights;
pub(crate) mod writer;
