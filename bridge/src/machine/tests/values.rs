//! Quotes with their indicators, and the retained values beside them.

use intuition_api::v1::{Indicator, IndicatorValue, Joined, Quote};

use super::*;

const NOT_AUTHORIZED: Code = Code { value: 0x87, name: "NotAuthorized" };

/// A commit with a quote of the symbol A and an indicator. The position is also the indicator's value.
fn joined(position: u64) -> Message {
    let value = IndicatorValue { name: "value".to_owned(), value: position.to_string() };
    let (sid, time_micros) = ("A".to_owned(), BEGINNING);
    let sma = Indicator { name: "sma".to_owned(), sid: sid.clone(), values: vec![value], time_micros };
    let quote = Some(Quote { sid, price: "1.5".to_owned(), time_micros, details: None });
    let seq = Some(position.cast_signed());
    let joined = Joined { indicators: vec![sma], quote, source: "nyse".to_owned(), seq, ..Joined::default() };
    let entries = vec![OutboxEntry { position, content: Some(Content::Joined(joined)) }];
    Message::Committed(Committed { entries, ..Committed::default() })
}

/// Topic and number of each publication: those of the outbox, and values.
fn published(actions: &[Action]) -> Vec<(&str, i64)> {
    let message = |action| match action {
        &Action::Publishing(
            Request::Publish { ref message, token: 1.., .. } | Request::PublishUnconfirmed { ref message, .. },
        ) => Some(message),
        _ => None,
    };
    let seq = |message: &intuition_mqtt::Message| {
        let element: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        let last = element.as_array().and_then(|elements| elements.last()).unwrap_or(&element);
        last["seq"].as_i64().unwrap()
    };
    actions.iter().filter_map(message).map(|message| (message.topic.as_str(), seq(message))).collect()
}

const JOINED: &str = "intuition/desk/indicator.trend/joined";
const SMA: &str = "intuition/desk/indicator.trend/values/A/sma";

fn begun() -> Hand {
    let mut hand = Hand::of("desk/indicator.trend", 1);
    hand.begin();
    hand
}

/// The connection has written a value, or the broker has answered an entry.
fn answer(hand: &mut Hand, token: u64, code: Code) -> Vec<Action> {
    hand.give(Input::Publishing(Event::Published { token, code }))
}

#[test]
fn last_value_of_a_second_follows_at_its_end_beside_the_outbox() {
    let mut hand = begun();
    assert_eq!(published(&hand.say(joined(1))), [(JOINED, 1), (SMA, 1)]);
    assert_eq!(published(&hand.say(joined(2))), [(JOINED, 2)]);
    assert_eq!(published(&hand.say(joined(3))), [(JOINED, 3)]);
    for token in [u64::MAX, 1, 2] {
        answer(&mut hand, token, SUCCESS);
    }
    let metrics = &hand.machine.metrics;
    assert_eq!((metrics.joined.get(), metrics.values.get()), (2, 1));
    let wake = hand.machine.wake(hand.now).duration_since(hand.now.instant);
    assert!(wake < Duration::from_secs(1), "{wake:?}");
    assert_eq!(published(&hand.pass(wake)), [(SMA, 3)]);
    assert_eq!(published(&hand.pass(Duration::from_secs(5))), []);
}

#[test]
fn refused_quote_holds_back_all_behind_it_and_no_value() {
    let mut hand = begun();
    hand.say(joined(1));
    hand.say(joined(2));
    answer(&mut hand, 1, NOT_AUTHORIZED);
    assert_eq!(hand.readiness.missing().len(), 1);
    assert_eq!(published(&hand.say(joined(3))), [], "it waits for the first");
    assert_eq!(published(&hand.pass(Duration::from_secs(1))), [(JOINED, 1), (SMA, 3)], "no value waits");
    answer(&mut hand, 2, SUCCESS);
    assert_eq!(published(&answer(&mut hand, 1, SUCCESS)), [(JOINED, 3)]);
}

#[test]
fn nothing_goes_out_without_a_connection_and_the_last_value_with_it() {
    let mut hand = begun();
    hand.give(Input::Publishing(Event::Disconnected(LinkError::Reach("gone".into()))));
    assert_eq!(published(&hand.say(joined(1))), []);
    assert_eq!(published(&hand.say(joined(2))), []);
    assert_eq!(published(&hand.pass(Duration::from_secs(3))), []);
    let (asked, capabilities) = (hand.now.instant, Capabilities::UNLIMITED);
    let connected = Event::Connected { epoch: 2, asked, session_present: false, capabilities };
    assert_eq!(published(&hand.give(Input::Publishing(connected))), [(JOINED, 1), (JOINED, 2), (SMA, 2)]);
}

#[test]
fn broker_without_retained_messages_gets_no_values() {
    let mut hand = begun();
    hand.give(Input::Publishing(Event::Disconnected(LinkError::Reach("gone".into()))));
    let capabilities = Capabilities { retain: false, ..Capabilities::UNLIMITED };
    let connected = Event::Connected { epoch: 2, asked: hand.now.instant, session_present: false, capabilities };
    hand.give(Input::Publishing(connected));
    assert_eq!(published(&hand.say(joined(1))), [(JOINED, 1)]);
}

#[test]
fn last_value_goes_out_before_the_bridge_ends() {
    let mut hand = begun();
    hand.say(joined(1));
    hand.say(joined(2));
    for token in [1, 2] {
        answer(&mut hand, token, SUCCESS);
    }
    hand.machine.begin_shutdown(hand.now);
    let mut actions = hand.machine.take_actions();
    actions.append(&mut hand.pass(Duration::from_millis(1)));
    assert_eq!(published(&actions), [(SMA, 2)]);
    let is_over = |hand: &Hand| hand.machine.phase() != Phase::Draining;
    while hand.machine.publisher.awaits_state() {
        answer(&mut hand, STATE, SUCCESS);
    }
    answer(&mut hand, u64::MAX, SUCCESS);
    assert!(!is_over(&hand), "the connection has not written the last value");
    answer(&mut hand, u64::MAX, SUCCESS);
    assert!(is_over(&hand));
}
