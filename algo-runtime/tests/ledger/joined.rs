//! Quotes with indicators: they wait in the outbox of an account without decisions, and outlast all that happens to its ledger.

use std::path::Path;

use algo_runtime::ledger::{
    Ledger, OutboxContent, OutboxPage,
    memory::MemoryLedger,
    sqlite::{Opening, SqliteLedger, backup, restore, salvage},
    verify::verify,
};
use intuition_api::v1::{Indicator, IndicatorValue, Joined, Quote};
use tempfile::tempdir;

use crate::fixture::Draft;

const ACCOUNT: &str = "default/indicator.trend";

fn open(dir: &Path) -> SqliteLedger {
    SqliteLedger::open(dir, ACCOUNT).unwrap()
}

fn joined(seq: i64) -> OutboxContent {
    let value = |name: &str, value: &str| IndicatorValue { name: name.to_owned(), value: value.to_owned() };
    let macd = Indicator {
        name: "macd".to_owned(),
        sid: "GOOG".to_owned(),
        values: vec![value("line", "-0.4377327039"), value("signal", "0")],
        time_micros: 1_700_000_000_000_001,
    };
    let (sid, price) = ("GOOG".to_owned(), "345.5".to_owned());
    let quote = Quote { sid, price, time_micros: 1_700_000_000_000_001, details: None };
    let (indicators, quote, source) = (vec![macd], Some(quote), "nyse".to_owned());
    OutboxContent::Joined(Joined { indicators, quote, source, seq: Some(seq), backfill: true, ..Joined::default() })
}

fn outbox(ledger: &mut dyn Ledger) -> Vec<(u64, OutboxContent)> {
    let rows = ledger.outbox(OutboxPage { after: 0, rows: 99, bytes: usize::MAX }).unwrap();
    rows.into_iter().map(|row| (row.position, row.content)).collect()
}

/// Six quotes, of which the first two are published.
fn fill(ledger: &mut dyn Ledger) -> Vec<(u64, OutboxContent)> {
    let mut draft = Draft::new(&ledger.snapshot().unwrap());
    (1..=6).for_each(|seq| draft.publish(joined(seq)));
    ledger.commit(&draft.take()).unwrap();
    draft.account.published_through = 2;
    draft.changes.done.add(4, 4);
    ledger.commit(&draft.take()).unwrap();
    (3..=6_u64).map(|position| (position, joined(position.cast_signed()))).collect()
}

#[test]
fn waiting_quotes_survive_a_restart_in_their_order() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path());
    let waiting = fill(&mut ledger);
    assert_eq!(outbox(&mut ledger), waiting);
    drop(ledger);
    let mut again = open(dir.path());
    assert_eq!(outbox(&mut again), waiting);
    assert!(again.holds_strict(5).unwrap(), "none of them is given up");
    assert_eq!(verify(dir.path()).unwrap().decisions, 0);

    let mut memory = MemoryLedger::new(ACCOUNT, "3f9c2a71");
    assert_eq!(fill(&mut memory), waiting);
    assert_eq!((outbox(&mut memory), memory.holds_strict(5).unwrap()), (waiting, true));
}

#[test]
fn copy_of_the_ledger_has_them_and_is_put_back_with_them() {
    let (dir, other) = (tempdir().unwrap(), tempdir().unwrap());
    let waiting = fill(&mut open(dir.path()));
    let copy = dir.path().join("copy");
    backup(dir.path(), &copy).unwrap();
    restore(other.path(), &copy, false, false, Opening::new(9)).unwrap();
    let mut restored = open(other.path());
    assert_eq!(outbox(&mut restored), waiting);
    assert_ne!(
        restored.snapshot().unwrap().account.ledger_id,
        open(dir.path()).snapshot().unwrap().account.ledger_id,
        "later quotes without an identity have another source"
    );
}

#[test]
fn salvaged_ledger_keeps_those_that_can_be_read() {
    let dir = tempdir().unwrap();
    let waiting = fill(&mut open(dir.path()));
    let damage = |sql: &str| {
        let connection = rusqlite::Connection::open(dir.path().join("ledger.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
    };
    damage("UPDATE seal SET digest = ''");
    salvage(dir.path(), 9).unwrap();
    let mut ledger = open(dir.path());
    assert_eq!(outbox(&mut ledger), waiting);
    Box::new(ledger).close().unwrap();
    let needs: i64 = rusqlite::Connection::open(dir.path().join("ledger.db"))
        .and_then(|connection| connection.query_row("SELECT min_reader FROM seal", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(needs, 7, "a release before does not open it");

    // A field of the wrong type.
    damage("UPDATE outbox SET content = x'0aff' WHERE position = 5");
    let salvaged = salvage(dir.path(), 10).unwrap();
    let left_out = salvaged.left_out.iter().find(|left_out| left_out.table == "outbox").unwrap();
    assert_eq!(left_out.rows, 2, "the row, and the place that it leaves");
    let kept = outbox(&mut open(dir.path()));
    assert_eq!([&kept[0], &kept[1], &kept[3]], [&waiting[0], &waiting[1], &waiting[3]]);
    assert!(matches!(kept[2], (5, OutboxContent::Publication(_))), "an empty entry that counts as given up");
}
