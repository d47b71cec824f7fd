//! The article's exchange over a real wire: a price goes in, a decision comes out, with the cash right to the cent.

use anyhow::{Context as _, ensure};
use e2e::{
    broker::{Broker, Kind},
    checker, mqtt,
    mqtt::{Message, Subscriber},
    system::{Process, Settings, System},
    wait,
};
use serde_json::Value;

const SHAPES: [&str; 5] = [
    r#"{"sid": "GOOG", "quote": "345"}"#,
    r#"{"goog": 3.45}"#,
    r#"{"specversion":"1.0","id":"1","source":"nyse","type":"quote","data":{"sid":"AAPL","quote":130.31}}"#,
    r#"[{"goog": 3.46}, {"sid": "AAPL", "quote": 131}]"#,
    r#"{"goog": 3.47, "aapl": 132.5}"#,
];
/// Ticks in them, and in the one published at most once.
const TICKS: i64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn prices_in_every_shape_become_decisions_with_mosquitto() -> anyhow::Result<()> {
    prices_become_decisions(Kind::Mosquitto).await
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_in_every_shape_become_decisions_with_the_embedded_broker() -> anyhow::Result<()> {
    prices_become_decisions(Kind::Embedded).await
}

async fn prices_become_decisions(kind: Kind) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(kind, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    // Above a threshold of 0 is every draw but one in 2^53.
    let arguments = "--algorithm random --threshold 0 --seed 1 --starting-cash 10000 --portfolio random-fraction";
    let settings = Settings::new("default/goog-random", &broker.url(), arguments);
    let mut system = System::start(folder.path(), settings).await?;
    let mut messages: Vec<_> = SHAPES.iter().map(|payload| Message::new("quotes", *payload)).collect();
    // As `mosquitto_pub` publishes unless told otherwise.
    messages.insert(0, Message::new("quotes", r#"{"goog": 3.44}"#).at_most_once());
    mqtt::publish_all(broker.port(), &None, &messages).await?;
    system.settled(TICKS).await?;
    let decisions = checker::audit(&system.ledger()?)?;
    ensure!(decisions.len() == usize::try_from(TICKS)?, "a decision for each price: {decisions:#?}");
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)?;
    let traded: Vec<_> = decisions.iter().map(|decision| (text(decision, "sid"), text(decision, "price"))).collect();
    let quoted = [
        ("goog", "3.44"),
        ("GOOG", "345"),
        ("goog", "3.45"),
        ("AAPL", "130.31"),
        ("goog", "3.46"),
        ("AAPL", "131"),
        ("goog", "3.47"),
        ("aapl", "132.5"),
    ];
    ensure!(traded == quoted, "{traded:?}");
    ensure!(
        text(decisions.get(3).context("eight")?, "event") == "1",
        "a CloudEvent without a sequence is known by its id"
    );
    state_follows_the_bridge(&mut system, &consumer).await
}

/// Retained on the state topic: online, and offline after the bridge has ended, with the time where it is known.
async fn state_follows_the_bridge(system: &mut System, consumer: &Subscriber) -> anyhow::Result<()> {
    for (step, expected, time) in
        [(0, "online", "since"), (1, "offline", "started"), (2, "online", "since"), (3, "offline", "since")]
    {
        match step {
            0 => {}
            1 => system.kill(Process::Bridge)?,
            2 => system.restart(Process::Bridge).await?,
            _ => system.stop().await?,
        }
        let state = wait::until(&format!("the state topic says {expected}"), async || {
            let states = consumer.json("state")?;
            Ok(states.last().filter(|state| text(state, "state") == expected).cloned())
        })
        .await?;
        let members = ["since", "started"].map(|name| state.get(name).is_some());
        ensure!(members == ["since", "started"].map(|name| name == time), "{expected}: {state}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_price_and_overlapping_filters_with_mosquitto() -> anyhow::Result<()> {
    one_price_is_one_quote(Kind::Mosquitto).await
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_price_and_overlapping_filters_with_the_embedded_broker() -> anyhow::Result<()> {
    one_price_is_one_quote(Kind::Embedded).await
}

async fn one_price_is_one_quote(kind: Kind) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(kind, folder.path()).await?;
    let old = Message::new("quotes/goog", r#"{"goog": 1}"#).retained();
    mqtt::publish_all(broker.port(), &None, &[old]).await?;
    let arguments = "--algorithm random --threshold 0 --seed 1 --starting-cash 10000 --portfolio fixed-amount \
                     --amount 1 --channel quotes/# --channel quotes/+ --channel quotes/goog";
    let mut system = System::start(folder.path(), Settings::new("default/overlap", &broker.url(), arguments)).await?;
    let new: Vec<_> = (2..12).map(|price| Message::new("quotes/goog", format!(r#"{{"goog": {price}}}"#))).collect();
    mqtt::publish_all(broker.port(), &None, &new).await?;
    system.settled(10).await?;
    // A new connection subscribes again, and the price in between was retained too.
    let last = Message::new("quotes/goog", r#"{"goog": 12}"#).retained();
    mqtt::publish_all(broker.port(), &None, &[last]).await?;
    system.settled(11).await?;
    system.kill(Process::Bridge)?;
    system.restart(Process::Bridge).await?;
    system.bridge_ready().await?;
    mqtt::publish_all(broker.port(), &None, &[Message::new("quotes/goog", r#"{"goog": 13}"#)]).await?;
    system.settled(12).await?;
    let decisions = checker::audit(&system.ledger()?)?;
    let prices: Vec<_> = decisions.iter().map(|decision| text(decision, "price").to_owned()).collect();
    let expected: Vec<_> = (2..=13).map(|price: i32| price.to_string()).collect();
    ensure!(prices == expected, "each price once, the retained one never: {prices:?}");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_is_swapped_while_cash_and_positions_stay() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let name = "default/swapped";
    let buys = "--algorithm random --threshold 0 --seed 1 --portfolio fixed-amount --amount 1000";
    let mut system = System::start(folder.path(), Settings::new(name, &broker.url(), buys)).await?;
    mqtt::publish_all(broker.port(), &None, &[Message::new("quotes", r#"{"goog": 8}"#)]).await?;
    system.settled(1).await?;
    system.stop().await?;

    let crosses = "--algorithm sma-crossover --param fast=1 --param slow=2 --portfolio fixed-amount --amount 1000";
    *system.settings_mut() = Settings::new(name, &broker.url(), crosses);
    system.start_runtime().await?;
    system.start_bridge()?;
    system.bridge_ready().await?;
    // The averages of one and two prices are equal at first, then the shorter one falls below.
    let prices = [10, 10, 5].map(|price| Message::new("quotes", format!(r#"{{"goog": {price}}}"#)));
    mqtt::publish_all(broker.port(), &None, &prices).await?;
    system.settled(4).await?;
    let decisions = checker::audit(&system.ledger()?)?;
    checker::check_published(&decisions, &consumer.decisions(2).await?)?;
    let sale = decisions.get(1).context("the position is sold")?;
    let sold = [text(sale, "side"), text(sale, "quantity"), text(sale, "amount"), text(sale, "cash")];
    ensure!(sold == ["sell", "125", "625.00", "9625.00"], "what the one bought the other sells: {sale}");
    system.stop().await
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
