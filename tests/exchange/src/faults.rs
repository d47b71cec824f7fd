//! The faults that an exchange can make. Counters count down; switches stay until they are reset.

use serde::{Deserialize, Serialize};

/// See the module. The default has no fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is the switch of one fault, set by name")]
pub struct Faults {
    /// The next trades that are made are not sent: their numbers are missing.
    pub drop: u64,
    /// The next trades that are made are sent twice.
    pub repeat: u64,
    /// The next trades that are made are held, and sent in the reverse order.
    pub reverse: u64,
    /// Prices and sizes are written with exponents.
    pub exponents: bool,
    /// Messages are sent in fragments of so many bytes. 0: whole.
    pub fragment: usize,
    /// Old trades that are sent on subscribing, whether asked for or not.
    pub old_trades: usize,
    /// Nothing is read and nothing is written, while connections stay open.
    pub mute: bool,
    /// Nothing is read, so that no ping has an answer, and none is sent.
    pub no_pong: bool,
    /// The next WebSocket upgrades are refused with status 503.
    pub refuse: u64,
    /// Subscriptions are refused.
    pub refuse_subscriptions: bool,
    /// Subscriptions are not answered.
    pub ignore_subscriptions: bool,
    /// The next REST requests fail.
    pub rest: RestFault,
    /// Number of REST requests that fail.
    pub rest_count: u64,
    /// REST answers do not have these numbers: first and last.
    pub rest_lacks: Option<(u64, u64)>,
    /// REST answers do not have the latest trades yet: so many of them.
    pub rest_lag: usize,
}

/// The form in which a REST request fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestFault {
    /// Status 500.
    #[default]
    Error,
    /// Status 429 with `Retry-After: 1`.
    RateLimit,
    /// Status 200, and a page in HTML.
    Html,
    /// The connection is closed without an answer.
    Cut,
    /// Status 200, and the first half of the answer.
    Half,
    /// No answer, on a connection that stays open.
    Hang,
}
