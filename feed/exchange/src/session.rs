//! A session with one exchange, as a step function: events and times go in, actions and outputs come out.
//!
//! [`Session`] has no task, socket, clock or entropy. The loop around it passes events in ([`Session::handle`]), lets the
//! session go on ([`Session::advance`]), carries out the actions ([`Session::take_actions`]) and takes outputs at the pace of
//! its consumer ([`Session::take_output`]). It comes back at [`Session::wake`] at the latest.
//!
//! All of it is bounded: [`MAX_OUTPUTS`] outputs, [`MAX_KEPT`] entries out of order and one page of a REST answer. An entry
//! without room is dropped with its number known, so that the recovery fetches it later.

mod bars;
mod connection;
mod connections;
mod events;
mod numbering;
mod outputs;
mod recovery;
pub mod status;
mod symbols;

use std::{collections::BTreeSet, time::Duration};

use intuition_common::clock::Now;
use tokio::time::Instant;

pub use self::{
    connection::ConnectionId,
    events::{Action, Event, FetchError},
    recovery::RequestId,
};
use self::{
    connection::Request,
    connections::{Connections, Wanted},
    numbering::{Offered, Origin},
    outputs::Outputs,
    recovery::{Recoveries, Step},
    status::Status,
    symbols::Symbols,
};
use crate::{
    config::{Config, ConfigError},
    market::{Ask, Data, Limits, Market},
    message::{Entry, Message, MessageError, Subscription},
    quote::{GapReason, Output},
};

/// Most outputs that wait for the consumer. While there are so many, the session takes no frames.
pub const MAX_OUTPUTS: usize = 500;
/// Most entries that wait for lower numbers, of all symbols together; a symbol may always keep 16.
pub const MAX_KEPT: usize = 10_000;
/// Longest time between two turns.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub struct Session {
    market: Market,
    data: Data,
    limits: Limits,
    connections: Connections,
    symbols: Symbols,
    recoveries: Recoveries,
    /// Symbols with changed numbers since the last turn.
    touched: BTreeSet<usize>,
    outputs: Outputs,
    actions: Vec<Action>,
    requests: u64,
}

impl Session {
    /// A session that has reached nothing yet. `seed` draws all pauses.
    pub fn new(config: &Config, seed: u64) -> Result<Self, ConfigError> {
        config.check()?;
        let limits = config.limits;
        Ok(Self {
            market: config.market,
            data: config.data,
            limits,
            connections: Connections::new(limits, seed),
            symbols: Symbols::new(config),
            recoveries: Recoveries::new(config.market, limits, seed),
            touched: BTreeSet::new(),
            outputs: Outputs::new(config),
            actions: Vec::new(),
            requests: 0,
        })
    }

    /// Whether the loop may pass [`Event::Text`] in. False: there is no room for outputs, and sockets are not read.
    pub fn takes_frames(&self) -> bool {
        self.outputs.has_room()
    }

    /// Takes an event.
    pub fn handle(&mut self, event: Event, now: Now) {
        match event {
            Event::Opened(id) => {
                let requests = self.subscriptions();
                self.connections.opened(id, requests, now.instant);
            }
            Event::Text(id, text) => {
                if self.connections.hear(id, now.instant) {
                    self.on_text(id, &text, now.instant);
                }
            }
            Event::Frame(id) => {
                self.connections.hear(id, now.instant);
            }
            Event::Ended(id, reason) => self.connections.lost(id, &reason, now.instant),
            Event::Fetched(id, answer) => self.on_fetched(id, answer, now.instant),
        }
    }

    /// Carries out all work that has become possible.
    pub fn advance(&mut self, now: Now) {
        let now = now.instant;
        if !self.takes_frames() {
            self.connections.pause(now);
        }
        for wanted in self.connections.advance(now) {
            self.actions.push(match wanted {
                Wanted::Open(id) => Action::Open(id),
                Wanted::Send(id, text) => Action::Send(id, text),
                Wanted::Ping(id) => Action::Ping(id),
                Wanted::Close(id) => Action::Close(id),
            });
        }
        self.give();
        self.review(now);
        self.give_up(now);
        let symbols = &self.symbols;
        if let Some((id, symbol, ask)) = self.recoveries.request(now, |symbol| symbols.missing(symbol)) {
            self.fetch(id, symbol, &ask);
        }
    }

