//! The definition of an indicator: one of the twelve types, with its parameters.

use std::fmt;

use intuition_api::{decimal::Price, indicator::ONLY_VALUE};
use serde_json::{Map, Value};

use crate::{
    averages::{Simple, Weighted},
    change::RateOfChange,
    channels::{Donchian, Stochastic},
    deviation::{Bollinger, StandardDeviation},
    exponential::{Exponential, Macd},
    indicator::Indicator,
    members::Members,
    session::Session,
    settings::Violation,
    vwap::Vwap,
    wilder::{RelativeStrength, TrueRange},
};

/// The longest period of every type.
pub const MAX_PERIOD: u32 = 10_000;
/// The most standard deviations between the middle and a Bollinger band.
const MAX_DEVIATIONS: u32 = 100;

/// The names of all types, as in `type`.
pub(crate) const TYPES: [&str; 12] = [
    "SMA",
    "EMA",
    "WMA",
    "RSI",
    "MACD",
    "Bollinger",
    "ATR",
    "VWAP",
    "ROC",
    "Donchian",
    "StandardDeviation",
    "Stochastic",
];

/// A type of indicator with its parameters. Its text is canonical: equal definitions have equal texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// Simple moving average.
    Sma {
        /// Samples in the window.
        period: u32,
    },
    /// Exponential moving average.
    Ema {
        /// Samples that the smoothing factor 2 / (period + 1) stands for.
        period: u32,
    },
    /// Weighted moving average.
    Wma {
        /// Samples in the window.
        period: u32,
    },
    /// Relative strength index.
    Rsi {
        /// Changes that Wilder's average stands for.
        period: u32,
    },
    /// Difference of two exponential moving averages, and its average.
    Macd {
        /// Period of the fast average, below `slow`.
        fast: u32,
        /// Period of the slow average.
        slow: u32,
        /// Period of the average of the difference.
        signal: u32,
    },
    /// Bollinger bands.
    Bollinger {
        /// Samples in the window.
        period: u32,
        /// Standard deviations between the middle and a band.
        deviations: Price,
    },
    /// Average true range.
    Atr {
        /// Ranges that Wilder's average stands for.
        period: u32,
    },
    /// Average price weighted by volume.
    Vwap {
        /// The average begins anew at the start of this session.
        session: Session,
    },
    /// Rate of change.
    Roc {
        /// Samples between the two prices.
        period: u32,
    },
    /// Donchian channel.
    Donchian {
        /// Samples in the window.
        period: u32,
    },
    /// Standard deviation.
    StandardDeviation {
        /// Samples in the window.
        period: u32,
    },
    /// Stochastic oscillator.
    Stochastic {
        /// Samples in the window of the fast %K.
        period: u32,
        /// Values of the fast %K in %K.
        smooth_k: u32,
        /// Values of %K in %D.
        smooth_d: u32,
    },
}

impl Definition {
    /// Reads the parameters of a type at `path`. Adds each violation of a rule to `violations`, and returns `None` where there is one.
    pub(crate) fn parse(
        kind: &str,
        parameters: &Map<String, Value>,
        session: &Session,
        path: &str,
        violations: &mut Vec<Violation>,
    ) -> Option<Self> {
        let mut members = Members::new(parameters, path, violations);
        let definition = match kind {
            "SMA" => members.period("period", 1, None).map(|period| Self::Sma { period }),
            "EMA" => members.period("period", 1, None).map(|period| Self::Ema { period }),
            "WMA" => members.period("period", 1, None).map(|period| Self::Wma { period }),
            "RSI" => members.period("period", 1, None).map(|period| Self::Rsi { period }),
            "ATR" => members.period("period", 1, None).map(|period| Self::Atr { period }),
            "ROC" => members.period("period", 1, None).map(|period| Self::Roc { period }),
            "Donchian" => members.period("period", 1, None).map(|period| Self::Donchian { period }),
            "StandardDeviation" => members.period("period", 2, None).map(|period| Self::StandardDeviation { period }),
            "VWAP" => Some(Self::Vwap { session: session.clone() }),
            "MACD" => Self::macd(&mut members),
            "Bollinger" => {
                let period = members.period("period", 2, Some(20));
                let deviations = members.decimal("deviations", MAX_DEVIATIONS, 2);
                period.zip(deviations).map(|(period, deviations)| Self::Bollinger { period, deviations })
            }
            "Stochastic" => {
                let period = members.period("period", 1, Some(14));
                let smooth = members.period("smoothK", 1, Some(3)).zip(members.period("smoothD", 1, Some(3)));
                period.zip(smooth).map(|(period, (smooth_k, smooth_d))| Self::Stochastic { period, smooth_k, smooth_d })
            }
            _ => None,
        };
        members.finish(kind).then_some(definition).flatten()
    }

