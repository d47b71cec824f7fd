//! The output of a session: quotes and gaps.

use std::{fmt, sync::Arc};

use intuition_api::decimal::{Price, Quantity};

/// Microseconds of a minute, the interval of all bars.
pub const MINUTE_MICROS: i64 = 60_000_000;

/// One price of one symbol, numbered by its exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// `<market>:<symbol>`, as in `binance-spot:BTCUSDT`.
    pub source: Arc<str>,
    /// The symbol as the exchange writes it.
    pub symbol: Arc<str>,
    /// Numbers of one source grow. Trades: the exchange's number of the trade. Bars: the minute of opening since the Unix epoch.
    pub seq: u64,
    /// Price of the trade, or close of the bar.
    pub price: Price,
    /// Time of the trade, or the end of the bar's minute. Microseconds since the Unix epoch.
    pub time_micros: i64,
    /// The values beside the price.
    pub kind: Kind,
    /// It did not come live: it was fetched over REST, or sent again on subscribing.
    pub backfill: bool,
}

/// The values of a quote beside its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A trade.
    Trade {
        /// Units that it moved.
        size: Quantity,
    },
    /// A closed bar of one minute.
    Bar(Bar),
}

/// A closed bar of one minute. Its close is the price of the quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Units traded.
    pub volume: Quantity,
}

/// Numbers of a source that will not be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// As in [`Quote::source`].
    pub source: Arc<str>,
    /// As in [`Quote::symbol`].
    pub symbol: Arc<str>,
    /// Lowest missing number.
    pub first: u64,
    /// Highest missing number.
    pub last: u64,
    /// Why they are not fetched.
    pub reason: GapReason,
}

/// Why missing numbers are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The exchange answered with higher numbers and without these.
    NotAtExchange,
    /// More trades are missing than one recovery fetches.
    TooMany,
    /// The exchange did not deliver them in time.
    TooLate,
    /// Bars are built from trades, and the session began within or behind their minutes.
    BeforeStart,
}

impl GapReason {
    /// The name of the reason in logs, metrics and Events.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotAtExchange => "NotAtExchange",
            Self::TooMany => "TooMany",
            Self::TooLate => "TooLate",
            Self::BeforeStart => "BeforeStart",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

/// An output of a session. The outputs of one source cover its numbers from the first one on, each once and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A number with its quote.
    Quote(Quote),
    /// Numbers without quotes.
    Gap(Gap),
}
