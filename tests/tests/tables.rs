//! Tables as feeds, with the real process, a real broker and a real database.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, ensure};
use e2e::{
    feed::{self, Feed, Seen},
    mosquitto::{Config, Mosquitto},
    mqtt::Subscriber,
    seed, wait,
};
use local_postgres::{Server, Stop};
use rand::{RngExt as _, rngs::ChaCha8Rng};
use serde_json::{Value, json};

const SOURCE: &str = "postgres:postgres.public.trades";
/// Kills of one test.
const KILLS: usize = 5;

fn table() -> Value {
    json!({ "source": { "postgres": {
        "secretRef": { "name": "db" }, "table": "public.trades", "cursor": { "column": "id" },
        "columns": { "sid": "symbol", "price": "price", "time": "at" },
    } } })
}

/// A server with an empty table, and its URL where the feed looks for it.
fn database(folder: &Path) -> anyhow::Result<Server> {
    let server = Server::start(folder, "")?;
    let columns = "id bigserial PRIMARY KEY, symbol text NOT NULL, price numeric, at timestamptz DEFAULT now()";
    server.sql("postgres", &format!("CREATE TABLE trades ({columns})"))?;
    fs::write(folder.join(feed::POSTGRES_URL), server.url("postgres"))?;
    Ok(server)
}

/// Adds so many rows in one transaction.
fn insert(server: &Server, rows: usize) -> anyhow::Result<()> {
    let insert = "INSERT INTO trades (symbol, price) SELECT 'ACME', n + 0.25 FROM generate_series";
    server.sql("postgres", &format!("{insert}(1, {rows}) AS n")).map(drop)
}

async fn quotes(subscriber: &Subscriber, count: usize) -> anyhow::Result<()> {
    let description = format!("the subscriber has {count} quotes");
    wait::until(&description, async || Ok((subscriber.count("quotes") >= count).then_some(()))).await
}

/// The rows of the table by their numbers, with prices as quotes write them.
fn rows(server: &Server) -> anyhow::Result<BTreeMap<u64, String>> {
    let text = server.sql("postgres", "SELECT id, trim_scale(price) FROM trades WHERE price IS NOT NULL")?;
    let row = |line: &str| {
        let (number, price) = line.split_once('|').context("two columns")?;
        Ok((number.parse()?, price.to_owned()))
    };
    text.lines().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_a_table_comes_through_kills_and_restarts_of_the_database() -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    kill_table_feed(random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn kill_table_feed(mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Mosquitto::start(folder.path(), &Config { persistence: true, ..Config::quiet() }).await?;
    let mut server = database(folder.path())?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    insert(&server, 3_000)?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &table())?;
    for turn in 0..KILLS {
        quotes(&subscriber, subscriber.count("quotes") + random.random_range(1..1_500)).await?;
        feed.kill()?;
        server.sql("postgres", "BEGIN; INSERT INTO trades (symbol, price) VALUES ('ACME', 1); ROLLBACK")?;
        insert(&server, random.random_range(1_500..3_000))?;
        feed.start_again()?;
        if turn == KILLS / 2 {
            server.stop(Stop::Immediate)?;
            feed.page(503, "DatabaseUnreachable").await?;
            server.start_again()?;
        }
    }
    server.sql("postgres", "INSERT INTO trades (symbol, price) VALUES ('ACME', NULL), ('ACME', 1.000000000100)")?;
    let rows = rows(&server)?;
    let last = *rows.keys().last().context("there are rows")?;
    let complete = async || {
        let sources = feed::by_source(&subscriber.received("quotes"))?;
        let seen = sources.get(SOURCE).and_then(|seen| seen.iter().map(|seen| seen.seq).max());
        Ok((seen == Some(last)).then_some(()))
    };
    wait::until("the last row has come", complete).await?;
    feed.page(200, "").await?;
    ensure!(feed.metric("tradingalgo_feed_gaps_total").await? == 0.0, "numbers that were rolled back are no gap");
    ensure!(feed.metric("tradingalgo_feed_late_rows_total").await? == 0.0, "one writer is never late");
    ensure!(feed.stop().await? == Some(0), "an orderly end has the exit code 0");
    let sources = feed::by_source(&subscriber.received("quotes"))?;
    ensure!(sources.keys().eq([SOURCE]), "{:?}", sources.keys());
    let mut first = BTreeMap::new();
    let mut known = 0;
    for Seen { seq, price, is_replay } in sources.get(SOURCE).context("the table has no quotes")? {
        ensure!(rows.get(seq) == Some(price), "{seq} is {price}, not {:?}", rows.get(seq));
        if *seq > known {
            known = *seq;
            first.insert(*seq, price.clone());
        } else {
            ensure!(*is_replay, "{seq} came behind {known} without its mark");
        }
    }
    ensure!(first.keys().eq(rows.keys()), "{} of {} rows came", first.len(), rows.len());
    Ok(())
}
