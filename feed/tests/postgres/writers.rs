//! Many writers at once: every row is published once and in order, or counted late.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use tokio::{task::JoinSet, time::sleep};
use tokio_postgres::Client;

use crate::harness::{Database, table};

const WRITERS: u64 = 6;
const TRANSACTIONS: usize = 60;

/// One transaction with pauses, so that transactions end in another order than they took their numbers.
async fn transaction(client: &Client, random: &mut ChaCha8Rng) {
    let mut pause = async |most: u64| sleep(Duration::from_millis(random.random_range(0..=most))).await;
    client.batch_execute("BEGIN; INSERT INTO other VALUES (1)").await.unwrap();
    pause(3).await;
    for _ in 0..3 {
        client.batch_execute("INSERT INTO trades DEFAULT VALUES").await.unwrap();
        pause(4).await;
    }
    let end = if random.random_bool(0.1) { "ROLLBACK" } else { "COMMIT" };
    client.batch_execute(end).await.unwrap();
}

/// A number that is taken before the transaction has one of its own: no barrier sees it.
async fn unseen(client: &Client, random: &mut ChaCha8Rng) {
    let row = client.query_one("SELECT nextval('trades_id_seq')", &[]).await.unwrap();
    sleep(Duration::from_millis(random.random_range(0..400))).await;
    client.execute("INSERT INTO trades (id) VALUES ($1)", &[&row.get::<_, i64>(0)]).await.unwrap();
}

async fn write(database: &Database, seed: u64, take_unseen: bool) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = database.connect().await;
        let mut random = ChaCha8Rng::seed_from_u64(seed + writer);
        writers.spawn(async move {
            for _ in 0..TRANSACTIONS {
                if take_unseen && random.random_bool(0.1) {
                    unseen(&client, &mut random).await;
                } else {
                    transaction(&client, &mut random).await;
                }
            }
        });
    }
    writers
}

async fn compare(take_unseen: bool) -> usize {
    let seed = rand::random::<u32>().into();
    let database = Database::with_table();
    database.sql("CREATE TABLE other (n int)");
    let mut reading = database.read(&table(), None);
    write(&database, seed, take_unseen).await.join_all().await;
    let last: u64 = database.sql("INSERT INTO trades DEFAULT VALUES RETURNING id").parse().unwrap();
    reading.until("the last row", |reading| reading.numbers().last() == Some(&last)).await;
    let rows: BTreeSet<u64> =
        database.sql("SELECT id FROM trades").lines().map(|number| number.parse().unwrap()).collect();
    let complete = |reading: &crate::harness::Reading| reading.quotes.len() + reading.late.len() >= rows.len();
    reading.until(&format!("all rows of seed {seed}"), complete).await;
    let numbers = reading.numbers();
    assert!(numbers.is_sorted_by(|one, next| one < next), "seed {seed}: {numbers:?}");
    let all: Vec<u64> = numbers.iter().chain(&reading.late).copied().collect();
    assert_eq!(all.len(), rows.len(), "seed {seed}: a row is both published and late, or invented");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), rows, "seed {seed}");
    reading.late.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_transactions_that_end_out_of_order_are_published_in_order() {
    assert_eq!(compare(false).await, 0, "each transaction had its number before its rows had theirs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_with_numbers_that_were_taken_long_before_are_published_or_late() {
    compare(true).await;
}
