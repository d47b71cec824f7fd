//! One WebSocket connection of a client.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    sync::mpsc,
    time::{Instant, interval},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::frame::{
            CloseFrame, Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::{
    dialect::{Asked, Dialect},
    faults::Faults,
    hub::{Hub, News},
};

/// The limits of all protocols, so that tests can shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Age at which a connection is cut. `None`: never.
    pub lifetime: Option<Duration>,
    /// Time between two pings of the server.
    pub ping: Duration,
    /// Time without a pong after which a connection is cut.
    pub pong: Duration,
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// Time without a subscription after which a connection is cut.
    pub subscribe: Duration,
    /// Most messages and pings in a second. More cut the connection.
    pub messages_per_second: usize,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            lifetime: Some(Duration::from_hours(24)),
            ping: Duration::from_secs(20),
            pong: Duration::from_mins(1),
            heartbeat: Duration::from_secs(1),
            subscribe: Duration::from_secs(5),
            messages_per_second: 5,
        }
    }
}

/// A connection with its subscriptions.
pub(crate) struct Socket {
    pub(crate) hub: Hub,
    pub(crate) dialect: Dialect,
    pub(crate) times: Times,
    /// Places of the instruments with a subscription to trades or bars.
    trades: Vec<usize>,
    bars: Vec<usize>,
    /// Times of the messages in the last second.
    received: VecDeque<Instant>,
    last_pong: Instant,
    opened: Instant,
}

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// The end of a connection.
struct Ended;

impl Socket {
    pub(crate) fn new(hub: Hub, dialect: Dialect, times: Times) -> Self {
        let now = now();
        let received = VecDeque::new();
        Self { hub, dialect, times, trades: Vec::new(), bars: Vec::new(), received, last_pong: now, opened: now }
    }

    pub(crate) async fn run(mut self, mut stream: Stream) {
        let (id, news) = self.hub.join();
        // The reason for the end is of no use to anyone here.
        drop(self.serve(&mut stream, news).await);
        self.hub.leave(id, self.trades.len() + self.bars.len());
    }

    async fn serve(&mut self, stream: &mut Stream, mut news: mpsc::Receiver<News>) -> Result<(), Ended> {
        let mut fault_changes = self.hub.changes();
        let mut pings = interval(self.times.ping);
        let mut beats = interval(self.times.heartbeat);
        let mut faults = self.hub.faults();
        if let Some(greeting) = self.dialect.greeting() {
            self.send(stream, greeting, &faults).await?;
        }
        loop {
            tokio::select! {
                changed = fault_changes.changed() => {
                    changed.map_err(|_| Ended)?;
                    faults = self.hub.faults();
                }
                message = stream.next(), if !faults.mute && !faults.no_pong => {
                    self.on_message(stream, message, &faults).await?;
                }
                next = news.recv() => {
                    // Faults may have changed before the news, and count from then on.
                    faults = self.hub.faults();
                    self.on_news(stream, next.ok_or(Ended)?, &faults).await?;
                }
                _ = pings.tick() => {
                    if !faults.mute && !faults.no_pong {
                        stream.send(Message::Ping(Bytes::from_static(b"ping"))).await.map_err(|_| Ended)?;
                    }
                }
                _ = beats.tick() => {
                    // A heartbeat does not overtake the trades that wait for this connection.
                    if news.is_empty() {
                        self.on_beat(stream, &faults).await?;
                    }
                }
            }
        }
    }

    async fn on_beat(&self, stream: &mut Stream, faults: &Faults) -> Result<(), Ended> {
        let now = now();
        let is_over = self.times.lifetime.is_some_and(|lifetime| self.opened + lifetime <= now);
        let is_idle = self.trades.is_empty() && self.bars.is_empty() && self.opened + self.times.subscribe <= now;
        if is_over || is_idle || self.last_pong + self.times.pong <= now {
            return Err(Ended);
        }
        for place in &self.trades {
            let last = |one: &crate::market::Instrument| one.record().last().map(|trade| trade.number);
            let beat = self.hub.with(*place, |one, _| self.dialect.heartbeat(&one.name, last(one)));
            if let Some(beat) = beat.flatten() {
                self.send(stream, beat, faults).await?;
            }
        }
        Ok(())
    }

    async fn on_message(
        &mut self,
        stream: &mut Stream,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
        faults: &Faults,
    ) -> Result<(), Ended> {
        let Some(Ok(message)) = message else { return Err(Ended) };
        let now = now();
        self.received.push_back(now);
        while self.received.front().is_some_and(|first| *first + Duration::from_secs(1) <= now) {
            self.received.pop_front();
        }
        self.hub.count(|counts| counts.received += 1);
        if self.received.len() > self.times.messages_per_second {
            self.hub.count(|counts| counts.too_many_messages += 1);
            let frame = CloseFrame { code: CloseCode::Policy, reason: "Too many requests".into() };
            drop(stream.close(Some(frame)).await);
            return Err(Ended);
        }
        match message {
            Message::Text(text) => self.on_text(stream, text.as_str(), faults).await,
            Message::Pong(_) => {
                self.last_pong = now;
                Ok(())
            }
            Message::Close(_) => Err(Ended),
            Message::Ping(_) | Message::Binary(_) | Message::Frame(_) => {
                // The answer to a ping is written with the next flush.
                stream.flush().await.map_err(|_| Ended)
            }
        }
    }

