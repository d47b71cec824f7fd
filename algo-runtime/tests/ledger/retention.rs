//! Old entries of the journal are dropped, and everything else stays unchanged.

use std::{fs, io, path::Path, time::Instant};

use algo_runtime::{
    ledger::{
        Checkpoint, EntryKind, Ledger as _, LedgerError, Retention,
        sqlite::{
            ArchiveError, Droppable, Durability, Opening, Progress, SqliteLedger, Verification, VerificationError,
            archive, backup, droppable, restore, salvage,
        },
        verify::verify,
    },
    sizes::Sizes,
};
use rusqlite::{Connection, config::DbConfig};
use tempfile::{TempDir, tempdir};

use crate::fixture::{ACCOUNT, Contents, Draft};

/// A checkpoint after four entries.
const SMALL: Sizes = Sizes { checkpoint_entries: 4, ..Sizes::DESIGN };
/// When the first entry of [`with_decisions`] is committed. Each has the next second.
const BEGAN_MICROS: i64 = 1_700_000_000_000_000;

fn opened(dir: &Path, account: &str) -> SqliteLedger {
    SqliteLedger::open_as(dir, account, Opening { sizes: SMALL, seed: 1, durability: Durability::Process }).unwrap()
}

pub(crate) const fn decisions(kept: u64) -> Retention {
    Retention { decisions: Some(kept), age_seconds: None }
}

const fn age(seconds: u64) -> Retention {
    Retention { decisions: None, age_seconds: Some(seconds) }
}

/// The books at an entry, as the task beside the writer computes them.
pub(crate) fn books_at(dir: &Path, number: u64) -> Checkpoint {
    let mut verification = Verification::begin_through(dir, number).unwrap();
    while verification.step().unwrap() == Progress::UnderWay {}
    verification.into_checkpoint()
}

/// Drops all that the limits let go, in commits of so many entries, and returns the number of entries.
pub(crate) fn drop_all(
    ledger: &mut SqliteLedger,
    dir: &Path,
    retention: &Retention,
    now_micros: i64,
    most: u64,
) -> u64 {
    let mut dropped = 0;
    loop {
        let base = match droppable(dir, retention, now_micros).unwrap() {
            Droppable::Nothing => return dropped,
            Droppable::Rest => None,
            Droppable::Through(number) => Some(books_at(dir, number)),
        };
        dropped += ledger.drop_entries(base.as_ref(), most).unwrap().entries;
    }
}

/// A deposit, and so many decisions about two symbols, one commit each. The first `published` of them are published.
fn with_decisions(dir: &Path, count: u64, published: u64) -> SqliteLedger {
    let mut ledger = opened(dir, ACCOUNT);
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.transfer(EntryKind::Deposit, "10000");
    for decision in 0..=count {
        match decision {
            0 => {}
            _ if decision % 5 == 0 => draft.sell("GOOG", "0.5", "11"),
            _ if decision % 2 == 0 => draft.buy("AAPL", "12.34", "3.21"),
            _ => draft.buy("GOOG", "20", "10"),
        }
        draft.account.published_through = draft.account.position.min(published);
        for entry in &mut draft.changes.journal {
            entry.committed_micros = BEGAN_MICROS + i64::try_from(entry.number).unwrap() * 1_000_000;
        }
        ledger.commit(&draft.take()).unwrap();
    }
    assert_eq!(draft.account.decisions, count);
    ledger
}

fn count(dir: &Path, sql: &str) -> u64 {
    let connection = Connection::open(dir.join("ledger.db")).unwrap();
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
}

