//! No flip and no cut passes: either the ledger is refused as it is, or nothing that it says has changed.

use std::{fs, path::Path};

use algo_runtime::ledger::{Ledger as _, LedgerError, sqlite::SqliteLedger, verify::verify};
use tempfile::tempdir;

use crate::fixture::{ACCOUNT, Contents, Draft, everything, files, open, populate};

/// What opening a spoilt file may come to.
fn opens_equal_or_is_refused_untouched(dir: &Path, spoilt: &[u8], contents: &Contents, what: &str) -> bool {
    fs::write(dir.join("ledger.db"), spoilt).unwrap();
    let before = files(dir);
    match SqliteLedger::open(dir, ACCOUNT) {
        Ok(mut ledger) => {
            assert_eq!(&Contents::of(&mut ledger), contents, "{what}");
            drop(ledger);
            false
        }
        Err(LedgerError::Damaged { .. } | LedgerError::TooNew { .. } | LedgerError::OtherAccount { .. }) => {
            assert_eq!(files(dir), before, "{what}");
            true
        }
        Err(other) => panic!("{what}: {other:?}"),
    }
}

fn flip(step: usize) {
    let dir = tempdir().unwrap();
    let contents = populate(dir.path());
    let sound = fs::read(dir.path().join("ledger.db")).unwrap();
    let (mut flips, mut refused, mut written) = (0, 0, 0);
    for position in 0..sound.len() {
        // The header byte by byte, and what is written more densely than what is empty.
        if sound[position] != 0 {
            written += 1;
        }
        let wanted = position < 200 || (sound[position] != 0 && written % step == 0) || position % (step * 61) == 0;
        if !wanted {
            continue;
        }
        for mask in [0x01, 0x80] {
            let mut spoilt = sound.clone();
            spoilt[position] ^= mask;
            let what = format!("byte {position} ^ {mask:#x}");
            flips += 1;
            refused += usize::from(opens_equal_or_is_refused_untouched(dir.path(), &spoilt, &contents, &what));
        }
    }
    assert!(refused * 2 > flips, "most of what is written matters: {refused} of {flips}");
}

#[test]
fn a_flipped_byte_never_passes() {
    flip(29);
}

#[test]
#[ignore = "minutes: every written byte"]
fn no_flipped_byte_ever_passes() {
    flip(1);
}

#[test]
fn a_cut_never_passes() {
    let dir = tempdir().unwrap();
    let contents = populate(dir.path());
    let sound = fs::read(dir.path().join("ledger.db")).unwrap();
    let page = 4096;
    for length in
        [1, 15, 16, 99, 100, 101, 512, page - 1, page, page + 1, 3 * page, sound.len() - page, sound.len() - 1]
    {
        let what = format!("cut to {length} bytes");
        assert!(opens_equal_or_is_refused_untouched(dir.path(), &sound[..length], &contents, &what), "{what}");
    }
    let hole: Vec<u8> = sound.iter().enumerate().map(|(at, byte)| if at / page == 4 { 0 } else { *byte }).collect();
    assert!(opens_equal_or_is_refused_untouched(dir.path(), &hole, &contents, "a page of zeros"));
    fs::write(dir.path().join("ledger.db"), &sound).unwrap();
    assert_eq!(Contents::of(&mut open(dir.path())), contents);
}

#[test]
fn a_flip_beside_a_log_never_passes() {
    let (dir, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let contents = populate(dir.path());
    let _in_use = open(dir.path());
    let sound = fs::read(dir.path().join("ledger.db")).unwrap();
    let log = fs::read(dir.path().join("ledger.db-wal")).unwrap();
    let mut refused = 0;
    for position in (0..sound.len()).filter(|position| sound[*position] != 0).step_by(101) {
        let mut spoilt = sound.clone();
        spoilt[position] ^= 0x04;
        fs::write(copy.path().join("ledger.db"), &spoilt).unwrap();
        fs::write(copy.path().join("ledger.db-wal"), &log).unwrap();
        match SqliteLedger::open(copy.path(), ACCOUNT) {
            Ok(mut ledger) => assert_eq!(Contents::of(&mut ledger), contents, "byte {position}"),
            Err(LedgerError::Damaged { .. }) => {
                refused += 1;
                assert!(fs::read(copy.path().join("ledger.db")).unwrap() == spoilt, "byte {position}");
                assert!(fs::read(copy.path().join("ledger.db-wal")).unwrap() == log, "byte {position}");
            }
            Err(other) => panic!("byte {position}: {other:?}"),
        }
        fs::remove_file(copy.path().join("ledger.db-shm")).unwrap_or_default();
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_damaged_log_leaves_the_state_after_an_earlier_commit_and_no_mix() {
    let (dir, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let mut ledger = open(dir.path());
    let mut states = vec![Contents::of(&mut ledger)];
    for changes in everything(&mut Draft::new(&states[0].snapshot)) {
        ledger.commit(&changes).unwrap();
        states.push(Contents::of(&mut ledger));
    }
    let [file, log] = ["ledger.db", "ledger.db-wal"].map(|name| fs::read(dir.path().join(name)).unwrap());
    let mut seen = vec![false; states.len()];
    for position in (0..log.len()).step_by(1499) {
        let mut spoilt = log.clone();
        spoilt[position] ^= 0x10;
        fs::write(copy.path().join("ledger.db"), &file).unwrap();
        fs::write(copy.path().join("ledger.db-wal"), &spoilt).unwrap();
        let contents = Contents::of(&mut open(copy.path()));
        let state = states.iter().position(|state| *state == contents);
        seen[state.unwrap_or_else(|| panic!("byte {position}: a state that never was"))] = true;
        for name in files(copy.path()).into_keys() {
            fs::remove_file(name).unwrap();
        }
    }
    assert!(seen[0] && seen[1] && seen[2], "{seen:?}");
}

#[test]
fn what_is_no_ledger_is_never_made_anew() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let refused = || {
        let before = files(dir.path());
        let error = SqliteLedger::open(dir.path(), ACCOUNT).map(drop).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{error:?}");
        assert_eq!(files(dir.path()), before);
        assert!(verify(dir.path()).is_err());
        error.to_string()
    };
    fs::write(&path, "").unwrap();
    assert!(refused().contains("0 bytes"));
    fs::write(&path, "name,cash\n".repeat(100)).unwrap();
    assert!(refused().contains("not SQLite's"));
    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x);").unwrap();
    other.close().unwrap();
    assert!(refused().contains("application id"));
    fs::remove_file(&path).unwrap();
    fs::write(dir.path().join("ledger.db-wal"), "").unwrap();
    assert!(refused().contains("missing"));
    fs::remove_file(dir.path().join("ledger.db-wal")).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(SqliteLedger::open(dir.path(), ACCOUNT), Err(LedgerError::Damaged { .. })));
}
