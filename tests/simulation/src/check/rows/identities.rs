//! Whether a quote with an identity had its outcome already, within the window that is promised for it.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Class, WindowRow};

use super::super::quotes::Subject;

/// Identity and content of a quote. Its rank among equal identities of a message is left out: publishers give each quote of a
/// message an identity of its own, so that the rank is the same in every message.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    class: Class,
    channel: String,
    source: String,
    era: u64,
    seq: Option<i64>,
    id: String,
    subject: Subject,
}

/// The last ordinal of each identity.
#[derive(Debug, Default)]
pub(super) struct Identities {
    last: BTreeMap<Key, u64>,
    /// Channel, source, number and id of places that could not be used.
    unusable: BTreeSet<(String, String, Option<i64>, String)>,
    /// Channel, source, era and number of rows.
    numbers: BTreeSet<(String, String, u64, i64)>,
}

impl Identities {
    /// Takes a row. The error is the ordinal of an earlier one with the same identity and content within the window.
    pub(super) fn take(&mut self, row: &WindowRow, subject: Subject, window: u64) -> Result<(), u64> {
        // Only its packet identifies a bare quote.
        if row.seq.is_none() && row.id.is_empty() {
            return Ok(());
        }
        if let Some(seq) = row.seq {
            self.numbers.insert((row.channel.clone(), row.source.clone(), row.era, seq));
        }
        // Unusable places have no content to compare.
        let Subject::Quote(_) = subject else {
            self.unusable.insert((row.channel.clone(), row.source.clone(), row.seq, row.id.clone()));
            return Ok(());
        };
        let key = Key {
            class: row.class,
            channel: row.channel.clone(),
            source: row.source.clone(),
            era: row.era,
            seq: row.seq,
            id: row.id.clone(),
            subject,
        };
        match self.last.insert(key, row.ordinal) {
            Some(earlier) if row.ordinal - earlier <= window => Err(earlier),
            _ => Ok(()),
        }
    }

    /// Whether the source of a row had its number in the same era.
    pub(super) fn has_number(&self, row: &WindowRow) -> bool {
        row.seq.is_some_and(|seq| self.numbers.contains(&(row.channel.clone(), row.source.clone(), row.era, seq)))
    }

    /// Whether a place that could not be used had the identity of a row.
    pub(super) fn is_of_unusable(&self, row: &WindowRow) -> bool {
        self.unusable.contains(&(row.channel.clone(), row.source.clone(), row.seq, row.id.clone()))
    }
}
