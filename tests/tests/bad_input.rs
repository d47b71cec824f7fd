//! What cannot be used goes to the dead-letter topic with its reason, is counted, and holds nothing up.

use anyhow::{Context as _, ensure};
use e2e::{
    broker::{Broker, Kind},
    checker, mqtt,
    mqtt::{Message, Subscriber},
    system::{Process, Settings, System},
    wait,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Bytes of a payload that a dead letter shows.
const SHOWN: usize = 64 * 1024;
/// Buys for 1 at every quote.
const ARGUMENTS: &str =
    "--algorithm random --threshold 0 --seed 1 --starting-cash 100000 --portfolio fixed-amount --amount 1";

/// Payloads, and the reason that each is dead-lettered for.
fn cases() -> Vec<(Vec<u8>, &'static str)> {
    let text = |payload: &str, reason| (payload.as_bytes().to_vec(), reason);
    vec![
        text("", "Empty"),
        (vec![0xff, 0xfe, b'{'], "NotUtf8"),
        text("345", "NotAQuote"),
        text("hello", "NotJson"),
        (vec![b'x'; 1 << 20], "NotJson"),
        ([b"[".repeat(10_000), b"]".repeat(10_000)].concat(), "NotAQuote"),
        text(&r#"{"a":"#.repeat(10_000), "NotJson"),
        text(r#"{"quote":"345"}"#, "MissingField"),
        text(r#"{"sid":"GOOG"}"#, "MissingField"),
        text(r#"{"sid":"GOOG","quote":1,"quote":2}"#, "RepeatedKey"),
        text(r#"{"sid":"GOOG","quote":"-345"}"#, "BadPrice"),
        text(r#"{"sid":"GOOG","quote":0}"#, "BadPrice"),
        text(r#"{"sid":"GOOG","quote":"NaN"}"#, "BadPrice"),
        text(r#"{"goog":1e400}"#, "BadPrice"),
        text(r#"{"sid":"GOOG","quote":"1234567890123456789012345678901234567890"}"#, "BadPrice"),
        text("{}", "NoQuotes"),
        text(r#"{"sid":"GOOG","quote":1,"time":"yesterday"}"#, "BadTime"),
        text(r#"{"sid":"GOOG","quote":1,"time":20240506}"#, "BadTime"),
        text(r#"{"u":77,"s":"BNBUSDT","b":"25.10","B":"3","a":"25.20","A":"4"}"#, "NotAQuote"),
        text(r#"{"c":261.74,"h":263.31,"l":260.68,"o":261.07,"pc":259.45,"t":1582641000}"#, "NotAQuote"),
        text(r#"{"ticker":"GOOG","last":3.45,"volume":1200}"#, "NotAQuote"),
        text(r#"{"goog":3.45,"ts":1700000000}"#, "NotAQuote"),
        text(r#"{"SID":"GOOG","Quote":3.45}"#, "NotAQuote"),
        text(r#"{"temperature":21.5}"#, "NotAQuote"),
        text(r#"{"meme":2.5e-11}"#, "BadPrice"),
        text(r#"{"sid":"GOOG","quote":1,"price":2}"#, "BadPrice"),
        text(r#"{"sid":"GOOG","quote":1,"bid":0}"#, "BadPrice"),
        text(r#"{"sid":"GOOG","quote":1,"volume":"1.2K"}"#, "BadSize"),
        text(r#"{"sid":"GOOG","quote":1,"high":0.5,"interval":"1m"}"#, "BadBar"),
        text(r#"{"sid":"GOOG","symbol":"AAPL","quote":1}"#, "BadSymbol"),
        text(r#"{"sid":"GOOG","quote":1,"source":"x","seq":1.5}"#, "BadIdentity"),
        text(&format!(r#"{{"sid":"GOOG","quote":1,"id":"{}"}}"#, "x".repeat(257)), "IdentityTooLong"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_dead_lettered_and_the_next_quote_decides() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let settings = Settings::new("default/bad-input", &broker.url(), ARGUMENTS);
    let mut system = System::start(folder.path(), settings).await?;
    let cases = cases();
    let mut messages = Vec::new();
    for (number, (payload, _)) in cases.iter().enumerate() {
        messages.push(Message::new("quotes", payload.clone()));
        messages.push(Message::new("quotes", format!(r#"{{"behind": {}}}"#, number + 1)));
    }
    mqtt::publish_all(broker.port(), &None, &messages).await?;

    let decisions = consumer.decisions(cases.len()).await?;
    ensure!(decisions.len() == cases.len(), "one decision behind each bad payload: {}", decisions.len());
    let dead_letters = dead_letters(&consumer, cases.len()).await?;
    for ((payload, reason), dead_letter) in cases.iter().zip(&dead_letters) {
        check_dead_letter(dead_letter, payload, reason).with_context(|| format!("{reason}: {dead_letter:.300}"))?;
    }
    let ledger = system.ledger()?;
    for (_, reason) in &cases {
        let wanted = cases.iter().filter(|(_, other)| other == reason).count();
        let counted = ledger.counter("deadLettered", reason)?;
        ensure!(counted == i64::try_from(wanted)?, "{reason}: {wanted} dead letters, counted {counted}");
    }
    checker::check_published(&checker::audit(&ledger)?, &decisions)?;
    system.stop().await
}

fn check_dead_letter(dead_letter: &Value, payload: &[u8], reason: &str) -> anyhow::Result<()> {
    let text = |member| dead_letter.get(member).and_then(Value::as_str);
    ensure!(text("reason") == Some(reason), "the reason should be {reason}");
    ensure!(text("topic") == Some("quotes"), "the topic");
    ensure!(text("message").is_some_and(|message| !message.is_empty()), "a sentence for a person");
    ensure!(text("time").is_some_and(|time| time.ends_with('Z')), "the time");
    ensure!(dead_letter.get("size").and_then(Value::as_u64) == Some(payload.len() as u64), "the size");
    ensure!(text("sha256") == Some(&hex::encode(Sha256::digest(payload))), "the hash");
    let shown = payload.get(..SHOWN).unwrap_or(payload);
    match std::str::from_utf8(shown) {
        Ok(shown) => ensure!(text("payload") == Some(shown), "the payload"),
        Err(_) => ensure!(text("payloadBase64").is_some() && text("payload").is_none(), "the payload, encoded"),
    }
    Ok(())
}

async fn dead_letters(consumer: &Subscriber, wanted: usize) -> anyhow::Result<Vec<Value>> {
    wait::until(&format!("{wanted} dead letters"), async || {
        let seen = consumer.json("dead-letter")?;
        Ok((seen.len() >= wanted).then_some(seen))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn map_with_one_bad_price_is_refused_and_one_of_nulls_is_no_error() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let settings = Settings::new("default/bad-price", &broker.url(), ARGUMENTS);
    let mut system = System::start(folder.path(), settings).await?;
    let bad = r#"{"a": 1, "b": -2, "c": 3}"#;
    let messages = [
        bad,
        r#"{"a": null, "b": null}"#,
        r#"{"d": null, "k": 5, "f": 6.00000000004}"#,
        r#"{"symbol": "BTC", "price": "42000.1", "quote": "USDT", "time": 1741064760123}"#,
    ];
    mqtt::publish_all(broker.port(), &None, &messages.map(|payload| Message::new("quotes", payload))).await?;
    let decisions = consumer.decisions(3).await?;
    let text = |decision: &Value, member| decision.get(member).and_then(Value::as_str).map(str::to_owned);
    let bought: Vec<_> = decisions.iter().map(|decision| (text(decision, "sid"), text(decision, "price"))).collect();
    let expected =
        [("k", "5"), ("f", "6"), ("BTC", "42000.1")].map(|(sid, price)| (Some(sid.into()), Some(price.into())));
    ensure!(bought == expected, "{bought:?}");
    let dead_letters = dead_letters(&consumer, 1).await?;
    ensure!(dead_letters.len() == 1, "{dead_letters:?}");
    for letter in &dead_letters {
        check_dead_letter(letter, bad.as_bytes(), "NotAQuote")?;
    }
    let message = dead_letters.first().and_then(|letter| letter.get("message")?.as_str());
    ensure!(message.is_some_and(|message| message.contains("\"b\" is -2")), "{message:?}");
    system.settled(4).await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_with_another_price_and_a_sequence_that_goes_back_are_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let settings = Settings::new("default/identities", &broker.url(), ARGUMENTS);
    let mut system = System::start(folder.path(), settings).await?;
    let messages = [
        r#"{"sid":"A","quote":1,"id":"x"}"#,
        r#"{"sid":"A","quote":1,"id":"x"}"#,
        r#"{"sid":"A","quote":2,"id":"x"}"#,
        r#"{"sid":"A","quote":3,"source":"s","seq":10}"#,
        r#"{"sid":"A","quote":4,"source":"s","seq":13}"#,
        r#"{"sid":"A","quote":5,"source":"s","seq":11}"#,
        r#"{"sid":"A","quote":6}"#,
    ]
    .map(|payload| Message::new("quotes", payload));
    mqtt::publish_all(broker.port(), &None, &messages).await?;
    let decisions = consumer.decisions(4).await?;
    let prices: Vec<_> = decisions.iter().filter_map(|decision| decision.get("price")?.as_str()).collect();
    ensure!(prices == ["1", "3", "4", "6"], "the repetition is decided once: {prices:?}");
    let dead_letters = dead_letters(&consumer, 2).await?;
    let reasons: Vec<_> = dead_letters.iter().filter_map(|letter| letter.get("reason")?.as_str()).collect();
    ensure!(reasons == ["IdentityConflict", "SequenceWentBack"], "{reasons:?}");
    let ledger = system.ledger()?;
    let gaps: Vec<_> = ledger.gaps()?.into_iter().map(|gap| (gap.first, gap.last)).collect();
    ensure!(gaps == [(11, 12)], "{gaps:?}");
    checker::audit(&ledger)?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn user_properties_say_which_quote_it_is_and_what_is_replayed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let settings = Settings::new("default/properties", &broker.url(), ARGUMENTS);
    let mut system = System::start(folder.path(), settings).await?;
    let numbered = |price: i64, seq: &str| {
        Message::new("quotes", format!(r#"{{"goog": {price}}}"#)).property("source", "feed").property("seq", seq)
    };
    // The third is marked as sent before, and no number that is kept contradicts it. Nothing is traded on the fourth.
    let messages = [
        numbered(1, "7"),
        numbered(2, "8"),
        numbered(1, "6").property("replay", "true"),
        numbered(2, "9").property("backfill", "true"),
        numbered(3, "10"),
    ];
    mqtt::publish_all(broker.port(), &None, &messages).await?;
    let events: Vec<_> = consumer.decisions(3).await?.iter().map(|decision| decision["event"].clone()).collect();
    ensure!(events == ["feed/7", "feed/8", "feed/10"], "{events:?}");
    system.settled(4).await?;
    let ledger = system.ledger()?;
    ensure!(
        ledger.counter("forgotten", "")? == 1 && consumer.received("dead-letter").is_empty(),
        "a replay is no error"
    );
    ensure!(ledger.counter("denied", "Backfilled")? == 1, "a quote of the past is denied");
    checker::audit(&ledger)?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_a_topic_that_was_left_is_counted_and_nothing_more() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let on = |channel: &str| format!("{ARGUMENTS} --channel {channel}");
    let settings = Settings::new("default/leaver", &broker.url(), &on("old"));
    let mut system = System::start(folder.path(), settings).await?;
    // The session outlives the bridge, so that the broker goes on to keep for it what comes on the old channel.
    system.kill(Process::Bridge)?;
    system.stop_runtime().await?;
    mqtt::publish_all(broker.port(), &None, &[Message::new("old", r#"{"goog": 1}"#)]).await?;
    *system.settings_mut() = Settings::new("default/leaver", &broker.url(), &on("new"));
    system.start_runtime().await?;
    system.start_bridge()?;
    system.bridge_ready().await?;
    let letters = [Message::new("old", r#"{"goog": 2}"#), Message::new("new", r#"{"goog": 3}"#)];
    mqtt::publish_all(broker.port(), &None, &letters).await?;

    let decisions = consumer.decisions(1).await?;
    let prices: Vec<_> = decisions.iter().filter_map(|decision| decision.get("price")?.as_str()).collect();
    ensure!(prices == ["3"], "only the new channel is traded: {prices:?}");
    ensure!(consumer.json("dead-letter")?.is_empty(), "nothing is wrong with it");
    checker::audit(&system.ledger()?)?;
    let rows = system.ledger()?.window()?;
    let old: Vec<_> = rows.iter().filter(|row| row.channel == "old").collect();
    ensure!(old.len() == 1, "nothing on the old channel comes any more once it is left: {old:?}");
    ensure!(old.iter().all(|row| row.outcome == "no-signal" && row.reason == "NotSubscribed"), "{old:?}");
    system.stop().await
}
