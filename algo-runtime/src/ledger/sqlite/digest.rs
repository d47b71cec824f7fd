//! One number over everything in the ledger: the sum, modulo 2^128, of a hash per row. Adding a row adds its hash, deleting
//! it subtracts it, so that a commit keeps the digest at the price of the rows it touches, and any order of rows gives
//! the same. It finds damage, not forgery: a program that can write the file can write the digest as well.

use rusqlite::{Connection, Row, params, types::ValueRef};
use sha2::{Digest as _, Sha256};

/// The ledger's tables that the digest covers: all but the table that holds it.
const TABLES: &str = r"SELECT name FROM sqlite_schema
    WHERE type = 'table' AND name <> 'seal' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'";
/// The schema counts as rows too. Root pages may move (VACUUM), so they stay out.
const SCHEMA: &str = r"SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'";

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest(u128);

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
    /// The digest of the whole file, by reading all of it.
    pub(super) fn of_all(connection: &Connection) -> rusqlite::Result<Self> {
        let mut digest = Self::default();
        digest.add_rows(connection, "sqlite_schema", SCHEMA)?;
        let tables =
            connection.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        for table in tables {
            digest.add_rows(connection, &table, &format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
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

/// Each value with its type and length, so that no two rows read alike.
fn hash_row(table: &str, row: &Row<'_>) -> rusqlite::Result<u128> {
    let mut hasher = Sha256::new();
    feed(&mut hasher, b's', table.as_bytes());
    for column in 0..row.as_ref().column_count() {
        match row.get_ref(column)? {
            ValueRef::Null => feed(&mut hasher, b'n', &[]),
            ValueRef::Integer(value) => feed(&mut hasher, b'i', &value.to_le_bytes()),
            ValueRef::Real(value) => feed(&mut hasher, b'r', &value.to_le_bytes()),
            ValueRef::Text(value) => feed(&mut hasher, b's', value),
            ValueRef::Blob(value) => feed(&mut hasher, b'b', value),
        }
    }
    Ok(first_half(hasher))
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
