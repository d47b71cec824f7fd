//! Trades and closed bars of Binance spot, Kraken and Coinbase Exchange.
//!
//! | part | file |
//! |---|---|
//! | settings and their rules | [`config`] |
//! | protocols: messages, subscriptions, REST requests, limits (pure) | [`market`], [`message`] |
//! | output: quotes and gaps | [`quote`] |
//! | one session as a step function: connections, numbering, recovery of missing numbers (pure) | [`session`] |
//! | sockets, TLS, REST, and the loop around the session | [`edge`] |
//!
//! The outputs of one symbol have each of its numbers once and in order, as a quote or within a gap, from the first one on
//! (ADR 0044).

pub mod config;
pub mod edge;
pub mod market;
pub mod message;
pub mod quote;
pub mod session;

pub use config::{Config, ConfigError};
pub use market::{Data, Limits, Market};
pub use quote::{Bar, Gap, GapReason, Kind, Output, Quote};
pub use session::status::{Counters, Status, SymbolStatus};
