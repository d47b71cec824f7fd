//! Sockets, TLS and REST of an exchange, and the loop around a [`Session`](crate::session::Session).

mod dial;
mod driver;
mod rest;
mod socket;
pub mod tls;

pub use self::{
    dial::ReachError,
    driver::{RunError, Sinks, run},
    tls::TlsError,
};
