//! Checkpoints: the books at an entry, so that opening a ledger reads the entries behind the last one alone.

use std::collections::BTreeMap;

use intuition_api::decimal::{Money, Quantity};
use prost::Message;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::{
    rows::{Unknown, unreadable, unsigned},
    writer::Writer,
};
use crate::ledger::{Checkpoint, Holding, books::Books, chain::Hash};

/// Version of the format with checkpoints.
pub(super) const SINCE: i64 = 6;
/// The newest checkpoints that keep their books. An opening needs the last; a person may compare it with the checkpoint before.
const WITH_BOOKS: i64 = 2;

/// The stored books. Sums are decimals in text; part of the ledger's format.
#[derive(Clone, PartialEq, Message)]
struct BooksMessage {
    #[prost(uint64, tag = "1")]
    entries: u64,
    #[prost(uint64, tag = "2")]
    decisions: u64,
    #[prost(string, tag = "3")]
    cash: String,
    #[prost(string, tag = "4")]
    invested: String,
    #[prost(string, tag = "5")]
    realised: String,
    #[prost(string, tag = "6")]
    deposits: String,
    /// By symbol.
    #[prost(message, repeated, tag = "7")]
    holdings: Vec<HoldingMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct HoldingMessage {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(string, tag = "2")]
    quantity: String,
    #[prost(string, tag = "3")]
    cost: String,
}

impl BooksMessage {
    fn of(books: &Books) -> Self {
        let holdings = books.holdings.iter().map(|(sid, Holding { quantity, cost })| HoldingMessage {
            sid: sid.clone(),
            quantity: quantity.to_string(),
            cost: cost.to_string(),
        });
        Self {
            entries: books.entries,
            decisions: books.decisions,
            cash: books.cash.to_string(),
            invested: books.invested.to_string(),
            realised: books.realised.to_string(),
            deposits: books.deposits.to_string(),
            holdings: holdings.collect(),
        }
    }

    /// `None`: a sum is no decimal.
    fn books(self) -> Option<Books> {
        let money = |text: &str| text.parse::<Money>().ok();
        let mut holdings = BTreeMap::new();
        for HoldingMessage { sid, quantity, cost } in self.holdings {
            holdings.insert(sid, Holding { quantity: quantity.parse::<Quantity>().ok()?, cost: money(&cost)? });
        }
        Some(Books {
            entries: self.entries,
            decisions: self.decisions,
            cash: money(&self.cash)?,
            invested: money(&self.invested)?,
            realised: money(&self.realised)?,
            deposits: money(&self.deposits)?,
            holdings,
        })
    }
}

/// Books as they are stored.
pub(super) fn bytes_of(books: &Books) -> Vec<u8> {
    BooksMessage::of(books).encode_to_vec()
}

/// SHA-256 of stored books.
pub(super) fn hash_of(books: &Books) -> Hash {
    Sha256::digest(bytes_of(books)).into()
}

/// The newest one.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    let sql = "SELECT number, head, books, books_sha256 FROM checkpoints ORDER BY number DESC LIMIT 1";
    connection.query_row(sql, [], checkpoint).optional()
}

/// The base: entries up to it may be gone.
pub(super) fn base(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    let sql = "SELECT number, head, books, books_sha256 FROM checkpoints ORDER BY number LIMIT 1";
    connection.query_row(sql, [], checkpoint).optional()
}

/// Number of the base.
pub(super) fn base_number(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT ifnull(min(number), 0) FROM checkpoints", [], |row| unsigned(row, 0))
}

/// Heads and hashes of the books of the checkpoints from one number to another, by their numbers.
pub(super) fn between(
    connection: &Connection,
    from: u64,
    through: u64,
) -> rusqlite::Result<BTreeMap<u64, (Hash, Hash)>> {
    let sql = "SELECT number, head, books_sha256 FROM checkpoints WHERE number BETWEEN ?1 AND ?2";
    let mut statement = connection.prepare(sql)?;
    let bounds = [from, through].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    statement.query_map(bounds, |row| Ok((unsigned(row, 0)?, (row.get(1)?, row.get(2)?))))?.collect()
}

fn checkpoint(row: &rusqlite::Row<'_>) -> rusqlite::Result<Checkpoint> {
    let wrong = |text: &str| unreadable(2, Unknown(text.to_owned()));
    let bytes = row.get_ref(2)?.as_blob()?;
    let stored: Hash = row.get(3)?;
    if Hash::from(Sha256::digest(bytes)) != stored {
        return Err(wrong("books of another hash"));
    }
    let message = BooksMessage::decode(bytes).map_err(|error| unreadable(2, error))?;
    let books = message.books().ok_or_else(|| wrong("books that are no decimals"))?;
    Ok(Checkpoint { number: unsigned(row, 0)?, head: row.get(1)?, books })
}

impl Writer<'_> {
    /// Adds a checkpoint behind the last entry, and drops books that no opening needs.
    pub(super) fn checkpoint(&mut self, books: &Books) -> rusqlite::Result<()> {
        let bytes = bytes_of(books);
        let (head, hash) = (self.head, Hash::from(Sha256::digest(&bytes)));
        self.add(
            "checkpoints",
            "INSERT INTO checkpoints (number, head, books_sha256, books) VALUES (?1, ?2, ?3, ?4) RETURNING *",
            params![books.entries.cast_signed(), head, hash, bytes],
        )?;
        let numbers = "SELECT number FROM checkpoints WHERE books IS NOT NULL ORDER BY number DESC LIMIT -1 OFFSET ?1";
        let old: Vec<i64> = {
            let mut statement = self.connection.prepare_cached(numbers)?;
            statement.query_map([WITH_BOOKS], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        let Some((_base, old)) = old.split_last() else { return Ok(()) };
        for number in old {
            self.remove("checkpoints", "SELECT * FROM checkpoints WHERE number = ?1", [number])?;
            let drop = "UPDATE checkpoints SET books = NULL WHERE number = ?1 RETURNING *";
            self.add("checkpoints", drop, [number])?;
        }
        Ok(())
    }
}
