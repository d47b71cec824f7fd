//! The outcomes of a salvaged ledger: an outcome stays with its decisions and positions.

use rusqlite::{Connection, params};

use super::{
    super::{rows, window},
    copier::Copier,
    numbers::Numbers,
};
use crate::ledger::{Class, Outcome};

/// Ordinals are below it: a segment's place has the class above them.
const MOST_ROWS: u64 = 1 << 56;

/// The end of the journal and of the outbox that are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) decisions: u64,
    pub(super) position: u64,
}

impl Ends {
    fn has(self, outcome: &Outcome) -> bool {
        let Outcome { first_position, positions, first_seq, seqs, .. } = *outcome;
        let is_within = |first: u64, number: u32, last| number == 0 || first.saturating_add(number.into()) <= last + 1;
        is_within(first_seq, seqs, self.decisions) && is_within(first_position, positions, self.position)
    }
}

/// Copies segments and the table `window`.
pub(super) fn copy(copier: &mut Copier<'_>, ends: Ends) -> rusqlite::Result<Numbers> {
    let (mut cut, mut rows, mut numbers) = (Vec::new(), 0, Numbers::default());
    copier.copy("segments", |row| {
        let (place, sha256): (i64, [u8; 16]) = (row.get("place")?, row.get("sha256")?);
        let (class, mut segment) = window::stored(place, sha256, row.get_ref("data")?.as_blob()?)?;
        let found = segment.rows.len();
        segment.rows.retain(|row| {
            let fits = ends.has(&row.outcome);
            if fits {
                numbers.keep(row);
            } else {
                numbers.lose(row);
            }
            fits
        });
        if segment.rows.len() == found {
            return Ok(true);
        }
        rows += (found - segment.rows.len()) as u64;
        cut.push((class, segment));
        Ok(false)
    })?;
    copier.keep_in("segments", cut.len() as u64);
    for (class, segment) in cut {
        window::store(copier.target, class, &segment)?;
    }
    copier.copy("window", |_| Ok(true))?;
    for class in Class::ALL {
        rows += remove_wrong(copier.target, class, ends, &mut numbers)?;
    }
    copier.leave_out("outcomes", rows, false);
    Ok(numbers)
}

/// Removes rows of the table that cannot be read, do not fit, or are not in front of the segments. Returns their number.
fn remove_wrong(target: &Connection, class: Class, ends: Ends, numbers: &mut Numbers) -> rusqlite::Result<u64> {
    let behind = window::first_packed(target, class)?.unwrap_or(MOST_ROWS);
    let mut wrong = Vec::new();
    let mut statement = target.prepare(&format!("SELECT {} FROM window WHERE class = ?1", rows::WINDOW_ROW))?;
    let mut found = statement.query([class.name()])?;
    while let Some(row) = found.next()? {
        let ordinal: i64 = row.get(0)?;
        match rows::window_row(class, row) {
            Ok(row) if row.ordinal < behind && ends.has(&row.outcome) => numbers.keep(&row),
            Ok(row) => {
                numbers.lose(&row);
                wrong.push(ordinal);
            }
            Err(_) => wrong.push(ordinal),
        }
    }
    for ordinal in &wrong {
        target.execute("DELETE FROM window WHERE class = ?1 AND ordinal = ?2", params![class.name(), ordinal])?;
    }
    Ok(wrong.len() as u64)
}
