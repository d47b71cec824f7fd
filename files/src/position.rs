//! The hashes that a feed keeps beside its position in a file, so that another run recognises a file that has changed.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Rows of a block.
const BLOCK_ROWS: u64 = 1_000;
/// Blocks whose ends are kept, back from the last row.
const BLOCKS: u64 = 16;
/// Rows of which each one's hash is kept, back from the last row: more than are on their way at a time, so that the last row
/// that an account has decided is among them.
const RECENT_ROWS: usize = 2_000;
/// Bytes that are kept of the hash of a recent row.
const SHORT_BYTES: usize = 8;

type Short = [u8; SHORT_BYTES];

fn short(digest: &Digest) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(digest.get(..SHORT_BYTES).unwrap_or(&[0; SHORT_BYTES]));
    short
}

/// A position in a file: rows up to a last one, with hashes of all rows up to some of them. These are the last 2,000 rows,
/// the ends of the last 16 blocks of 1,000 rows, and rows at powers of two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Position {
    rows: u64,
    hashes: BTreeMap<u64, Digest>,
    /// The first bytes of the hashes of the last rows.
    recent: VecDeque<Short>,
}

/// A position as text.
#[derive(Serialize, Deserialize)]
struct Stored {
    rows: u64,
    /// Hexadecimal, by row.
    hashes: BTreeMap<u64, String>,
    /// Hexadecimal, one behind the other, up to the last row.
    recent: String,
}

impl From<Position> for Stored {
    fn from(position: Position) -> Self {
        let Position { rows, hashes, recent } = position;
        let hashes = hashes.into_iter().map(|(row, hash)| (row, hex::encode(hash))).collect();
        Self { rows, hashes, recent: recent.iter().map(hex::encode).collect() }
    }
}

/// Text that is no position.
#[derive(Debug, thiserror::Error)]
#[error("a hash is no hexadecimal number of its length")]
struct NoHash;

impl TryFrom<Stored> for Position {
    type Error = NoHash;

    fn try_from(stored: Stored) -> Result<Self, NoHash> {
        let hashes = stored.hashes.iter().map(|(row, text)| Ok((*row, bytes(text.as_bytes())?)));
        let recent = stored.recent.as_bytes().chunks(2 * SHORT_BYTES).map(bytes);
        Ok(Self {
            rows: stored.rows,
            hashes: hashes.collect::<Result<_, _>>()?,
            recent: recent.collect::<Result<_, _>>()?,
        })
    }
}

fn bytes<const LENGTH: usize>(text: &[u8]) -> Result<[u8; LENGTH], NoHash> {
    let mut bytes = [0; LENGTH];
    hex::decode_to_slice(text, &mut bytes).map(|()| bytes).map_err(|_| NoHash)
}

impl Position {
    /// The last row.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Goes to the next row, with the hash of all rows up to it.
    pub fn advance(&mut self, digest: &Digest) {
        self.rows += 1;
        self.recent.push_back(short(digest));
        if self.recent.len() > RECENT_ROWS {
            self.recent.pop_front();
        }
        if self.rows.is_power_of_two() || self.rows.is_multiple_of(BLOCK_ROWS) {
            self.hashes.insert(self.rows, *digest);
        }
        let oldest = self.rows.saturating_sub(BLOCK_ROWS * BLOCKS);
        if self.rows.is_multiple_of(BLOCK_ROWS) && !oldest.is_power_of_two() {
            self.hashes.remove(&oldest);
        }
    }

    /// Whether the hash of all rows up to this one is the kept one; `None`: none is kept.
    fn is_same(&self, row: u64, digest: &Digest) -> Option<bool> {
        let first = self.rows - self.recent.len() as u64 + 1;
        let recent = || row.checked_sub(first).and_then(|index| self.recent.get(usize::try_from(index).ok()?));
        let whole = self.hashes.get(&row).map(|hash| hash == digest);
        whole.or_else(|| recent().map(|hash| *hash == short(digest)))
    }

    /// The first row from `row` on whose hash is kept; the last row where there is none.
    fn known_from(&self, row: u64) -> u64 {
        let recent = (self.rows - self.recent.len() as u64 + 1).max(row);
        let hashed = self.hashes.range(row..).next().map_or(u64::MAX, |(row, _)| *row);
        recent.min(hashed).min(self.rows)
    }
}

/// The rows that hold the first difference from an earlier reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The first row that may differ.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The file's rows, where it has fewer than it had.
    pub rows: Option<u64>,
}

