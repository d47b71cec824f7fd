use std::{collections::BTreeMap, path::Path};

use tempfile::tempdir;

use super::*;
use crate::ledger::{
    Ledger as _, Mark, Snapshot, SourceKey,
    sqlite::{
        SqliteLedger,
        schema::{FORMAT_1, MIGRATIONS, Migration},
    },
};

const ACCOUNT: &str = "default/goog-random";

fn open(dir: &Path, migrations: &[Migration]) -> SqliteLedger {
    SqliteLedger::open_with(dir, ACCOUNT, migrations).unwrap()
}

/// Writes as v0.1.0 does, its seal included.
fn trade_by_v010(ledger: &SqliteLedger, sql: &str) {
    ledger.connection.execute_batch(sql).unwrap();
    ledger.reseal();
}

fn first() -> Vec<Migration> {
    MIGRATIONS[..1].to_vec()
}

fn mark(source: &str, seq: i64, taken_micros: i64, found_micros: i64) -> Mark {
    let (channel, source) = ("quotes".to_owned(), source.to_owned());
    Mark { channel, source, seq, index: 0, taken_micros, found_micros }
}

fn marks<const N: usize>(marks: [Mark; N]) -> BTreeMap<SourceKey, Mark> {
    marks.into_iter().map(|mark| ((mark.channel.clone(), mark.source.clone()), mark)).collect()
}

fn marks_of(snapshot: Snapshot) -> Vec<Mark> {
    snapshot.marks
}

#[test]
fn a_ledger_of_v010_is_taken_up_with_its_numbers_symbols_and_gaps() {
    let dir = tempdir().unwrap();
    let older = open(dir.path(), &first());
    trade_by_v010(
        &older,
        "UPDATE account SET updated_micros = 500;
         INSERT INTO marks (channel, source, seq, tick_index) VALUES ('quotes', 'nyse', 17, 0);
         INSERT INTO gaps (channel, source, first, last, seen_micros) VALUES ('quotes', 'nyse', 3, 9, 400);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100)
         INSERT INTO gaps (channel, source, first, last, seen_micros) SELECT 'quotes', 'lse', i, i, i FROM n;",
    );
    drop(older);
    let mut ledger = open(dir.path(), MIGRATIONS);
    let snapshot = ledger.snapshot().unwrap();
    assert_eq!(snapshot.marks, [mark("nyse", 17, 0, 500)]);
    assert_eq!(snapshot.sources.last_gap.unwrap().first, 10_100);
    let gaps: i64 = ledger.connection.query_row("SELECT count(*) FROM gaps", [], |row| row.get(0)).unwrap();
    assert_eq!(gaps, Sizes::DESIGN.gaps.cast_signed());

    let gap = |first| Gap { channel: String::new(), source: String::new(), first, last: first, seen_micros: 1 };
    let changes = Changes { gaps: (1..=25).map(gap).collect(), ..Changes::default() };
    ledger.commit(&changes).unwrap();
    let kept: (i64, i64) = ledger
        .connection
        .query_row("SELECT count(*), last FROM gaps WHERE number = (SELECT max(number) FROM gaps)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(kept, (1, 25));
    let gaps: i64 = ledger.connection.query_row("SELECT count(*) FROM gaps", [], |row| row.get(0)).unwrap();
    assert_eq!(gaps, Sizes::DESIGN.gaps.cast_signed());
    Box::new(ledger).close().unwrap();
    assert_eq!(open(dir.path(), MIGRATIONS).snapshot().unwrap().sources.last_gap.unwrap().first, 25);
}

#[test]
fn v010_trades_on_the_file_in_between_and_nothing_is_lost() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path(), FORMAT_1);
    let mut changes =
        Changes { marks: marks([mark("nyse", 17, 900, 0), mark("lse", 3, 901, 0)]), ..Changes::default() };
    changes.sources.resets.push(Reset {
        channel: "quotes".to_owned(),
        source: "tse".to_owned(),
        era: 0,
        last: 40,
        reset_micros: 902,
    });
    changes.sources.forgotten.push([7; 16]);
    changes.sources.symbols.push("GOOG".to_owned());
    let key = |source: &str| ("quotes".to_owned(), source.to_owned());
    let conflict = Conflict { dead_letters: 10, reason: "SequenceWentBack".to_owned(), message: "why".to_owned() };
    changes.sources.conflicts.insert(key("nyse"), Some(conflict.clone()));
    changes.sources.conflicts.insert(key("lse"), Some(conflict));
    ledger.commit(&changes).unwrap();
    let before = ledger.snapshot().unwrap();
    Box::new(ledger).close().unwrap();

    let older = open(dir.path(), &first());
    trade_by_v010(
        &older,
        "UPDATE account SET updated_micros = 2000;
         INSERT INTO marks (channel, source, seq, tick_index) VALUES ('quotes', 'nyse', 18, 0), ('quotes', 'tse', 1, 0)
         ON CONFLICT DO UPDATE SET seq = excluded.seq, tick_index = excluded.tick_index;",
    );
    drop(older);
    let mut ledger = open(dir.path(), MIGRATIONS);
    let after = ledger.snapshot().unwrap();
    assert_eq!(after.sources, before.sources);
    assert_eq!(marks_of(after), [mark("lse", 3, 901, 0), mark("nyse", 18, 0, 2_000), mark("tse", 1, 0, 2_000)]);

    // An opening later the number is still as old as it was found, and taking the next one dates it.
    ledger.connection.execute_batch("UPDATE account SET updated_micros = 3000").unwrap();
    ledger.reseal();
    drop(ledger);
    let mut ledger = open(dir.path(), MIGRATIONS);
    assert_eq!(ledger.snapshot().unwrap().marks[1], mark("nyse", 18, 0, 2_000));
    let mut changes = Changes { marks: marks([mark("nyse", 19, 950, 0)]), ..Changes::default() };
    changes.sources.removed.push(key("lse"));
    changes.sources.removed.push(key("nyse"));
    changes.sources.conflicts.insert(key("lse"), None);
    ledger.commit(&changes).unwrap();
    Box::new(ledger).close().unwrap();
    let last = open(dir.path(), MIGRATIONS).snapshot().unwrap();
    assert_eq!(last.marks, [mark("nyse", 19, 950, 0), mark("tse", 1, 0, 2_000)]);
    assert_eq!(last.sources.conflicts.into_keys().collect::<Vec<_>>(), [key("nyse")]);
}