/// Closes the ledger, opens it again, and checks that nothing but the first entries is gone.
fn is_whole_behind(ledger: SqliteLedger, dir: &Path, before: &Contents, first_entry: u64) {
    assert_eq!(ledger.first_entry(), first_entry);
    Box::new(ledger).close().unwrap();
    let report = verify(dir).unwrap();
    assert_eq!((report.first_entry, report.entries), (first_entry, before.snapshot.account.entries));
    let mut again = opened(dir, &report.account);
    assert_eq!(again.first_entry(), first_entry);
    let after = Contents::of(&mut again);
    assert_eq!((&after.snapshot, &after.outbox), (&before.snapshot, &before.outbox));
    let kept = before.decisions.iter().filter(|entry| entry.number >= first_entry);
    assert!(after.decisions.iter().eq(kept), "the last decisions are there");
    let mut draft = Draft::new(&after.snapshot);
    draft.buy("GOOG", "1", "1");
    again.commit(&draft.take()).unwrap();
    Box::new(again).close().unwrap();
    assert_eq!(verify(dir).unwrap().entries, report.entries + 1, "it goes on");
}

#[test]
fn number_of_decisions_bounds_the_journal() {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 40);
    let before = Contents::of(&mut ledger);
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(41), 0, 100), 0);
    // Entry 28 has decision 27, and 13 decisions behind it.
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(13), 0, 100), 28);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM checkpoints"), 4);
    is_whole_behind(ledger, dir.path(), &before, 29);
}

#[test]
fn age_bounds_the_journal() {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 40);
    let before = Contents::of(&mut ledger);
    let now = |entry: i64| BEGAN_MICROS + (entry + 3_600) * 1_000_000;
    assert_eq!(drop_all(&mut ledger, dir.path(), &age(3_600), now(7), 100), 4);
    assert_eq!(drop_all(&mut ledger, dir.path(), &age(3_600), now(8), 100), 4);
    assert_eq!(drop_all(&mut ledger, dir.path(), &age(3_600), now(0), 100), 0, "a clock that went back");
    let both = Retention { decisions: Some(29), age_seconds: Some(3_600) };
    assert_eq!(drop_all(&mut ledger, dir.path(), &both, now(8), 100), 4, "the number lets them go");
    assert_eq!(drop_all(&mut ledger, dir.path(), &both, now(16), 100), 4, "the age lets them go");
    is_whole_behind(ledger, dir.path(), &before, 17);
}

#[test]
fn last_two_checkpoints_and_the_entries_behind_them_stay() {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 40);
    let before = Contents::of(&mut ledger);
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(0), 0, 100), 32);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM checkpoints WHERE books IS NOT NULL"), 3);
    is_whole_behind(ledger, dir.path(), &before, 33);
}

#[test]
fn unpublished_decision_holds_back_the_entries_before_it_and_behind_it() {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 14);
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(0), 0, 100), 12);
    // Decisions that are done stay in the outbox until the decision before them is published.
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.changes.done.add(16, 40);
    ledger.commit(&draft.take()).unwrap();
    let before = Contents::of(&mut ledger);
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(0), 0, 100), 0);
    assert_eq!(before.outbox.len(), 26);

    let base = books_at(dir.path(), 20);
    let error = ledger.drop_entries(Some(&base), 100).unwrap_err();
    assert!(matches!(&error, LedgerError::Refused { finding, .. } if finding.contains("waits")), "{error}");
    is_whole_behind(ledger, dir.path(), &before, 13);
}

#[test]
fn base_that_does_not_fit_is_refused() {
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    let mut ledger = with_decisions(dir.path(), 40, 40);
    let before = Contents::of(&mut ledger);
    drop(with_decisions(other.path(), 30, 30));
    let fits = books_at(dir.path(), 8);
    let cases = [
        (books_at(dir.path(), 36), "the last checkpoints stay"),
        (books_at(dir.path(), 9), "the last checkpoints stay"),
        (books_at(other.path(), 8), "its books are not those"),
    ];
    for (base, why) in &cases[..2] {
        let error = ledger.drop_entries(Some(base), 100).unwrap_err();
        assert!(matches!(&error, LedgerError::Refused { finding, .. } if finding.contains(why)), "{error}");
    }
    assert_eq!(cases[2].0, fits, "equal ledgers have equal books");
    ledger.drop_entries(Some(&fits), 100).unwrap();
    let error = ledger.drop_entries(Some(&fits), 100).unwrap_err();
    assert!(matches!(error, LedgerError::Refused { .. }), "the base does not go back: {error}");
    is_whole_behind(ledger, dir.path(), &before, 9);
}

