//! The journal as CSV.

use std::{fs, path::Path};

use algo_runtime::ledger::{
    Ledger as _,
    sqlite::{ArchiveError, CopyError, SqliteLedger, archive},
    verify::verify,
};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::fixture::{Draft, files, open, populate};

fn lines(dir: &Path, from: u64, through: u64) -> Vec<String> {
    let mut csv = Vec::new();
    let written = archive(dir, Some(from), through, &mut csv).unwrap().entries;
    let lines: Vec<String> = String::from_utf8(csv).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len() as u64, written + 1, "a line of names");
    lines
}

#[test]
fn journal_of_a_ledger_in_use_is_written_with_its_chain() {
    let dir = tempdir().unwrap();
    populate(dir.path());
    let mut ledger = open(dir.path());
    let before = fs::read(dir.path().join("ledger.db")).unwrap();
    let all = lines(dir.path(), 1, u64::MAX);
    assert_eq!(
        all[0],
        "number,rules,kind,committed_micros,position,seq,event,sid,quantity,price,amount,cash,cost,time_micros,origin,hash"
    );
    assert_eq!(all.len(), 8);
    assert!(all[1].starts_with("1,1,deposit,1700000000000002,0,,,,,,10000.00,10000.00,,,,"), "{}", all[1]);
    let buy = "2,1,buy,1700000000000002,1,1,nyse/1,GOOG,3.57843478,345,1234.56,8765.44,1234.56,1700000000000000,,";
    assert!(all[2].starts_with(buy), "{}", all[2]);
    assert!(all[6].contains(",manual,"), "{}", all[6]);
    let head = verify(dir.path()).unwrap().head;
    assert!(all[7].ends_with(&format!(",{head}")), "{}", all[7]);
    assert_eq!(lines(dir.path(), 3, 4), [&all[0], &all[3], &all[4]].map(Clone::clone));
    assert_eq!(lines(dir.path(), 8, 4), all[..1]);
    assert!(fs::read(dir.path().join("ledger.db")).unwrap() == before);

    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.buy("GOOG", "1", "1");
    ledger.commit(&draft.take()).unwrap();
    assert_eq!(lines(dir.path(), 8, u64::MAX).len(), 2, "it goes on with the ledger");
}

#[test]
fn entries_beyond_one_transaction_follow_in_order() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    for _ in 0..20_100 {
        draft.transfer(algo_runtime::ledger::EntryKind::Deposit, "1");
    }
    ledger.commit(&draft.take()).unwrap();
    let all = lines(dir.path(), 1, u64::MAX);
    let numbers = all[1..].iter().map(|line| line.split(',').next().unwrap().parse::<u64>().unwrap());
    assert!(numbers.eq(1..=20_100));
}

#[test]
fn entries_from_before_the_migration_are_written_too() {
    let dir = tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers/v0.1.0.db");
    fs::copy(&fixture, dir.path().join("ledger.db")).unwrap();
    let error = archive(dir.path(), None, u64::MAX, Vec::new()).unwrap_err();
    assert!(matches!(error, ArchiveError::OldFormat(_)), "{error:?}");
    Box::new(SqliteLedger::open(dir.path(), "default/test").unwrap()).close().unwrap();
    let connection = Connection::open(&fixture).unwrap();
    let hash: String = connection.query_row("SELECT hash FROM journal WHERE number = 4", [], |row| row.get(0)).unwrap();
    assert!(lines(dir.path(), 4, 4)[1].ends_with(&hash));

    let nothing = tempdir().unwrap();
    let error = archive(nothing.path(), Some(1), 2, Vec::new()).unwrap_err();
    assert!(matches!(error, ArchiveError::Copy(CopyError::MissLedger(_))), "{error:?}");
    assert!(files(nothing.path()).is_empty());
}
