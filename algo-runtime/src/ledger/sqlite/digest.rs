//! One number over the tables of the ledger: the sum, modulo 2^128, of a hash per row. Adding a row adds its hash, deleting
//! it subtracts it, so that a commit keeps the digest at the price of the rows it touches, and any order of rows gives
//! the same. It finds damage, not forgery: a program that can write the file can write the digest as well.
//!
//! The journal has the hash chain and checkpoints instead: it grows for ever, and the digest is computed at every opening. So that
//! reading is cheap, the data of a packed row counts by its checksum.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::ValueRef};
use sha2::{Digest as _, Sha256};

/// All tables but `seal`, which holds the digest.
const TABLES: &str = r"SELECT name FROM sqlite_schema
    WHERE type = 'table' AND name <> 'seal' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'";
/// Tables of the journal, which the digest of the format 1 covers too.
const JOURNAL: [&str; 2] = ["journal", "entries"];
/// Tables of packed rows, with the columns that count.
const PACKED: [(&str, &str); 2] = [("segments", "place, sha256"), ("mark_changes", "number, sha256")];
/// The schema counts as rows too. Root pages may move (VACUUM), so they stay out.
const SCHEMA: &str = r"SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest(u128);

/// Bound on the remembered hashes. At the bound all of them are forgotten, and rows are read again.
const MOST_ROWS: usize = 65_536;

/// Hashes of rows by the hash of their key; 0: there is no row.
#[derive(Debug, Default)]
pub(super) struct Remembered(HashMap<u128, u128>);

impl Remembered {
    /// The hash of the row under a key; `None`: it is not known.
    pub(super) fn get(&self, key: u128) -> Option<u128> {
        self.0.get(&key).copied()
    }

    /// Remembers a row.
    pub(super) fn set(&mut self, key: u128, hash: u128) {
        if self.0.len() >= MOST_ROWS {
            self.0.clear();
        }
        self.0.insert(key, hash);
    }

    /// Forgets all rows: a commit has failed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Hashes of the rows of the table `outbox` by position. A commit that publishes deletes rows, and reads none of them for the digest.
#[derive(Debug, Default)]
pub(super) struct Letters {
    is_loaded: bool,
    pub(super) rows: BTreeMap<u64, u128>,
}

impl Letters {
    /// Forgets all rows: a commit has failed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reads them from the file, unless they are known.
    pub(super) fn load(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.is_loaded {
            let mut statement = connection.prepare("SELECT * FROM outbox")?;
            let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), hash_row("outbox", row)?));
            self.rows = statement.query_map([], read)?.collect::<Result<_, _>>()?;
            self.is_loaded = true;
        }
        Ok(())
    }
}

/// The row that every write transaction reads first and writes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) application_id: i64,
    pub(super) user_version: i64,
    /// Lowest version that reads the file.
    pub(super) min_reader: i64,
    /// Grows with each opening.
    pub(super) epoch: i64,
    /// See [`Digest::sealed`].
    pub(super) digest: String,
}

impl Seal {
    /// Reads it from the file.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let header = |name: &str| connection.pragma_query_value(None, name, |row| row.get(0));
        let (application_id, user_version) = (header("application_id")?, header("user_version")?);
        connection.query_row("SELECT min_reader, epoch, digest FROM seal WHERE id = 1", [], |row| {
            Ok(Self { application_id, user_version, min_reader: row.get(0)?, epoch: row.get(1)?, digest: row.get(2)? })
        })
    }

    /// The sentence that the file has for a release that cannot read it; empty for none.
    pub(super) fn notice(connection: &Connection) -> rusqlite::Result<String> {
        let has = "SELECT count(*) FROM pragma_table_info('seal') WHERE name = 'notice'";
        if connection.query_row(has, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(String::new());
        }
        let notice = connection.query_row("SELECT notice FROM seal WHERE id = 1", [], |row| row.get(0));
        Ok(notice.optional()?.flatten().unwrap_or_default())
    }

    /// Writes all fields but the header's numbers into the file.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare_cached("UPDATE seal SET min_reader = ?1, epoch = ?2, digest = ?3 WHERE id = 1")?;
        statement.execute(params![self.min_reader, self.epoch, self.digest]).map(|_| ())
    }

    /// The same seal with the current value of `digest`.
    pub(super) fn over(&self, digest: Digest) -> Self {
        Self { digest: digest.sealed(self), ..self.clone() }
    }
}

