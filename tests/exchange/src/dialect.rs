//! The three protocols: spelling of instruments, messages, REST answers.

mod binance;
mod coinbase;
mod kraken;

use std::collections::HashMap;

use crate::{
    market::{Bar, Instrument, PRICE_PLACES, SIZE_PLACES, Trade},
    text,
};

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Binance,
    Kraken,
    Coinbase,
}

/// A message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It subscribes to trades or bars of these symbols.
    Subscribe { symbols: Vec<String>, are_bars: bool, id: u64 },
    /// It is something else.
    Other,
}

/// Price and size in the notation that is asked for.
struct Texts {
    price: String,
    size: String,
}

impl Texts {
    fn of(trade: &Trade, exponents: bool) -> Self {
        let write = if exponents { text::exponent } else { text::plain };
        Self { price: write(trade.price, PRICE_PLACES), size: write(trade.size, SIZE_PLACES) }
    }
}

impl Dialect {
    /// The protocol that a WebSocket's path belongs to.
    pub(crate) fn of_socket(path: &str) -> Option<Self> {
        match path {
            "/ws" | "/stream" => Some(Self::Binance),
            "/v2" => Some(Self::Kraken),
            "/" => Some(Self::Coinbase),
            _ => None,
        }
    }

    /// Whether `symbol` is this protocol's spelling of an instrument.
    pub(crate) fn spells(self, symbol: &str, instrument: &str) -> bool {
        self.spelling(instrument) == symbol
    }

    /// The spelling of an instrument.
    pub(crate) fn spelling(self, instrument: &str) -> String {
        match self {
            Self::Binance => instrument.replace('/', ""),
            Self::Kraken => instrument.to_owned(),
            Self::Coinbase => instrument.replace('/', "-"),
        }
    }

    /// The message about a trade.
    pub(crate) fn trade(self, instrument: &str, trade: &Trade, is_old: bool, exponents: bool) -> String {
        let (symbol, texts) = (self.spelling(instrument), Texts::of(trade, exponents));
        match self {
            Self::Binance => binance::trade(&symbol, trade, &texts),
            Self::Kraken => kraken::trade(&symbol, trade, &texts, is_old),
            Self::Coinbase => coinbase::trade(&symbol, trade, &texts, is_old),
        }
    }

    /// The message about a bar, where the protocol has one.
    pub(crate) fn bar(self, instrument: &str, bar: &Bar, is_closed: bool) -> Option<String> {
        (self == Self::Binance).then(|| binance::bar(&self.spelling(instrument), bar, is_closed))
    }

    /// The message that a quiet connection gets once a second, for each symbol. `last`: the last trade's number.
    pub(crate) fn heartbeat(self, instrument: &str, last: Option<u64>) -> Option<String> {
        match self {
            Self::Binance => None,
            Self::Kraken => Some(r#"{"channel":"heartbeat"}"#.to_owned()),
            Self::Coinbase => Some(coinbase::heartbeat(&self.spelling(instrument), last.unwrap_or(0))),
        }
    }

    /// The first message on a connection.
    pub(crate) fn greeting(self) -> Option<String> {
        (self == Self::Kraken).then(|| kraken::STATUS.to_owned())
    }

    /// The notice of a shutdown, where the protocol has one.
    pub(crate) fn shutdown(self) -> Option<String> {
        (self == Self::Binance).then(|| r#"{"e":"serverShutdown","E":1770123456789}"#.to_owned())
    }

    /// A message without a meaning, of about `bytes` bytes.
    pub(crate) fn filler(bytes: usize) -> String {
        let frame = r#"{"filler":""}"#;
        format!(r#"{{"filler":"{}"}}"#, "x".repeat(bytes.saturating_sub(frame.len())))
    }

    pub(crate) fn asked(self, text: &str) -> Asked {
        match self {
            Self::Binance => binance::asked(text),
            Self::Kraken => kraken::asked(text),
            Self::Coinbase => coinbase::asked(text),
        }
        .unwrap_or(Asked::Other)
    }

    /// The answers to a subscription. `all`: all symbols of the connection.
    pub(crate) fn accepted(self, symbols: &[String], all: &[String], id: u64) -> Vec<String> {
        match self {
            Self::Binance => vec![format!(r#"{{"result":null,"id":{id}}}"#)],
            Self::Kraken => symbols.iter().map(|symbol| kraken::accepted(symbol, id)).collect(),
            Self::Coinbase => vec![coinbase::accepted(all)],
        }
    }

    /// The answers to a subscription that is refused.
    pub(crate) fn refused(self, symbols: &[String], id: u64) -> Vec<String> {
        match self {
            Self::Binance => vec![format!(r#"{{"code":2,"msg":"Invalid request: refused by a fault","id":{id}}}"#)],
            Self::Kraken => symbols.iter().map(|symbol| kraken::refused(symbol, id)).collect(),
            Self::Coinbase => {
                vec![r#"{"type":"error","message":"Failed to subscribe","reason":"refused by a fault"}"#.to_owned()]
            }
        }
    }
}

/// A REST request for an instrument.
#[derive(Debug)]
pub(crate) struct RestRequest {
    pub(crate) dialect: Dialect,
    pub(crate) symbol: String,
    are_bars: bool,
    query: HashMap<String, String>,
}

impl RestRequest {
    /// `None`: the path is none of the three protocols.
    pub(crate) fn of(path: &str, query: &str) -> Option<Self> {
        let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let value = |key: &str| query.get(key).cloned().unwrap_or_default();
        let (dialect, symbol, are_bars) = match path {
            "/api/v3/aggTrades" => (Dialect::Binance, value("symbol"), false),
            "/api/v3/klines" => (Dialect::Binance, value("symbol"), true),
            "/0/public/Trades" => (Dialect::Kraken, value("pair"), false),
            _ => {
                let product = path.strip_prefix("/products/")?.strip_suffix("/trades")?;
                (Dialect::Coinbase, product.to_owned(), false)
            }
        };
        Some(Self { dialect, symbol, are_bars, query })
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.query.get(key)?.parse().ok()
    }

    /// The trades or bars that the exchange has, as text. `visible`: the trades that REST shows.
    pub(crate) fn answer(&self, instrument: &Instrument, visible: &[Trade], exponents: bool) -> String {
        match self.dialect {
            Dialect::Binance if self.are_bars => binance::klines(self, instrument),
            Dialect::Binance => binance::trades(self, visible, exponents),
            Dialect::Kraken => kraken::trades(self, visible, exponents),
            Dialect::Coinbase => coinbase::trades(self, visible, exponents),
        }
    }
}

/// The trades of a page as JSON texts in brackets.
fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}
