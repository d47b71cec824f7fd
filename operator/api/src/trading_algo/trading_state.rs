//! Trading states, as a resource writes them.

use intuition_api::v1;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The trading state of an account, the least strict first.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[schemars(
    description = "What the account may trade: `Active` buys and sells, `Reducing` only sells, `Halted` nothing. Quotes reach \
                   the algorithm in each of them. The annotations `intuition.dev/halt` and `intuition.dev/reduce` can make \
                   it stricter. Without it, Active."
)]
pub enum TradingState {
    /// It buys and sells.
    #[default]
    Active,
    /// It sells; buys are denied.
    Reducing,
    /// It trades nothing: every signal is denied.
    Halted,
}

impl From<TradingState> for v1::TradingState {
    fn from(state: TradingState) -> Self {
        match state {
            TradingState::Active => Self::Active,
            TradingState::Reducing => Self::Reducing,
            TradingState::Halted => Self::Halted,
        }
    }
}
