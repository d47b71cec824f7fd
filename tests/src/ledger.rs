//! Reads a ledger's file by SQL, as a person with `sqlite3` would, of either format. It interprets no value.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags, Row};

use crate::{marks, segment};

/// A ledger opened for reading. Each method sees one moment; several calls may see several.
pub struct Ledger {
    connection: Connection,
    /// Whether v0.1.0 wrote it.
    is_format_1: bool,
}

/// Classes of the window, in the order of their places.
const CLASSES: [&str; 3] = ["sequence", "id", "packet"];
/// Distance of their places.
const CLASS: i64 = 1 << 56;

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
#[expect(missing_docs, reason = "the columns of the view `history`, or of the table `journal` of the format 1")]
pub struct Entry {
    pub number: i64,
    pub kind: String,
    pub amount: String,
    pub cash: String,
    pub committed_micros: i64,
    pub hash: String,
    /// Rules, position and origin of an entry of the format 2.
    pub placement: Option<(i64, i64, String)>,
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
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(Self { connection, is_format_1: version < 6 })
    }

    /// How far it is.
    pub fn progress(&self) -> anyhow::Result<Progress> {
        // Ordinals are given once, so that the last ordinal of a class is the number of its rows.
        let last = |(place, class): (i64, &str)| {
            let (first, behind) = (CLASS * (place + 1), CLASS * (place + 2));
            let table = format!("(SELECT coalesce(max(ordinal), 0) FROM window WHERE class = '{class}')");
            if self.is_format_1 {
                return table;
            }
            let last = format!("SELECT max(place) FROM segments WHERE place >= {first} AND place < {behind}");
            format!("coalesce(({last}) - {first}, {table})")
        };
        let outcomes: Vec<_> = (0_i64..).zip(CLASSES).map(last).collect();
        let outcomes = outcomes.join(" + ");
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
        let (placement, table) =
            if self.is_format_1 { ("NULL, NULL, NULL", "journal") } else { ("rules, position, origin", "history") };
        self.rows(
            &format!(
                "SELECT number, kind, amount, cash, committed_micros, hash, 0, \
                 seq, event, sid, quantity, price, cost, time_micros, {placement} FROM {table} ORDER BY number"
            ),
            |row| {
                let seq: Option<i64> = row.get(7)?;
                let position: Option<i64> = row.get(15)?;
                let placement = |position| Ok::<_, rusqlite::Error>((row.get(14)?, position, row.get(16)?));
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
                    hash: row.get(5)?,
                    placement: position.map(placement).transpose()?,
                    trade: seq.map(trade).transpose()?,
                })
            },
        )
    }

    /// The holdings that the table of the format 1 has: symbol, quantity, cost. `None`: in format 2 they follow from the journal.
    pub fn holdings(&self) -> anyhow::Result<Option<Vec<(String, String, String)>>> {
        if !self.is_format_1 {
            return Ok(None);
        }
        let query = "SELECT sid, quantity, cost FROM holdings ORDER BY sid";
        self.rows(query, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map(Some)
    }

    /// The outcomes that are kept.
    pub fn window(&self) -> anyhow::Result<Vec<WindowRow>> {
        let mut rows = self.rows(
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
        )?;
        if self.is_format_1 {
            return Ok(rows);
        }
        for (place, class) in (1_i64..).zip(CLASSES) {
            let (first, behind) = (CLASS * place, CLASS * (place + 1));
            let query = format!("SELECT data FROM segments WHERE place >= {first} AND place < {behind} ORDER BY place");
            rows.extend(segment::rows(class, &self.rows(&query, |row| row.get(0))?)?);
        }
        Ok(rows)
    }

    /// What never came.
    pub fn gaps(&self) -> anyhow::Result<Vec<Gap>> {
        self.rows("SELECT source, first, last FROM gaps ORDER BY number", |row| {
            Ok(Gap { source: row.get(0)?, first: row.get(1)?, last: row.get(2)? })
        })
    }

    /// The highest sequence number that a source has on a channel.
    pub fn mark(&self, channel: &str, source: &str) -> anyhow::Result<Option<i64>> {
        // Both tables as of one commit.
        let _moment = self.connection.unchecked_transaction()?;
        let query = "SELECT max(seq) FROM marks WHERE channel = ?1 AND source = ?2";
        let stored = self.connection.query_row(query, [channel, source], |row| row.get(0))?;
        if self.is_format_1 {
            return Ok(stored);
        }
        let changes: Vec<Vec<u8>> = self.rows("SELECT data FROM mark_changes ORDER BY number", |row| row.get(0))?;
        changes.iter().try_fold(stored, |before, data| marks::after(before, data, channel, source))
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