    /// The actions since the last call, in the order in which they are to be carried out.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Whether an output waits.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// The next output.
    pub fn take_output(&mut self) -> Option<Output> {
        self.outputs.take()
    }

    /// When [`Session::advance`] is to be called at the latest.
    pub fn wake(&self, now: Now) -> Instant {
        let times = [self.connections.wake(now.instant), self.recoveries.wake()];
        times.into_iter().flatten().fold(now.instant + MAX_IDLE, Instant::min)
    }

    /// Whether a connection is open with all its subscriptions.
    pub fn is_connected(&self) -> bool {
        self.connections.is_live()
    }

    /// The state of the session.
    pub fn status(&self) -> Status {
        Status {
            is_connected: self.is_connected(),
            connections: self.connections.count(),
            reconnects: self.connections.losses(),
            last_error: self.connections.last_error().map(str::to_owned),
            recovering: self.recoveries.running(),
            counters: self.outputs.counted(),
            symbols: self.symbols.status(|place| self.outputs.last(place)),
        }
    }

    fn subscriptions(&mut self) -> Vec<Request> {
        let (market, data) = (self.market, self.data);
        let batches = self.symbols.batches(self.limits.symbols_per_message);
        let numbered = batches.into_iter().map(|batch| {
            self.requests += 1;
            let names: Vec<_> = batch.iter().filter_map(|place| self.symbols.name(*place)).collect();
            Request { id: self.requests, text: market.subscribe(data, &names, self.requests), symbols: batch }
        });
        numbered.collect()
    }

    fn on_text(&mut self, id: ConnectionId, text: &str, now: Instant) {
        match self.market.messages(text) {
            Ok(messages) => {
                for message in messages {
                    self.on_message(id, message, now);
                }
            }
            Err(error) => self.malformed(&error),
        }
    }

    fn malformed(&mut self, error: &MessageError) {
        self.outputs.counters().malformed += 1;
        tracing::warn!(market = %self.market, %error, "a message is not of its documented form");
    }

    fn on_message(&mut self, id: ConnectionId, message: Message, now: Instant) {
        match message {
            Message::Entry { symbol, entry, is_old } => {
                if let Some(place) = self.symbols.place(&symbol) {
                    self.offer(place, entry, if is_old { Origin::Backfill } else { Origin::Live });
                }
            }
            Message::LastNumber { symbol, number } => {
                if let Some(place) = self.symbols.place(&symbol) {
                    self.symbols.mention(place, number);
                    self.touched.insert(place);
                }
            }
            Message::Heartbeat => {}
            Message::Subscribed(subscription) => self.on_answer(id, &subscription, None, now),
            Message::Refused { subscription: subscription @ Subscription::Symbols(_), text } => {
                self.on_answer(id, &subscription, Some(&text), now);
            }
            Message::Refused { text, .. } => {
                self.actions.push(Action::Close(id));
                self.connections.lost(id, &format!("the exchange refuses a subscription: {text}"), now);
            }
            Message::Shutdown => {
                tracing::info!(connection = id, "the exchange is about to close the connection");
                self.connections.leave(id);
            }
        }
    }

    /// A subscription is answered. Trades may have been missed before it, unless another connection had it.
    fn on_answer(&mut self, id: ConnectionId, subscription: &Subscription, refusal: Option<&str>, now: Instant) {
        let symbols = &self.symbols;
        let answered = self.connections.answered(id, subscription, |name| symbols.place(name));
        let is_covered = self.connections.is_covered(id);
        for place in answered {
            if refusal.is_none() && !is_covered && self.symbols.has_position(place) {
                self.recoveries.look(place, now);
            }
            self.symbols.refuse(place, refusal);
        }
        if self.connections.settle(id, now) {
            tracing::info!(market = %self.market, connection = id, "all symbols are subscribed");
        }
    }

    fn offer(&mut self, place: usize, entry: Entry, origin: Origin) {
        match self.symbols.offer(place, entry, origin) {
            Offered::Repeated => self.outputs.counters().repetitions += 1,
            Offered::Kept | Offered::NoRoom => {
                self.touched.insert(place);
            }
            Offered::Early => {}
        }
    }

