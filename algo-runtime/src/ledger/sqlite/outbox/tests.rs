//! The file changes hands between v0.1.0, which knows neither positions that are done nor further ids, and this release.

use intuition_api::v1::Publication;
use tempfile::tempdir;

use crate::ledger::{
    Changes, Ledger as _, OutboxContent, OutboxRow, Positions,
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
