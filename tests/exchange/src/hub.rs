//! The state that all connections share: the market, the faults, the subscribers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::{
    faults::Faults,
    market::{Instrument, MINUTE, Trade},
};

/// Messages that wait for one connection. A connection that is slower is cut, as exchanges do.
const MAX_WAITING: usize = 20_000;
/// Most paths of REST requests that are kept.
const MAX_PATHS: usize = 10_000;

/// A message for all connections.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// A trade of the instrument at this place.
    Trade(usize, Trade),
    /// The bar that opened at this time, of the instrument at this place, and whether it is closed.
    Bar(usize, i64, bool),
    /// A message of so many bytes without a meaning.
    Filler(usize),
    /// The server is about to shut down.
    Shutdown,
    /// Close the connection without a word.
    Cut,
}

/// Counters, for tests and people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Connections that are open.
    pub connections: usize,
    /// Most connections that were open at a time.
    pub most_connections: usize,
    /// Connections that were opened.
    pub opened: u64,
    /// Subscriptions that are in force, of all connections together.
    pub subscriptions: usize,
    /// Messages and pings that clients sent.
    pub received: u64,
    /// Connections that were cut since the client sent too many messages.
    pub too_many_messages: u64,
    /// Paths of the REST requests, with their queries. The first 10,000.
    pub rest: Vec<String>,
}

#[derive(Debug)]
struct State {
    instruments: Vec<Instrument>,
    faults: Faults,
    held: Vec<(usize, Trade)>,
    subscribers: BTreeMap<u64, mpsc::Sender<News>>,
    counts: Counts,
}

/// See the module. Clones share the state.
#[derive(Debug, Clone)]
pub struct Hub {
    state: Arc<Mutex<State>>,
    /// Changes with each change of the faults.
    faults: Arc<watch::Sender<u64>>,
    step_micros: Option<i64>,
}

impl Hub {
    /// A market of these instruments. `step_micros`: time between two trades; without it, trades have the time of the clock.
    pub(crate) fn new(instruments: Vec<Instrument>, step_micros: Option<i64>) -> Self {
        let state = State {
            instruments,
            faults: Faults::default(),
            held: Vec::new(),
            subscribers: BTreeMap::new(),
            counts: Counts::default(),
        };
        Self { state: Arc::new(Mutex::new(state)), faults: Arc::new(watch::channel(0).0), step_micros }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of an instrument, by a spelling of one of the protocols.
    pub(crate) fn place(&self, spells: impl Fn(&str) -> bool) -> Option<usize> {
        self.lock().instruments.iter().position(|instrument| spells(&instrument.name))
    }

    /// Reads an instrument.
    pub(crate) fn with<T>(&self, place: usize, read: impl FnOnce(&Instrument, &Faults) -> T) -> Option<T> {
        let state = self.lock();
        state.instruments.get(place).map(|instrument| read(instrument, &state.faults))
    }

    /// Number of instruments.
    pub(crate) fn instruments(&self) -> usize {
        self.lock().instruments.len()
    }

    /// All trades of an instrument, `BTC/USD`, as they were made.
    pub fn record(&self, name: &str) -> Vec<Trade> {
        let place = self.place(|other| other == name);
        place.and_then(|place| self.with(place, |one, _| one.record().to_vec())).unwrap_or_default()
    }

    /// The current faults.
    pub fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    /// Changes the faults.
    pub fn set(&self, change: impl FnOnce(&mut Faults)) {
        let mut state = self.lock();
        change(&mut state.faults);
        // A smaller number ends the wait for trades that are held.
        let release = if state.faults.reverse == 0 { std::mem::take(&mut state.held) } else { Vec::new() };
        for (place, trade) in release.into_iter().rev() {
            state.send(&News::Trade(place, trade));
        }
        drop(state);
        self.faults.send_modify(|version| *version += 1);
    }

    /// Signals changes of the faults.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.faults.subscribe()
    }

    /// Makes trades of an instrument, `BTC/USD`, and sends them. Unknown: nothing.
    pub fn make(&self, name: &str, count: u64) {
        if let Some(place) = self.place(|other| other == name) {
            for _ in 0..count {
                self.make_one(place);
            }
        }
    }

