//! The order of rows: open transactions, rows that come late, and starts behind them.

use serde_json::json;

use crate::harness::{Database, table};

#[tokio::test]
async fn rows_wait_for_lower_numbers_of_open_transactions() {
    let database = Database::with_table();
    database.sql("CREATE TABLE other (n int); INSERT INTO trades DEFAULT VALUES");
    let mut reading = database.read(&table(), None);
    assert_eq!(reading.count(1).await, [1]);
    let (first, second, reader) = (database.connect().await, database.connect().await, database.connect().await);
    // The first transaction has the lower transaction number and the higher row.
    first.batch_execute("BEGIN; INSERT INTO other VALUES (1)").await.unwrap();
    second.batch_execute("BEGIN; INSERT INTO trades DEFAULT VALUES").await.unwrap();
    first.batch_execute("INSERT INTO trades DEFAULT VALUES; COMMIT").await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM trades"), "2", "row 3 is there, and row 2 is not");
    let message = reading.missing("LongTransaction").await;
    let is_named = message.contains("of user postgres") && message.contains("rows up to 3 wait");
    assert!(is_named, "{message}");
    assert_eq!(reading.numbers(), [1]);
    // A transaction that only reads holds nothing back.
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM trades").await.unwrap();
    second.batch_execute("COMMIT").await.unwrap();
    assert_eq!(reading.count(3).await, [1, 2, 3]);
    reading.working().await;
    database.sql("BEGIN; INSERT INTO trades DEFAULT VALUES; PREPARE TRANSACTION 'half done'");
    database.sql("INSERT INTO trades DEFAULT VALUES");
    let message = reading.missing("LongTransaction").await;
    assert!(message.contains("prepared transaction half done"), "{message}");
    database.sql("ROLLBACK PREPARED 'half done'");
    assert_eq!(reading.count(4).await, [1, 2, 3, 5], "row 4 was rolled back");
    assert_eq!(reading.late, Vec::<u64>::new());
}

#[tokio::test]
async fn row_below_the_last_number_is_counted_late_and_not_published() {
    let database = Database::with_table();
    database.sql("INSERT INTO trades (id) VALUES (10), (20)");
    let mut reading = database.read(&table(), None);
    assert_eq!(reading.count(2).await, [10, 20]);
    database.sql("INSERT INTO trades (id) VALUES (15), (16), (30)");
    reading.until("late rows", |reading| reading.late.len() == 2 && reading.quotes.len() == 3).await;
    assert_eq!((reading.numbers(), &reading.late), (vec![10, 20, 30], &vec![15, 16]));
    database.sql("DELETE FROM trades WHERE id = 10; INSERT INTO trades (id) VALUES (31)");
    assert_eq!(reading.count(4).await, [10, 20, 30, 31]);
    drop(reading);
    // A row that came while no feed ran looks like a published one.
    database.sql("INSERT INTO trades (id) VALUES (17), (40)");
    let mut reading = database.read(&table(), Some(31));
    assert_eq!(reading.count(1).await, [40]);
    database.sql("INSERT INTO trades (id) VALUES (18)");
    reading.until("a late row", |reading| !reading.late.is_empty()).await;
    assert_eq!(reading.late, [18]);
}

#[tokio::test]
async fn rows_are_counted_again_for_the_time_to_settle() {
    let database = Database::with_table();
    database.sql("INSERT INTO trades (id) VALUES (10)");
    let mut fields = table();
    fields["settle"] = json!("1s");
    let mut reading = database.read(&fields, None);
    reading.count(1).await;
    // The looks of more than a second: each new row is one.
    for number in 21..=24 {
        database.sql(&format!("INSERT INTO trades (id) VALUES ({number})"));
        reading.until("the row", |reading| reading.numbers().last() == Some(&number)).await;
    }
    database.sql("INSERT INTO trades (id) VALUES (5), (30)");
    reading.until("row 30", |reading| reading.numbers().last() == Some(&30)).await;
    database.sql("INSERT INTO trades (id) VALUES (31)");
    reading.until("row 31", |reading| reading.numbers().last() == Some(&31)).await;
    assert_eq!(reading.late, Vec::<u64>::new(), "row 5 belongs to an earlier time");
}
