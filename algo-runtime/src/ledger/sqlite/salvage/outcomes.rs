//! The outcomes of a salvaged ledger: those whose decisions and positions are kept. The quotes of the others are new again.

use rusqlite::Connection;

use super::{
    super::{rows, window},
    copier::Copier,
};
use crate::ledger::{Class, Outcome, WindowRow};

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
pub(super) fn copy(copier: &mut Copier<'_>, ends: Ends) -> rusqlite::Result<()> {
    let (mut cut, mut rows) = (Vec::new(), 0);
    copier.copy("segments", |row| {
        let (place, sha256): (i64, [u8; 16]) = (row.get("place")?, row.get("sha256")?);
        let (class, mut segment) = window::stored(place, sha256, row.get_ref("data")?.as_blob()?)?;
        let found = segment.rows.len();
        segment.rows.retain(|row| ends.has(&row.outcome));
        if segment.rows.len() == found {
            return Ok(true);
        }
        rows += (found - segment.rows.len()) as u64;
        cut.push((class, segment));
        Ok(false)
    })?;
    let segments = cut.len() as u64;
    for (class, segment) in cut {
        window::store(copier.target, class, &segment)?;
    }
    copier.keep_in("segments", segments);
    copier.leave_out("outcomes", rows, false);
    copier.copy("window", |_| Ok(true))?;
    let wrong = wrong_rows(copier.target, ends)?;
    for (class, ordinal) in &wrong {
        copier.target.execute("DELETE FROM window WHERE class = ?1 AND ordinal = ?2", (class, ordinal))?;
    }
    copier.leave_out("outcomes", wrong.len() as u64, false);
    Ok(())
}

/// Rows of the table that cannot be read, do not fit, or are not in front of the segments.
fn wrong_rows(target: &Connection, ends: Ends) -> rusqlite::Result<Vec<(String, i64)>> {
    let mut wrong = Vec::new();
    for class in Class::ALL {
        let behind = window::first_packed(target, class)?.unwrap_or(MOST_ROWS);
        let sql = format!("SELECT {} FROM window WHERE class = ?1", rows::WINDOW_ROW);
        let mut statement = target.prepare(&sql)?;
        let mut found = statement.query([class.name()])?;
        while let Some(row) = found.next()? {
            let fits = |row: &WindowRow| row.ordinal < behind && ends.has(&row.outcome);
            if !rows::window_row(class, row).is_ok_and(|row| fits(&row)) {
                wrong.push((class.name().to_owned(), row.get(0)?));
            }
        }
    }
    Ok(wrong)
}
