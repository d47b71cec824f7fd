//! A sound ledger is made of a damaged one, with the longest journal that adds up.

use std::{fs, path::Path};

use algo_runtime::ledger::{
    Class, EntryKind, Ledger as _, Mark,
    sqlite::{CopyError, LeftOut, SalvageError, Salvaged, SqliteLedger, salvage},
    verify::verify,
};
use intuition_api::v1::TradingState;
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

use crate::fixture::{ACCOUNT, Contents, Draft, files, open, populate};

const SEED: u64 = 9;
/// Bytes of a page.
const PAGE: usize = 4096;

/// A folder with a ledger that has some of everything.
fn populated() -> (TempDir, Contents) {
    let dir = tempdir().unwrap();
    let contents = populate(dir.path());
    (dir, contents)
}

/// Changes the file around the ledger.
fn rewrite(dir: &Path, sql: &str) {
    let connection = Connection::open(dir.join("ledger.db")).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}

fn root_page(dir: &Path, table: &str) -> usize {
    let connection = Connection::open(dir.join("ledger.db")).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = connection.query_row(sql, [table], |row| row.get(0)).unwrap();
    connection.close().unwrap();
    usize::try_from(page).unwrap()
}

/// Fills the page of a small table with zeros.
fn tear(dir: &Path, table: &str) {
    let page = root_page(dir, table);
    let path = dir.join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * PAGE..page * PAGE].fill(0);
    fs::write(path, bytes).unwrap();
}

/// Salvages the ledger, and checks that it is sound, has another id, and trades on.
fn salvaged(dir: &Path, account: &str) -> (Salvaged, Contents) {
    let damaged = fs::read(dir.join("ledger.db")).unwrap();
    let salvaged = salvage(dir, SEED).unwrap();
    assert!(fs::read(&salvaged.replaced).unwrap() == damaged, "the damaged file is kept unchanged");
    let report = verify(dir).unwrap();
    assert_eq!((report.entries, report.decisions), (salvaged.entries, salvaged.decisions));
    assert_eq!(report.ledger_ids.newest().id, salvaged.ledger_id);
    let mut ledger = SqliteLedger::open(dir, account).unwrap();
    let contents = Contents::of(&mut ledger);
    let mut draft = Draft::new(&contents.snapshot);
    draft.transfer(EntryKind::Deposit, "5");
    draft.buy("GOOG", "1", "1");
    draft.outcome(Class::Id);
    ledger.commit(&draft.take()).unwrap();
    Box::new(ledger).close().unwrap();
    let report = verify(dir).unwrap();
    assert_eq!((report.entries, report.decisions), (salvaged.entries + 2, salvaged.decisions + 1));
    assert_eq!(report.ledger_ids.of(report.decisions), salvaged.ledger_id);
    (salvaged, contents)
}

/// The rows that were left out of a table.
fn left_out<'a>(salvaged: &'a Salvaged, table: &str) -> &'a LeftOut {
    let found = salvaged.left_out.iter().find(|left_out| left_out.table == table);
    found.unwrap_or_else(|| panic!("{table}: {salvaged:?}"))
}

#[test]
fn journal_is_kept_up_to_the_entry_with_a_flipped_byte() {
    let (dir, before) = populated();
    let path = dir.path().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    // The event of the fourth decision, in the middle of the third commit.
    let at = bytes.windows(6).position(|found| found == b"nyse/4").unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(verify(dir.path()).is_err());
    let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
    assert_eq!((salvaged.entries, salvaged.claimed, salvaged.decisions), (4, 7, 3));
    assert!(salvaged.end.as_ref().unwrap().starts_with("journal entry 5: hash is "), "{salvaged:?}");
    assert_eq!(salvaged.lost, Some(0), "neither of the lost decisions was published");
    assert_eq!(after.decisions, before.decisions[..3]);
    let account = &after.snapshot.account;
    assert_eq!((account.position, account.published_through), (3, 2));
    assert_eq!(after.outbox, before.outbox[..1], "entries behind the journal are left out");
    assert!(after.snapshot.closing.unsettled.is_empty(), "its sale is lost");
    assert_eq!(after.snapshot.trading, before.snapshot.trading);
}

#[test]
fn published_decisions_that_are_lost_are_counted() {
    let (dir, _) = populated();
    rewrite(dir.path(), "DROP TRIGGER entries_are_never_changed; UPDATE entries SET cash = cash + 1 WHERE number = 3;");
    let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
    assert_eq!((salvaged.entries, salvaged.lost), (2, Some(1)));
    assert_eq!((after.snapshot.account.position, after.snapshot.account.published_through), (1, 1));
    assert!(after.outbox.is_empty());
}

