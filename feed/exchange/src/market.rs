//! The three exchanges: their addresses and limits, and which file speaks which protocol.

mod binance;
mod coinbase;
mod kraken;

use std::{fmt, time::Duration};

use crate::message::{Entry, Message, MessageError};

/// Most trades in one REST answer, of all three exchanges.
pub(crate) const PAGE: u64 = 1_000;

/// An exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Market {
    /// Binance spot.
    Binance,
    /// Kraken spot, WebSocket version 2.
    Kraken,
    /// Coinbase Exchange.
    Coinbase,
}

/// The kind of data that a session gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Data {
    /// Each trade.
    Trades,
    /// Closed bars of one minute.
    Bars,
}

/// The limits of an exchange, and the times by which a session works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Age at which the exchange closes a connection. `None`: the exchange documents no such age.
    pub lifetime: Option<Duration>,
    /// Least time between two messages on one connection.
    pub message_pause: Duration,
    /// Least time between two REST requests.
    pub request_pause: Duration,
    /// Longest time for a REST request with its whole answer.
    pub request_timeout: Duration,
    /// Most symbols in one subscription message.
    pub symbols_per_message: usize,
    /// Most symbols of one connection.
    pub symbols: usize,
    /// Longest time for a connection to open, and for its subscriptions to be answered.
    pub open_timeout: Duration,
    /// Silence on a connection after which the session sends a ping.
    pub ping_after: Duration,
    /// Silence on a connection after which it counts as lost.
    pub silence: Duration,
    /// Time that numbers out of order have before missing numbers are fetched.
    pub reorder_grace: Duration,
    /// Longest time for the recovery of missing numbers. The rest is a gap.
    pub recovery_time: Duration,
    /// Most trades of one recovery. The rest is a gap.
    pub recovery_trades: u64,
    /// Time that two connections overlap for, before the older one is closed.
    pub overlap: Duration,
    /// First and longest pause between two attempts to connect, or to fetch.
    pub pauses: (Duration, Duration),
}

/// A REST request for entries of one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The latest entry, for its number.
    Latest,
    /// Entries from one number on.
    Range {
        /// First number.
        from: u64,
        /// Last number that is missing, at least `from`.
        to: u64,
        /// A time before the first number, for exchanges that page by time. Microseconds since the Unix epoch.
        since_micros: Option<i64>,
    },
}

impl Market {
    /// First part of the sources of this exchange.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Binance => "binance-spot",
            Self::Kraken => "kraken",
            Self::Coinbase => "coinbase",
        }
    }

    /// Address of the public WebSocket service.
    pub const fn url(self) -> &'static str {
        match self {
            Self::Binance => "wss://stream.binance.com:9443/ws",
            Self::Kraken => "wss://ws.kraken.com/v2",
            Self::Coinbase => "wss://ws-feed.exchange.coinbase.com",
        }
    }

    /// Address of the public REST service.
    pub const fn rest_url(self) -> &'static str {
        match self {
            Self::Binance => "https://api.binance.com",
            Self::Kraken => "https://api.kraken.com",
            Self::Coinbase => "https://api.exchange.coinbase.com",
        }
    }

    /// The documented limits, with room below each.
    pub const fn limits(self) -> Limits {
        let common = Limits {
            lifetime: None,
            // Binance takes 5 messages a second, pings and pongs included.
            message_pause: Duration::from_millis(350),
            // Binance: weight 4 of 6,000 a minute. Coinbase: 10 a second.
            request_pause: Duration::from_millis(200),
            request_timeout: Duration::from_secs(20),
            symbols_per_message: 100,
            symbols: 1_024,
            open_timeout: Duration::from_secs(20),
            ping_after: Duration::from_secs(15),
            silence: Duration::from_secs(30),
            reorder_grace: Duration::from_millis(250),
            recovery_time: Duration::from_mins(5),
            recovery_trades: 10_000,
            overlap: Duration::from_secs(2),
            pauses: (Duration::from_secs(1), Duration::from_secs(30)),
        };
        match self {
            Self::Binance => Limits { lifetime: Some(Duration::from_hours(24)), ..common },
            // Public REST: about one request a second for an address.
            Self::Kraken => Limits { request_pause: Duration::from_secs(1), ..common },
            Self::Coinbase => common,
        }
    }

    /// Whether the stream has closed bars.
    pub(crate) const fn has_bars(self) -> bool {
        matches!(self, Self::Binance)
    }

    /// Whether REST answers begin at a time, so that an answer may begin behind the number that was asked for.
    pub(crate) const fn pages_by_time(self) -> bool {
        matches!(self, Self::Kraken)
    }

    /// A subscription message. `id`: a number for the answer, where the exchange repeats one.
    pub(crate) fn subscribe(self, data: Data, symbols: &[&str], id: u64) -> String {
        match self {
            Self::Binance => binance::subscribe(data, symbols, id),
            Self::Kraken => kraken::subscribe(symbols, id),
            Self::Coinbase => coinbase::subscribe(symbols),
        }
    }

    /// The messages in one text frame, without unknown messages.
    pub fn messages(self, text: &str) -> Result<Vec<Message>, MessageError> {
        match self {
            Self::Binance => binance::messages(text),
            Self::Kraken => kraken::messages(text),
            Self::Coinbase => coinbase::messages(text),
        }
    }

    /// Path and query of a REST request.
    pub(crate) fn path(self, data: Data, symbol: &str, ask: &Ask) -> String {
        match self {
            Self::Binance => binance::path(data, symbol, ask),
            Self::Kraken => kraken::path(symbol, ask),
            Self::Coinbase => coinbase::path(symbol, ask),
        }
    }

    /// The entries of a REST answer, by growing number.
    pub(crate) fn page(self, data: Data, ask: &Ask, body: &str) -> Result<Vec<Entry>, MessageError> {
        let mut entries = match self {
            Self::Binance => binance::page(data, ask, body),
            Self::Kraken => kraken::page(body),
            Self::Coinbase => coinbase::page(body),
        }?;
        entries.sort_by_key(|entry| entry.number);
        entries.dedup_by_key(|entry| entry.number);
        Ok(entries)
    }
}

impl fmt::Display for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text as a part of a URL.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests;
