//! Last numbers in the file. The table `marks` has one row for each source. A commit that changes many of them packs its changes into
//! one row of `mark_changes` instead, and the last packed change of a source overrides its row of `marks`. When a packed row leaves the
//! file, its numbers that no later commit has changed are written into `marks`. So a tick from one of many sources costs some bytes of a
//! packed row as a rule.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rusqlite::{Connection, params};

use super::{
    broken::Broken,
    digest::checksum,
    packed_marks::{self, PackedMarks},
    replaced::MARKS,
    rows::{list, unsigned},
    writer::Writer,
};
use crate::ledger::{Changes, Mark, SourceKey};

/// Packed changes that are kept for each source with a packed change. Where sources come at random, a number is still the last of its
/// source when its row leaves in about 2 % of the cases; with half as many it would be in 20 %.
const CHANGES_PER_SOURCE: usize = 4;
/// Name of a row in errors.
const ROW: &str = "mark_changes row";

/// A row of `mark_changes`.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u64,
    changes: usize,
    /// Sources that no later row changes.
    latest: usize,
}

/// The rows of `mark_changes` in the file. A commit describes its change as a step, which is taken once it is done.
#[derive(Debug, Clone, Default)]
pub(super) struct MarkChanges {
    /// Without a hole between their numbers.
    parts: VecDeque<Part>,
    /// Sum over the parts.
    changes: usize,
    /// The last part that changes a source.
    latest: HashMap<SourceKey, u64>,
}

/// The change of [`MarkChanges`] by a commit.
#[derive(Debug, Default)]
pub(super) struct MarkStep {
    /// Parts that leave the file, from the oldest one on.
    left: usize,
    /// Sources of these parts that no later part has.
    settled: Vec<SourceKey>,
    added: Option<u64>,
}

impl MarkChanges {
    /// Those of the file. A file of the format 1 has none.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut found = Self::default();
        each(connection, |number, PackedMarks { removed, marks }| {
            let set = marks.into_iter().map(|Mark { channel, source, .. }| (channel, source));
            let keys: Vec<_> = removed.into_iter().chain(set).collect();
            found.add(number, keys.iter());
        })?;
        Ok(found)
    }

    /// Takes the step of a commit that is done.
    pub(super) fn take(&mut self, step: &MarkStep, changes: &Changes) {
        for part in self.parts.drain(..step.left.min(self.parts.len())) {
            self.changes -= part.changes;
        }
        for key in &step.settled {
            self.latest.remove(key);
        }
        if let Some(number) = step.added {
            self.add(number, changed(changes));
        }
    }

    fn add<'a>(&mut self, number: u64, keys: impl Iterator<Item = &'a SourceKey>) {
        let mut part = Part { number, changes: 0, latest: 0 };
        for key in keys {
            part.changes += 1;
            let before = match self.latest.get_mut(key) {
                Some(known) => Some(std::mem::replace(known, number)),
                None => self.latest.insert(key.clone(), number),
            };
            if before == Some(number) {
                continue;
            }
            part.latest += 1;
            if let Some(part) = before.and_then(|before| self.part_mut(before)) {
                part.latest -= 1;
            }
        }
        self.changes += part.changes;
        self.parts.push_back(part);
    }

    fn part_mut(&mut self, number: u64) -> Option<&mut Part> {
        let first = self.parts.front()?.number;
        self.parts.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    fn next(&self) -> u64 {
        self.parts.back().map_or(1, |last| last.number + 1)
    }
}

/// Sources with a last number that a commit removes or sets. A source is there twice if the commit does both.
fn changed(changes: &Changes) -> impl Iterator<Item = &SourceKey> {
    changes.sources.removed.iter().chain(changes.marks.keys())
}

/// The last numbers by channel and source.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Mark>> {
    let mut marks = stored(connection)?;
    each(connection, |_, changes| apply(&mut marks, changes))?;
    Ok(marks.into_values().collect())
}

/// The rows of the table `marks`.
fn stored(connection: &Connection) -> rusqlite::Result<BTreeMap<SourceKey, Mark>> {
    let sql = "SELECT channel, source, seq, tick_index, ifnull(taken_micros, 0), ifnull(found_micros, 0) FROM marks";
    list(connection, sql, |row| {
        let mark = Mark {
            channel: row.get(0)?,
            source: row.get(1)?,
            seq: row.get(2)?,
            index: row.get(3)?,
            taken_micros: row.get(4)?,
            found_micros: row.get(5)?,
        };
        Ok(((mark.channel.clone(), mark.source.clone()), mark))
    })
}

