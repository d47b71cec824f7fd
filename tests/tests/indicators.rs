//! An indicator and an algorithm that uses it, as processes that are killed: each quote comes once with the right values, the values come
//! before it, and the algorithm decides as it would without any fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, ensure};
use e2e::{
    amounts::{PRICE_PLACES, units},
    checker,
    indicator::{self, Joined, Oracle},
    mosquitto::{Config, Mosquitto},
    mqtt::{self, Received, Subscriber},
    quotes::{Quote, Shape},
    seed,
    system::{Process, Settings, System},
    wait,
};
use rand::{RngExt as _, rngs::ChaCha8Rng};
use serde_json::{Value, json};

/// Quotes that are on their way at once.
const BURST: i64 = 300;
const KILLS: usize = 8;
const FAST: usize = 3;
const SLOW: usize = 8;
const RSI: usize = 14;
const TOPIC: &str = "intuition/default/indicator.trend/joined";

#[tokio::test(flavor = "multi_thread")]
async fn kills_change_no_value_when_quotes_are_numbered() -> anyhow::Result<()> {
    kills_change_nothing(Shape::Numbered).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_change_no_value_when_quotes_have_ids() -> anyhow::Result<()> {
    kills_change_nothing(Shape::WithId).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_change_no_value_when_quotes_have_neither() -> anyhow::Result<()> {
    kills_change_nothing(Shape::Bare).await
}

async fn kills_change_nothing(shape: Shape) -> anyhow::Result<()> {
    let (seed, random) = seed::pick()?;
    kill_at_random(shape, random).await.with_context(|| format!("E2E_SEED={seed} repeats this run"))
}

async fn kill_at_random(shape: Shape, mut random: ChaCha8Rng) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let persistent = Config { persistence: true, ..Config::quiet() };
    let mut broker = Mosquitto::start(&folder.path().join("broker"), &persistent).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let mut systems = [
        start(&folder.path().join("indicator"), indicator_settings(folder.path(), &broker.url())?).await?,
        start(&folder.path().join("follower"), follower_settings(&broker.url())).await?,
    ];
    let mut published = 0;
    for kill in 0..KILLS {
        let messages: Vec<_> =
            Quote::range(shape, published + 1, published + BURST).iter().map(Quote::message).collect();
        let split = random.random_range(1..BURST);
        let (first, rest) = messages.split_at(usize::try_from(split)?);
        published += BURST;
        mqtt::publish_all(broker.port(), &None, first).await?;
        if kill == KILLS / 2 {
            broker.stop().await?;
            broker.start_again().await?;
            consumer.subscribed(2).await?;
            mqtt::publish_all(broker.port(), &None, rest).await?;
            continue;
        }
        let system = systems.get_mut(usize::from(random.random::<bool>())).context("there are two")?;
        let victim = if random.random() { Process::Bridge } else { Process::Runtime };
        system.freeze(victim)?;
        mqtt::publish_all(broker.port(), &None, rest).await?;
        system.kill(victim)?;
        system.restart(victim).await?;
    }
    let quotes = Quote::range(shape, 1, published);
    let joined = until_all(&consumer, quotes.len()).await?;
    check(&quotes, &joined)?;
    let [indicator, follower] = &mut systems;
    indicator.settled(published).await?;
    follower.settled(elements(&joined)?).await?;
    let decisions = checker::audit(&follower.ledger()?)?;
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)?;
    ensure!(sides(&decisions)? == crosses(&quotes)?, "the algorithm decided otherwise than without faults");
    ensure!(decisions.len() > 100, "{} decisions", decisions.len());
    for system in &mut systems {
        ensure!(system.ledger()?.gaps()?.is_empty(), "{:?}", system.ledger()?.gaps()?);
        system.stop().await?;
    }
    Ok(())
}

async fn start(folder: &Path, settings: Settings) -> anyhow::Result<System> {
    fs::create_dir_all(folder)?;
    System::start(folder, settings).await
}

fn indicator_settings(folder: &Path, broker: &str) -> anyhow::Result<Settings> {
    let file = folder.join("settings.json");
    let settings = json!({
        "resourceUid": "uid", "generation": 1, "algorithm": "indicators", "startingCash": "0.00",
        "parameters": {"compute": indicator::compute(FAST, SLOW, RSI)},
    });
    fs::write(&file, settings.to_string())?;
    Ok(Settings::new("default/indicator.trend", broker, &format!("--settings {}", file.display())))
}

fn follower_settings(broker: &str) -> Settings {
    let args = format!(
        "--algorithm indicator-cross --param fast=fast,slow=slow --channel {TOPIC} --starting-cash 1000000 \
         --portfolio fixed-amount --amount 1.23"
    );
    Settings::new("default/follower", broker, &args)
}

