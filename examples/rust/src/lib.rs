//! A breakout algorithm behind the contract `intuition.v1`: an example of a backend in Rust.
//!
//! - [`breakout`]: what it decides. Pure: no gRPC, no clock, no randomness.
//! - [`indicators`]: the values that come with a quote.
//! - [`parameters`]: what may be set.
//! - [`service`]: the contract around it.
//! - [`server`]: the socket, health, reflection, and the way out.

pub mod breakout;
pub mod indicators;
pub mod parameters;
pub mod server;
pub mod service;