impl Digest {
    /// The digest of a file of the format 1, by reading all of it.
    pub(super) fn of_format_1(connection: &Connection) -> rusqlite::Result<Self> {
        Self::over(connection, tables(connection)?.iter())
    }

    /// The digest of all tables but the journal, by reading them.
    pub(super) fn of_tables(connection: &Connection) -> rusqlite::Result<Self> {
        Self::over(connection, tables(connection)?.iter().filter(|table| !JOURNAL.contains(&table.as_str())))
    }

    fn over<'a>(connection: &Connection, tables: impl Iterator<Item = &'a String>) -> rusqlite::Result<Self> {
        let mut digest = Self::default();
        digest.add_rows(connection, "sqlite_schema", SCHEMA)?;
        for table in tables {
            let columns = PACKED.iter().find(|(packed, _)| packed == table).map_or("*", |(_, columns)| columns);
            digest.add_rows(connection, table, &format!("SELECT {columns} FROM \"{}\"", table.replace('"', "\"\"")))?;
        }
        Ok(digest)
    }

    /// Counts a row of `table` in.
    pub(super) fn add(&mut self, table: &str, row: &Row<'_>) -> rusqlite::Result<()> {
        self.0 = self.0.wrapping_add(hash_row(table, row)?);
        Ok(())
    }

    /// Counts a row of `table` out.
    pub(super) fn subtract(&mut self, table: &str, row: &Row<'_>) -> rusqlite::Result<()> {
        self.0 = self.0.wrapping_sub(hash_row(table, row)?);
        Ok(())
    }

    /// Counts the hash of a row in, and that of the row before it out.
    pub(super) const fn replace(&mut self, before: u128, after: u128) {
        self.0 = self.0.wrapping_sub(before).wrapping_add(after);
    }

    /// The value that the seal stores: together with the seal's other columns and the header's numbers.
    pub(super) fn sealed(self, seal: &Seal) -> String {
        let mut hasher = Sha256::new();
        feed(&mut hasher, b's', b"seal");
        for number in [seal.application_id, seal.user_version, seal.min_reader, seal.epoch] {
            feed(&mut hasher, b'i', &number.to_le_bytes());
        }
        format!("{:032x}", self.0.wrapping_add(first_half(hasher)))
    }

    fn add_rows(&mut self, connection: &Connection, table: &str, select: &str) -> rusqlite::Result<()> {
        let mut statement = connection.prepare(select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.add(table, row)?;
        }
        Ok(())
    }
}

/// Names of all tables but that of the seal.
pub(super) fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect()
}

/// Whether a table holds the journal.
pub(super) fn is_journal(table: &str) -> bool {
    JOURNAL.contains(&table)
}

/// The checksum of a packed row: the first half of the SHA-256 of its data.
pub(super) fn checksum(data: &[u8]) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(data).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// The hash of a row of `table`.
pub(super) fn hash_row(table: &str, row: &Row<'_>) -> rusqlite::Result<u128> {
    let columns = 0..row.as_ref().column_count();
    let values = columns.map(|column| row.get_ref(column)).collect::<Result<Vec<_>, _>>()?;
    Ok(hash_values(table, values.into_iter()))
}

/// The hash of these values in `table`: each with its type and length, so that no two rows read alike.
pub(super) fn hash_values<'a>(table: &str, values: impl Iterator<Item = ValueRef<'a>>) -> u128 {
    let mut hasher = Sha256::new();
    feed(&mut hasher, b's', table.as_bytes());
    for value in values {
        match value {
            ValueRef::Null => feed(&mut hasher, b'n', &[]),
            ValueRef::Integer(value) => feed(&mut hasher, b'i', &value.to_le_bytes()),
            ValueRef::Real(value) => feed(&mut hasher, b'r', &value.to_le_bytes()),
            ValueRef::Text(value) => feed(&mut hasher, b's', value),
            ValueRef::Blob(value) => feed(&mut hasher, b'b', value),
        }
    }
    first_half(hasher)
}

fn feed(hasher: &mut Sha256, kind: u8, value: &[u8]) {
    hasher.update([kind]);
    hasher.update((value.len() as u64).to_le_bytes());
    hasher.update(value);
}

fn first_half(hasher: Sha256) -> u128 {
    let hash: [u8; 32] = hasher.finalize().into();
    hash.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