/// The messages of the joined topic by their quotes' prices, each in its first version, once all have come. Prices differ from quote to
/// quote.
async fn until_all(consumer: &Subscriber, quotes: usize) -> anyhow::Result<Vec<Received>> {
    wait::until(&format!("{quotes} quotes have come with their values"), async || {
        let (mut seen, mut first) = (BTreeSet::new(), Vec::new());
        for message in consumer.received("joined") {
            // A repetition is equal in every byte.
            if seen.insert(message.payload.clone()) {
                first.push(message);
            }
        }
        Ok((first.len() >= quotes).then_some(first))
    })
    .await
}

/// Checks that each quote came once, in order, with the values of the oracle.
fn check(quotes: &[Quote], joined: &[Received]) -> anyhow::Result<()> {
    ensure!(joined.len() == quotes.len(), "{} messages for {} quotes", joined.len(), quotes.len());
    let mut oracle = Oracle::new(FAST, SLOW, RSI);
    for (quote, message) in quotes.iter().zip(joined) {
        ensure!(message.topic == TOPIC, "{}", message.topic);
        let joined = Joined::read(&serde_json::from_slice(&message.payload)?)?;
        let same = units(joined.text("quote")?, PRICE_PLACES)? == units(&quote.price(), PRICE_PLACES)?;
        ensure!(same, "{joined:?} in place of {quote:?}");
        joined.check(&oracle.next(joined.text("sid")?, quote.price().parse()?))?;
        identity(quote, &joined)?;
    }
    Ok(())
}

/// The identity of a quote goes on; a quote without one gets a number of the indicator.
fn identity(quote: &Quote, joined: &Joined) -> anyhow::Result<()> {
    let of = |name: &str| joined.quote.get(name).cloned().unwrap_or(Value::Null);
    match quote.shape {
        Shape::Numbered => ensure!((of("source"), of("seq")) == (json!("e2e"), json!(quote.number)), "{joined:?}"),
        Shape::WithId => ensure!(of("id") == json!(format!("quote-{}", quote.number)), "{joined:?}"),
        Shape::Bare => ensure!(joined.text("source")?.starts_with("default/indicator.trend/"), "{joined:?}"),
    }
    Ok(())
}

/// Ticks of all messages.
fn elements(joined: &[Received]) -> anyhow::Result<i64> {
    let mut elements = 0;
    for message in joined {
        elements += serde_json::from_slice::<Vec<Value>>(&message.payload)?.len();
    }
    Ok(i64::try_from(elements)?)
}

/// Side and price of each decision, the price in its smallest unit.
fn sides(decisions: &[Value]) -> anyhow::Result<Vec<(String, i128)>> {
    let side = |decision: &Value| {
        let text = |name: &str| decision.get(name).and_then(Value::as_str).context("a decision without side or price");
        Ok((text("side")?.to_owned(), units(text("price")?, PRICE_PLACES)?))
    };
    decisions.iter().map(side).collect()
}

/// Side and price of each trade by the rule of the averages, compared by their sums.
fn crosses(quotes: &[Quote]) -> anyhow::Result<Vec<(String, i128)>> {
    let mut prices: BTreeMap<String, Vec<i128>> = BTreeMap::new();
    let (mut before, mut held, mut trades) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for quote in quotes {
        let sid = sid(quote)?;
        let prices = prices.entry(sid.clone()).or_default();
        let price = units(&quote.price(), PRICE_PLACES)?;
        prices.push(price);
        let sum = |period: usize| {
            prices.len().checked_sub(period).and_then(|from| prices.get(from..)).map(|last| last.iter().sum::<i128>())
        };
        let (Some(fast), Some(slow)) = (sum(FAST), sum(SLOW)) else { continue };
        let now = (fast * i128::try_from(SLOW)?).cmp(&(slow * i128::try_from(FAST)?));
        let Some(earlier) = before.insert(sid.clone(), now) else { continue };
        let is_held = held.entry(sid).or_insert(false);
        if now.is_gt() && !earlier.is_gt() {
            *is_held = true;
            trades.push(("buy".to_owned(), price));
        } else if now.is_lt() && !earlier.is_lt() && std::mem::take(is_held) {
            trades.push(("sell".to_owned(), price));
        }
    }
    Ok(trades)
}

fn sid(quote: &Quote) -> anyhow::Result<String> {
    let payload: BTreeMap<String, Value> = serde_json::from_str(&quote.payload())?;
    let name = payload.keys().next().context("a map of one price")?;
    Ok(payload.get("sid").and_then(Value::as_str).unwrap_or(name).to_owned())
}