/// Compares a reading from the first row on with a position of an earlier one.
#[derive(Debug)]
pub struct Checker {
    position: Position,
    through: u64,
    same: u64,
}

impl Checker {
    /// Compares the rows up to `decided`, the last row that an account has decided. Where its hash was not kept, the comparison goes on to the
    /// next row with a hash.
    pub fn new(position: Position, decided: u64) -> Self {
        let through = position.known_from(decided.max(1));
        Self { position, through, same: 0 }
    }

    /// The last row that is compared.
    pub const fn through(&self) -> u64 {
        self.through
    }

    /// Compares the hash of all rows up to `row`.
    pub fn check(&mut self, row: u64, digest: &Digest) -> Result<(), Changed> {
        match self.position.is_same(row, digest) {
            Some(true) if row <= self.through => {
                self.same = row;
                Ok(())
            }
            Some(false) if row <= self.through => Err(Changed { first: self.same + 1, last: row, rows: None }),
            Some(_) | None => Ok(()),
        }
    }

    /// The end of the file, which has `rows` rows.
    pub fn finish(&self, rows: u64) -> Result<(), Changed> {
        if rows >= self.through {
            return Ok(());
        }
        Err(Changed { first: rows + 1, last: self.through, rows: Some(rows) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Running;

    fn digests(rows: &[u64]) -> Vec<Digest> {
        let mut running = Running::default();
        rows.iter().map(|row| running.add(row.to_string().as_bytes())).collect()
    }

    fn position(rows: u64) -> Position {
        let mut position = Position::default();
        for digest in &digests(&(1..=rows).collect::<Vec<_>>()) {
            position.advance(digest);
        }
        position
    }

    fn compare(position: &Position, decided: u64, rows: &[u64]) -> Result<(), Changed> {
        let mut checker = Checker::new(position.clone(), decided);
        (1..).zip(digests(rows)).try_for_each(|(row, digest)| checker.check(row, &digest))?;
        checker.finish(rows.len() as u64)
    }

    #[test]
    fn the_same_rows_are_the_same_whatever_follows_the_last_decided_one() {
        let rows: Vec<_> = (1..=5_000).collect();
        let mut changed = rows.clone();
        changed[4_100] = 0;
        for decided in [1, 999, 3_001, 4_100, 5_000] {
            assert_eq!(compare(&position(5_000), decided, &rows), Ok(()), "{decided}");
        }
        assert_eq!(compare(&position(5_000), 4_100, &changed), Ok(()));
        assert_eq!(compare(&position(5_000), 4_101, &changed), Err(Changed { first: 4_101, last: 4_101, rows: None }));
    }

    #[test]
    fn the_range_of_the_first_difference_is_named() {
        let rows: Vec<_> = (1..=40_000).collect();
        for (changed, expected) in [
            (1, (1, 1)),
            (3, (3, 4)),
            (700, (513, 1_024)),
            (20_000, (16_385, 25_000)),
            (30_500, (30_001, 31_000)),
            (39_999, (39_999, 39_999)),
        ] {
            let mut other = rows.clone();
            other[changed - 1] = 0;
            let (first, last) = expected;
            assert_eq!(
                compare(&position(40_000), 40_000, &other),
                Err(Changed { first, last, rows: None }),
                "{changed}"
            );
            other.remove(changed - 1);
            assert!(compare(&position(40_000), 40_000, &other).is_err(), "{changed} removed");
        }
        assert_eq!(
            compare(&position(40_000), 40_000, &rows[..100]),
            Err(Changed { first: 101, last: 40_000, rows: Some(100) })
        );
        assert_eq!(
            compare(&position(40_000), 20_000, &rows[..22_000]),
            Err(Changed { first: 22_001, last: 25_000, rows: Some(22_000) })
        );
    }

    #[test]
    fn few_hashes_are_kept_of_many_rows_and_text_keeps_them() {
        let position = position(100_000);
        assert!(position.hashes.len() <= 17 + 16 && position.recent.len() == RECENT_ROWS, "{}", position.hashes.len());
        let text = Stored::from(position.clone());
        assert_eq!(Position::try_from(text).unwrap(), position);
        let broken = Stored { rows: 1, hashes: BTreeMap::new(), recent: "xy".to_owned() };
        assert!(Position::try_from(broken).is_err());
    }

    #[test]
    fn a_position_short_of_the_last_decided_row_is_compared_as_far_as_it_goes() {
        let checker = Checker::new(position(100), 150);
        assert_eq!(checker.through(), 100);
        assert_eq!(Checker::new(Position::default(), 5).through(), 0);
    }
}
