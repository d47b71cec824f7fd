//! Algorithms: what decides. One trait, and the registry of those that are built in.
//!
//! An algorithm sees quotes and gives signals. It never sees cash or positions: sizing and booking are the portfolio's,
//! the same for every algorithm.

pub mod indicator_cross;
pub mod indicators;
mod last;
mod parameters;
mod published;
pub mod random;
pub mod rsi_reversion;
pub mod sma_crossover;

use std::collections::BTreeMap;

use intuition_api::{
    decimal::{Price, Quantity, Value as IndicatorValue},
    quote::Details,
};
use serde_json::{Map, Value};

pub use parameters::{FieldError, FieldErrors, Parameters};

/// A price that an algorithm is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Symbol.
    pub sid: String,
    /// Price of one unit.
    pub price: Price,
    /// Microseconds since the epoch.
    pub time_micros: i64,
    /// Bid, ask, size and the values of a bar. `None`: the quote has a price alone.
    pub details: Option<Box<Details>>,
}

/// An event that reaches an algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A quote, which can be traded.
    Quote(Quote),
    /// Values of an indicator. The quote that they include follows in the same call. Boxed, since quotes are held in large numbers.
    Indicator(Box<Indicator>),
}

impl Event {
    /// The symbol that it is about.
    pub fn sid(&self) -> &str {
        match self {
            Self::Quote(quote) => &quote.sid,
            Self::Indicator(indicator) => &indicator.sid,
        }
    }
}

/// Values of an indicator about a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indicator {
    /// Name that the indicator was given, such as `sma-20`.
    pub name: String,
    /// Symbol.
    pub sid: String,
    /// Each with its name, at least one.
    pub values: Vec<(String, IndicatorValue)>,
    /// Time of the quote, microseconds since the epoch.
    pub time_micros: i64,
}

/// An algorithm's answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Its wish to trade. Only about a quote.
    pub signal: Option<Signal>,
    /// Messages for the topic of an indicator's account, in order.
    pub outputs: Vec<Output>,
}

/// A message of an indicator's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The quote of the event with these values, under the quote's identity.
    Quote(Vec<Indicator>),
    /// A bar that the quote of the event closed, with its values.
    Bar {
        /// The bar: its price is the close, and its time that of its opening.
        bar: Quote,
        /// In order of their definition.
        values: Vec<Indicator>,
        /// Minutes from the epoch to the bar's opening: its number at its source.
        minute: i64,
    },
}

impl From<Option<Signal>> for Answer {
    fn from(signal: Option<Signal>) -> Self {
        Self { signal, outputs: Vec::new() }
    }
}

/// A wish to trade the quote's symbol at the quote's price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Sized by the portfolio's policy.
    Buy,
    /// So many units, or the whole position.
    Sell(Option<Quantity>),
}

/// What an algorithm is configured with.
#[derive(Debug, Clone, PartialEq)]
pub struct AlgorithmSettings {
    /// 0 to 1.
    pub threshold: f64,
    /// The resource's parameters.
    pub parameters: Map<String, Value>,
}

/// What an algorithm saved, by key.
pub type SavedState = BTreeMap<String, Vec<u8>>;

/// Something that decides.
pub trait Algorithm: Send {
    /// The MQTT topic filters that it wants, at least one.
    fn channels(&self) -> Vec<String>;

    /// Its answer to each of the events, in order: as many answers as events. Values of an indicator and the quote that they
    /// include are events of one call.
    fn decide(&mut self, events: &[Event]) -> Vec<Answer>;

    /// Takes new settings between two quotes; after an error the old ones go on. All that is wrong is told at once.
    fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors>;

    /// The keys whose state changed since the last call, with their state. Saved in the transaction of the decisions that
    /// changed it, and handed back by [`Builtin::initialize`].
    fn take_changes(&mut self) -> SavedState;

    /// Quotes since the last call that came too late to change anything, because a later bar of their symbol is open. They are counted.
    fn take_late(&mut self) -> u64 {
        0
    }
}

/// Starts an algorithm with its settings, its saved state, and a seed for settings without one.
type Initialize = fn(&AlgorithmSettings, &SavedState, u64) -> Result<Box<dyn Algorithm>, FieldErrors>;

/// An algorithm that comes with the runtime.
#[derive(Clone, Copy)]
pub struct Builtin {
    /// As in `spec.algorithm.builtin`.
    pub name: &'static str,
    /// Another one decides differently on the same quotes under the same settings.
    pub version: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// JSON Schema (draft 2020-12) of its parameters, without the threshold.
    pub parameters_schema: &'static str,
    initialize: Initialize,
}

/// Every built-in algorithm of a `TradingAlgo`.
pub const BUILTINS: &[Builtin] =
    &[random::BUILTIN, sma_crossover::BUILTIN, indicator_cross::BUILTIN, rsi_reversion::BUILTIN];

impl Builtin {
    /// The built-in of a `TradingAlgo` with that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILTINS.iter().find(|builtin| builtin.name == name)
    }

    /// The built-in with that name, also that of an `Indicator`.
    pub(crate) fn find_any(name: &str) -> Option<&'static Self> {
        if name == indicators::BUILTIN.name { Some(&indicators::BUILTIN) } else { Self::find(name) }
    }

    /// Starts it with its saved state. `chance`: the seed if the settings have none.
    pub fn initialize(
        &self,
        settings: &AlgorithmSettings,
        saved: &SavedState,
        chance: u64,
    ) -> Result<Box<dyn Algorithm>, FieldErrors> {
        (self.initialize)(settings, saved, chance)
    }
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builtin").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use serde_json::Value;

    use super::{Algorithm, AlgorithmSettings, Event, Indicator, Quote, Signal};

    pub(crate) const BUY: Option<Signal> = Some(Signal::Buy);
    pub(crate) const SELL: Option<Signal> = Some(Signal::Sell(None));

    /// Settings with these parameters, an object.
    pub(crate) fn settings(parameters: Value) -> AlgorithmSettings {
        let Value::Object(parameters) = parameters else { panic!("an object") };
        AlgorithmSettings { threshold: 0.5, parameters }
    }

    /// A quote with a price alone.
    pub(crate) fn quote(sid: &str, price: &str) -> Event {
        Event::Quote(Quote { sid: sid.to_owned(), price: price.parse().unwrap(), time_micros: 0, details: None })
    }

    /// Values of an indicator, each with its name.
    pub(crate) fn indicator(sid: &str, name: &str, values: &[(&str, &str)]) -> Event {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.parse().unwrap())).collect();
        Event::Indicator(Box::new(Indicator { name: name.to_owned(), sid: sid.to_owned(), values, time_micros: 0 }))
    }

    /// Decides quotes alone.
    pub(crate) trait DecideQuotes {
        /// A signal, or none, for each.
        fn decide_quotes(&mut self, quotes: &[Quote]) -> Vec<Option<Signal>>;
    }

    impl<A: Algorithm + ?Sized> DecideQuotes for A {
        fn decide_quotes(&mut self, quotes: &[Quote]) -> Vec<Option<Signal>> {
            let events: Vec<Event> = quotes.iter().cloned().map(Event::Quote).collect();
            self.decide(&events).into_iter().map(|answer| answer.signal).collect()
        }
    }
}
