//! The input of an indicator.

use intuition_api::decimal::{Price, Quantity};

/// A quote or a bar, as an indicator takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Price of a quote, close of a bar.
    pub close: Price,
    /// Highest price of a bar. `None`: the close.
    pub high: Option<Price>,
    /// Lowest price of a bar. `None`: the close.
    pub low: Option<Price>,
    /// Units that the trade or the bar moved.
    pub volume: Option<Quantity>,
    /// Microseconds since 1970: the time of a quote, the opening time of a bar.
    pub time_micros: i64,
}

impl Sample {
    /// A price alone.
    pub const fn price(close: Price, time_micros: i64) -> Self {
        Self { close, high: None, low: None, volume: None, time_micros }
    }

    /// The close in units of 10^-10.
    pub(crate) const fn close_units(&self) -> u128 {
        self.close.units()
    }

    /// The high in units of 10^-10. A close above it takes its place, so that every computation may rely on
    /// low <= close <= high.
    pub(crate) fn high_units(&self) -> u128 {
        self.high.unwrap_or(self.close).max(self.close).units()
    }

    /// The low in units of 10^-10. A close below it takes its place.
    pub(crate) fn low_units(&self) -> u128 {
        self.low.unwrap_or(self.close).min(self.close).units()
    }
}