    async fn on_text(&mut self, stream: &mut Stream, text: &str, faults: &Faults) -> Result<(), Ended> {
        let Asked::Subscribe { symbols, are_bars, id } = self.dialect.asked(text) else { return Ok(()) };
        if faults.ignore_subscriptions {
            return Ok(());
        }
        let dialect = self.dialect;
        let find = |symbol: &String| self.hub.place(|name| dialect.spells(symbol, name));
        let places: Vec<_> = symbols.iter().map(|symbol| (symbol.clone(), find(symbol))).collect();
        let known: Vec<_> =
            places.iter().filter(|(_, place)| place.is_some()).map(|(symbol, _)| symbol.clone()).collect();
        let unknown: Vec<_> =
            places.iter().filter(|(_, place)| place.is_none()).map(|(symbol, _)| symbol.clone()).collect();
        // Binance accepts streams of symbols that it does not know.
        let is_refused = faults.refuse_subscriptions || (!unknown.is_empty() && self.dialect != Dialect::Binance);
        if is_refused {
            let refused = if faults.refuse_subscriptions { &symbols } else { &unknown };
            for answer in self.dialect.refused(refused, id) {
                self.send(stream, answer, faults).await?;
            }
            if faults.refuse_subscriptions {
                return Ok(());
            }
        }
        let new: Vec<_> = places.iter().filter_map(|(_, place)| *place).collect();
        self.hub.count(|counts| counts.subscriptions += new.len());
        let subscribed = if are_bars { &mut self.bars } else { &mut self.trades };
        subscribed.extend(&new);
        let all: Vec<_> = self
            .trades
            .iter()
            .filter_map(|place| self.hub.with(*place, |one, _| dialect.spelling(&one.name)))
            .collect();
        for answer in self.dialect.accepted(&known, &all, id) {
            self.send(stream, answer, faults).await?;
        }
        if are_bars { Ok(()) } else { self.send_old(stream, &new, faults).await }
    }

    /// Old trades: Coinbase always sends the last one.
    async fn send_old(&self, stream: &mut Stream, places: &[usize], faults: &Faults) -> Result<(), Ended> {
        let count = if self.dialect == Dialect::Coinbase { faults.old_trades.max(1) } else { faults.old_trades };
        for place in places {
            let old = self.hub.with(*place, |one, faults| {
                let record = one.record();
                let old = record.iter().skip(record.len().saturating_sub(count));
                old.map(|trade| self.dialect.trade(&one.name, trade, true, faults.exponents)).collect::<Vec<_>>()
            });
            for message in old.unwrap_or_default() {
                self.send(stream, message, faults).await?;
            }
        }
        Ok(())
    }

    async fn on_news(&self, stream: &mut Stream, news: News, faults: &Faults) -> Result<(), Ended> {
        let message = match news {
            News::Trade(place, trade) if self.trades.contains(&place) => {
                self.hub.with(place, |one, _| self.dialect.trade(&one.name, &trade, false, faults.exponents))
            }
            News::Bar(place, opened, is_closed) if self.bars.contains(&place) => {
                let bar = |one: &crate::market::Instrument| self.dialect.bar(&one.name, &one.bar(opened)?, is_closed);
                self.hub.with(place, |one, _| bar(one)).flatten()
            }
            News::Trade(..) | News::Bar(..) => None,
            News::Filler(bytes) => Some(Dialect::filler(bytes)),
            News::Shutdown => self.dialect.shutdown(),
            News::Cut => return Err(Ended),
        };
        match message {
            Some(message) => self.send(stream, message, faults).await,
            None => Ok(()),
        }
    }

    async fn send(&self, stream: &mut Stream, text: String, faults: &Faults) -> Result<(), Ended> {
        if faults.mute {
            return Ok(());
        }
        if faults.fragment == 0 {
            return stream.send(Message::text(text)).await.map_err(|_| Ended);
        }
        let bytes = Bytes::from(text);
        let count = bytes.len().div_ceil(faults.fragment).max(1);
        for part in 0..count {
            let range = part * faults.fragment..bytes.len().min((part + 1) * faults.fragment);
            let kind = if part == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(bytes.slice(range), OpCode::Data(kind), part + 1 == count);
            stream.send(Message::Frame(frame)).await.map_err(|_| Ended)?;
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "an exchange has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}
