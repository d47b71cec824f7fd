//! Recomputes the journal of the file: arithmetic, chain of hashes, checkpoints.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{
    checkpoints,
    entries::{self, Stored},
    inspect_error::InspectError,
    rows,
};
use crate::ledger::{
    Checkpoint,
    books::{Books, Finding},
    chain::{Chain, Hash},
};

/// The journal up to an entry. After an error it is that up to the entry before the wrong one.
#[derive(Debug, Clone, Default)]
pub(super) struct Replay {
    pub(super) books: Books,
    /// Hash of the last entry.
    pub(super) head: Hash,
    /// Outbox position of the last decision in `entries`; 0 for none.
    pub(super) position: u64,
    chain: Chain,
    /// Heads and hashes of the books at the checkpoints ahead.
    checkpoints: BTreeMap<u64, (Hash, Hash)>,
}

impl Replay {
    /// Before the first entry.
    pub(super) fn begin(genesis: Hash) -> Self {
        Self { head: genesis, ..Self::default() }
    }

    /// Behind a checkpoint. `checkpoints`: those to compare with.
    pub(super) fn behind(checkpoint: Checkpoint, checkpoints: BTreeMap<u64, (Hash, Hash)>) -> Self {
        Self { books: checkpoint.books, head: checkpoint.head, checkpoints, ..Self::default() }
    }

    /// At the base of a ledger. `genesis`: where its chain of hashes begins.
    pub(super) fn at_base(connection: &Connection, genesis: Hash) -> Result<Self, InspectError> {
        let base = checkpoints::base(connection)?.ok_or_else(no_checkpoint)?;
        if base.number == 0 && base.head != genesis {
            return Err(Finding::BreakSeal("the chain of hashes does not begin with the ledger id".to_owned()).into());
        }
        Ok(Self::behind(base, [].into()))
    }

    /// Sets the checkpoints to compare with.
    pub(super) fn expect(&mut self, checkpoints: BTreeMap<u64, (Hash, Hash)>) {
        self.checkpoints = checkpoints;
    }

    /// Takes the entries of the format 1 that follow, up to number `through`.
    pub(super) fn take_format_1(&mut self, connection: &Connection, through: u64) -> Result<(), InspectError> {
        let select = format!(
            "SELECT {}, previous_hash, hash FROM journal WHERE number > ?1 AND number <= ?2 ORDER BY number",
            rows::ENTRY
        );
        let mut statement = connection.prepare(&select)?;
        let through = i64::try_from(through).unwrap_or(i64::MAX);
        let mut rows = statement.query([self.books.entries.cast_signed(), through])?;
        while let Some(row) = rows.next()? {
            let number = self.books.entries + 1;
            let misread = |problem: rusqlite::Error| Finding::MisreadEntry { number, problem: problem.to_string() };
            let entry = rows::entry(row).map_err(misread)?;
            let previous: String = row.get(12).map_err(misread)?;
            compare_hash(number, "previous_hash", &previous, &self.head)?;
            let stored: String = row.get(13).map_err(misread)?;
            let step = self.books.step(&entry)?;
            let hash = self.chain.link(&self.head, &entry, None);
            compare_hash(number, "hash", &stored, &hash)?;
            self.books.advance(step);
            self.head = hash;
            self.check_checkpoint()?;
        }
        Ok(())
    }

    /// Takes the entries that follow, up to `through`.
    pub(super) fn take(&mut self, connection: &Connection, through: u64) -> Result<(), InspectError> {
        entries::each_behind(connection, self.books.entries, through, |stored| {
            let number = self.books.entries + 1;
            let Stored { entry, placement, hash } =
                stored.map_err(|problem| Finding::MisreadEntry { number, problem: problem.to_string() })?;
            let step = self.books.step(&entry)?;
            let expected = self.chain.link(&self.head, &entry, placement);
            compare_hash(number, "hash", &hex::encode(hash), &expected)?;
            self.books.advance(step);
            self.head = expected;
            self.position = placement.map_or(self.position, |placement| placement.position);
            self.check_checkpoint()
        })
    }

    /// Compares with the checkpoint at the last entry, if there is one.
    pub(super) fn check_checkpoint(&mut self) -> Result<(), InspectError> {
        let number = self.books.entries;
        let Some((head, books)) = self.checkpoints.remove(&number) else { return Ok(()) };
        if head == self.head && books == checkpoints::hash_of(&self.books) {
            return Ok(());
        }
        let part = if head == self.head { "books" } else { "hash" };
        Err(Finding::BreakSeal(format!("the checkpoint at entry {number} has other {part} than the journal")).into())
    }

    /// An error if a checkpoint has no entry.
    pub(super) fn end(&self) -> Result<(), InspectError> {
        match self.checkpoints.keys().next() {
            None => Ok(()),
            Some(number) => {
                Err(Finding::BreakSeal(format!("a checkpoint names entry {number}, which is missing")).into())
            }
        }
    }
}

pub(super) fn no_checkpoint() -> Finding {
    Finding::BreakSeal("no checkpoint is there".to_owned())
}

fn compare_hash(number: u64, field: &'static str, stored: &str, expected: &Hash) -> Result<(), InspectError> {
    let expected = hex::encode(expected);
    if stored == expected {
        return Ok(());
    }
    Err(Finding::ContradictEntry { number, field, stored: stored.to_owned(), expected }.into())
}