#[test]
fn crash_between_two_commits_loses_nothing() {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 40);
    let before = Contents::of(&mut ledger);
    let mut steps = 0;
    loop {
        let base = match droppable(dir.path(), &decisions(20), 0).unwrap() {
            Droppable::Nothing => break,
            Droppable::Rest => None,
            Droppable::Through(number) => Some(books_at(dir.path(), number)),
        };
        assert_eq!(base.is_some(), steps % 4 == 0, "a base, and three more parts");
        let dropped = ledger.drop_entries(base.as_ref(), 1).unwrap();
        assert_eq!((dropped.entries, dropped.has_rest), (1, steps % 4 != 3));
        steps += 1;
        // The files of a killed process.
        let copy = tempdir().unwrap();
        for name in ["ledger.db", "ledger.db-wal"] {
            fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
        }
        let mut again = opened(copy.path(), ACCOUNT);
        let first_entry = again.first_entry();
        assert_eq!((first_entry, again.snapshot().unwrap()), (ledger.first_entry(), before.snapshot.clone()));
        drop_all(&mut again, copy.path(), &decisions(20), 0, 3);
        is_whole_behind(again, copy.path(), &before, 21);
    }
    assert_eq!(steps, 20);
    is_whole_behind(ledger, dir.path(), &before, 21);
}

#[test]
fn verification_that_is_under_way_goes_on_behind_the_base() {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 40);
    let mut verification = Verification::begin(dir.path()).unwrap();
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(0), 0, 100), 32);
    assert_eq!(verification.step().unwrap(), Progress::Sound { entries: 41 });
}

/// Drops all that may go as soon as it gets the first bytes.
struct Overtaken<'a> {
    ledger: SqliteLedger,
    dir: &'a Path,
    dropped: u64,
}

impl io::Write for Overtaken<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.dropped += drop_all(&mut self.ledger, self.dir, &decisions(0), 0, 30_000);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn archive_that_is_overtaken_by_the_base_leaves_no_gap_in_silence() {
    let dir = tempdir().unwrap();
    let mut ledger = SqliteLedger::open(dir.path(), ACCOUNT).unwrap();
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    for _ in 0..4 {
        (0..11_000).for_each(|_| draft.transfer(EntryKind::Deposit, "1"));
        ledger.commit(&draft.take()).unwrap();
    }
    let mut overtaken = Overtaken { ledger, dir: dir.path(), dropped: 0 };
    let error = archive(dir.path(), None, u64::MAX, &mut overtaken).unwrap_err();
    assert!(matches!(error, ArchiveError::Dropped { from: 10_001, first: 22_001 }), "{error:?}");
    assert_eq!(overtaken.dropped, 22_000);
}

#[test]
fn damaged_entry_is_found_before_it_is_dropped() {
    let dir = tempdir().unwrap();
    let ledger = with_decisions(dir.path(), 40, 40);
    let connection = Connection::open(dir.path().join("ledger.db")).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
    connection.execute("UPDATE entries SET event = 'x' WHERE number = 3", []).unwrap();
    assert_eq!(droppable(dir.path(), &decisions(0), 0).unwrap(), Droppable::Through(4));
    let mut verification = Verification::begin_through(dir.path(), 4).unwrap();
    let error = verification.step().unwrap_err();
    assert!(matches!(&error, VerificationError::Damaged(finding) if finding.contains("entry 3")), "{error}");
    // The books that a later release, or a mistake, may hand over all the same.
    let stopped = verification.into_checkpoint();
    assert_eq!(stopped.number(), 0);
    let mut ledger = ledger;
    assert!(matches!(ledger.drop_entries(Some(&stopped), 9), Err(LedgerError::Refused { .. })));
}

