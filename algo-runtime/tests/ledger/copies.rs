//! Copies of a ledger, made while it is in use and put back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use algo_runtime::ledger::{
    Ledger as _,
    sqlite::{CopyError, Opening, Restored, SqliteLedger, backup, restore},
    verify::verify,
};
use tempfile::{TempDir, tempdir};

use crate::fixture::{ACCOUNT, Contents, Draft, files, open, populate};

/// A folder with a ledger, and the copy of it.
fn with_copy() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    populate(dir.path());
    let copy = dir.path().join("copy");
    backup(dir.path(), &copy).unwrap();
    (dir, copy)
}

fn put_back(dir: &Path, copy: &Path, force: bool) -> Result<Restored, CopyError> {
    restore(dir, copy, force, false, Opening::new(9))
}

/// Two decisions more, the first of them published.
fn go_on(dir: &Path) {
    let mut ledger = open(dir);
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.buy("GOOG", "1", "1");
    draft.buy("GOOG", "1", "1");
    draft.account.published_through = draft.account.position - 1;
    ledger.commit(&draft.take()).unwrap();
    Box::new(ledger).close().unwrap();
}

#[test]
fn a_copy_of_a_ledger_in_use_is_the_ledger_as_of_its_last_commit() {
    let (dir, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let contents = populate(dir.path());
    let in_use = open(dir.path());
    let file = elsewhere.path().join("ledger.db");
    let copied = backup(dir.path(), &file).unwrap();
    assert_eq!((copied.account.as_str(), copied.entries, copied.decisions), (ACCOUNT, 7, 5));
    assert_eq!(copied.bytes, fs::metadata(&file).unwrap().len());
    assert_eq!(files(elsewhere.path()).into_keys().collect::<Vec<_>>(), std::slice::from_ref(&file));
    assert!(matches!(backup(dir.path(), &file), Err(CopyError::Exists(_))));
    drop(in_use);
    assert_eq!(Contents::of(&mut open(elsewhere.path())), contents);
    let nothing = tempdir().unwrap();
    assert!(matches!(backup(nothing.path(), &nothing.path().join("copy")), Err(CopyError::MissLedger(_))));
}

#[test]
fn a_damaged_ledger_is_not_copied() {
    let (dir, _) = with_copy();
    let path = dir.path().join("ledger.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE account SET cash = '1.00'", []).unwrap();
    connection.close().unwrap();
    let before = files(dir.path());
    let error = backup(dir.path(), &dir.path().join("second")).unwrap_err();
    assert_eq!(error.reason(), "LedgerDamaged");
    assert_eq!(files(dir.path()), before, "nothing is left of the copy");
}

#[test]
fn a_newer_ledger_is_replaced_by_force_alone_and_is_kept() {
    let (dir, copy) = with_copy();
    go_on(dir.path());
    let newer = Contents::of(&mut open(dir.path()));
    let error = put_back(dir.path(), &copy, false).unwrap_err();
    assert!(matches!(error, CopyError::Newer { there: 9, copy: 7, .. }), "{error:?}");
    assert_eq!(Contents::of(&mut open(dir.path())), newer);

    let restored = put_back(dir.path(), &copy, true).unwrap();
    assert_eq!(restored.lost, Some(1), "the second one was not published");
    let report = verify(dir.path()).unwrap();
    assert_eq!((report.entries, Some(report.ledger_ids.newest().id.clone())), (7, restored.ledger_id));
    assert_eq!(report.ledger_ids.iter().count(), 2, "no id is given twice");
    let kept = tempdir().unwrap();
    fs::copy(restored.replaced.unwrap(), kept.path().join("ledger.db")).unwrap();
    assert_eq!(Contents::of(&mut open(kept.path())), newer);

    go_on(dir.path());
    assert_eq!(verify(dir.path()).unwrap().decisions, 7, "it goes on");
}

#[test]
fn a_ledger_in_use_is_not_replaced() {
    let (dir, copy) = with_copy();
    let ledger = open(dir.path());
    let before = fs::read(dir.path().join("ledger.db")).unwrap();
    assert!(matches!(put_back(dir.path(), &copy, true), Err(CopyError::InUse(_))));
    assert!(fs::read(dir.path().join("ledger.db")).unwrap() == before);
    Box::new(ledger).close().unwrap();
    put_back(dir.path(), &copy, true).unwrap();
}

#[test]
fn a_damaged_or_missing_ledger_is_replaced() {
    let (dir, copy) = with_copy();
    let path = dir.path().join("ledger.db");
    let mut damaged = fs::read(&path).unwrap();
    damaged[4096..].fill(0);
    fs::write(&path, &damaged).unwrap();
    let restored = put_back(dir.path(), &copy, false).unwrap();
    assert_eq!((restored.lost, restored.copied.decisions), (None, 5));
    assert!(fs::read(restored.replaced.unwrap()).unwrap() == damaged);
    assert_eq!(verify(dir.path()).unwrap().entries, 7);

    let empty = tempdir().unwrap();
    let restored = put_back(empty.path(), &copy, false).unwrap();
    assert_eq!((restored.lost, restored.replaced), (Some(0), None));
    assert_eq!(verify(empty.path()).unwrap().entries, 7);
}

#[test]
fn a_damaged_copy_and_one_of_another_account_are_refused() {
    let (dir, copy) = with_copy();
    let before = fs::read(dir.path().join("ledger.db")).unwrap();
    let mut damaged = fs::read(&copy).unwrap();
    let half = damaged.len() / 2;
    damaged[half..half + 4096].fill(0xff);
    let spoilt = dir.path().join("spoilt");
    fs::write(&spoilt, damaged).unwrap();
    assert_eq!(put_back(dir.path(), &spoilt, true).unwrap_err().reason(), "LedgerDamaged");

    let other = tempdir().unwrap();
    Box::new(SqliteLedger::open(other.path(), "default/other").unwrap()).close().unwrap();
    let error = put_back(dir.path(), &other.path().join("ledger.db"), true).unwrap_err();
    assert!(matches!(error, CopyError::OtherAccount { .. }), "{error:?}");
    assert!(fs::read(dir.path().join("ledger.db")).unwrap() == before);
}

#[test]
fn the_ledger_from_before_the_migration_goes_back_as_it_was() {
    let dir = tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(&fixture, dir.path().join("ledger.db")).unwrap();
    let entries = verify(dir.path()).unwrap().entries;
    Box::new(SqliteLedger::open(dir.path(), "default/test").unwrap()).close().unwrap();
    let kept = dir.path().join("ledger.db.format-1");
    let restored = restore(dir.path(), &kept, false, true, Opening::new(9)).unwrap();
    assert_eq!((restored.ledger_id, restored.copied.entries), (None, entries));
    let version = |file: &Path| -> i64 {
        rusqlite::Connection::open(file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    assert_eq!(version(&dir.path().join("ledger.db")), version(&fixture));
    assert_eq!(verify(dir.path()).unwrap().entries, entries);
}
