//! What is kept, over closing and crashes, and who may write.

use std::{fs, io::ErrorKind, path::Path};

use algo_runtime::{
    ledger::{
        Account, Changes, Class, EntryKind, JournalEntry, Ledger, LedgerError, LedgerId, OutboxContent, OutboxPage,
        PacketQuery, memory::MemoryLedger, sqlite::SqliteLedger, verify::verify,
    },
    sizes::Sizes,
};
use intuition_api::v1;
use tempfile::tempdir;

use crate::fixture::{ACCOUNT, Contents, Draft, everything, files, open, populate};

const WINDOW: u64 = Sizes::DESIGN.window;

/// Makes a commit that fits one that does not.
type Spoil = fn(&mut Changes);

fn refusal(dir: &Path) -> LedgerError {
    SqliteLedger::open(dir, ACCOUNT).map(drop).unwrap_err()
}

#[test]
fn a_new_ledger_is_empty_and_has_an_id_of_its_own() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let mut first = open(&one.path().join("made/on/the/way"));
    let snapshot = first.snapshot().unwrap();
    let id = snapshot.account.ledger_id.clone();
    assert_eq!(snapshot.account, Account::empty(ACCOUNT, &id));
    assert!(id.len() == 8 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    assert_ne!(open(two.path()).snapshot().unwrap().account.ledger_id, id);
}

#[test]
fn everything_is_there_again_and_a_clean_close_leaves_one_file() {
    let dir = tempdir().unwrap();
    let contents = populate(dir.path());
    assert_eq!(files(dir.path()).into_keys().collect::<Vec<_>>(), [dir.path().join("ledger.db")]);
    assert_eq!(Contents::of(&mut open(dir.path())), contents);
    assert_eq!(contents.outbox.len(), 5);
    let manual = |entry: &&JournalEntry| entry.trade.as_ref().is_some_and(|trade| trade.manual);
    assert_eq!(contents.decisions.iter().filter(manual).count(), 1);
    assert_eq!(contents.outbox[0].position, 3);
    assert_eq!(contents.snapshot.done.ranges().collect::<Vec<_>>(), [(4, 5)]);
}

#[test]
fn a_crash_loses_nothing_that_was_committed() {
    let (dir, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    for changes in everything(&mut draft) {
        ledger.commit(&changes).unwrap();
    }
    // What a killed process leaves behind: no checkpoint, no close.
    for name in ["ledger.db", "ledger.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let contents = Contents::of(&mut ledger);
    drop(ledger);
    assert_eq!(Contents::of(&mut open(dir.path())), contents, "dropped without close");
    assert_eq!(Contents::of(&mut open(copy.path())), contents, "killed");
}

#[test]
fn a_backup_by_vacuum_into_is_the_same_ledger() {
    let (dir, copy) = (tempdir().unwrap(), tempdir().unwrap());
    let contents = populate(dir.path());
    let in_use = open(dir.path());
    let connection = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    connection.execute("VACUUM INTO ?1", [copy.path().join("ledger.db").to_str().unwrap()]).unwrap();
    drop(in_use);
    assert_eq!(Contents::of(&mut open(copy.path())), contents);
}

#[test]
fn a_crash_while_a_ledger_is_made_leaves_nothing_that_counts() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("ledger.db.new"), "half").unwrap();
    fs::write(dir.path().join("ledger.db.new-wal"), "half").unwrap();
    Box::new(open(dir.path())).close().unwrap();
    assert_eq!(files(dir.path()).into_keys().collect::<Vec<_>>(), [dir.path().join("ledger.db")]);
}

