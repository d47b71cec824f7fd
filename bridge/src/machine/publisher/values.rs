//! The last values of each indicator as retained messages, for people and dashboards. Pure.
//!
//! They are outside the outbox: `QoS` 0, at most once a second for each topic, and the last one within a second comes at its end.
//! No message of the outbox waits for one of them. A few at a time are handed to the connection, which answers when it has written them, so that a
//! slow broker has few of them in front of an entry.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use intuition_api::{topic::IndicatorTopics, v1::Joined};
use intuition_mqtt::Message;
use tokio::time::Instant;

use crate::render;

/// The shortest time between two values of one topic.
const INTERVAL: Duration = Duration::from_secs(1);
/// Symbols with values of the last second, at most: as many as an account has.
const MAX_SYMBOLS: usize = 10_000;
/// Messages that the connection has and has not written, at most.
const WINDOW: usize = 64;
/// Pause after a connection that ended over a message, while values went out on it.
const PAUSE_AFTER_END: Duration = Duration::from_mins(1);

/// The last values of a symbol.
#[derive(Debug)]
struct Latest {
    /// Without the quote.
    values: Joined,
    is_sent: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Values {
    topics: IndicatorTopics,
    /// Symbols with values that wait, or that went out within [`INTERVAL`].
    symbols: BTreeMap<Arc<str>, Latest>,
    /// When the next values of each of them may go out.
    turns: BTreeSet<(Instant, Arc<str>)>,
    /// Messages of symbols that had their turn.
    ready: VecDeque<Message>,
    under_way: usize,
    /// Some went out on this connection.
    has_sent: bool,
    held_until: Option<Instant>,
}

impl Values {
    pub(super) const fn new(topics: IndicatorTopics) -> Self {
        Self {
            topics,
            symbols: BTreeMap::new(),
            turns: BTreeSet::new(),
            ready: VecDeque::new(),
            under_way: 0,
            has_sent: false,
            held_until: None,
        }
    }

    /// Takes the values of a message. They replace waiting values of the same symbol.
    pub(super) fn take(&mut self, joined: &Joined, now: Instant) {
        let Some(quote) = joined.quote.as_ref().filter(|_| !joined.indicators.is_empty()) else { return };
        let sid = quote.sid.as_str();
        let is_known = self.symbols.contains_key(sid);
        if !is_known && self.symbols.len() >= MAX_SYMBOLS {
            return;
        }
        let Joined { indicators, source, seq, id, .. } = joined.clone();
        let values = Joined { indicators, source, seq, id, ..Joined::default() };
        let latest = Latest { values, is_sent: false };
        if let Some(known) = self.symbols.get_mut(sid) {
            *known = latest;
        } else {
            let sid: Arc<str> = sid.into();
            self.turns.insert((now, Arc::clone(&sid)));
            self.symbols.insert(sid, latest);
        }
    }

    /// Another connection. Messages that the last connection has taken may be lost.
    pub(super) fn connection_changed(&mut self) {
        self.under_way = 0;
        self.has_sent = false;
        self.symbols.values_mut().for_each(|latest| latest.is_sent = false);
    }

    /// The connection ended. A broker may end it over a message that it does not take, also over a value.
    pub(super) fn connection_ended(&mut self, is_about_a_message: bool, now: Instant) {
        if self.has_sent && is_about_a_message {
            self.held_until = Some(now + PAUSE_AFTER_END);
        }
        self.connection_changed();
    }

    /// Some went out on this connection, so that its end may be about one of them.
    pub(super) const fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// The connection has written one, or does not take it.
    pub(super) const fn answered(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The next message, which counts as sent. `is_last`: no second is waited for, since the bridge ends.
    pub(super) fn next_to_send(&mut self, is_last: bool, now: Instant) -> Option<Message> {
        if self.under_way >= WINDOW || self.is_held(now) {
            return None;
        }
        while self.ready.is_empty() {
            self.take_turn(is_last, now)?;
        }
        self.under_way += 1;
        self.has_sent = true;
        self.ready.pop_front()
    }

    /// Values wait for their turn, or for the connection. Those of the last second count until their turn.
    pub(super) fn has_unsent(&self, now: Instant) -> bool {
        let has_any = !self.symbols.is_empty() || !self.ready.is_empty() || self.under_way > 0;
        has_any && !self.is_held(now)
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| until > now)
    }

