//! The last numbers of a salvaged ledger. They are in the table `marks` alone: changes that can be read are written into it in their order.
//! A number that was lost with its row is at least that of an outcome that is kept. Quotes that lost their outcomes are new again.

use std::collections::BTreeMap;

use intuition_api::v1::tick_outcome::Kind;
use rusqlite::{Connection, Row, params};

use super::{
    super::{marks, packed_marks::PackedMarks, rows::unsigned},
    copier::Copier,
};
use crate::ledger::{Class, Mark, SourceKey, WindowRow};

/// Number and rank of a quote in an era of its source.
#[derive(Debug, Clone, Copy)]
struct Place {
    era: u64,
    seq: i64,
    rank: u32,
}

/// Numbers in the outcomes of the damaged ledger, by channel and source.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The first quote of the last era that lost its outcome.
    lost: BTreeMap<SourceKey, Place>,
    /// The last quote of the last era that keeps its outcome.
    kept: BTreeMap<SourceKey, Place>,
}

/// The place of a row, with its source.
fn place(row: &WindowRow) -> Option<(SourceKey, Place)> {
    let seq = row.seq.filter(|_| row.class == Class::Sequence)?;
    Some(((row.channel.clone(), row.source.clone()), Place { era: row.era, seq, rank: row.rank }))
}

impl Numbers {
    /// Notes an outcome that is left out.
    pub(super) fn lose(&mut self, row: &WindowRow) {
        let Some((key, lost)) = place(row) else { return };
        let first = self.lost.entry(key).or_insert(lost);
        if lost.era > first.era || lost.era == first.era && (lost.seq, lost.rank) < (first.seq, first.rank) {
            *first = lost;
        }
    }

    /// Notes an outcome that is kept. Some dead letters have taken no number, and a second one for the same quote does no harm.
    pub(super) fn keep(&mut self, row: &WindowRow) {
        let Some((key, kept)) = place(row).filter(|_| row.outcome.kind != Kind::DeadLettered) else { return };
        let last = self.kept.entry(key).or_insert(kept);
        if (kept.era, kept.seq, kept.rank) > (last.era, last.seq, last.rank) {
            *last = kept;
        }
    }

    /// Fills the table `marks`. Resets are copied before. `updated_micros`: the last commit, the time of numbers that follow from an
    /// outcome.
    pub(super) fn copy(&self, copier: &mut Copier<'_>, updated_micros: i64) -> rusqlite::Result<()> {
        copier.copy("marks", |row| row.get::<_, u32>("tick_index").map(|_| true))?;
        if copier.target.table_exists(None, "mark_changes")? {
            changes(copier)?.into_values().try_for_each(|changes| apply(copier.target, &changes))?;
            self.raise(copier.target, updated_micros)?;
        }
        self.lower(copier.target)
    }

    /// Raises last numbers to those of outcomes in the present era of their sources.
    fn raise(&self, target: &Connection, updated_micros: i64) -> rusqlite::Result<()> {
        let sql = format!(
            "INSERT INTO marks (channel, source, seq, tick_index, dated_seq, found_micros)
             SELECT ?1, ?2, ?3, ?4, ?3, ?6 WHERE {IN_PRESENT_ERA}
             ON CONFLICT DO UPDATE SET seq = excluded.seq, tick_index = excluded.tick_index, dated_seq = excluded.dated_seq,
                 taken_micros = NULL, found_micros = excluded.found_micros
             WHERE (marks.seq, marks.tick_index) < (excluded.seq, excluded.tick_index)"
        );
        let mut raise = target.prepare(&sql)?;
        for ((channel, source), Place { era, seq, rank }) in &self.kept {
            raise.execute(params![channel, source, seq, rank, era.cast_signed(), updated_micros])?;
        }
        Ok(())
    }

    /// Lowers last numbers to those before the lost quotes.
    fn lower(&self, target: &Connection) -> rusqlite::Result<()> {
        let is_present = format!("channel = ?1 AND source = ?2 AND (seq, tick_index) >= (?3, ?4) AND {IN_PRESENT_ERA}");
        for ((channel, source), Place { era, seq, rank }) in &self.lost {
            let before = match (rank.checked_sub(1), seq.checked_sub(1)) {
                (Some(rank), _) => Some((*seq, rank)),
                (None, Some(seq)) => Some((seq, u32::MAX)),
                (None, None) => None,
            };
            let known = params![channel, source, seq, rank, era.cast_signed()];
            let Some((seq, rank)) = before else {
                target.execute(&format!("DELETE FROM marks WHERE {is_present}"), known)?;
                continue;
            };
            let sql =
                format!("UPDATE marks SET seq = {seq}, dated_seq = {seq}, tick_index = {rank} WHERE {is_present}");
            target.execute(&sql, known)?;
        }
        Ok(())
    }
}

/// `?5` is the present era of the source `?2` on the channel `?1`.
const IN_PRESENT_ERA: &str = "?5 = (SELECT count(*) FROM resets WHERE resets.channel = ?1 AND resets.source = ?2)";

/// The rows of `mark_changes` that can be read.
fn changes(copier: &mut Copier<'_>) -> rusqlite::Result<BTreeMap<u64, PackedMarks>> {
    let mut found = BTreeMap::new();
    copier.copy("mark_changes", |row: &Row<'_>| {
        let number = unsigned(row, 0)?;
        found.insert(number, marks::unpacked(number, row.get("sha256")?, row.get_ref("data")?.as_blob()?)?);
        Ok(false)
    })?;
    // They are kept in `marks`.
    copier.keep_in("mark_changes", found.len() as u64);
    Ok(found)
}

fn apply(target: &Connection, PackedMarks { removed, marks }: &PackedMarks) -> rusqlite::Result<()> {
    let mut remove = target.prepare_cached("DELETE FROM marks WHERE channel = ?1 AND source = ?2")?;
    for (channel, source) in removed {
        remove.execute([channel, source])?;
    }
    let mut set = target.prepare_cached(
        "INSERT OR REPLACE INTO marks (channel, source, seq, tick_index, dated_seq, taken_micros)
         VALUES (?1, ?2, ?3, ?4, ?3, ?5)",
    )?;
    for Mark { channel, source, seq, index, taken_micros, .. } in marks {
        set.execute(params![channel, source, seq, index, taken_micros])?;
    }
    Ok(())
}
