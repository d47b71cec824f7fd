//! A local exchange: it speaks the public protocols of Binance spot, Kraken (WebSocket version 2) and Coinbase Exchange over one
//! market, and makes faults on request.
//!
//! | part | file |
//! |---|---|
//! | instruments, reproducible trades, the record of all of them | [`market`] |
//! | faults that can be asked for | [`faults`] |
//! | state that all connections share | [`hub`] |
//! | messages and REST answers of each protocol | `dialect.rs` and below it |
//! | WebSocket connections | `socket.rs` |
//! | REST and the control endpoint | `http.rs`, `control.rs` |
//! | listener, TLS | [`server`] |
//!
//! The protocols are told apart by path: `/ws` and `/api/v3/...` are Binance, `/v2` and `/0/public/...` Kraken, `/` and
//! `/products/...` Coinbase. `/control/...` makes trades and faults, and returns the record ([README](../README.md)).
//!
//! It shares no code with the crates that it tests.

mod control;
mod dialect;
pub mod faults;
mod http;
pub mod hub;
pub mod market;
pub mod server;
mod socket;
mod text;

pub use faults::{Faults, RestFault};
pub use hub::Hub;
pub use market::Trade;
pub use server::{Server, Settings};
