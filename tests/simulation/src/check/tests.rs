//! Stories of each promise.
