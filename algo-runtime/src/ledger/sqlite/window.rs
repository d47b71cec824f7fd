//! The window in the file. The last rows of each class are in `segments`, one for each commit. A row that the broker may still
//! ask for after it has left the last [`Sizes::window`](crate::sizes::Sizes::window) is moved into the table `window`, which has indexes; a
//! row of which nothing is asked any more goes with its segment. So a row costs a few bytes of a segment as a rule, and a row of a
//! table during a backlog alone.

use std::collections::VecDeque;

use rusqlite::{Connection, params};

use super::{
    broken::Broken,
    digest::checksum,
    rows::{self, stored_outcome, unreadable, unsigned},
    segment::{self, Segment},
    writer::Writer,
};
use crate::{
    ledger::{Changes, Class, Stretch, WindowRow, stretch},
    sizes::Sizes,
};

/// Distance of the classes in `segments.place`.
const CLASS: u64 = 1 << 56;

/// Ordinals of a segment's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
}

/// The segments of one class that are in the file, and how far its rows have left the ledger.
#[derive(Debug, Clone, Default)]
struct Spans {
    stored: VecDeque<Span>,
    /// Rows up to this ordinal are gone.
    evicted: u64,
    /// The last row.
    last: u64,
}

/// The segments in the file. A commit describes its change as steps, which are taken once it is done.
#[derive(Debug, Clone, Default)]
pub(super) struct Segments([Spans; 3]);

/// The change of a class's segments by a commit.
#[derive(Debug)]
pub(super) struct Step {
    class: Class,
    added: Option<Span>,
    last: u64,
    evicted: u64,
    /// Segments that leave the file, from the oldest one on.
    removed: usize,
}

const fn place_of(class: Class) -> usize {
    match class {
        Class::Sequence => 0,
        Class::Id => 1,
        Class::Packet => 2,
    }
}

fn place(class: Class, ordinal: u64) -> i64 {
    ((place_of(class) as u64 + 1) * CLASS + ordinal).cast_signed()
}

/// Places of a class.
fn places(class: Class) -> (i64, i64) {
    (place(class, 0), place(class, CLASS - 1))
}

impl Segments {
    /// Those of the file.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut segments = Self::default();
        for class in Class::ALL {
            let mut spans = Spans { last: last_in_table(connection, class)?, ..Spans::default() };
            each(connection, class, |Segment { evicted, rows }| {
                let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
                spans.stored.push_back(Span { first: first.ordinal, last: last.ordinal });
                spans.evicted = spans.evicted.max(evicted);
                spans.last = spans.last.max(last.ordinal);
            })?;
            *segments.of_mut(class) = spans;
        }
        Ok(segments)
    }

    fn of(&self, class: Class) -> &Spans {
        let [sequence, id, packet] = &self.0;
        match class {
            Class::Sequence => sequence,
            Class::Id => id,
            Class::Packet => packet,
        }
    }

    fn of_mut(&mut self, class: Class) -> &mut Spans {
        let [sequence, id, packet] = &mut self.0;
        match class {
            Class::Sequence => sequence,
            Class::Id => id,
            Class::Packet => packet,
        }
    }

    /// The first ordinal of the last [`Sizes::window`] rows, which are in memory.
    pub(super) fn recent_from(&self, class: Class, sizes: &Sizes) -> u64 {
        self.of(class).last.saturating_sub(sizes.window) + 1
    }

    /// Takes the steps of a commit that is done.
    pub(super) fn take(&mut self, steps: Vec<Step>) {
        for Step { class, added, last, evicted, removed } in steps {
            let spans = self.of_mut(class);
            spans.stored.drain(..removed.min(spans.stored.len()));
            (spans.evicted, spans.last) = (evicted, last);
            spans.stored.extend(added);
        }
    }
}

/// Hands out the last rows of each class. Returns all before them, summed up. A file of the format 1 has no segments.
pub(super) fn read(
    connection: &Connection,
    sizes: &Sizes,
    take: &mut dyn FnMut(WindowRow),
) -> rusqlite::Result<Vec<Stretch>> {
    let mut older = Vec::new();
    for class in Class::ALL {
        let (last, gone) = match last_segment(connection, class)? {
            Some((last, evicted)) => (last, evicted),
            None => (last_in_table(connection, class)?, 0),
        };
        let bound = last.saturating_sub(sizes.window);
        let mut before = connection.prepare_cached(
            "SELECT ordinal, run, delivery, session, packet_id, connection FROM window
             WHERE class = ?1 AND ordinal <= ?2 ORDER BY ordinal",
        )?;
        let mut found = before.query(params![class.name(), bound.cast_signed()])?;
        while let Some(row) = found.next()? {
            stretch::append(&mut older, rows::summary(class, row)?, sizes.stretch_rows);
        }
        let sql = format!("SELECT {} FROM window WHERE class = ?1 AND ordinal > ?2 ORDER BY ordinal", rows::WINDOW_ROW);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query(params![class.name(), bound.cast_signed()])?;
        while let Some(row) = found.next()? {
            take(rows::window_row(class, row)?);
        }
        each(connection, class, |Segment { rows, .. }| {
            for row in rows.into_iter().filter(|row| row.ordinal > gone) {
                if row.ordinal > bound {
                    take(row);
                } else {
                    stretch::append(&mut older, Stretch::of(&row), sizes.stretch_rows);
                }
            }
        })?;
    }
    Ok(older)
}

