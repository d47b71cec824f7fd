//! Tables that do not meet the conditions, and their repair without a change of the feed.

use serde_json::json;

use crate::harness::{COLUMNS, Database, table};

#[tokio::test]
async fn table_is_read_as_soon_as_it_meets_the_conditions() {
    let database = Database::start();
    database.sql(
        "CREATE TABLE nullable (id int UNIQUE, sid text, price int);
         CREATE TABLE repeated (id int NOT NULL, sid text, price int); CREATE INDEX ON repeated (id);
         CREATE UNIQUE INDEX ON repeated (id) WHERE id > 5; CREATE UNIQUE INDEX ON repeated (id, sid);
         CREATE TABLE written (id text PRIMARY KEY, sid text, price int);
         CREATE TABLE unnumbered (sid text, price int);
         CREATE TABLE unpriced (id int PRIMARY KEY, sid text);
         CREATE TABLE priced (id int PRIMARY KEY, sid text, price money);",
    );
    let repairs = [
        ("nullable", "CursorUnusable", "takes NULL", "ALTER TABLE nullable ALTER COLUMN id SET NOT NULL"),
        ("repeated", "CursorUnusable", "is not unique", "CREATE UNIQUE INDEX ON repeated (id)"),
        ("written", "CursorUnusable", "is text", "ALTER TABLE written ALTER COLUMN id TYPE bigint USING id::bigint"),
        ("unnumbered", "CursorUnusable", "has no column \"id\"", "ALTER TABLE unnumbered ADD COLUMN id serial UNIQUE"),
        ("unpriced", "ColumnUnusable", "columns.price", "ALTER TABLE unpriced ADD COLUMN price real"),
        ("priced", "ColumnUnusable", "is money", "ALTER TABLE priced ALTER COLUMN price TYPE numeric"),
        (
            "created",
            "TableMissing",
            "no table public.created",
            "CREATE TABLE created (id int PRIMARY KEY, sid text, price int)",
        ),
    ];
    let mut readings = Vec::new();
    for (name, reason, part, _) in repairs {
        let mut fields = table();
        fields["table"] = json!(format!("public.{name}"));
        let mut reading = database.read(&fields, None);
        let message = reading.missing(reason).await;
        assert!(message.contains(part), "{name}: {message}");
        readings.push((name, reading));
    }
    for (_, _, _, repair) in repairs {
        database.sql(repair);
    }
    for (name, reading) in &mut readings {
        database.sql(&format!("INSERT INTO {name} (id, sid, price) VALUES (7, 'A', 5)"));
        assert_eq!(reading.count(1).await, [7], "{name}");
        reading.working().await;
    }
}

#[tokio::test]
async fn relations_without_unique_numbers_are_refused_and_partitions_are_read() {
    let database = Database::with_table();
    database.sql(
        "CREATE VIEW seen AS SELECT * FROM trades; CREATE TABLE parent (LIKE trades INCLUDING ALL);
         CREATE TABLE heir () INHERITS (parent);
         CREATE TABLE parts (id bigint PRIMARY KEY, sid text, price int) PARTITION BY RANGE (id);
         CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE high PARTITION OF parts FOR VALUES FROM (10) TO (20);
         INSERT INTO parts VALUES (12, 'A', 1), (5, 'A', 2), (15, 'A', 3)",
    );
    let mut of = table();
    for (name, part) in [("seen", "is a view"), ("parent", "inherit from it")] {
        of["table"] = json!(name);
        let message = database.read(&of, None).missing("TableUnusable").await;
        assert!(message.contains(part), "{message}");
    }
    of["table"] = json!("parts");
    assert_eq!(database.read(&of, None).count(3).await, [5, 12, 15]);
}

#[tokio::test]
async fn table_that_changes_under_a_running_feed_is_judged_again() {
    let database = Database::with_table();
    database.sql("INSERT INTO trades DEFAULT VALUES");
    let mut reading = database.read(&table(), None);
    reading.count(1).await;
    database.sql("ALTER TABLE trades RENAME COLUMN price TO amount");
    reading.missing("ColumnUnusable").await;
    database.sql("ALTER TABLE trades RENAME COLUMN amount TO price; INSERT INTO trades DEFAULT VALUES");
    assert_eq!(reading.count(2).await, [1, 2]);
    reading.working().await;
    database.sql("DROP TABLE trades");
    reading.missing("TableMissing").await;
    database.sql(&format!("CREATE TABLE trades ({COLUMNS}); INSERT INTO trades (id) VALUES (1), (2), (3)"));
    assert_eq!(reading.count(3).await, [1, 2, 3], "numbers that were published are not published again");
}
