//! Sockets and REST of an exchange, and the loop around a [`Session`](crate::session::Session).

mod driver;
mod rest;
mod socket;

pub use self::driver::{RunError, Sinks, run};