/// Of the last segment of a class, the last ordinal, and the ordinal up to which rows are gone.
fn last_segment(connection: &Connection, class: Class) -> rusqlite::Result<Option<(u64, u64)>> {
    if !connection.table_exists(None, "segments")? {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(
        "SELECT place, sha256, data FROM segments WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1",
    )?;
    let mut found = statement.query(places(class))?;
    let Some(row) = found.next()? else { return Ok(None) };
    let Segment { evicted, rows } = unpacked(class, row.get(0)?, row.get(1)?, row.get_ref(2)?.as_blob()?)?;
    Ok(rows.last().map(|row| (row.ordinal, evicted)))
}

fn last_in_table(connection: &Connection, class: Class) -> rusqlite::Result<u64> {
    let sql = "SELECT ifnull(max(ordinal), 0) FROM window WHERE class = ?1";
    connection.query_row(sql, [class.name()], |row| unsigned(row, 0))
}

/// The segments of a class in order, their checksums checked.
fn each(connection: &Connection, class: Class, mut take: impl FnMut(Segment)) -> rusqlite::Result<()> {
    if !connection.table_exists(None, "segments")? {
        return Ok(());
    }
    let mut statement = connection
        .prepare_cached("SELECT place, sha256, data FROM segments WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
    let mut found = statement.query(places(class))?;
    while let Some(row) = found.next()? {
        take(unpacked(class, row.get(0)?, row.get(1)?, row.get_ref(2)?.as_blob()?)?);
    }
    Ok(())
}

/// The class and the rows of a stored segment, if it holds together.
pub(super) fn stored(place: i64, sha256: [u8; 16], data: &[u8]) -> rusqlite::Result<(Class, Segment)> {
    let class = Class::ALL.into_iter().find(|class| places(*class).0 <= place && place <= places(*class).1);
    let class = class.ok_or_else(|| broken(place, "its place is of no class"))?;
    Ok((class, unpacked(class, place, sha256, data)?))
}

/// The first ordinal of a class in the segments.
pub(super) fn first_packed(connection: &Connection, class: Class) -> rusqlite::Result<Option<u64>> {
    let mut first = None;
    each(connection, class, |segment| first = first.or_else(|| segment.rows.first().map(|row| row.ordinal)))?;
    Ok(first)
}

/// Writes the remaining rows of a segment as another segment. Outside of a commit: no digest follows it.
pub(super) fn store(
    connection: &Connection,
    class: Class,
    Segment { evicted, rows }: &Segment,
) -> rusqlite::Result<()> {
    let Some(last) = rows.last() else { return Ok(()) };
    let data = segment::pack(*evicted, rows.iter());
    let sql = "INSERT INTO segments (place, sha256, data) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![place(class, last.ordinal), checksum(&data), data]).map(drop)
}

/// A segment holds together: its checksum, its place, and ordinals that grow.
fn unpacked(class: Class, stored: i64, sha256: [u8; 16], data: &[u8]) -> rusqlite::Result<Segment> {
    if checksum(data) != sha256 {
        return Err(broken(stored, "its checksum is wrong").into());
    }
    let segment = segment::unpack(class, data).map_err(|error| broken(stored, &error.to_string()))?;
    let ordinals = || segment.rows.iter().map(|row| row.ordinal);
    let last = segment.rows.last().map_or(0, |row| row.ordinal);
    if place(class, last) != stored || !ordinals().is_sorted() || last == 0 {
        return Err(broken(stored, "its rows are those of another place").into());
    }
    Ok(segment)
}

fn broken(place: i64, fault: &str) -> Broken {
    Broken::row("segment", place.cast_unsigned(), fault)
}

impl Writer<'_> {
    /// Adds the rows and lets those go that are evicted. Returns the steps to take once the commit is done.
    pub(super) fn window(&mut self, segments: &Segments, changes: &Changes) -> rusqlite::Result<Vec<Step>> {
        let mut steps = Vec::new();
        for class in Class::ALL {
            let evict = changes.evict.iter().filter(|(of, _)| *of == class).map(|(_, through)| *through).max();
            let rows = || changes.window.iter().filter(|row| row.class == class);
            if evict.is_some() || rows().next().is_some() {
                steps.push(self.class_step(segments.of(class), class, evict, rows)?);
            }
        }
        Ok(steps)
    }

    fn class_step<'a, I: Iterator<Item = &'a WindowRow>>(
        &mut self,
        spans: &Spans,
        class: Class,
        evict: Option<u64>,
        rows: impl Fn() -> I,
    ) -> rusqlite::Result<Step> {
        let evicted = spans.evicted.max(evict.unwrap_or(0));
        if let Some(through) = evict {
            let sql = "DELETE FROM window WHERE class = ?1 AND ordinal <= ?2 RETURNING *";
            self.remove("window", sql, params![class.name(), through.cast_signed()])?;
        }
        let mut added = None;
        if let Some(first) = rows().next() {
            let span =
                Span { first: first.ordinal, last: rows().map(|row| row.ordinal).max().unwrap_or(first.ordinal) };
            if span.first <= spans.last || !rows().map(|row| row.ordinal).is_sorted_by(|one, next| one < next) {
                return Err(unreadable(0, rows::Unknown(format!("row {} behind row {}", span.first, spans.last))));
            }
            let data = segment::pack(evicted, rows());
            self.add(
                "segments",
                "INSERT INTO segments (place, sha256, data) VALUES (?1, ?2, ?3) RETURNING place, sha256",
                params![place(class, span.last), checksum(&data), data],
            )?;
            added = Some(span);
        }
        let last = added.map_or(spans.last, |span| span.last);
        let passed = last.saturating_sub(self.sizes.window);
        let mut removed = 0;
        for span in spans.stored.iter().chain(&added) {
            let is_gone = span.last <= evicted;
            // The broker may still ask for rows that have left the last `Sizes::window`.
            let is_held = span.first <= passed && evicted < passed;
            // Rows in the middle of a segment are gone, which the next segment would record.
            let is_cut = added.is_none() && span.first <= evicted && evicted > spans.evicted;
            if !is_gone && !is_held && !is_cut {
                break;
            }
            self.unpack(class, *span, evicted, !is_gone)?;
            removed += 1;
        }
        if removed > spans.stored.len() {
            added = None;
        }
        Ok(Step { class, added, last, evicted, removed })
    }

    /// Removes a segment. `move_rows`: those that are not evicted go into the table.
    fn unpack(&mut self, class: Class, span: Span, evicted: u64, move_rows: bool) -> rusqlite::Result<()> {
        let at = place(class, span.last);
        if move_rows {
            let sql = "SELECT sha256, data FROM segments WHERE place = ?1";
            let (sha256, data): ([u8; 16], Vec<u8>) =
                self.connection.prepare_cached(sql)?.query_row([at], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let Segment { rows, .. } = unpacked(class, at, sha256, &data)?;
            rows.iter().filter(|row| row.ordinal > evicted).try_for_each(|row| self.row(row))?;
        }
        self.remove("segments", "DELETE FROM segments WHERE place = ?1 RETURNING place, sha256", [at])
    }

    fn row(&mut self, row: &WindowRow) -> rusqlite::Result<()> {
        let (outcome, reason) = stored_outcome(&row.outcome);
        self.add(
            "window",
            "INSERT INTO window (class, ordinal, run, delivery, tick_index, channel, source, seq, id, session,
                 packet_id, payload_sha256, outcome, reason, first_position, positions, first_seq, seqs,
                 rank, era, ticks, connection, envelope_sha256, content_sha256, packet_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
                 ?24, ?25) RETURNING *",
            params![
                row.class.name(),
                row.ordinal.cast_signed(),
                row.run.cast_signed(),
                row.delivery.cast_signed(),
                row.index,
                row.channel,
                row.source,
                row.seq,
                row.id,
                row.session,
                row.packet_id,
                row.payload_sha256,
                outcome,
                reason,
                row.outcome.first_position.cast_signed(),
                row.outcome.positions,
                row.outcome.first_seq.cast_signed(),
                row.outcome.seqs,
                row.rank,
                (row.era > 0).then(|| row.era.cast_signed()),
                row.ticks,
                row.connection.map(u64::cast_signed),
                row.envelope_sha256,
                row.content_sha256,
                row.packet_key(),
            ],
        )
    }
}