#[test]
fn the_older_of_two_openers_appends_nothing() {
    let dir = tempdir().unwrap();
    let mut older = open(dir.path());
    let mut draft = Draft::new(&older.snapshot().unwrap());
    draft.transfer(EntryKind::Deposit, "10000");
    older.commit(&draft.take()).unwrap();
    let mut newer = open(dir.path());
    draft.buy("GOOG", "100", "345");
    let changes = draft.take();
    let error = older.commit(&changes).unwrap_err();
    assert!(matches!(error, LedgerError::TakenOver { found: 2, ours: 1, .. }), "{error:?}");
    let error = older.outbox(OutboxPage { after: 0, rows: 10, bytes: 1 << 20 }).unwrap_err();
    assert!(matches!(error, LedgerError::TakenOver { found: 2, ours: 1, .. }), "{error:?}");
    assert_eq!(newer.decisions(1, 10).unwrap(), []);
    newer.commit(&changes).unwrap();
    Box::new(older).close().unwrap();
    assert_eq!(newer.decisions(1, 10).unwrap().len(), 1);
    assert!(newer.commit(&Changes::default()).is_ok());
}

#[test]
fn a_commit_that_fails_leaves_the_state_before_it() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    let commits = everything(&mut draft);
    ledger.commit(&commits[0]).unwrap();
    ledger.commit(&commits[1]).unwrap();
    let before = Contents::of(&mut ledger);

    let error = ledger.commit(&commits[1]).unwrap_err();
    assert!(matches!(error, LedgerError::Refused { .. }), "{error:?}");
    let mut taken = commits[2].clone();
    taken.window.clone_from(&commits[1].window);
    taken.evict.clear();
    let error = ledger.commit(&taken).unwrap_err();
    assert!(matches!(error, LedgerError::Store { action: "write the window", .. }), "{error:?}");
    assert_eq!(Contents::of(&mut ledger), before);

    ledger.commit(&commits[2]).unwrap();
    let after = Contents::of(&mut ledger);
    drop(ledger);
    assert_eq!(Contents::of(&mut open(dir.path())), after);
}

#[test]
fn a_commit_whose_sums_are_wrong_is_refused() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path());
    let snapshot = ledger.snapshot().unwrap();
    let fresh = || {
        let mut draft = Draft::new(&snapshot);
        draft.transfer(EntryKind::Deposit, "10000");
        draft.buy("GOOG", "1234.56", "345");
        draft.take()
    };
    let wrongs: [(&str, Spoil); 8] = [
        ("a cent too much", |changes| changes.journal[1].cash = "8765.45".parse().unwrap()),
        ("a total left out", |changes| changes.account = None),
        ("a hole in the numbers", |changes| changes.journal[1].number = 3),
        ("a hole in the decisions", |changes| changes.journal[1].trade.as_mut().unwrap().seq = 2),
        ("a holding left out", |changes| changes.holdings.clear()),
        ("a quantity rounded up", |changes| {
            changes.journal[1].trade.as_mut().unwrap().quantity = "3.57843479".parse().unwrap();
        }),
        ("a hole in the outbox", |changes| changes.outbox[0].position = 2),
        ("more cash spent than there is", |changes| drop(changes.journal.remove(0))),
    ];
    for (what, spoil) in wrongs {
        let mut changes = fresh();
        spoil(&mut changes);
        let error = ledger.commit(&changes).expect_err(what);
        assert!(matches!(error, LedgerError::Refused { .. }), "{what}: {error:?}");
    }
    assert_eq!(ledger.snapshot().unwrap(), snapshot);
    ledger.commit(&fresh()).unwrap();
}

#[test]
fn parts_are_handed_out_in_order() {
    let dir = tempdir().unwrap();
    let contents = populate(dir.path());
    let mut ledger = open(dir.path());
    let seqs = |entries: Vec<_>| -> Vec<u64> {
        entries.into_iter().map(|entry: algo_runtime::ledger::JournalEntry| entry.trade.unwrap().seq).collect()
    };
    assert_eq!(seqs(ledger.decisions(2, 2).unwrap()), [2, 3]);
    assert_eq!(seqs(ledger.decisions(5, 10).unwrap()), [5]);
    assert_eq!(ledger.decisions(6, 10).unwrap(), []);
    assert_eq!(ledger.outbox(OutboxPage { rows: 2, ..OutboxPage::all(4) }).unwrap(), contents.outbox[2..4]);
    assert_eq!(ledger.outbox(OutboxPage::all(7)).unwrap(), []);
}

