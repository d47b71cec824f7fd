//! The file changes hands between releases: v0.1.0, which knows neither positions that are done nor further ids; releases without
//! quotes with indicators; and this release.

use intuition_api::v1::{Joined, Publication};
use tempfile::tempdir;

use crate::ledger::{
    Changes, Ledger as _, LedgerError, OutboxContent, OutboxPage, OutboxRow, Positions,
    sqlite::{
        SqliteLedger,
        schema::{FORMAT_1, MIGRATIONS, Migration},
    },
};

const ACCOUNT: &str = "default/goog-random";

fn open(dir: &std::path::Path, migrations: &[Migration]) -> SqliteLedger {
    SqliteLedger::open_with(dir, ACCOUNT, migrations).unwrap()
}

#[test]
fn positions_done_that_v010_has_passed_are_cleaned_by_the_migration() {
    let dir = tempdir().unwrap();
    let mut ledger = open(dir.path(), FORMAT_1);
    let mut account = ledger.snapshot().unwrap().account;
    account.position = 5;
    let row = |position| OutboxRow { position, content: OutboxContent::Publication(Publication::default()) };
    let done: Positions = [2, 3, 5].into_iter().collect();
    let changes = Changes { account: Some(account), outbox: (1..=5).map(row).collect(), done, ..Changes::default() };
    ledger.commit(&changes).unwrap();
    // v0.1.0 publishes the first three again, and knows its own tables alone.
    let sql = "DELETE FROM outbox WHERE position <= 3; UPDATE account SET published_through = 3";
    ledger.connection.execute_batch(sql).unwrap();
    ledger.reseal();
    drop(ledger);
    for _ in 0..2 {
        let mut ledger = open(dir.path(), MIGRATIONS);
        let count = "SELECT count(*) FROM outbox_done";
        assert_eq!(ledger.connection.query_row(count, [], |row| row.get(0)), Ok(1));
        assert_eq!(ledger.snapshot().unwrap().done.ranges().collect::<Vec<_>>(), [(5, 5)]);
    }
}

/// Commits one entry more.
fn post(ledger: &mut SqliteLedger, content: OutboxContent) {
    let mut account = ledger.snapshot().unwrap().account;
    account.position += 1;
    let outbox = vec![OutboxRow { position: account.position, content }];
    ledger.commit(&Changes { account: Some(account), outbox, ..Changes::default() }).unwrap();
}

#[test]
fn release_before_uses_the_file_until_it_has_a_quote_with_indicators() {
    let dir = tempdir().unwrap();
    let (before, publication) = (&MIGRATIONS[..6], || OutboxContent::Publication(Publication::default()));
    for migrations in [before, MIGRATIONS, before] {
        post(&mut open(dir.path(), migrations), publication());
    }
    let joined = OutboxContent::Joined(Joined { source: "nyse".to_owned(), seq: Some(7), ..Joined::default() });
    post(&mut open(dir.path(), MIGRATIONS), joined.clone());
    let refused = SqliteLedger::open_with(dir.path(), ACCOUNT, before).unwrap_err();
    assert!(matches!(refused, LedgerError::TooNew { needs: 7, reads: 6, .. }), "{refused:?}");
    let mut ledger = open(dir.path(), MIGRATIONS);
    let rows = ledger.outbox(OutboxPage { after: 0, rows: 9, bytes: usize::MAX }).unwrap();
    let contents: Vec<_> = rows.into_iter().map(|row| row.content).collect();
    assert_eq!(contents, [publication(), publication(), publication(), joined]);
    assert!(ledger.holds_strict(4).unwrap() && !ledger.holds_strict(3).unwrap());
}
