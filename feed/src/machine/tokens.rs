//! The tokens by which answers of the broker name their requests. Those of quotes grow from 1.

/// The subscription to the feed's own position.
pub(super) const LOOKUP: u64 = 0;
/// The marker behind the retained position.
pub(super) const MARKER: u64 = u64::MAX;
/// A position.
pub(super) const POSITION: u64 = u64::MAX - 1;