    /// Makes one trade of the instrument at a place.
    pub(crate) fn make_one(&self, place: usize) {
        let now = now_micros();
        let mut state = self.lock();
        let Some(instrument) = state.instruments.get_mut(place) else { return };
        let last = instrument.record().last().map(|trade| trade.micros);
        let micros = match (self.step_micros, last) {
            (Some(step), Some(last)) => last + step,
            _ => now,
        };
        let trade = instrument.make(micros);
        let minute = trade.micros.div_euclid(MINUTE) * MINUTE;
        if let Some(last) = last {
            let opened = last.div_euclid(MINUTE) * MINUTE;
            let mut closed = opened;
            while closed < minute {
                state.send(&News::Bar(place, closed, true));
                closed += MINUTE;
            }
        }
        state.publish(place, trade);
        state.send(&News::Bar(place, minute, false));
    }

    /// Sends a message to all connections.
    pub(crate) fn send(&self, news: &News) {
        self.lock().send(news);
    }

    /// Closes all connections without a word, as at the end of their day.
    pub fn cut(&self) {
        self.send(&News::Cut);
    }

    /// Sends the notice of a shutdown on all connections. They stay open.
    pub fn announce_shutdown(&self) {
        self.send(&News::Shutdown);
    }

    /// Sends a message of `bytes` bytes without a meaning on all connections.
    pub fn send_filler(&self, bytes: usize) {
        self.send(&News::Filler(bytes));
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
    }

    /// Adds a connection.
    pub(crate) fn join(&self) -> (u64, mpsc::Receiver<News>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let mut state = self.lock();
        state.counts.opened += 1;
        let id = state.counts.opened;
        state.subscribers.insert(id, sender);
        state.counts.connections += 1;
        state.counts.most_connections = state.counts.most_connections.max(state.counts.connections);
        (id, receiver)
    }

    /// Removes a connection with its subscriptions.
    pub(crate) fn leave(&self, id: u64, subscriptions: usize) {
        let mut state = self.lock();
        state.subscribers.remove(&id);
        state.counts.connections = state.counts.connections.saturating_sub(1);
        state.counts.subscriptions = state.counts.subscriptions.saturating_sub(subscriptions);
    }

    /// Notes a REST request. Returns the fault that it meets.
    pub(crate) fn request(&self, path: &str) -> Option<crate::faults::RestFault> {
        let mut state = self.lock();
        if state.counts.rest.len() < MAX_PATHS {
            state.counts.rest.push(path.to_owned());
        }
        state.faults.rest_count = state.faults.rest_count.checked_sub(1)?;
        Some(state.faults.rest)
    }

    /// Whether this upgrade is to be refused.
    pub(crate) fn refuses(&self) -> bool {
        let mut state = self.lock();
        let left = state.faults.refuse.checked_sub(1);
        state.faults.refuse = left.unwrap_or(0);
        left.is_some()
    }
}

impl State {
    fn publish(&mut self, place: usize, trade: Trade) {
        let news = News::Trade(place, trade);
        if let Some(left) = self.faults.drop.checked_sub(1) {
            self.faults.drop = left;
        } else if let Some(left) = self.faults.repeat.checked_sub(1) {
            self.faults.repeat = left;
            self.send(&news);
            self.send(&news);
        } else if let Some(left) = self.faults.reverse.checked_sub(1) {
            self.faults.reverse = left;
            self.held.push((place, trade));
            if left == 0 {
                for (place, trade) in std::mem::take(&mut self.held).into_iter().rev() {
                    self.send(&News::Trade(place, trade));
                }
            }
        } else {
            self.send(&news);
        }
    }

    fn send(&mut self, news: &News) {
        // A full or closed channel ends the connection: its task sees the end of the channel.
        self.subscribers.retain(|_, subscriber| subscriber.try_send(news.clone()).is_ok());
    }
}

#[expect(clippy::disallowed_methods, reason = "an exchange has a clock of its own")]
fn now_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
