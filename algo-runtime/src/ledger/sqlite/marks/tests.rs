use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::{
    ledger::{
        Ledger as _,
        memory::MemoryLedger,
        sqlite::{Durability, Opening, SqliteLedger},
    },
    sizes::Sizes,
};

const ACCOUNT: &str = "default/goog-random";
/// Two changes are many, and ten are kept.
const TINY: Sizes = Sizes { packed_marks: 2, mark_changes: 10, ..Sizes::DESIGN };

/// A ledger in a file beside one in memory.
struct Bench {
    dir: TempDir,
    file: SqliteLedger,
    memory: MemoryLedger,
    now: i64,
}

fn open(dir: &Path) -> SqliteLedger {
    SqliteLedger::open_as(dir, ACCOUNT, Opening { sizes: TINY, seed: 1, durability: Durability::Process }).unwrap()
}

fn key(source: u64) -> SourceKey {
    ("quotes".to_owned(), format!("feed-{source}"))
}

impl Bench {
    fn new() -> Self {
        let dir = tempdir().unwrap();
        let mut file = open(dir.path());
        let account = file.snapshot().unwrap().account;
        let memory = MemoryLedger::with_sizes(&account.name, &account.ledger_id, TINY);
        Self { dir, file, memory, now: 0 }
    }

    /// Removes sources and takes numbers of others, on both ledgers, and compares them over a reopening.
    fn commit(&mut self, removed: &[u64], taken: &[u64]) {
        let mut changes = Changes::default();
        changes.sources.removed = removed.iter().copied().map(key).collect();
        for source in taken {
            self.now += 1;
            let (channel, source) = key(*source);
            let mark = Mark { channel, source, seq: self.now, index: 1, taken_micros: self.now, found_micros: 0 };
            changes.marks.insert((mark.channel.clone(), mark.source.clone()), mark);
        }
        self.file.commit(&changes).unwrap();
        self.memory.commit(&changes).unwrap();
        let expected = self.memory.snapshot().unwrap().marks;
        assert_eq!(self.file.snapshot().unwrap().marks, expected);
        let again = MarkChanges::read(&self.file.connection).unwrap();
        assert_eq!(again.latest, self.file.mark_changes.latest);
        let parts = |changes: &MarkChanges| -> Vec<_> {
            changes.parts.iter().map(|part| (part.number, part.changes, part.latest)).collect()
        };
        assert_eq!(parts(&again), parts(&self.file.mark_changes));
        self.file = open(self.dir.path());
        assert_eq!(self.file.snapshot().unwrap().marks, expected);
    }

    /// Rows of `marks` and of `mark_changes`.
    fn rows(&self) -> (i64, i64) {
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            self.file.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        (count("marks"), count("mark_changes"))
    }
}

#[test]
fn numbers_of_sources_in_turn_are_never_written_into_rows_of_their_own() {
    let mut bench = Bench::new();
    for turn in 0..40_u64 {
        let first = turn * 3 % 30;
        bench.commit(&[], &[first, first + 1, first + 2]);
    }
    // 40 commits of three, of which four for each of the 30 sources are kept.
    assert_eq!(bench.rows(), (0, 40));
    for turn in 0..40_u64 {
        let first = turn * 3 % 30;
        bench.commit(&[], &[first, first + 1, first + 2]);
    }
    assert_eq!(bench.rows(), (0, 40));
}

#[test]
fn number_of_a_quiet_source_is_written_when_its_row_leaves() {
    let mut bench = Bench::new();
    bench.commit(&[], &[1, 2]);
    (0..10).for_each(|_| bench.commit(&[], &[3, 4]));
    assert_eq!(bench.rows(), (2, 5));
    bench.commit(&[], &[1, 3]);
    let sql = "SELECT seq FROM marks WHERE source = 'feed-1'";
    let stored: i64 = bench.file.connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 1, "the packed number counts until its row leaves");
}

#[test]
fn removed_source_stays_removed_while_its_packed_numbers_leave() {
    let mut bench = Bench::new();
    bench.commit(&[], &[1, 2, 3, 4]);
    bench.commit(&[1], &[]);
    bench.commit(&[2, 2], &[2]);
    (0..10).for_each(|_| bench.commit(&[], &[3, 4]));
    // With the commit in which its packed number leaves.
    let mut bench = Bench::new();
    bench.commit(&[], &[1, 2, 3]);
    (0..2).for_each(|_| bench.commit(&[], &[3, 4, 5]));
    bench.commit(&[1, 9], &[]);
    (0..6).for_each(|_| bench.commit(&[2], &[3, 4, 5]));
}

#[test]
fn number_of_few_sources_is_a_row_and_packed_ones_are_settled_with_it() {
    let mut bench = Bench::new();
    (0..5).for_each(|_| bench.commit(&[], &[1]));
    assert_eq!(bench.rows(), (1, 0));
    bench.commit(&[1], &[2, 3]);
    assert_eq!(bench.rows(), (0, 1));
    bench.commit(&[3], &[]);
    bench.commit(&[], &[2]);
    assert_eq!(bench.rows(), (0, 3));
    // Once the removal of source 3 has left, one source is packed, and none is any more.
    (0..12).for_each(|_| bench.commit(&[], &[2]));
    bench.commit(&[], &[4]);
    assert_eq!(bench.rows(), (2, 0));
}

#[test]
fn commit_that_fails_changes_no_packed_number() {
    let mut bench = Bench::new();
    bench.commit(&[], &[1, 2, 3]);
    let before = bench.file.snapshot().unwrap().marks;
    let mut changes = Changes::default();
    changes.sources.removed = vec![key(1)];
    // A request that comes twice is refused after the last numbers were written.
    changes.closing.requests = vec!["r".to_owned(), "r".to_owned()];
    assert!(bench.file.commit(&changes).is_err());
    assert_eq!(bench.file.snapshot().unwrap().marks, before);
    bench.commit(&[], &[1, 4]);
    (0..10).for_each(|_| bench.commit(&[], &[3, 4]));
}

#[test]
fn missing_row_is_damage() {
    let mut bench = Bench::new();
    (0..3).for_each(|_| bench.commit(&[], &[1, 2]));
    bench.file.connection.execute("DELETE FROM mark_changes WHERE number = 2", []).unwrap();
    let error = read(&bench.file.connection).unwrap_err();
    let text = super::super::broken::text(&error).unwrap();
    assert_eq!(text, "mark_changes row 3: the row before it is missing");
}
