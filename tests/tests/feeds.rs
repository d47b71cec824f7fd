//! Feeds as processes against a real broker: every number reaches the subscriber at least once and in order, and none is invented.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use e2e::{
    feed::{self, Feed, Seen},
    mosquitto::{Config, Mosquitto},
    mqtt::{Message, Received, Subscriber, publish_all},
    seed, wait,
};
use local_exchange::{Server, Settings};
use rand::{RngExt as _, rngs::ChaCha8Rng};
use serde_json::{Value, json};

/// Topic of the feed's position.
const POSITION: &str = "intuition/desk/feed.test/position";
/// Kills of one test.
const KILLS: usize = 6;

fn generator() -> Value {
    json!({ "source": { "generator": {
        "model": "GeometricBrownian", "seed": 7, "startPrice": 100, "volatility": "0.5", "interval": "1ms", "symbols": ["A", "B"],
    } } })
}

/// A file of so many rows, and the spec of a feed that reads it.
fn file(folder: &Path, rows: usize) -> anyhow::Result<Value> {
    let mut text = "time,sid,price\n".to_owned();
    for row in 1..=rows {
        writeln!(text, "{},ACME,{row}.5", 951_868_800 + row)?;
    }
    fs::write(folder.join("quotes.csv"), text)?;
    Ok(json!({ "source": { "file": { "claim": { "name": "quotes", "path": "quotes.csv" } } } }))
}

async fn persistent(folder: &Path) -> anyhow::Result<Mosquitto> {
    Mosquitto::start(folder, &Config { persistence: true, ..Config::quiet() }).await
}

/// Waits until so many quotes have come, repetitions included.
async fn quotes(subscriber: &Subscriber, count: usize) -> anyhow::Result<()> {
    let what = format!("the subscriber has {count} quotes");
    wait::until(&what, async || Ok((subscriber.count("quotes") >= count).then_some(()))).await
}

