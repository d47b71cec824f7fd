//! A generator as the origin of quotes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Interval;
use crate::Decimal;

/// Quotes of a model. The price of a step follows from the seed, the other fields and the number of the step, on every
/// machine alike. Other values are another source, whose steps begin at 1.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generator {
    /// The model of the prices.
    pub model: Model,
    /// Seed of the random numbers. Each symbol has numbers of its own.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub seed: i64,
    /// Price before the first step, more than 0: an integer, or a decimal in quotes.
    pub start_price: Decimal,
    /// Standard deviation of the change of a price in a year of 365 days, as a share of it: `"0.2"` is 20 %. `Sine` swings by this
    /// share above and below `startPrice`, which must be less than 1 then.
    pub volatility: Decimal,
    /// Time between two steps; each symbol has one quote in a step.
    pub interval: Interval,
    /// The symbols; each once.
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 64)))]
    pub symbols: Vec<String>,
}

/// The model of a generator's prices.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(
    description = "The model of the prices: `RandomWalk` adds normal changes of one size, and turns back above a hundredth of \
                          `startPrice`; `GeometricBrownian` multiplies by them, without a trend; `Sine` swings around `startPrice` \
                          in 600 steps, each symbol at a place of its own."
)]
pub enum Model {
    /// An arithmetic random walk.
    RandomWalk,
    /// A geometric Brownian motion.
    GeometricBrownian,
    /// A sine.
    Sine,
}

impl Model {
    /// As written in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RandomWalk => "RandomWalk",
            Self::GeometricBrownian => "GeometricBrownian",
            Self::Sine => "Sine",
        }
    }
}
