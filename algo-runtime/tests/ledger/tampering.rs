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
    connection.execute_batch("DROP TRIGGER journal_is_never_changed; DROP TRIGGER journal_is_never_cut; DROP TRIGGER journal_has_no_holes").unwrap();
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
            "UPDATE journal SET amount = '1234.57' WHERE number = 2",
            "journal entry 2: amount is 1234.57, should be 1234.56",
        ),
        ("UPDATE journal SET cash = '8665.45' WHERE number = 3", "journal entry 3: cash is 8665.45, should be 8665.44"),
        (
            "UPDATE journal SET quantity = '1.5' WHERE number = 4",
            "journal entry 4: quantity is 1.5, should be 1.96078431",
        ),
        (
            "UPDATE journal SET price = '26' WHERE number = 4",
            "journal entry 4: quantity is 1.96078431, should be 1.92307692",
        ),
        ("UPDATE journal SET seq = 9 WHERE number = 4", "journal entry 4: seq is 9, should be 3"),
        (
            "UPDATE journal SET kind = 'deposit' WHERE number = 4",
            "journal entry 4: kind is deposit, should be a trade's",
        ),
        ("DELETE FROM outbox; DELETE FROM journal WHERE number = 3", "journal entry 3 is missing"),
        ("DELETE FROM journal WHERE number = 7", "entries is 7, the journal adds up to 6"),
        ("UPDATE journal SET price = 'much' WHERE number = 3", "journal entry 3 cannot be read: "),
        ("UPDATE account SET realised = '123.45'", "realised is 123.45, the journal adds up to 72.20"),
        (
            "DELETE FROM holdings WHERE sid = 'AAPL'",
            "the holding of AAPL is nothing, the journal adds up to 333333333333",
        ),
        ("DELETE FROM outbox WHERE position = 7", "the outbox has 4 entries from 3 to 6, the account has 5"),
        ("UPDATE window SET reason = '' WHERE ordinal = 2", "the digest over all tables is not the one stored"),
        ("SELECT 1", "the digest over all tables is not the one stored"),
    ] {
        let found = finding(sql).to_string();
        assert!(found.starts_with(said), "{sql}: {found}");
    }
}

#[test]
fn a_journal_rewritten_consistently_still_breaks_the_chain() {
    let found = finding("UPDATE journal SET event = 'nyse/99' WHERE number = 2");
    assert!(matches!(found, Finding::ContradictEntry { number: 2, field: "hash", .. }), "{found:?}");
}

#[test]
fn the_journal_cannot_be_rewritten_by_mistake() {
    let dir = tempdir().unwrap();
    populate(dir.path());
    let connection = Connection::open(dir.path().join("ledger.db")).unwrap();
    for sql in
        ["UPDATE journal SET amount = '1.00'", "DELETE FROM journal", "REPLACE INTO journal SELECT * FROM journal"]
    {
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