#[test]
fn entries_of_format_1_are_dropped_with_their_sales_by_hand() {
    const OLD: &str = "default/test";
    let dir = tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(fixture, dir.path().join("ledger.db")).unwrap();
    Box::new(opened(dir.path(), OLD)).close().unwrap();
    let first = count(dir.path(), "SELECT min(seq) FROM journal");
    let connection = Connection::open(dir.path().join("ledger.db")).unwrap();
    connection.execute("INSERT INTO manual_sales (seq) VALUES (?1)", [first.cast_signed()]).unwrap();
    connection.close().unwrap();
    // Makes the row look written by a release before.
    salvage(dir.path(), 3).unwrap();

    let mut ledger = opened(dir.path(), OLD);
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    let old = draft.account.entries;
    draft.transfer(EntryKind::Deposit, "100");
    for _ in 0..12 {
        draft.buy("GOOG", "1", "1");
        ledger.commit(&draft.take()).unwrap();
    }
    let waiting = count(dir.path(), "SELECT count(*) FROM outbox WHERE entry IS NOT NULL");
    assert!(waiting > 0 && old > 4, "{waiting} {old}");
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(0), 0, 3), 0, "the outbox needs them");

    draft.account.published_through = draft.account.position;
    ledger.commit(&draft.take()).unwrap();
    let before = Contents::of(&mut ledger);
    // The checkpoint of the migration, and the first one of the format 2.
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(0), 0, 3), old + 4);
    assert_eq!(before.snapshot.account.entries, old + 13);
    assert_eq!(
        count(dir.path(), "SELECT count(*) FROM journal") + count(dir.path(), "SELECT count(*) FROM manual_sales"),
        0
    );
    is_whole_behind(ledger, dir.path(), &before, old + 5);
}

/// A ledger that begins at entry 21.
fn cut() -> (TempDir, Contents) {
    let dir = tempdir().unwrap();
    let mut ledger = with_decisions(dir.path(), 40, 38);
    let before = Contents::of(&mut ledger);
    assert_eq!(drop_all(&mut ledger, dir.path(), &decisions(20), 0, 100), 20);
    Box::new(ledger).close().unwrap();
    (dir, before)
}

#[test]
fn archive_and_verify_name_the_first_kept_entry() {
    let (dir, _) = cut();
    let report = verify(dir.path()).unwrap().to_string();
    assert!(report.contains("\nbegins at    entry 21: the entries before it were dropped\n"), "{report}");
    let written = |from| {
        let mut csv = Vec::new();
        let archived = archive(dir.path(), from, u64::MAX, &mut csv)?;
        assert_eq!(archived.first_kept, 21);
        Ok::<_, ArchiveError>(String::from_utf8(csv).unwrap().lines().nth(1).unwrap().to_owned())
    };
    assert!(written(None).unwrap().starts_with("21,"));
    assert!(written(Some(30)).unwrap().starts_with("30,"));
    let error = written(Some(20)).unwrap_err();
    assert!(matches!(error, ArchiveError::Dropped { from: 20, first: 21 }), "{error:?}");
    assert!(error.to_string().contains("Use `--from 21`"), "{error}");
}

#[test]
fn copy_of_a_cut_ledger_is_restored() {
    let (dir, before) = cut();
    let (copy, elsewhere) = (dir.path().join("copy"), tempdir().unwrap());
    assert_eq!(backup(dir.path(), &copy).unwrap().entries, 41);
    let restored = restore(elsewhere.path(), &copy, false, false, Opening::new(9)).unwrap();
    assert_eq!((restored.copied.entries, restored.lost), (41, Some(0)));
    assert_eq!(verify(elsewhere.path()).unwrap().first_entry, 21);

    // Published decisions that an older copy lacks are counted also where they were dropped here.
    let old = tempdir().unwrap();
    drop(with_decisions(old.path(), 3, 3));
    let copy = old.path().join("copy");
    backup(old.path(), &copy).unwrap();
    assert_eq!(restore(dir.path(), &copy, true, false, Opening::new(9)).unwrap().lost, Some(35));
    assert_eq!(before.decisions.len(), 40);
}

