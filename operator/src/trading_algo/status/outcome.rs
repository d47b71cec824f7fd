//! The outcome of one pass over a `TradingAlgo`.

use intuition_resources::validate::FieldError;

use crate::account::{
    status::observation::{Observation, Pods},
    trading_state::RequestedState,
};

/// The outcome of one pass, from which the status is derived.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The spec cannot be parsed by this release.
    Unreadable(&'a str, Lasting<'a>),
    /// The spec violates the schema or a rule.
    Refused(&'a [FieldError], Lasting<'a>),
    /// Nothing was created: the named algorithm cannot be used, for this reason.
    WithoutAlgorithm(&'a str),
    /// The children were applied, except for `Observation::failure`, and observed.
    Observed(&'a Observation<'a>),
}

/// The parts of a resource that take effect although its spec is not accepted: the trading state and the running pods.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting<'a> {
    /// Its generation.
    pub generation: i64,
    /// The trading state.
    pub trading: &'a RequestedState,
    /// The pods; `None` if nothing was created.
    pub pods: Option<&'a Pods>,
}
