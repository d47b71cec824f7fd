//! The symbols of an account: bounded, because publishers choose their names and each costs memory for good.

use std::collections::{BTreeSet, HashSet};

/// Symbols of which the account took a quote, that is, gave it to an algorithm. Pure.
#[derive(Debug)]
pub struct Symbols {
    known: HashSet<Box<str>>,
    limit: usize,
    added: Vec<String>,
}

impl Symbols {
    /// From a snapshot. `limit`: of the symbols. An account with more keeps them.
    pub fn load(symbols: BTreeSet<String>, limit: usize) -> Self {
        let known = symbols.into_iter().map(String::into_boxed_str).collect();
        Self { known, limit, added: Vec::new() }
    }

    /// Takes a symbol up. False: it is new, and there is no room.
    pub fn admit(&mut self, sid: &str) -> bool {
        if self.known.contains(sid) {
            return true;
        }
        if self.known.len() >= self.limit {
            return false;
        }
        self.known.insert(sid.into());
        self.added.push(sid.to_owned());
        true
    }

    /// Symbols that are new since the last call.
    pub fn take_added(&mut self) -> Vec<String> {
        std::mem::take(&mut self.added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_account_takes_no_new_symbol_and_goes_on_with_those_it_has() {
        let mut symbols = Symbols::load(BTreeSet::from(["GOOG".to_owned()]), 2);
        assert!(symbols.admit("AAPL") && symbols.admit("GOOG") && !symbols.admit("MSFT"));
        assert_eq!(symbols.take_added(), ["AAPL"]);
        let mut older = Symbols::load(BTreeSet::from(["A".to_owned(), "B".to_owned()]), 1);
        assert!(older.admit("A") && older.admit("B") && !older.admit("C"));
    }
}