/// Checks every source, and gives the last number of each.
fn check(subscriber: &Subscriber) -> anyhow::Result<Vec<u64>> {
    let sources = feed::by_source(&subscriber.received("quotes"))?;
    sources.iter().map(|(source, seen)| feed::check_complete(source, seen)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_generator_goes_on_without_a_missing_number() -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    kill_generator(random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn kill_generator(mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = persistent(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &generator())?;
    for _ in 0..KILLS {
        quotes(&subscriber, subscriber.count("quotes") + random.random_range(1..2_500)).await?;
        feed.kill()?;
        feed.start_again()?;
    }
    quotes(&subscriber, subscriber.count("quotes") + 500).await?;
    feed.page(200, "").await?;
    ensure!(feed.metric("tradingalgo_feed_gaps_total").await? == 0.0, "a generator has no gaps");
    ensure!(feed.metric("tradingalgo_feed_published_quotes_total").await? > 100.0, "the quotes are counted");
    ensure!(feed.stop().await? == Some(0), "an orderly end has the exit code 0");
    let last = check(&subscriber)?;
    ensure!(last.len() == 2 && last.iter().all(|last| *last > 500), "{last:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_file_feed_publishes_every_row_and_ends() -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    kill_file(random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn kill_file(mut random: ChaCha8Rng) -> anyhow::Result<()> {
    const ROWS: usize = 20_000;
    let folder = tempfile::tempdir()?;
    let broker = persistent(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &file(folder.path(), ROWS)?)?;
    for _ in 0..KILLS {
        quotes(&subscriber, subscriber.count("quotes") + random.random_range(1..3_000)).await?;
        feed.kill()?;
        feed.start_again()?;
    }
    feed.page(200, "SourceEnded").await?;
    let complete = async || {
        let sources = feed::by_source(&subscriber.received("quotes"))?;
        let last = sources.values().flatten().map(|seen: &Seen| seen.seq).max();
        Ok((last == Some(u64::try_from(ROWS)?)).then_some(()))
    };
    wait::until("the last row has come", complete).await?;
    feed.stop().await?;
    ensure!(check(&subscriber)? == [u64::try_from(ROWS)?], "{:?}", check(&subscriber));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_broker_gets_every_number() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = persistent(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &generator())?;
    for _ in 0..3 {
        quotes(&subscriber, subscriber.count("quotes") + 700).await?;
        let subscriptions = subscriber.subscriptions();
        broker.stop().await?;
        feed.page(503, "broker").await?;
        broker.start_again().await?;
        subscriber.subscribed(subscriptions + 1).await?;
    }
    quotes(&subscriber, subscriber.count("quotes") + 700).await?;
    feed.page(200, "").await?;
    feed.stop().await?;
    let last = check(&subscriber)?;
    ensure!(last.len() == 2 && last.iter().all(|last| *last > 1_000), "{last:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_that_forgot_the_position_gets_all_numbers_again_with_their_mark() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = persistent(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &generator())?;
    quotes(&subscriber, 1_000).await?;
    feed.stop().await?;
    let before = check(&subscriber)?;
    publish_all(broker.port(), &None, &[Message::new(POSITION, "").retained()]).await?;
    feed.start_again()?;
    quotes(&subscriber, subscriber.count("quotes") + 2_000).await?;
    feed.stop().await?;
    let sources = feed::by_source(&subscriber.received("quotes"))?;
    ensure!(sources.values().all(|seen| seen.iter().filter(|seen| seen.seq == 1).count() == 2), "it begins anew");
    let last = check(&subscriber)?;
    ensure!(last.iter().zip(&before).all(|(last, before)| last > before), "{before:?}, then {last:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_file_is_refused_before_anything_is_published() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = persistent(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &file(folder.path(), 700)?)?;
    quotes(&subscriber, 700).await?;
    feed.page(200, "SourceEnded").await?;
    feed.stop().await?;
    let path = folder.path().join("quotes.csv");
    fs::write(&path, fs::read_to_string(&path)?.replace(",650.5", ",650.6"))?;
    feed.start_again()?;
    let page = feed.page(503, "SourceChanged").await?;
    ensure!(page.contains("data row 650 has changed"), "{page}");
    ensure!(feed.stop().await? == Some(2), "the exit code names the source as the cause");
    // Without pages the process ends by itself.
    let mut command = tokio::process::Command::from(feed::command(folder.path(), &broker.url())?);
    let output = tokio::time::timeout(wait::PATIENCE, command.kill_on_drop(true).output()).await??;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(2) && told.contains("SourceChanged"), "{}: {told}", output.status);
    ensure!(subscriber.count("quotes") == 700, "nothing was published");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trade_of_an_exchange_comes_through_kills_and_cuts() -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    kill_exchange_feed(random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn kill_exchange_feed(mut random: ChaCha8Rng) -> anyhow::Result<()> {
    const SYMBOL: &str = "BTC/USD";
    let folder = tempfile::tempdir()?;
    let broker = persistent(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let settings = Settings { symbols: vec![SYMBOL.to_owned()], trades_per_second: 200, ..Settings::default() };
    let exchange = Server::start(settings).await?;
    let source = json!({
        "name": "Binance", "symbols": ["BTCUSD"], "url": exchange.url("/ws"), "restUrl": exchange.rest_url(),
    });
    let mut feed = Feed::start(folder.path(), &broker.url(), &json!({ "source": { "exchange": source } }))?;
    // A feed without a number in its position begins at the present: the first one has to be at the broker before a kill.
    let positions = Subscriber::start(broker.port(), &None, POSITION).await?;
    let has_number = |message: &Received| String::from_utf8_lossy(&message.payload).contains("BTCUSD");
    let is_stored = async || Ok(positions.received("position").iter().any(has_number).then_some(()));
    wait::until("the position has a number", is_stored).await?;
    for _ in 0..KILLS {
        quotes(&subscriber, subscriber.count("quotes") + random.random_range(1..300)).await?;
        exchange.hub().cut();
        quotes(&subscriber, subscriber.count("quotes") + random.random_range(1..300)).await?;
        feed.kill()?;
        feed.start_again()?;
    }
    quotes(&subscriber, subscriber.count("quotes") + 300).await?;
    feed.page(200, "").await?;
    ensure!(feed.metric("tradingalgo_feed_gaps_total").await? == 0.0, "the exchange has every missing trade");
    feed.stop().await?;
    let sources = feed::by_source(&subscriber.received("quotes"))?;
    let [(source, seen)] = sources.iter().collect::<Vec<_>>().try_into().ok().context("one source")?;
    ensure!(source == "binance-spot:BTCUSD", "{source}");
    let first = seen.first().context("no quotes came")?.seq;
    let last = feed::check_from(source, first, seen)?;
    ensure!(last > first + 100, "{first} to {last}");
    let record = exchange.hub().record(SYMBOL);
    for Seen { seq, price, .. } in seen {
        let trade =
            record.iter().find(|trade| trade.number == *seq).with_context(|| format!("trade {seq} is invented"))?;
        let made = trade.price_text();
        ensure!(made.trim_end_matches('0').trim_end_matches('.') == price, "trade {seq}: {made}, published as {price}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn second_process_of_a_feed_takes_over_and_the_first_stands_down() -> anyhow::Result<()> {
    let (one, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = persistent(one.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, "intuition/desk/feed.test/quotes").await?;
    let mut first = Feed::start(one.path(), &broker.url(), &generator())?;
    quotes(&subscriber, 500).await?;
    let mut second = Feed::start(other.path(), &broker.url(), &generator())?;
    second.page(200, "").await?;
    quotes(&subscriber, subscriber.count("quotes") + 500).await?;
    first.page(503, "broker").await?;
    first.stop().await?;
    second.stop().await?;
    check(&subscriber).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_end_the_process_with_exit_code_2() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let wrong =
        json!({ "source": { "generator": { "model": "Sine", "volatility": 1 } }, "publish": { "topic": "a/+" } });
    let lower_case = json!({ "source": { "exchange": { "name": "Binance", "symbols": ["btcusdt"] } } });
    for (settings, parts) in [
        (
            wrong.to_string(),
            &["spec.source.generator.volatility", "spec.source.generator.startPrice", "spec.publish.topic"][..],
        ),
        (lower_case.to_string(), &["spec.source.exchange: the symbol \"btcusdt\" has characters"]),
        ("{".to_owned(), &["holds no JSON"]),
    ] {
        fs::write(folder.path().join("feed.json"), settings)?;
        let mut command = tokio::process::Command::from(feed::command(folder.path(), "mqtt://127.0.0.1:1")?);
        let output = tokio::time::timeout(Duration::from_secs(30), command.kill_on_drop(true).output()).await??;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(2) && parts.iter().all(|part| told.contains(part)), "{told}");
    }
    Ok(())
}
