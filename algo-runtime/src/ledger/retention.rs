//! When entries of the journal may be dropped. Pure.

use serde::{Deserialize, Serialize};

/// The limits of a journal. An entry may be dropped as soon as one of them lets it go, so that each alone bounds the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// So many decisions stay at least; `None`: their number lets nothing go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<u64>,
    /// Entries that are younger stay, seconds; `None`: their age lets nothing go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

impl Retention {
    /// Whether an entry may go that has so many decisions behind it and was committed so many microseconds ago.
    pub const fn lets_go(&self, decisions_behind: u64, age_micros: i64) -> bool {
        let is_beyond = matches!(self.decisions, Some(kept) if decisions_behind >= kept);
        let age_seconds = if age_micros < 0 { 0 } else { age_micros.cast_unsigned() / 1_000_000 };
        is_beyond || matches!(self.age_seconds, Some(kept) if age_seconds >= kept)
    }
}

/// Entries that one call has dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Their number.
    pub entries: u64,
    /// Further entries up to the base are still there.
    pub has_rest: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_limit_that_lets_an_entry_go_counts() {
        let (day, none) = (86_400_000_000, Retention::default());
        assert!(!none.lets_go(u64::MAX, i64::MAX), "without a limit everything is kept");
        let count = Retention { decisions: Some(10), age_seconds: None };
        assert_eq!([9, 10, 11].map(|behind| count.lets_go(behind, i64::MAX)), [false, true, true]);
        let age = Retention { decisions: None, age_seconds: Some(86_400) };
        assert_eq!([-day, day - 1, day].map(|age_micros| age.lets_go(u64::MAX, age_micros)), [false, false, true]);
        let both = Retention { decisions: Some(10), age_seconds: Some(86_400) };
        assert_eq!(
            [(9, day - 1), (10, 0), (0, day)].map(|(behind, old)| both.lets_go(behind, old)),
            [false, true, true]
        );
    }
}
