//! Connections: subscriptions at the pace of the exchange, silence, reconnects, planned ones.

use std::time::Duration;

use super::harness::{Given, Harness, config, live};
use crate::session::{Action, Event};

#[test]
fn subscriptions_go_out_below_five_messages_a_second() {
    let names: Vec<_> = (0..1_000).map(|number| format!("S{number}")).collect();
    let mut harness = Harness::new(&config(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    let id = harness.opens();
    harness.event(Event::Opened(id));
    let mut sent = 0;
    for _ in 0..10 {
        let before = sent;
        harness.pass(Duration::from_secs(1));
        while let Some(text) = harness.sends(id) {
            sent += 1;
            harness.text(id, &format!(r#"{{"result":null,"id":{sent}}}"#));
            assert!(text.len() < 4_096, "{}", text.len());
        }
        assert!(sent - before <= 4, "{} messages in a second", sent - before);
    }
    assert_eq!(sent, 10);
    assert!(harness.session.is_connected());
}

#[test]
fn silent_connection_is_pinged_and_given_up_without_an_answer() {
    let (mut harness, id) = Harness::subscribed(None);
    harness.pass(Duration::from_secs(15));
    assert!(harness.does(&Action::Ping(id)));
    harness.event(Event::Frame(id));
    harness.pass(Duration::from_secs(29));
    assert!(harness.does(&Action::Ping(id)));
    assert!(harness.session.is_connected());
    harness.pass(Duration::from_secs(1));
    assert!(harness.does(&Action::Close(id)));
    assert!(!harness.session.is_connected());
    harness.pass(Duration::from_secs(1));
    assert_eq!(harness.opens(), id + 1);
    let status = harness.session.status();
    assert_eq!((status.reconnects, status.is_connected), (1, false));
    assert!(status.last_error.unwrap().contains("nothing came on it"));
}

#[test]
fn attempts_have_growing_pauses_with_jitter_up_to_half_a_minute() {
    let mut harness = Harness::new(&config(&["BTCUSDT"]));
    let mut pauses = Vec::new();
    let mut last = harness.now.instant;
    for _ in 0..40 {
        while !harness.actions.iter().any(|action| matches!(action, Action::Open(_))) {
            harness.pass(Duration::from_millis(50));
        }
        let id = harness.opens();
        pauses.push(harness.now.instant - last);
        last = harness.now.instant;
        harness.event(Event::Ended(id, "refused".to_owned()));
    }
    assert!(pauses[1] <= Duration::from_millis(1_050), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(30_050)), "{pauses:?}");
    // At most 300 attempts in 5 minutes are allowed.
    let mean = pauses[5..].iter().sum::<Duration>() / 35;
    assert!(mean > Duration::from_secs(5), "{mean:?}");
    let mut distinct = pauses[10..].to_vec();
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 15, "{pauses:?}");
}

#[test]
fn connection_is_replaced_before_a_day_and_closed_behind_its_successor() {
    let (mut harness, old) = Harness::subscribed(None);
    let mut hours = 0;
    while !harness.actions.iter().any(|action| matches!(action, Action::Open(_))) {
        harness.pass(Duration::from_secs(10));
        harness.event(Event::Frame(old));
        hours += 1;
        assert!(hours < 24 * 360, "no successor within a day");
    }
    assert!(hours > 22 * 360, "{hours}");
    let new = harness.opens();
    harness.trades(old, [1]);
    harness.event(Event::Opened(new));
    harness.trades(old, [2]);
    assert!(!harness.does(&Action::Close(old)));
    let text = harness.sends(new).unwrap();
    let request: serde_json::Value = serde_json::from_str(&text).unwrap();
    harness.text(new, &format!(r#"{{"result":null,"id":{}}}"#, request["id"]));
    // Both give trades for a while, and each number is given once.
    for number in 3..=5 {
        harness.trades(old, [number]);
        harness.trades(new, [number]);
    }
    harness.pass(Duration::from_secs(2));
    assert!(harness.does(&Action::Close(old)));
    harness.trades(old, [9]);
    harness.trades(new, [6]);
    assert_eq!(harness.given(), live(1..=6));
    assert_eq!(harness.fetches(), None, "nothing was missed");
    let status = harness.session.status();
    assert_eq!((status.reconnects, status.connections), (0, 1));
}

#[test]
fn notice_of_a_shutdown_opens_a_successor_at_once() {
    let (mut harness, old) = Harness::subscribed(None);
    harness.text(old, r#"{"e":"serverShutdown","E":1770123456789}"#);
    let new = harness.opens();
    harness.trades(old, [1]);
    harness.subscribe(new);
    harness.event(Event::Ended(old, "gone".to_owned()));
    harness.trades(new, [2]);
    assert_eq!(harness.given(), live(1..=2));
    assert_eq!(harness.session.status().reconnects, 0);
}

#[test]
fn connection_that_ends_is_replaced_and_missed_trades_are_looked_for() {
    let (mut harness, old) = Harness::subscribed(None);
    harness.trades(old, [1]);
    harness.event(Event::Ended(old, "cut".to_owned()));
    harness.pass(Duration::from_secs(2));
    let new = harness.opens();
    harness.subscribe(new);
    // No live message names trade 2: the latest number over REST does.
    harness.answer("limit=1", [2]);
    assert_eq!(harness.given(), [Given::Live(1), Given::Backfilled(2)]);
}

#[test]
fn refused_subscription_ends_the_connection_and_the_reason_is_kept() {
    let mut harness = Harness::new(&config(&["BTCUSDT"]));
    let id = harness.opens();
    harness.event(Event::Opened(id));
    harness.text(id, r#"{"code":2,"msg":"Invalid request: too many parameters"}"#);
    assert!(harness.does(&Action::Close(id)));
    assert!(harness.session.status().last_error.unwrap().contains("too many parameters"));
}

#[test]
fn connection_without_answers_to_subscriptions_is_given_up() {
    let mut harness = Harness::new(&config(&["BTCUSDT"]));
    let id = harness.opens();
    harness.event(Event::Opened(id));
    for _ in 0..21 {
        harness.event(Event::Frame(id));
        harness.pass(Duration::from_secs(1));
    }
    assert!(harness.does(&Action::Close(id)));
    assert!(harness.session.status().last_error.unwrap().contains("did not answer"));
}

#[test]
fn attempt_that_does_not_open_is_given_up() {
    let mut harness = Harness::new(&config(&["BTCUSDT"]));
    let id = harness.opens();
    harness.pass(Duration::from_secs(21));
    assert!(harness.does(&Action::Close(id)));
    assert!(harness.session.status().last_error.unwrap().contains("did not open"));
}
