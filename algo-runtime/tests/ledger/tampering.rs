//! What `verify` says about ledgers that somebody rewrote, and about sound ones.

use std::path::Path;

use algo_runtime::ledger::{
    Ledger, LedgerError,
    sqlite::SqliteLedger,
    verify::{Finding, VerifyError, verify},
};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::fixture::{ACCOUNT, Draft, everything, files, open, populate};

fn rewrite(dir: &Path, sql: &str) {
    let connection = Connection::open(dir.join("ledger.db")).unwrap();
    connection.execute_batch("DROP TRIGGER entries_are_never_changed; DROP TRIGGER entries_are_never_cut").unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}

/// What `verify` finds; opening refuses it too.
fn finding(sql: &str) -> Finding {
    let dir = tempdir().unwrap();
    populate(dir.path());
    rewrite(dir.path(), sql);
    let before = files(dir.path());
    let found = match verify(dir.path()).unwrap_err() {
        VerifyError::Contradict { finding, .. } => finding,
        error => panic!("{sql}: {error:?}"),
    };
    match SqliteLedger::open(dir.path(), ACCOUNT).map(drop).unwrap_err() {
        LedgerError::Damaged { finding, .. } => assert_eq!(finding, found.to_string()),
        error => panic!("{sql}: {error:?}"),
    }
    assert_eq!(files(dir.path()), before);
    found
}

#[test]
fn the_first_wrong_entry_is_named_with_what_it_should_be() {
    for (sql, said) in [
        (
            "UPDATE entries SET amount = 123457 WHERE number = 2",
            "journal entry 2: amount is 1234.57, should be 1234.56",
        ),
        ("UPDATE entries SET cash = 866545 WHERE number = 3", "journal entry 3: cash is 8665.45, should be 8665.44"),
        (
            "UPDATE entries SET quantity = 150000000 WHERE number = 4",
            "journal entry 4: quantity is 1.5, should be 1.96078431",
        ),
        (
            "UPDATE entries SET price = 260000000000 WHERE number = 4",
            "journal entry 4: quantity is 1.96078431, should be 1.92307692",
        ),
        ("UPDATE entries SET seq = 9 WHERE number = 4", "journal entry 4: seq is 9, should be 3"),
        ("UPDATE entries SET kind = 1 WHERE number = 4", "journal entry 4: kind is deposit, should be a trade's"),
        ("DELETE FROM entries WHERE number = 3", "journal entry 3 is missing"),
        ("DELETE FROM entries WHERE number = 7", "entries is 7, the journal adds up to 6"),
        ("UPDATE entries SET price = 'much' WHERE number = 3", "journal entry 3 cannot be read: "),
        ("UPDATE account SET realised = '123.45'", "realised is 123.45, the journal adds up to 72.20"),
        ("UPDATE entries SET rules = 2 WHERE number = 4", "journal entry 4 cannot be read: "),
        ("UPDATE entries SET fee = 1 WHERE number = 4", "journal entry 4 cannot be read: "),
        ("UPDATE entries SET position = 8 WHERE number = 7", "journal entry 7: hash is "),
        ("UPDATE entries SET origin = 'manual' WHERE number = 2", "journal entry 2: hash is "),
        ("DELETE FROM outbox WHERE position = 6", "the outbox has 4 entries from 3 to 7, the account has 5"),
        ("DELETE FROM checkpoints", "no checkpoint is there"),
        ("UPDATE segments SET sha256 = zeroblob(16)", "segment 144115188075855873: its checksum is wrong"),
        (
            "UPDATE segments SET data = zeroblob(9) WHERE place = (SELECT min(place) FROM segments)",
            "segment 144115188075855873: its checksum is wrong",
        ),
        ("UPDATE mark_changes SET data = x'00'", "mark_changes row 1: its checksum is wrong"),
        ("SELECT 1", "the digest over all tables differs from the stored digest"),
    ] {
        let found = finding(sql).to_string();
        assert!(found.starts_with(said), "{sql}: {found}");
    }
}

#[test]
fn a_journal_rewritten_consistently_still_breaks_the_chain() {
    let found = finding("UPDATE entries SET event = 'nyse/99' WHERE number = 2");
    assert!(matches!(found, Finding::ContradictEntry { number: 2, field: "hash", .. }), "{found:?}");
}

#[test]
fn the_journal_cannot_be_rewritten_by_mistake() {
    let dir = tempdir().unwrap();
    populate(dir.path());
    let connection = Connection::open(dir.path().join("ledger.db")).unwrap();
    for sql in ["UPDATE entries SET amount = 100", "DELETE FROM entries"] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
}

#[test]
fn a_sound_ledger_is_reported_also_while_it_is_used() {
    let dir = tempdir().unwrap();
    assert!(matches!(verify(dir.path()), Err(VerifyError::MissLedger(_))));
    let mut ledger = open(dir.path());
    for changes in everything(&mut Draft::new(&ledger.snapshot().unwrap())) {
        ledger.commit(&changes).unwrap();
    }
    let used = verify(dir.path()).unwrap();
    Box::new(ledger).close().unwrap();
    let before = files(dir.path());
    let report = verify(dir.path()).unwrap();
    assert_eq!(files(dir.path()), before);
    assert_eq!(report, used);
    assert_eq!((report.entries, report.decisions, report.unpublished), (7, 5, 5));
    let shown = report.to_string();
    for line in
        ["account      default/goog-random", "cash         9255.13", "deposits     9999.99", "position     GOOG "]
    {
        assert!(shown.contains(line), "{line} in\n{shown}");
    }
}