/// The largest sums are text in the file, and everything else is a number.
#[test]
fn sums_beyond_64_bits_are_kept_and_shown_exactly() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    draft.transfer(EntryKind::Deposit, "1000000000000000000000000000000.07");
    draft.buy("GOLD", "999999999999999999999999999999.99", "1000");
    draft.buy("GOOG", "0.05", "345.5");
    ledger.commit(&draft.take()).unwrap();
    let decisions = ledger.decisions(1, 10).unwrap();
    Box::new(ledger).close().unwrap();
    let mut again = open(dir.path());
    assert_eq!(again.decisions(1, 10).unwrap(), decisions);
    drop(again);
    let connection = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let columns = "SELECT concat_ws(' ', amount, cash, quantity, price, cost) FROM history ORDER BY number";
    let rows: Vec<String> = {
        let mut statement = connection.prepare(columns).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let entry = |number: usize| {
        let JournalEntry { amount, cash, trade, .. } = &decisions[number];
        let trade = trade.as_ref().unwrap();
        format!("{amount} {cash} {} {} {}", trade.quantity, trade.price, trade.cost)
    };
    let deposit = "1000000000000000000000000000000.07 1000000000000000000000000000000.07";
    assert_eq!(rows, [deposit.to_owned(), entry(0), entry(1)]);
    assert_eq!(decisions[0].trade.as_ref().unwrap().quantity.to_string(), "999999999999999999999999999.99999");
    assert_eq!(verify(dir.path()).unwrap().entries, 3);
}

#[test]
fn a_page_of_the_outbox_ends_at_its_bytes_and_has_one_entry_at_least() {
    let dir = tempdir().unwrap();
    let mut file = open(dir.path());
    let snapshot = file.snapshot().unwrap();
    let mut memory = MemoryLedger::new(&snapshot.account.name, &snapshot.account.ledger_id);
    let mut draft = Draft::new(&snapshot);
    for bytes in [1_000, 10, 3_000, 10, 10] {
        let payload = vec![1; bytes].into();
        draft.publish(OutboxContent::Publication(v1::Publication { channel: "c".to_owned(), payload }));
    }
    let changes = draft.take();
    for ledger in [&mut file as &mut dyn Ledger, &mut memory] {
        ledger.commit(&changes).unwrap();
        let mut positions = |after, rows, bytes| -> Vec<u64> {
            ledger.outbox(OutboxPage { after, rows, bytes }).unwrap().iter().map(|row| row.position).collect()
        };
        assert_eq!(positions(0, 9, 1), [1]);
        assert_eq!(positions(0, 9, 1_010), [1, 2]);
        assert_eq!(positions(0, 9, 1_100), [1, 2, 3], "the last one may exceed it");
        assert_eq!((positions(2, 2, usize::MAX), positions(3, 9, 4_000)), (vec![3, 4], vec![4, 5]));
        assert!(!ledger.holds_strict(1).unwrap() && !ledger.holds_strict(99).unwrap());
    }
}

#[test]
fn a_position_done_beyond_the_last_one_is_refused() {
    let dir = tempdir().unwrap();
    populate(dir.path());
    let mut ledger = open(dir.path());
    let mut changes = Changes::default();
    changes.done.add(7, 8);
    assert!(matches!(ledger.commit(&changes).unwrap_err(), LedgerError::Refused { .. }));
    assert!(ledger.holds_strict(3).unwrap());
}

#[test]
fn a_ledger_that_has_gone_back_keeps_its_chain() {
    let dir = tempdir().unwrap();
    let contents = populate(dir.path());
    let mut ledger = open(dir.path());
    let mut draft = Draft::new(&contents.snapshot);
    let first = draft.account.ledger_id.clone();
    let next = LedgerId { first_seq: 6, first_position: 8, id: "0badf00d".to_owned() };
    draft.ids.take(next.clone());
    draft.account.ledger_id.clone_from(&next.id);
    draft.changes.ledger_ids = Some(draft.ids.clone());
    ledger.commit(&draft.take()).unwrap();
    draft.buy("GOOG", "1", "1");
    ledger.commit(&draft.take()).unwrap();
    Box::new(ledger).close().unwrap();
    let report = verify(dir.path()).unwrap();
    assert_eq!(report.ledger_ids.iter().map(|id| id.id.as_str()).collect::<Vec<_>>(), [first.as_str(), "0badf00d"]);
    let snapshot = open(dir.path()).snapshot().unwrap();
    assert_eq!((snapshot.ledger_ids.of(5), snapshot.ledger_ids.of(6)), (first.as_str(), "0badf00d"));
}

