//! A session with an exchange that the test plays: frames and answers go in by hand, time is moved by hand.

use std::time::Duration;

use intuition_common::clock::Now;
use tokio::time::Instant;

use crate::{
    Config, Data, GapReason, Market, Output,
    session::{Action, ConnectionId, Event, FetchError, RequestId, Session},
};

/// An output in short: a number live, a number from a backfill, or a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Live(u64),
    Backfilled(u64),
    Gap(u64, u64, GapReason),
}

pub(super) struct Harness {
    pub(super) session: Session,
    pub(super) now: Now,
    /// All actions that were not looked at yet.
    pub(super) actions: Vec<Action>,
}

#[expect(clippy::disallowed_methods, reason = "a test's time begins anywhere")]
fn start() -> Now {
    Now { instant: Instant::now(), micros: 1_700_000_000_000_000 }
}

pub(super) fn config(symbols: &[&str]) -> Config {
    Config::new(Market::Binance, symbols.iter().map(|symbol| (*symbol).to_owned()).collect())
}

/// The text of a trade on the stream.
pub(super) fn trade(symbol: &str, number: u64) -> String {
    format!(r#"{{"e":"aggTrade","s":"{symbol}","a":{number},"p":"{number}.5","q":"0.25","T":{}}}"#, 1_000 + number)
}

/// The text of a REST answer with these numbers.
pub(super) fn page(numbers: impl IntoIterator<Item = u64>) -> String {
    let trade = |number: u64| format!(r#"{{"a":{number},"p":"{number}.5","q":"0.25","T":{}}}"#, 1_000 + number);
    format!("[{}]", numbers.into_iter().map(trade).collect::<Vec<_>>().join(","))
}

impl Harness {
    pub(super) fn new(config: &Config) -> Self {
        let session = Session::new(config, 7).unwrap();
        let mut harness = Self { session, now: start(), actions: Vec::new() };
        harness.turn();
        harness
    }

    /// A session of `BTCUSDT` that is subscribed on its first connection, and the number of the connection.
    pub(super) fn subscribed(position: Option<u64>) -> (Self, ConnectionId) {
        let mut config = config(&["BTCUSDT"]);
        config.position.extend(position.map(|number| ("BTCUSDT".to_owned(), number)));
        let mut harness = Self::new(&config);
        let id = harness.opens();
        harness.subscribe(id);
        (harness, id)
    }

    pub(super) fn turn(&mut self) {
        self.session.advance(self.now);
        self.actions.extend(self.session.take_actions());
    }

    pub(super) fn event(&mut self, event: Event) {
        self.session.handle(event, self.now);
        self.turn();
    }

    /// Moves the time, and lets the session work whenever it asks to.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now.instant + duration;
        for _ in 0..100_000 {
            let wake = self.session.wake(self.now).max(self.now.instant);
            if wake > end {
                break;
            }
            self.set(wake);
            self.turn();
            assert!(self.session.wake(self.now) > self.now.instant, "the session asks for a turn without an end");
        }
        self.set(end);
        self.turn();
    }

    fn set(&mut self, instant: Instant) {
        let passed = instant.saturating_duration_since(self.now.instant);
        self.now = Now { instant, micros: self.now.micros + i64::try_from(passed.as_micros()).unwrap() };
    }

    /// The connection that the session opens now.
    pub(super) fn opens(&mut self) -> ConnectionId {
        let at = self.actions.iter().position(|action| matches!(action, Action::Open(_)));
        match self.actions.remove(at.expect("the session opens a connection")) {
            Action::Open(id) => id,
            _ => unreachable!("it was one"),
        }
    }

    /// Opens a connection, and answers all of its subscriptions.
    pub(super) fn subscribe(&mut self, id: ConnectionId) {
        self.event(Event::Opened(id));
        while let Some(text) = self.sends(id) {
            let request: serde_json::Value = serde_json::from_str(&text).unwrap();
            self.text(id, &format!(r#"{{"result":null,"id":{}}}"#, request["id"]));
            self.pass(Duration::from_millis(400));
        }
    }

    /// The next message that the session sends on a connection.
    pub(super) fn sends(&mut self, id: ConnectionId) -> Option<String> {
        let at = self.actions.iter().position(|action| matches!(action, Action::Send(to, _) if *to == id))?;
        match self.actions.remove(at) {
            Action::Send(_, text) => Some(text),
            _ => None,
        }
    }

    /// The next REST request.
    pub(super) fn fetches(&mut self) -> Option<(RequestId, String)> {
        let at = self.actions.iter().position(|action| matches!(action, Action::Fetch(..)))?;
        match self.actions.remove(at) {
            Action::Fetch(id, path) => Some((id, path)),
            _ => None,
        }
    }

    /// Whether the session does this now.
    pub(super) fn does(&mut self, wanted: &Action) -> bool {
        let at = self.actions.iter().position(|action| action == wanted);
        at.map(|at| self.actions.remove(at)).is_some()
    }

    pub(super) fn text(&mut self, id: ConnectionId, text: &str) {
        self.event(Event::Text(id, text.to_owned()));
    }

    pub(super) fn trades(&mut self, id: ConnectionId, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.text(id, &trade("BTCUSDT", number));
        }
    }

    /// Answers the request that is under way.
    pub(super) fn answer(&mut self, expected: &str, numbers: impl IntoIterator<Item = u64>) {
        let (id, path) = self.fetches().expect("a request is under way");
        assert_eq!(path, format!("/api/v3/aggTrades?symbol=BTCUSDT&{expected}"));
        self.event(Event::Fetched(id, Ok(page(numbers))));
    }

    pub(super) fn fail(&mut self, error: FetchError) {
        let (id, _) = self.fetches().expect("a request is under way");
        self.event(Event::Fetched(id, Err(error)));
    }

    /// All outputs that wait.
    pub(super) fn given(&mut self) -> Vec<Given> {
        let mut given = Vec::new();
        while let Some(output) = self.session.take_output() {
            given.push(match output {
                Output::Quote(quote) => {
                    assert_eq!(quote.price.to_string(), format!("{}.5", quote.seq));
                    if quote.backfill { Given::Backfilled(quote.seq) } else { Given::Live(quote.seq) }
                }
                Output::Gap(gap) => Given::Gap(gap.first, gap.last, gap.reason),
            });
            self.turn();
        }
        given
    }
}

pub(super) fn live(numbers: impl IntoIterator<Item = u64>) -> Vec<Given> {
    numbers.into_iter().map(Given::Live).collect()
}

pub(super) fn backfilled(numbers: impl IntoIterator<Item = u64>) -> Vec<Given> {
    numbers.into_iter().map(Given::Backfilled).collect()
}

pub(super) fn bars(symbol: &str) -> Config {
    Config { data: Data::Bars, ..config(&[symbol]) }
}