fn apply(marks: &mut BTreeMap<SourceKey, Mark>, PackedMarks { removed, marks: set }: PackedMarks) {
    for key in &removed {
        marks.remove(key);
    }
    marks.extend(set.into_iter().map(|mark| ((mark.channel.clone(), mark.source.clone()), mark)));
}

/// The packed changes in order, their checksums checked.
fn each(connection: &Connection, mut take: impl FnMut(u64, PackedMarks)) -> rusqlite::Result<()> {
    if !connection.table_exists(None, "mark_changes")? {
        return Ok(());
    }
    let mut statement = connection.prepare_cached("SELECT number, sha256, data FROM mark_changes ORDER BY number")?;
    let mut found = statement.query([])?;
    let mut expected = None;
    while let Some(row) = found.next()? {
        let number = unsigned(row, 0)?;
        if expected.is_some_and(|expected| expected != number) {
            return Err(Broken::row(ROW, number, "the row before it is missing").into());
        }
        expected = Some(number + 1);
        take(number, unpacked(number, row.get(1)?, row.get_ref(2)?.as_blob()?)?);
    }
    Ok(())
}

/// The changes in a row of `mark_changes`, if it holds together.
pub(super) fn unpacked(number: u64, sha256: [u8; 16], data: &[u8]) -> rusqlite::Result<PackedMarks> {
    let broken = |fault: &str| Broken::row(ROW, number, fault);
    if checksum(data) != sha256 {
        return Err(broken("its checksum is wrong").into());
    }
    packed_marks::unpack(data).map_err(|error| broken(&error.to_string()).into())
}

impl Writer<'_> {
    /// Removes and sets last numbers. Returns the step to take once the commit is done.
    pub(super) fn marks(&mut self, before: &MarkChanges, changes: &Changes) -> rusqlite::Result<MarkStep> {
        let mut step = MarkStep::default();
        let count = changed(changes).count();
        if count == 0 {
            return Ok(step);
        }
        for (channel, source) in &changes.sources.removed {
            self.delete(&MARKS, &[channel, source])?;
        }
        let many = self.sizes.packed_marks;
        let is_packed = changes.marks.len() >= many || before.latest.len() >= many;
        let most = if is_packed { self.sizes.mark_changes.max(CHANGES_PER_SOURCE * before.latest.len()) } else { 0 };
        let mut kept = before.changes;
        for part in &before.parts {
            if is_packed && kept + count <= most {
                break;
            }
            step.settled.extend(self.settle(part, before, changes)?);
            step.left += 1;
            kept -= part.changes;
        }
        if is_packed {
            let number = before.next();
            let data = packed_marks::pack(&changes.sources.removed, changes.marks.values());
            self.add(
                "mark_changes",
                "INSERT INTO mark_changes (number, sha256, data) VALUES (?1, ?2, ?3) RETURNING number, sha256",
                params![number.cast_signed(), checksum(&data), data],
            )?;
            step.added = Some(number);
        } else {
            changes.marks.values().try_for_each(|mark| self.mark(mark))?;
        }
        Ok(step)
    }

    /// Takes a part out of the file. Numbers that neither a later part nor this commit changes are written into `marks`. Returns the
    /// sources that no later part has.
    fn settle(&mut self, part: &Part, before: &MarkChanges, changes: &Changes) -> rusqlite::Result<Vec<SourceKey>> {
        let number = part.number.cast_signed();
        let mut settled = Vec::new();
        if part.latest > 0 {
            let sql = "SELECT sha256, data FROM mark_changes WHERE number = ?1";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let (sha256, data): ([u8; 16], Vec<u8>) = self.connection.prepare_cached(sql)?.query_row([number], read)?;
            let PackedMarks { removed, marks } = unpacked(part.number, sha256, &data)?;
            let is_latest = |key: &SourceKey| before.latest.get(key) == Some(&part.number);
            for mark in marks {
                let key = (mark.channel.clone(), mark.source.clone());
                if !is_latest(&key) {
                    continue;
                }
                if !changes.marks.contains_key(&key) && !changes.sources.removed.contains(&key) {
                    self.mark(&mark)?;
                }
                settled.push(key);
            }
            settled.extend(removed.into_iter().filter(is_latest));
        }
        self.remove("mark_changes", "DELETE FROM mark_changes WHERE number = ?1 RETURNING number, sha256", [number])?;
        Ok(settled)
    }

    /// Sets a row of the table `marks`.
    fn mark(&mut self, mark: &Mark) -> rusqlite::Result<()> {
        let Mark { channel, source, seq, index, taken_micros, .. } = mark;
        self.put(&MARKS, &[channel, source, seq, index, seq, taken_micros, &None::<i64>])
    }
}

#[cfg(test)]
mod tests;