    fn fetch(&mut self, id: RequestId, symbol: usize, ask: &Ask) {
        if let Some(name) = self.symbols.name(symbol) {
            self.actions.push(Action::Fetch(id, self.market.path(self.data, name, ask)));
        }
    }

    fn on_fetched(&mut self, id: RequestId, answer: Result<String, FetchError>, now: Instant) {
        let Some((symbol, ask)) = self.recoveries.landed(id) else { return };
        self.touched.insert(symbol);
        let pause = match &answer {
            Err(FetchError::Status { retry_after, .. }) => *retry_after,
            _ => None,
        };
        let entries = match answer.map(|body| self.market.page(self.data, &ask, &body)) {
            Ok(Ok(entries)) => entries,
            Ok(Err(error)) => {
                self.malformed(&error);
                self.outputs.counters().failed_requests += 1;
                self.recoveries.failed(symbol, None, now);
                return;
            }
            Err(error) => {
                tracing::warn!(market = %self.market, %error, "missing numbers cannot be fetched");
                self.outputs.counters().failed_requests += 1;
                self.recoveries.failed(symbol, pause, now);
                return;
            }
        };
        match ask {
            Ask::Latest => {
                for entry in entries {
                    // Its number alone counts where it was given already.
                    let _known = self.symbols.offer(symbol, entry, Origin::Backfill);
                }
                self.recoveries.found_latest(symbol, now);
            }
            Ask::Range { from, .. } => self.recoveries.fetched(symbol, from, entries, now),
        }
    }

    /// Gives the next numbers of each symbol, as far as there is room for outputs.
    fn give(&mut self) {
        if let Some(place) = self.recoveries.page_symbol() {
            self.touched.insert(place);
            while self.outputs.has_room() {
                let Some(step) = self.symbols.step(place, &mut self.recoveries) else { break };
                match step {
                    Step::Give(entry, is_backfill) => self.outputs.push(place, &entry, is_backfill),
                    Step::Absent(first, last) => self.outputs.push_gap(place, first, last, GapReason::NotAtExchange),
                }
            }
        }
        let draining = self.recoveries.page_symbol();
        for place in self.touched.clone() {
            while draining != Some(place) && self.outputs.has_room() {
                let Some((entry, origin)) = self.symbols.take(place) else { break };
                self.outputs.push(place, &entry, origin == Origin::Backfill);
            }
        }
    }

    /// Begins and ends recoveries of symbols with changed numbers. Symbols with further entries to give stay touched.
    fn review(&mut self, now: Instant) {
        let is_full = !self.outputs.has_room();
        for place in std::mem::take(&mut self.touched) {
            self.symbols.review(place, &mut self.recoveries, now);
            if is_full {
                self.touched.insert(place);
            }
        }
    }

    /// Reports numbers as a gap once their recovery is at its bounds.
    fn give_up(&mut self, now: Instant) {
        for (place, reason) in self.recoveries.exhausted(now) {
            if !self.give_up_all(place, reason) {
                return;
            }
            self.recoveries.end(place);
        }
        // A range that is too long loses its beginning, so that the newest numbers are fetched.
        for place in self.recoveries.places() {
            let Some(numbers) = self.symbols.missing(place).filter(|_| self.outputs.has_room()) else { continue };
            if let Some(last) = self.recoveries.beyond(numbers.first, numbers.last) {
                self.skip(place, last, GapReason::TooMany);
            }
        }
    }

    /// Gives all kept entries of a symbol, and gaps between them. False: there is no room for the rest yet.
    fn give_up_all(&mut self, place: usize, reason: GapReason) -> bool {
        while self.outputs.has_room() {
            if let Some((entry, origin)) = self.symbols.take(place) {
                self.outputs.push(place, &entry, origin == Origin::Backfill);
            } else if !self.skip(place, u64::MAX, reason) {
                return true;
            }
        }
        false
    }

    /// Gives up the missing numbers of the first hole, up to `last`. False: there is no hole.
    fn skip(&mut self, place: usize, last: u64, reason: GapReason) -> bool {
        let skipped = self.symbols.skip(place, last);
        if let Some(skipped) = &skipped {
            self.outputs.push_gap(place, *skipped.start(), *skipped.end(), reason);
            self.touched.insert(place);
        }
        skipped.is_some()
    }
}

#[cfg(test)]
mod tests;