#[test]
fn torn_page_of_the_journal_costs_the_entries_behind_it() {
    let (dir, before) = populated();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    for _ in 0..10 {
        (0..20).for_each(|_| draft.buy("GOOG", "1", "1"));
        ledger.commit(&draft.take()).unwrap();
    }
    let decisions = ledger.decisions(0, usize::MAX).unwrap();
    Box::new(ledger).close().unwrap();
    let path = dir.path().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|found| found == b"nyse/100").unwrap() / PAGE * PAGE;
    bytes[at..at + PAGE].fill(0);
    fs::write(&path, bytes).unwrap();
    let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
    assert!((20..100).contains(&salvaged.decisions) && salvaged.claimed == 207, "{salvaged:?}");
    assert!(salvaged.end.as_ref().unwrap().contains("cannot be read"), "{salvaged:?}");
    assert_eq!(after.decisions, decisions[..after.decisions.len()]);
    assert_eq!(after.snapshot.state, before.snapshot.state);
}

#[test]
fn damaged_small_table_costs_no_decision() {
    for table in [
        "counters",
        "state",
        "outbox_done",
        "window",
        "segments",
        "mark_changes",
        "marks",
        "sessions",
        "checkpoints",
        "symbols",
    ] {
        let (dir, before) = populated();
        tear(dir.path(), table);
        let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
        assert_eq!((salvaged.entries, &salvaged.end), (7, &None), "{table}");
        assert_eq!(after.decisions, before.decisions, "{table}");
        assert_eq!(after.outbox, before.outbox, "{table}");
        assert_eq!(after.snapshot.holdings, before.snapshot.holdings, "{table}");
        assert_eq!(after.snapshot.trading, before.snapshot.trading, "{table}");
        assert!(!salvaged.is_halted, "{table}");
        if table != "checkpoints" {
            assert!(left_out(&salvaged, table).is_damaged, "{table}");
        }
    }
}

#[test]
fn commits_in_the_log_of_a_damaged_file_are_kept() {
    let (dir, copy) = (populated().0, tempdir().unwrap());
    let page = root_page(dir.path(), "conflicts");
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.buy("GOOG", "1", "1");
    ledger.commit(&draft.take()).unwrap();
    // A killed process leaves file and log.
    let mut file = fs::read(dir.path().join("ledger.db")).unwrap();
    file[(page - 1) * PAGE..page * PAGE].fill(0);
    fs::write(copy.path().join("ledger.db"), file).unwrap();
    fs::copy(dir.path().join("ledger.db-wal"), copy.path().join("ledger.db-wal")).unwrap();
    let salvaged = salvage(copy.path(), SEED).unwrap();
    assert_eq!((salvaged.entries, salvaged.decisions, &salvaged.end), (8, 6, &None));
    assert!(left_out(&salvaged, "conflicts").is_damaged);
    assert_eq!(verify(copy.path()).unwrap().entries, 8);
    let mut again = open(copy.path());
    assert_eq!(Contents::of(&mut again).decisions, Contents::of(&mut ledger).decisions);
}

#[test]
fn account_is_halted_if_its_trading_state_cannot_be_read() {
    let lost = |dir: &Path| rewrite(dir, "DELETE FROM trading");
    // Without a cause and without a damaged page the lost value may be a cause.
    let active = |dir: &Path| rewrite(dir, "DELETE FROM trading_causes");
    let renamed = |dir: &Path| rewrite(dir, "ALTER TABLE trading_causes RENAME TO trading_causer");
    let tears: [&dyn Fn(&Path); 5] =
        [&|dir| tear(dir, "trading"), &|dir| tear(dir, "trading_causes"), &lost, &active, &renamed];
    for tear in tears {
        let (dir, before) = populated();
        tear(dir.path());
        let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
        assert!(salvaged.is_halted);
        let trading = after.snapshot.trading.unwrap();
        let halt = &trading.causes[&("Halt".to_owned(), false)];
        assert_eq!(halt.state, TradingState::Halted);
        assert!(halt.message.contains("could not trust the trading state"), "{halt:?}");
        assert_eq!(trading.resource_uid, before.snapshot.trading.as_ref().unwrap().resource_uid);
        assert!(trading.generation > before.snapshot.settings.unwrap().settings_generation);
        assert!(trading.number > before.snapshot.trading.unwrap().number || after.snapshot.account.updated_micros > 0);
    }
}