#[test]
fn rows_beyond_the_window_are_summed_up_and_found_by_their_packet() {
    let dir = tempdir().unwrap();
    let mut file = open(dir.path());
    let snapshot = file.snapshot().unwrap();
    let mut memory = MemoryLedger::new(&snapshot.account.name, &snapshot.account.ledger_id);
    let mut draft = Draft::new(&snapshot);
    let rows = WINDOW + 3_000;
    (0..rows).for_each(|_| draft.outcome(Class::Id));
    for (place, row) in draft.changes.window.iter_mut().enumerate() {
        row.packet_id = u32::try_from(place % 100).unwrap();
        row.connection = (place > 10).then_some(7);
    }
    let changes = draft.take();
    let wanted: Vec<_> = changes.window.iter().filter(|row| row.packet_id == 42).cloned().collect();
    let key = wanted[0].packet_key().unwrap();
    for ledger in [&mut file as &mut dyn Ledger, &mut memory] {
        ledger.commit(&changes).unwrap();
        let all = PacketQuery { key, class: Class::Id, after: 0, before: 3_001, of: None, limit: 1_000 };
        assert_eq!(ledger.delivered(&all).unwrap(), wanted[..30]);
        let some = PacketQuery { after: wanted[3].ordinal, before: wanted[9].ordinal, limit: 2, ..all };
        assert_eq!(ledger.delivered(&some).unwrap(), wanted[4..6]);
        let one = PacketQuery { of: Some((wanted[7].run, wanted[7].delivery)), ..all };
        assert_eq!(ledger.delivered(&one).unwrap(), wanted[7..8]);
        assert_eq!(ledger.delivered(&PacketQuery { class: Class::Packet, ..all }).unwrap(), []);
    }
    drop(file);
    let snapshot = open(dir.path()).snapshot().unwrap();
    assert_eq!(snapshot, memory.snapshot().unwrap());
    assert_eq!((snapshot.window.len() as u64, snapshot.window[0].ordinal), (WINDOW, 3_001));
    let spans: Vec<_> = snapshot.older.iter().map(|stretch| (stretch.first, stretch.last)).collect();
    assert_eq!(spans, [(1, 11), (12, 1_035), (1_036, 2_059), (2_060, 3_000)]);
    let plan = "EXPLAIN QUERY PLAN SELECT * FROM window INDEXED BY window_by_packet WHERE packet_key = 1 AND class = 'id' AND ordinal > 1 ORDER BY ordinal";
    let connection = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
    let plan: String = connection.query_row(plan, [], |row| row.get(3)).unwrap();
    assert!(plan.contains("INDEX window_by_packet (packet_key=? AND class=? AND ordinal>?)"), "{plan}");
}

#[test]
fn another_account_is_refused_and_nothing_changes() {
    let dir = tempdir().unwrap();
    populate(dir.path());
    let before = files(dir.path());
    let error = SqliteLedger::open(dir.path(), "default/other").unwrap_err();
    assert!(matches!(error, LedgerError::OtherAccount { .. }), "{error:?}");
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_folder_or_file_that_cannot_be_used_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), Path::new("/proc/no-ledger-here").to_owned()] {
        let error = refusal(&path);
        assert!(matches!(error, LedgerError::Access { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }

    let folder = dir.path().join("data");
    populate(&folder);
    let ledger = folder.join("ledger.db");
    let mut permissions = fs::metadata(&ledger).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&ledger, permissions).unwrap();
    let before = files(&folder);
    match refusal(&folder) {
        LedgerError::Access { action: "write", source, .. } => assert_eq!(source.kind(), ErrorKind::PermissionDenied),
        error => panic!("{error:?}"),
    }
    assert_eq!(files(&folder), before);
}