    /// When [`Values::next_to_send`] has a message, if nothing happens before.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        if self.under_way >= WINDOW {
            return None;
        }
        let next = if self.ready.is_empty() { self.turns.first()?.0 } else { now };
        Some(self.held_until.map_or(next, |until| until.max(next)))
    }

    /// Gives a symbol its turn: its values become ready, or it is forgotten where none came within the second. `None`: no symbol has
    /// its turn now.
    fn take_turn(&mut self, is_last: bool, now: Instant) -> Option<()> {
        if self.turns.first()?.0 > now && !is_last {
            return None;
        }
        let (_, sid) = self.turns.pop_first()?;
        let latest = self.symbols.get_mut(&sid)?;
        if std::mem::replace(&mut latest.is_sent, true) {
            self.symbols.remove(&sid);
            return Some(());
        }
        let values = &latest.values;
        self.ready.extend(values.indicators.iter().map(|indicator| {
            let topic = self.topics.values(&sid, &indicator.name);
            Message { retain: true, ..Message::new(topic, render::element(values, indicator)) }
        }));
        self.turns.insert((now + INTERVAL, sid));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::{Indicator, IndicatorValue, Quote};

    use super::*;

    struct Bench {
        values: Values,
        start: Instant,
    }

    fn bench() -> Bench {
        let topics = IndicatorTopics::new("intuition", "desk/trend");
        Bench { values: Values::new(topics), start: Instant::now() }
    }

    /// Values of these indicators.
    fn joined(sid: &str, names: &[&str], value: &str) -> Joined {
        let values = vec![IndicatorValue { name: "value".to_owned(), value: value.to_owned() }];
        let indicator = |name: &&str| Indicator {
            name: (*name).to_owned(),
            sid: sid.to_owned(),
            values: values.clone(),
            time_micros: 0,
        };
        let quote = Some(Quote { sid: sid.to_owned(), price: "1".to_owned(), time_micros: 0, details: None });
        Joined { indicators: names.iter().map(indicator).collect(), quote, seq: Some(1), ..Joined::default() }
    }

    impl Bench {
        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn take(&mut self, sid: &str, names: &[&str], value: &str, millis: u64) {
            self.values.take(&joined(sid, names, value), self.at(millis));
        }

        /// Topic below `values/` and value of each message that is sent and written now.
        fn sent(&mut self, millis: u64) -> Vec<String> {
            let now = self.at(millis);
            let mut sent = Vec::new();
            while let Some(message) = self.values.next_to_send(false, now) {
                self.values.answered();
                assert!(message.retain && message.user_properties.is_empty());
                let element: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                let (_, place) = message.topic.split_once("desk/indicator.trend/values/").unwrap();
                sent.push(format!("{place} {}", element["value"].as_str().unwrap()));
            }
            sent
        }
    }

    #[test]
    fn first_values_go_out_at_once_and_the_last_of_a_second_at_its_end() {
        let mut bench = bench();
        bench.take("BTC/USD", &["sma", "ema"], "1", 0);
        assert_eq!(bench.sent(0), ["BTC%2FUSD/sma 1", "BTC%2FUSD/ema 1"]);
        for (value, millis) in [("2", 10), ("3", 400), ("4", 999)] {
            bench.take("BTC/USD", &["sma", "ema"], value, millis);
            bench.take("GOOG", &["sma"], value, millis);
        }
        assert_eq!(bench.sent(999), ["GOOG/sma 4"], "another symbol has a second of its own");
        assert_eq!(bench.values.wake(bench.at(999)), Some(bench.at(1_000)));
        assert_eq!(bench.sent(1_000), ["BTC%2FUSD/sma 4", "BTC%2FUSD/ema 4"]);
        bench.take("BTC/USD", &["sma", "ema"], "5", 1_001);
        assert_eq!(bench.sent(1_998), [""; 0]);
        assert_eq!(bench.sent(2_000), ["BTC%2FUSD/sma 5", "BTC%2FUSD/ema 5"]);
    }

    #[test]
    fn symbol_without_new_values_is_forgotten_after_a_second() {
        let mut bench = bench();
        bench.take("GOOG", &["sma"], "1", 0);
        assert_eq!(bench.sent(0).len(), 1);
        assert_eq!(bench.sent(1_000), [""; 0]);
        assert!(bench.values.symbols.is_empty() && bench.values.turns.is_empty());
        assert_eq!(bench.values.wake(bench.at(1_000)), None);
        bench.values.take(&joined("GOOG", &[], ""), bench.at(1_000));
        assert!(bench.values.symbols.is_empty(), "a quote without a value");
    }

    #[test]
    fn memory_is_bounded_by_symbols() {
        let mut bench = bench();
        for number in 0..=MAX_SYMBOLS {
            bench.take(&number.to_string(), &["sma"], "1", 0);
        }
        assert_eq!((bench.values.symbols.len(), bench.values.turns.len()), (MAX_SYMBOLS, MAX_SYMBOLS));
        bench.take("7", &["sma"], "2", 0);
        assert!(bench.sent(0).contains(&"7/sma 2".to_owned()), "known symbols go on");
    }

    #[test]
    fn connection_has_few_of_them_at_a_time() {
        let mut bench = bench();
        let names: Vec<String> = (0..32).map(|number| format!("sma-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for sid in ["A", "B", "C"] {
            bench.take(sid, &names, "1", 0);
        }
        let now = bench.at(0);
        let sent = std::iter::from_fn(|| bench.values.next_to_send(false, now)).count();
        assert_eq!((sent, bench.values.wake(now)), (WINDOW, None), "it waits for the connection");
        bench.values.answered();
        assert!(bench.values.wake(now).is_some() && bench.values.next_to_send(false, now).is_some());
        assert!(bench.values.next_to_send(false, now).is_none());
    }

    #[test]
    fn values_of_the_last_second_go_out_again_on_the_next_connection() {
        let mut bench = bench();
        bench.take("A", &["sma"], "1", 0);
        bench.take("B", &["sma"], "1", 500);
        assert_eq!(bench.sent(500), ["A/sma 1", "B/sma 1"]);
        bench.values.connection_ended(false, bench.at(1_400));
        assert_eq!(bench.sent(1_499), [""; 0]);
        assert_eq!(bench.sent(1_500), ["A/sma 1", "B/sma 1"]);
        assert_eq!(bench.sent(9_000), [""; 0]);
    }

    #[test]
    fn end_of_a_connection_over_a_message_holds_them_back_for_a_minute() {
        let mut bench = bench();
        bench.values.connection_ended(true, bench.at(0));
        bench.take("A", &["sma"], "1", 0);
        assert_eq!(bench.sent(0), ["A/sma 1"], "none had gone out on that connection");
        bench.take("A", &["sma"], "2", 10);
        bench.values.connection_ended(true, bench.at(20));
        assert!(!bench.values.has_sent() && bench.sent(60_019).is_empty());
        assert_eq!(bench.values.wake(bench.at(60_019)), Some(bench.at(60_020)));
        assert_eq!(bench.sent(60_020), ["A/sma 2"]);
    }

    #[test]
    fn all_go_out_before_the_bridge_ends() {
        let mut bench = bench();
        bench.take("A", &["sma"], "1", 0);
        bench.sent(0);
        bench.take("A", &["sma"], "2", 10);
        let now = bench.at(20);
        assert!(bench.values.next_to_send(false, now).is_none());
        assert!(bench.values.next_to_send(true, now).is_some());
        assert!(bench.values.next_to_send(true, now).is_none(), "each once");
    }
}