#[test]
fn lost_entry_of_the_outbox_is_given_up_and_leaves_no_hole() {
    let (dir, before) = populated();
    rewrite(dir.path(), "DELETE FROM outbox WHERE position = 6");
    let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
    assert_eq!(left_out(&salvaged, "outbox").rows, 1);
    assert_eq!(after.outbox.iter().map(|row| row.position).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    assert_eq!(after.snapshot.done.ranges().collect::<Vec<_>>(), [(4, 6)]);
    assert_eq!(after.decisions, before.decisions);
}

#[test]
fn quotes_of_lost_decisions_are_new_again() {
    let (dir, _) = populated();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    for (seq, class) in [(19, Class::Sequence), (20, Class::Sequence), (20, Class::Id)] {
        draft.buy("GOOG", "1", "1");
        draft.outcome(class);
        let row = draft.changes.window.last_mut().unwrap();
        (row.seq, row.rank, row.era, row.outcome.positions) = (row.seq.map(|_| seq), 0, 0, 1);
        draft.mark("quotes", "nyse", seq);
    }
    ledger.commit(&draft.take()).unwrap();
    let before = Contents::of(&mut ledger);
    Box::new(ledger).close().unwrap();
    rewrite(dir.path(), "DROP TRIGGER entries_are_never_changed; UPDATE entries SET cash = cash + 1 WHERE number = 9;");
    let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
    assert_eq!((salvaged.entries, left_out(&salvaged, "outcomes").rows), (8, 2));
    assert_eq!(after.snapshot.window.len() + 2, before.snapshot.window.len());
    let nyse = after.snapshot.marks.iter().find(|mark| mark.source == "nyse").unwrap();
    assert_eq!((nyse.seq, nyse.index), (19, u32::MAX), "the number 20 may come again");
}

#[test]
fn packed_numbers_that_are_lost_follow_from_the_outcomes() {
    let (dir, before) = populated();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    let take = |draft: &mut Draft, seq: i64, sources: std::ops::Range<u64>| {
        for source in sources {
            let source = format!("feed-{source}");
            draft.outcome(Class::Sequence);
            let row = draft.changes.window.last_mut().unwrap();
            row.source.clone_from(&source);
            (row.seq, row.rank, row.era, row.outcome.positions) = (Some(seq), 0, 0, 1);
            draft.mark("quotes", &source, seq);
        }
    };
    take(&mut draft, 20, 0..9);
    ledger.commit(&draft.take()).unwrap();
    take(&mut draft, 21, 1..9);
    ledger.commit(&draft.take()).unwrap();
    take(&mut draft, 22, 8..9);
    ledger.commit(&draft.take()).unwrap();
    let last = ledger.snapshot().unwrap();
    Box::new(ledger).close().unwrap();
    rewrite(dir.path(), "UPDATE mark_changes SET data = zeroblob(9) WHERE number = 4");
    assert!(verify(dir.path()).unwrap_err().to_string().contains("mark_changes row 4: its checksum is wrong"));
    let (salvaged, after) = salvaged(dir.path(), ACCOUNT);
    assert_eq!(
        left_out(&salvaged, "mark_changes"),
        &LeftOut { table: "mark_changes".to_owned(), rows: 1, is_damaged: false }
    );
    let numbers = |marks: &[Mark]| -> Vec<_> { marks.iter().map(|mark| (mark.source.clone(), mark.seq)).collect() };
    assert_eq!(numbers(&after.snapshot.marks), numbers(&last.marks));
    let dated = |source: &str| after.snapshot.marks.iter().find(|mark| mark.source == source).unwrap().clone();
    assert_eq!(dated("feed-0").taken_micros, before.snapshot.marks[0].taken_micros);
    assert_eq!((dated("feed-1").taken_micros, dated("feed-1").found_micros), (0, last.account.updated_micros));
    assert_eq!((dated("feed-8").seq, dated("feed-8").found_micros), (22, 0));
}

#[test]
fn damaged_ledger_of_format_1_keeps_its_valid_entries() {
    let dir = tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(&fixture, dir.path().join("ledger.db")).unwrap();
    let sound = tempdir().unwrap();
    fs::copy(&fixture, sound.path().join("ledger.db")).unwrap();
    let mut ledger = SqliteLedger::open(sound.path(), "default/test").unwrap();
    let whole = Contents::of(&mut ledger);
    rewrite(dir.path(), "DROP TRIGGER journal_is_never_changed; UPDATE journal SET event = 'x' WHERE number = 4;");
    let (salvaged, after) = salvaged(dir.path(), "default/test");
    assert_eq!((salvaged.entries, salvaged.claimed), (3, whole.snapshot.account.entries));
    assert_eq!(after.decisions, whole.decisions[..2]);
    assert!(after.snapshot.account.published_through <= after.snapshot.account.position);

    fs::copy(&fixture, dir.path().join("ledger.db")).unwrap();
    rewrite(dir.path(), "UPDATE counters SET value = value + 1");
    let salvaged = salvage(dir.path(), SEED).unwrap();
    assert_eq!((salvaged.entries, &salvaged.end), (whole.snapshot.account.entries, &None));
    let after = Contents::of(&mut SqliteLedger::open(dir.path(), "default/test").unwrap());
    assert_eq!((after.decisions, after.outbox), (whole.decisions, whole.outbox));
    assert_eq!(after.snapshot.window, whole.snapshot.window);
    assert_eq!(after.snapshot.sources, whole.snapshot.sources);
}

#[test]
fn sound_missing_and_used_ledgers_are_refused() {
    let (dir, _) = populated();
    let before = files(dir.path());
    assert!(matches!(salvage(dir.path(), SEED), Err(SalvageError::Sound(_))));
    assert_eq!(files(dir.path()).len(), before.len());
    let nothing = tempdir().unwrap();
    let missing = nothing.path().join("no folder");
    assert!(matches!(salvage(&missing, SEED), Err(SalvageError::Copy(CopyError::MissLedger(_)))));
    assert!(!missing.exists());
    let ledger = open(dir.path());
    assert!(matches!(salvage(dir.path(), SEED), Err(SalvageError::Copy(CopyError::InUse(_)))));
    drop(ledger);
}

#[test]
fn ledger_without_its_account_is_refused_as_it_is() {
    for table in ["account", "seal"] {
        let (dir, _) = populated();
        tear(dir.path(), table);
        let before = fs::read(dir.path().join("ledger.db")).unwrap();
        let error = salvage(dir.path(), SEED).unwrap_err();
        assert!(matches!(error, SalvageError::MissAccount { .. }), "{table}: {error:?}");
        assert!(error.to_string().contains("`algo-runtime restore`"), "{error}");
        assert!(fs::read(dir.path().join("ledger.db")).unwrap() == before);
        assert_eq!(files(dir.path()).len(), 1);
    }
}

/// Flips one byte after the other: salvage refuses it, or its result is sound and has a prefix of the journal.
fn flip(step: usize) {
    let (dir, before) = populated();
    let path = dir.path().join("ledger.db");
    let sound = fs::read(&path).unwrap();
    let (mut written, mut made, mut whole, mut refused) = (0, 0, 0, 0);
    for position in 0..sound.len() {
        written += usize::from(sound[position] != 0);
        if sound[position] == 0 || written % step != 0 {
            continue;
        }
        let mut spoilt = sound.clone();
        spoilt[position] ^= if written % 2 == 0 { 0x01 } else { 0x80 };
        fs::write(&path, &spoilt).unwrap();
        match salvage(dir.path(), SEED) {
            Err(error) => {
                refused += usize::from(!matches!(error, SalvageError::Sound(_)));
                assert!(fs::read(&path).unwrap() == spoilt, "byte {position}: {error}");
                let is_clear = matches!(error.reason(), "LedgerSound" | "LedgerDamaged" | "LedgerTooNew");
                assert!(is_clear, "byte {position}: {error:?}");
                assert!(!matches!(error, SalvageError::Rebuild(_)), "byte {position}: {error:?}");
            }
            Ok(salvaged) => {
                made += 1;
                whole += usize::from(salvaged.entries == 7);
                let report = verify(dir.path()).unwrap_or_else(|error| panic!("byte {position}: {error}"));
                let mut ledger = SqliteLedger::open(dir.path(), &report.account)
                    .unwrap_or_else(|error| panic!("byte {position}: {error}"));
                let after = Contents::of(&mut ledger);
                drop(ledger);
                let trading = after.snapshot.trading.unwrap();
                assert!(!trading.causes.is_empty(), "byte {position}: a stop is lost: {salvaged:?}");
                let kept = after.decisions;
                assert_eq!(kept, before.decisions[..kept.len()], "byte {position}");
            }
        }
        for name in files(dir.path()).into_keys().filter(|name| *name != path) {
            fs::remove_file(name).unwrap();
        }
    }
    assert!(made > refused && whole * 2 > made, "{made} salvaged, {whole} of them whole, {refused} refused");
}

#[test]
fn flipped_byte_leaves_a_prefix_or_is_refused() {
    flip(83);
}

#[test]
#[ignore = "minutes: every third written byte"]
fn every_third_flipped_byte_leaves_a_prefix_or_is_refused() {
    flip(3);
}
