//! Trading states, and the causes that a caller may set.
//!
//! The words are those of exchanges: a halted instrument does not trade, a reduce-only account only closes what it holds.

use std::{fmt, str::FromStr};

use crate::v1::{TradingCause, TradingState};

/// Codes of the causes that `SetTradingState` replaces. All other causes are the runtime's own.
pub mod cause {
    /// The resource's `spec.tradingState`, or a flag of the runtime.
    pub const USER: &str = "User";
    /// The annotation `intuition.dev/halt`, or `intuition halt` at a runtime.
    pub const HALT: &str = "Halt";
    /// The annotation `intuition.dev/reduce`, or `intuition reduce` at a runtime.
    pub const REDUCE: &str = "Reduce";

    /// The runtime found damage in the ledger. No call sets or ends it.
    pub const LEDGER_DAMAGED: &str = crate::reason::LEDGER_DAMAGED;

    /// Those of a caller.
    pub const SETTABLE: [&str; 3] = [USER, HALT, REDUCE];
}

/// Longest text of a cause, in bytes.
pub const LONGEST_MESSAGE: usize = 1_024;

impl TradingState {
    /// All states that are sent, the least strict first.
    pub const ALL: [Self; 3] = [Self::Active, Self::Reducing, Self::Halted];

    /// As a resource writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified | Self::Active => "Active",
            Self::Reducing => "Reducing",
            Self::Halted => "Halted",
        }
    }

    /// The strictest state of these causes; Active without one. A state that this release does not know is Halted.
    pub fn strictest<'a>(causes: impl IntoIterator<Item = &'a TradingCause>) -> Self {
        causes.into_iter().map(TradingCause::strictness).max().unwrap_or(Self::Active)
    }
}

impl TradingCause {
    /// The state that the cause asks for. One that this release does not know is Halted, the safe one.
    pub fn strictness(&self) -> TradingState {
        match TradingState::try_from(self.state) {
            Ok(TradingState::Unspecified) | Err(_) => TradingState::Halted,
            Ok(state) => state,
        }
    }
}

impl fmt::Display for TradingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is not the name of a trading state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be Active, Reducing or Halted, is {0:?}")]
pub struct ParseTradingStateError(String);

impl FromStr for TradingState {
    type Err = ParseTradingStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|state| state.name() == text);
        named.ok_or_else(|| ParseTradingStateError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_no_other_text_does() {
        for state in TradingState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        for text in ["", "active", "HALTED", "Halt", "Suspended", " Halted"] {
            assert!(text.parse::<TradingState>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_strictest_cause_rules_and_an_unknown_state_halts() {
        let cause = |state| TradingCause { state, ..TradingCause::default() };
        let of =
            |states: &[i32]| TradingState::strictest(&states.iter().map(|state| cause(*state)).collect::<Vec<_>>());
        assert_eq!(of(&[]), TradingState::Active);
        assert_eq!(of(&[2]), TradingState::Reducing);
        assert_eq!(of(&[2, 3]), TradingState::Halted);
        assert_eq!(of(&[9]), TradingState::Halted);
        assert_eq!(of(&[0]), TradingState::Halted);
    }
}