    fn macd(members: &mut Members<'_, '_>) -> Option<Self> {
        let (fast, slow) = (members.period("fast", 1, Some(12)), members.period("slow", 2, Some(26)));
        let signal = members.period("signal", 1, Some(9));
        let ((fast, slow), signal) = fast.zip(slow).zip(signal)?;
        if fast >= slow {
            members.refuse("fast", format!("must be less than slow, which is {slow}, is {fast}"));
        }
        Some(Self::Macd { fast, slow, signal })
    }

    /// A new indicator of this definition, without samples.
    pub fn start(&self) -> Indicator {
        match self {
            Self::Sma { period } => Indicator::new(Simple::new(length(*period))),
            Self::Ema { period } => Indicator::new(Exponential::new(*period)),
            Self::Wma { period } => Indicator::new(Weighted::new(length(*period))),
            Self::Rsi { period } => Indicator::new(RelativeStrength::new(*period)),
            Self::Macd { fast, slow, signal } => Indicator::new(Macd::new(*fast, *slow, *signal)),
            Self::Bollinger { period, deviations } => Indicator::new(Bollinger::new(length(*period), *deviations)),
            Self::Atr { period } => Indicator::new(TrueRange::new(*period)),
            Self::Vwap { session } => Indicator::new(Vwap::new(session.clone())),
            Self::Roc { period } => Indicator::new(RateOfChange::new(length(*period))),
            Self::Donchian { period } => Indicator::new(Donchian::new(length(*period))),
            Self::StandardDeviation { period } => Indicator::new(StandardDeviation::new(length(*period))),
            Self::Stochastic { period, smooth_k, smooth_d } => {
                Indicator::new(Stochastic::new(length(*period), length(*smooth_k), length(*smooth_d)))
            }
        }
    }

    /// The names of its values, in the order of [`Values`](crate::Values).
    pub const fn value_names(&self) -> &'static [&'static str] {
        match self {
            Self::Macd { .. } => &["line", "signal", "histogram"],
            Self::Bollinger { .. } | Self::Donchian { .. } => &["upper", "middle", "lower"],
            Self::Stochastic { .. } => &["k", "d"],
            _ => &[ONLY_VALUE],
        }
    }
}

const fn length(period: u32) -> usize {
    period as usize
}

/// The type and its parameters, as in `MACD 12 26 9`.
impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sma { period } => write!(f, "SMA {period}"),
            Self::Ema { period } => write!(f, "EMA {period}"),
            Self::Wma { period } => write!(f, "WMA {period}"),
            Self::Rsi { period } => write!(f, "RSI {period}"),
            Self::Macd { fast, slow, signal } => write!(f, "MACD {fast} {slow} {signal}"),
            Self::Bollinger { period, deviations } => write!(f, "Bollinger {period} {deviations}"),
            Self::Atr { period } => write!(f, "ATR {period}"),
            Self::Vwap { session } => write!(f, "VWAP {session}"),
            Self::Roc { period } => write!(f, "ROC {period}"),
            Self::Donchian { period } => write!(f, "Donchian {period}"),
            Self::StandardDeviation { period } => write!(f, "StandardDeviation {period}"),
            Self::Stochastic { period, smooth_k, smooth_d } => write!(f, "Stochastic {period} {smooth_k} {smooth_d}"),
        }
    }
}