#[test]
fn cut_ledger_is_salvaged_from_its_base_on() {
    for format_1 in [false, true] {
        let (dir, account) = if format_1 { (cut_format_1(), "default/test") } else { (cut().0, ACCOUNT) };
        let before = verify(dir.path()).unwrap();
        let connection = Connection::open(dir.path().join("ledger.db")).unwrap();
        connection.execute("UPDATE counters SET value = value + 1", []).unwrap();
        connection.execute("INSERT INTO counters (name, reason, value) VALUES ('x', '', 1)", []).unwrap();
        connection.close().unwrap();
        let salvaged = salvage(dir.path(), 9).unwrap();
        assert_eq!((salvaged.entries, &salvaged.end), (before.entries, &None), "{format_1}");
        let after = verify(dir.path()).unwrap();
        assert_eq!((after.first_entry, after.head), (before.first_entry, before.head), "{format_1}");
        assert_eq!(after.holdings, before.holdings);
        let mut again = opened(dir.path(), account);
        let mut draft = Draft::new(&again.snapshot().unwrap());
        draft.buy("GOOG", "1", "1");
        again.commit(&draft.take()).unwrap();
    }
}

/// A ledger that begins at an entry of the format 1.
fn cut_format_1() -> TempDir {
    let dir = tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(fixture, dir.path().join("ledger.db")).unwrap();
    let mut ledger = opened(dir.path(), "default/test");
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.transfer(EntryKind::Deposit, "100");
    for _ in 0..12 {
        draft.buy("GOOG", "1", "1");
        draft.account.published_through = draft.account.position;
        ledger.commit(&draft.take()).unwrap();
    }
    let Droppable::Through(number) = droppable(dir.path(), &decisions(0), 0).unwrap() else { panic!("a base") };
    // The process ends after the first part.
    let dropped = ledger.drop_entries(Some(&books_at(dir.path(), number)), 2).unwrap();
    assert!(dropped.entries == 2 && dropped.has_rest, "{dropped:?}");
    Box::new(ledger).close().unwrap();
    dir
}

/// Run by hand: `cargo test -p algo-runtime --test ledger -- --ignored --nocapture cost_of_a_commit_that_drops`. SQLite is optimised in
/// each profile. `TMPDIR` names the file system.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_commit_that_drops() {
    let dir = tempdir().unwrap();
    let mut ledger = SqliteLedger::open(dir.path(), ACCOUNT).unwrap();
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.transfer(EntryKind::Deposit, "10000000");
    for _ in 0..14 {
        (0..10_000).for_each(|_| draft.buy("GOOG", "12.34", "345.67"));
        draft.account.published_through = draft.account.position;
        ledger.commit(&draft.take()).unwrap();
    }
    for most in [500, 1_000, 2_000, 5_000, 10_000, 500, 1_000, 2_000, 5_000, 10_000] {
        let Droppable::Through(number) = droppable(dir.path(), &decisions(0), 0).unwrap() else { panic!("a base") };
        let mut base = Some(books_at(dir.path(), number));
        let mut spent = Vec::new();
        loop {
            let began = Instant::now();
            let dropped = ledger.drop_entries(base.take().as_ref(), most).unwrap();
            spent.push(began.elapsed().as_secs_f64() * 1_000.0);
            // The commit of a tick, which moves the log into the file from time to time.
            draft.changes.state.insert(("random".to_owned(), String::new()), Some(vec![0; 64]));
            ledger.commit(&draft.take()).unwrap();
            if !dropped.has_rest {
                break;
            }
        }
        let (count, sum) = (spent.len(), spent.iter().sum::<f64>());
        let longest = spent.iter().copied().fold(0.0, f64::max);
        println!("{most} entries: {count} commits, {sum:.1} ms in all, the longest {longest:.1} ms");
    }
}
