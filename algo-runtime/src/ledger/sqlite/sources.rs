//! Resets, conflicts, forgotten sources, symbols and gaps in the file, in columns and tables that v0.1.0 reads past. `marks` has the last
//! numbers.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    rows::{list, unsigned},
    writer::Writer,
};
use crate::{
    ledger::{Changes, Conflict, Gap, Reset, SourceRecords},
    sizes::Sizes,
};

/// Version of the format with these tables.
pub(super) const SINCE: i64 = 3;

/// Dates the numbers that v0.1.0 took since, notes the symbols that it holds, and cuts the gaps that it left.
pub(super) fn adopt(connection: &Connection, sizes: Sizes) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE marks SET dated_seq = seq, taken_micros = NULL,
             found_micros = (SELECT updated_micros FROM account WHERE id = 1)
         WHERE dated_seq IS NOT seq",
        [],
    )?;
    connection.execute("INSERT OR IGNORE INTO symbols SELECT sid FROM holdings", [])?;
    let old = "DELETE FROM gaps WHERE number <= (SELECT max(number) FROM gaps) - ?1";
    connection.execute(old, [sizes.gaps.cast_signed()]).map(drop)
}

pub(super) fn records(connection: &Connection) -> rusqlite::Result<SourceRecords> {
    let resets = "SELECT channel, source, era, last, reset_micros FROM resets ORDER BY number";
    let conflicts = "SELECT channel, source, dead_letters, reason, message FROM conflicts";
    let last_gap = "SELECT channel, source, first, last, seen_micros FROM gaps ORDER BY number DESC LIMIT 1";
    Ok(SourceRecords {
        resets: list(connection, resets, |row| {
            Ok(Reset {
                channel: row.get(0)?,
                source: row.get(1)?,
                era: unsigned(row, 2)?,
                last: row.get(3)?,
                reset_micros: row.get(4)?,
            })
        })?,
        forgotten: list(connection, "SELECT hash FROM forgotten_sources", |row| row.get(0))?,
        conflicts: list(connection, conflicts, |row| {
            let conflict = Conflict { dead_letters: row.get(2)?, reason: row.get(3)?, message: row.get(4)? };
            Ok(((row.get(0)?, row.get(1)?), conflict))
        })?,
        symbols: list(connection, "SELECT sid FROM symbols", |row| row.get(0))?,
        last_gap: connection
            .query_row(last_gap, [], |row| {
                Ok(Gap {
                    channel: row.get(0)?,
                    source: row.get(1)?,
                    first: row.get(2)?,
                    last: row.get(3)?,
                    seen_micros: row.get(4)?,
                })
            })
            .optional()?,
    })
}

impl Writer<'_> {
    /// Writes all changes about sources but their last numbers.
    pub(super) fn sources(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        let sources = &changes.sources;
        for reset in &sources.resets {
            let Reset { channel, source, era, last, reset_micros } = reset;
            self.add(
                "resets",
                "INSERT INTO resets (channel, source, era, last, reset_micros) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING *",
                params![channel, source, era.cast_signed(), last, reset_micros],
            )?;
        }
        for hash in &sources.forgotten {
            let sql = "INSERT OR IGNORE INTO forgotten_sources (hash) VALUES (?1) RETURNING *";
            self.add("forgotten_sources", sql, [hash])?;
        }
        for sid in &sources.symbols {
            self.add("symbols", "INSERT OR IGNORE INTO symbols (sid) VALUES (?1) RETURNING *", [sid])?;
        }
        self.conflicts(changes)?;
        self.gaps(&changes.gaps)
    }

    fn conflicts(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        for ((channel, source), conflict) in &changes.sources.conflicts {
            let sql = "DELETE FROM conflicts WHERE channel = ?1 AND source = ?2 RETURNING *";
            self.remove("conflicts", sql, [channel, source])?;
            let Some(Conflict { dead_letters, reason, message }) = conflict else { continue };
            self.add(
                "conflicts",
                "INSERT INTO conflicts (channel, source, dead_letters, reason, message) VALUES (?1, ?2, ?3, ?4, ?5)
                 RETURNING *",
                params![channel, source, dead_letters, reason, message],
            )?;
        }
        Ok(())
    }

    fn gaps(&mut self, gaps: &[Gap]) -> rusqlite::Result<()> {
        for Gap { channel, source, first, last, seen_micros } in gaps {
            self.add(
                "gaps",
                "INSERT INTO gaps (channel, source, first, last, seen_micros) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING *",
                params![channel, source, first, last, seen_micros],
            )?;
        }
        if gaps.is_empty() {
            return Ok(());
        }
        let old = "DELETE FROM gaps WHERE number <= (SELECT max(number) FROM gaps) - ?1 RETURNING *";
        self.remove("gaps", old, [self.sizes.gaps.cast_signed()])
    }
}

#[cfg(test)]
mod tests;
