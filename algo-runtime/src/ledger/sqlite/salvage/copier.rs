//! Copies rows out of a damaged table: from the front up to the first page that cannot be read, and from the end down to it.

use rusqlite::{
    Connection, ErrorCode, Row, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use super::super::rows::{self, unreadable};

/// The part of a table that could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Name of the table.
    pub table: String,
    /// Rows that were read and left out: they do not fit the journal that is kept, or have a value that no release writes.
    pub rows: u64,
    /// The pages of the table are damaged, so that further rows may be missing.
    pub is_damaged: bool,
}

/// Copies tables from one file into another, outside of a commit: no digest follows it.
pub(super) struct Copier<'a> {
    pub(super) source: &'a Connection,
    pub(super) target: &'a Connection,
    /// The source has every table; the file of an older release lacks some.
    pub(super) is_complete: bool,
    pub(super) left_out: Vec<LeftOut>,
}

impl Copier<'_> {
    /// Copies the rows that can be read, that the table of the target accepts, and that `fits` accepts. An error of `fits`: the row
    /// has a value that no release writes.
    pub(super) fn copy(
        &mut self,
        table: &str,
        mut fits: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<()> {
        if !self.source.table_exists(None, table).unwrap_or(true) {
            self.leave_out(table, 0, self.is_complete);
            return Ok(());
        }
        let mut rows = 0;
        if !self.pass(table, "ASC", &mut fits, &mut rows)? {
            // Rows that were left out in the first pass are not counted again.
            self.pass(table, "DESC", &mut fits, &mut 0)?;
        }
        let is_damaged = !self.has_sound_pages(table);
        self.leave_out(table, rows, is_damaged);
        Ok(())
    }

    /// Adds to the part of a table that could not be kept.
    pub(super) fn leave_out(&mut self, table: &str, rows: u64, is_damaged: bool) {
        if rows == 0 && !is_damaged {
            return;
        }
        if let Some(known) = self.left_out.iter_mut().find(|known| known.table == table) {
            known.rows += rows;
            known.is_damaged |= is_damaged;
        } else {
            self.left_out.push(LeftOut { table: table.to_owned(), rows, is_damaged });
        }
    }

    /// Takes back rows that were left out: they were kept in another way.
    pub(super) fn keep_in(&mut self, table: &str, rows: u64) {
        for known in self.left_out.iter_mut().filter(|known| known.table == table) {
            known.rows = known.rows.saturating_sub(rows);
        }
        self.left_out.retain(|known| known.rows > 0 || known.is_damaged);
    }

    /// Whether a part of a table could not be kept.
    pub(super) fn has_left_out(&self, table: &str) -> bool {
        self.left_out.iter().any(|known| known.table == table)
    }

    /// Copies rows in the order of the primary key until one cannot be read. Returns whether the end was reached.
    fn pass(
        &self,
        table: &str,
        order: &str,
        fits: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
        left_out: &mut u64,
    ) -> rusqlite::Result<bool> {
        let Layout { columns, keys } = self.layout(table)?;
        if columns.is_empty() {
            return Ok(false);
        }
        let list = columns.join(", ");
        let keys: Vec<String> = keys.iter().map(|key| format!("{key} {order}")).collect();
        let places = vec!["?"; columns.len()].join(", ");
        let mut insert =
            self.target.prepare(&format!("INSERT OR IGNORE INTO \"{table}\" ({list}) VALUES ({places})"))?;
        let select = format!("SELECT {list} FROM \"{table}\" ORDER BY {}", keys.join(", "));
        let Ok(mut select) = self.source.prepare(&select) else { return Ok(false) };
        let Ok(mut rows) = select.query([]) else { return Ok(false) };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(true),
                Err(_) => return Ok(false),
            };
            let Ok(Some(values)) = fits(row).and_then(|fits| if fits { values(row).map(Some) } else { Ok(None) })
            else {
                *left_out += 1;
                continue;
            };
            match insert.execute(params_from_iter(values)) {
                Ok(0) => *left_out += 1,
                Ok(_) => {}
                Err(error) if is_refusal(&error) => *left_out += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The columns that a table has in both files, and its primary key.
    fn layout(&self, table: &str) -> rusqlite::Result<Layout> {
        let sql = "SELECT '\"' || name || '\"', pk FROM pragma_table_info(?1)";
        let read = |connection: &Connection| -> rusqlite::Result<Vec<(String, i64)>> {
            connection.prepare(sql)?.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        // Without a schema that can be read there are no columns.
        let (known, mut found) = (read(self.source).unwrap_or_default(), read(self.target)?);
        found.retain(|(name, _)| known.iter().any(|(known, _)| known == name));
        let mut keys: Vec<_> = found.iter().filter(|(_, place)| *place > 0).cloned().collect();
        keys.sort_by_key(|(_, place)| *place);
        let names = |columns: Vec<(String, i64)>| columns.into_iter().map(|(name, _)| name).collect();
        Ok(Layout { columns: names(found), keys: names(keys) })
    }

    /// Whether SQLite finds nothing wrong with the pages of a table.
    fn has_sound_pages(&self, table: &str) -> bool {
        let sql = format!("PRAGMA integrity_check('{table}')");
        self.source.query_row(&sql, [], |row| row.get::<_, String>(0)).is_ok_and(|found| found == "ok")
    }
}

/// See [`Copier::layout`].
struct Layout {
    columns: Vec<String>,
    keys: Vec<String>,
}

/// The values of a row. Text that is no UTF-8 is an error.
fn values<'a>(row: &'a Row<'_>) -> rusqlite::Result<Vec<ToSqlOutput<'a>>> {
    let columns = 0..row.as_ref().column_count();
    let read = columns.map(|column| match row.get_ref(column)? {
        ValueRef::Text(text) if std::str::from_utf8(text).is_err() => {
            Err(unreadable(column, rows::Unknown("text that is no UTF-8".to_owned())))
        }
        value => Ok(ToSqlOutput::Borrowed(value)),
    });
    read.collect()
}

/// The table does not accept the row.
fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch))
}
