//! Names, types and values of columns, and rows that cannot be used.

use serde_json::json;

use crate::harness::{Database, SOURCE, table};

#[tokio::test]
async fn names_in_quotes_and_digits_of_every_type_are_exact() {
    let database = Database::start();
    database.sql(
        r#"CREATE SCHEMA "Market Data";
           CREATE DOMAIN "Market Data".amount AS numeric CHECK (value > 0);
           CREATE TABLE "Market Data"."Trader's Log" (
               "Nö" smallint PRIMARY KEY, "Sym Bol" varchar(9) NOT NULL, "PRICE" numeric(40, 12), "select" timestamptz,
               bid double precision, ask real, "vol" "Market Data".amount, open text);
           INSERT INTO "Market Data"."Trader's Log" VALUES
               (1, 'BTC/USD', 64000.100000000000, '2026-01-02 03:04:05.678901+02', 1.5e-05, 0.1, 1e10, '7'),
               (3, 'ETH', NULL, now(), 1, 1, 1, '1'),
               (5, 'ETH', 123456789012.0123456789, '2000-01-01Z', 1e11, NULL, 0.00000001, NULL)"#,
    );
    let fields = json!({
        "secretRef": { "name": "db" }, "table": "Market Data.Trader's Log", "cursor": { "column": "Nö" },
        "columns": {
            "sid": "Sym Bol", "price": "PRICE", "time": "select", "bid": "bid", "ask": "ask", "volume": "vol", "open": "open",
        },
    });
    let mut reading = database.read(&fields, None);
    assert_eq!(reading.count(2).await, [1, 5]);
    let payloads: Vec<_> =
        reading.quotes.iter().map(|quote| String::from_utf8(quote.payload().unwrap().into()).unwrap()).collect();
    let source = "postgres:postgres.Market Data.Trader's Log";
    let expected = [
        format!(
            r#"{{"sid":"BTC/USD","quote":"64000.1","time":"2026-01-02T01:04:05.678901Z","source":"{source}","seq":1,"open":"7","volume":"10000000000","bid":"0.000015","ask":"0.1"}}"#
        ),
        format!(
            r#"{{"sid":"ETH","quote":"123456789012.0123456789","time":"2000-01-01T00:00:00Z","source":"{source}","seq":5,"volume":"0.00000001","bid":"100000000000"}}"#
        ),
    ];
    assert_eq!(payloads, expected);
    assert!(reading.quotes.iter().all(|quote| quote.is_sparse), "numbers that are left out are no gap");
}

#[tokio::test]
async fn times_of_every_type_are_read() {
    let database = Database::start();
    for (place, (column, value, expected)) in [
        ("timestamp", "'2026-01-02 03:04:05'", "2026-01-02T03:04:05Z"),
        ("date", "'2026-01-02'", "2026-01-02T00:00:00Z"),
        ("bigint", "1767323045678", "2026-01-02T03:04:05.678Z"),
        ("numeric", "1767323045.5", "2026-01-02T03:04:05.5Z"),
    ]
    .into_iter()
    .enumerate()
    {
        database.sql(&format!(
            "DROP TABLE IF EXISTS trades; CREATE TABLE trades (id int PRIMARY KEY, sid text, price int, at {column})"
        ));
        database.sql(&format!("INSERT INTO trades VALUES (1, 'A', 2, {value})"));
        let mut fields = table();
        fields["columns"]["time"] = json!("at");
        let mut reading = database.read(&fields, None);
        reading.count(1).await;
        assert_eq!(quote_files::moment(reading.quotes[0].time_micros), expected, "{place}: {column}");
    }
    database.sql("ALTER TABLE trades ALTER COLUMN at TYPE text");
    let mut fields = table();
    fields["columns"]["time"] = json!("at");
    let message = database.read(&fields, None).missing("ColumnUnusable").await;
    assert!(
        message.contains(r#""at" of "public"."trades" is text, from which columns.time cannot be read"#),
        "{message}"
    );
}

#[tokio::test]
async fn feed_waits_at_a_row_that_cannot_be_used_until_it_is_corrected() {
    let database = Database::with_table();
    database.sql("INSERT INTO trades (price) VALUES (1), (2), (-3), (4), (NULL), ('NaN'), (7)");
    let mut reading = database.read(&table(), None);
    let message = reading.missing("RowUnusable").await;
    assert!(message.contains("row 3 of") && message.contains("must be more than 0"), "{message}");
    assert_eq!(reading.numbers(), [1, 2]);
    database.sql("UPDATE trades SET price = 3 WHERE id = 3");
    reading.until("row 6", |reading| reading.numbers().len() == 4).await;
    assert_eq!(reading.numbers(), [1, 2, 3, 4]);
    reading.until("row 6", |reading| format!("{:?}", reading.condition).contains("row 6 of")).await;
    database.sql("DELETE FROM trades WHERE id = 6");
    assert_eq!(reading.count(5).await, [1, 2, 3, 4, 7]);
    reading.working().await;
    let mut tolerant = table();
    tolerant["allowBadRows"] = json!(true);
    database.sql("INSERT INTO trades (price) VALUES (-8), (9)");
    let mut reading = database.read(&tolerant, Some(4));
    assert_eq!(reading.count(2).await, [7, 9]);
    assert_eq!((&*reading.quotes[0].source, reading.late.len()), (SOURCE, 0));
}

#[tokio::test]
async fn feed_begins_behind_its_position_or_the_start_of_the_cursor() {
    let database = Database::with_table();
    database
        .sql("INSERT INTO trades SELECT n FROM generate_series(1, 2500) AS n; SELECT setval('trades_id_seq', 2500)");
    let mut reading = database.read(&table(), Some(2_480));
    assert_eq!(reading.count(20).await, (2_481..=2_500).collect::<Vec<_>>());
    let mut fields = table();
    fields["cursor"]["start"] = json!(100);
    let mut reading = database.read(&fields, None);
    assert_eq!(reading.count(2_400).await, (101..=2_500).collect::<Vec<_>>(), "more than a page");
    database.sql("INSERT INTO trades DEFAULT VALUES");
    reading.count(2_401).await;
    let new: Vec<_> = reading.quotes.iter().filter(|quote| quote.is_new).map(|quote| quote.seq).collect();
    assert_eq!(new, [2_501], "an earlier run may have published the rows that were there at the start");
}
