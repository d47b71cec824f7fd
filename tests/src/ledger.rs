//! Reads a ledger's file by SQL alone, as anybody with `sqlite3` could. Nothing here interprets what it reads.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags, Row};

/// A ledger opened for reading. Each method sees one moment; several calls may see several.
pub struct Ledger {
    connection: Connection,
}

/// The row of totals, as text where it is text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table `account`")]
pub struct Account {
    pub name: String,
    pub ledger_id: String,
    pub cash: String,
    pub invested: String,
    pub realised: String,
    pub deposits: String,
    pub entries: i64,
    pub decisions: i64,
    pub position: i64,
    pub published_through: i64,
}

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table `journal`")]
pub struct Entry {
    pub number: i64,
    pub kind: String,
    pub amount: String,
    pub cash: String,
    pub committed_micros: i64,
    pub previous_hash: String,
    pub hash: String,
    pub trade: Option<Trade>,
}

/// The columns of a journal row that only a buy or a sale has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table `journal`")]
pub struct Trade {
    pub seq: i64,
    pub event: String,
    pub sid: String,
    pub quantity: String,
    pub price: String,
    pub cost: String,
    pub time_micros: i64,
}

/// A tick's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table `window`")]
pub struct WindowRow {
    pub class: String,
    pub tick_index: i64,
    pub channel: String,
    pub source: String,
    pub seq: Option<i64>,
    pub id: String,
    pub payload_sha256: String,
    pub outcome: String,
    pub reason: String,
    pub first_seq: i64,
    pub seqs: i64,
}

/// How far the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Ticks that got an outcome.
    pub outcomes: i64,
    /// Outbox entries that are not known to be published.
    pub unpublished: i64,
    /// Decisions.
    pub decisions: i64,
}

/// A missing range of sequence numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Publisher's name.
    pub source: String,
    /// First missing.
    pub first: i64,
    /// Last missing.
    pub last: i64,
}

/// The ledger's file in a data folder.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("ledger.db")
}

impl Ledger {
    /// Opens the ledger in a data folder, which may be in use.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = file(folder);
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { connection })
    }

    /// How far it is.
    pub fn progress(&self) -> anyhow::Result<Progress> {
        // Ordinals are given once, so that the last ones say how many there were, without a walk over the table.
        let last = |class| format!("(SELECT coalesce(max(ordinal), 0) FROM window WHERE class = '{class}')");
        let outcomes = [last("sequence"), last("id"), last("packet")].join(" + ");
        let query = format!("SELECT {outcomes}, position - published_through, decisions FROM account");
        let read =
            |row: &Row<'_>| Ok(Progress { outcomes: row.get(0)?, unpublished: row.get(1)?, decisions: row.get(2)? });
        Ok(self.connection.query_row(&query, [], read)?)
    }

    /// The totals.
    pub fn account(&self) -> anyhow::Result<Account> {
        let query = "SELECT name, ledger_id, cash, invested, realised, deposits, entries, decisions, position, \
                     published_through FROM account";
        let read = |row: &Row<'_>| {
            Ok(Account {
                name: row.get(0)?,
                ledger_id: row.get(1)?,
                cash: row.get(2)?,
                invested: row.get(3)?,
                realised: row.get(4)?,
                deposits: row.get(5)?,
                entries: row.get(6)?,
                decisions: row.get(7)?,
                position: row.get(8)?,
                published_through: row.get(9)?,
            })
        };
        Ok(self.connection.query_row(query, [], read)?)
    }

    /// The journal, in order.
    pub fn journal(&self) -> anyhow::Result<Vec<Entry>> {
        self.rows(
            "SELECT number, kind, amount, cash, committed_micros, previous_hash, hash, \
             seq, event, sid, quantity, price, cost, time_micros FROM journal ORDER BY number",
            |row| {
                let seq: Option<i64> = row.get(7)?;
                let trade = |seq| -> rusqlite::Result<Trade> {
                    Ok(Trade {
                        seq,
                        event: row.get(8)?,
                        sid: row.get(9)?,
                        quantity: row.get(10)?,
                        price: row.get(11)?,
                        cost: row.get(12)?,
                        time_micros: row.get(13)?,
                    })
                };
                Ok(Entry {
                    number: row.get(0)?,
                    kind: row.get(1)?,
                    amount: row.get(2)?,
                    cash: row.get(3)?,
                    committed_micros: row.get(4)?,
                    previous_hash: row.get(5)?,
                    hash: row.get(6)?,
                    trade: seq.map(trade).transpose()?,
                })
            },
        )
    }

    /// What is held: symbol, quantity, cost.
    pub fn holdings(&self) -> anyhow::Result<Vec<(String, String, String)>> {
        self.rows("SELECT sid, quantity, cost FROM holdings ORDER BY sid", |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    }

    /// The outcomes that are kept.
    pub fn window(&self) -> anyhow::Result<Vec<WindowRow>> {
        self.rows(
            "SELECT class, tick_index, channel, source, seq, id, lower(hex(payload_sha256)), outcome, reason, first_seq, \
             seqs FROM window ORDER BY class, ordinal",
            |row| {
                Ok(WindowRow {
                    class: row.get(0)?,
                    tick_index: row.get(1)?,
                    channel: row.get(2)?,
                    source: row.get(3)?,
                    seq: row.get(4)?,
                    id: row.get(5)?,
                    payload_sha256: row.get(6)?,
                    outcome: row.get(7)?,
                    reason: row.get(8)?,
                    first_seq: row.get(9)?,
                    seqs: row.get(10)?,
                })
            },
        )
    }

    /// What never came.
    pub fn gaps(&self) -> anyhow::Result<Vec<Gap>> {
        self.rows("SELECT source, first, last FROM gaps ORDER BY number", |row| {
            Ok(Gap { source: row.get(0)?, first: row.get(1)?, last: row.get(2)? })
        })
    }

    /// The highest sequence number that a source has on a channel.
    pub fn mark(&self, channel: &str, source: &str) -> anyhow::Result<Option<i64>> {
        let query = "SELECT max(seq) FROM marks WHERE channel = ?1 AND source = ?2";
        Ok(self.connection.query_row(query, [channel, source], |row| row.get(0))?)
    }

    /// A counter; the reason is empty for those without one.
    pub fn counter(&self, name: &str, reason: &str) -> anyhow::Result<i64> {
        let query = "SELECT coalesce(sum(value), 0) FROM counters WHERE name = ?1 AND reason = ?2";
        Ok(self.connection.query_row(query, [name, reason], |row| row.get(0))?)
    }

    fn rows<T>(&self, query: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> anyhow::Result<Vec<T>> {
        let mut statement = self.connection.prepare(query)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
