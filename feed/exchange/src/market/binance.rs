//! Binance spot: WebSocket streams `<symbol>@aggTrade` and `<symbol>@kline_1m`, REST `aggTrades` and `klines`.
//!
//! Source: <https://github.com/binance/binance-spot-api-docs>, `web-socket-streams.md` and `rest-api.md` of 2026-07-21.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Ask, Data, PAGE};
use crate::{
    message::{self, Entry, Message, MessageError, Subscription},
    quote::{Bar, Kind, MINUTE_MICROS},
};

/// The members by which messages are told apart. All payloads of events have `e`.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    e: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    msg: Option<String>,
    #[serde(default)]
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    msg: String,
}

/// An aggregate trade: one taker order at one price. REST answers have no symbol.
#[derive(Deserialize)]
struct Trade<'a> {
    #[serde(default)]
    s: String,
    a: u64,
    #[serde(borrow)]
    p: &'a RawValue,
    #[serde(borrow)]
    q: &'a RawValue,
    #[serde(rename = "T")]
    time: i64,
}

#[derive(Deserialize)]
struct KlineEvent<'a> {
    s: String,
    #[serde(borrow)]
    k: Kline<'a>,
}

#[derive(Deserialize)]
struct Kline<'a> {
    /// Start, milliseconds.
    t: i64,
    #[serde(borrow)]
    o: &'a RawValue,
    #[serde(borrow)]
    h: &'a RawValue,
    #[serde(borrow)]
    l: &'a RawValue,
    #[serde(borrow)]
    c: &'a RawValue,
    #[serde(borrow)]
    v: &'a RawValue,
    #[serde(rename = "x")]
    is_closed: bool,
}

pub(super) fn subscribe(data: Data, symbols: &[&str], id: u64) -> String {
    let stream = match data {
        Data::Trades => "aggTrade",
        Data::Bars => "kline_1m",
    };
    let params: Vec<_> = symbols.iter().map(|symbol| format!("{}@{stream}", symbol.to_lowercase())).collect();
    json!({"method": "SUBSCRIBE", "params": params, "id": id}).to_string()
}

pub(super) fn messages(text: &str) -> Result<Vec<Message>, MessageError> {
    let head: Head<'_> = message::parse(text)?;
    if let Some(data) = head.data {
        // A combined stream wraps each payload once.
        return event(message::parse::<Head<'_>>(data.get())?.e.as_deref(), data.get());
    }
    if head.e.is_some() {
        return event(head.e.as_deref(), text);
    }
    let subscription = head.id.map_or(Subscription::Unnamed, Subscription::Request);
    if let Some(text) = head.error.map(|error| error.msg).or(head.msg) {
        return Ok(vec![Message::Refused { subscription, text }]);
    }
    Ok(if head.id.is_some() { vec![Message::Subscribed(subscription)] } else { Vec::new() })
}

fn event(name: Option<&str>, text: &str) -> Result<Vec<Message>, MessageError> {
    Ok(match name {
        Some("aggTrade") => {
            let trade: Trade<'_> = message::parse(text)?;
            let entry = trade.entry()?;
            if trade.s.is_empty() {
                return Err(MessageError::Value { field: "s", expected: "symbol", found: message::excerpt(text) });
            }
            vec![Message::Entry { symbol: trade.s, entry, is_old: false }]
        }
        Some("kline") => {
            let KlineEvent { s: symbol, k } = message::parse(text)?;
            if k.is_closed { vec![Message::Entry { symbol, entry: k.entry()?, is_old: false }] } else { Vec::new() }
        }
        Some("serverShutdown") => vec![Message::Shutdown],
        _ => Vec::new(),
    })
}

impl Trade<'_> {
    fn entry(&self) -> Result<Entry, MessageError> {
        Ok(Entry {
            number: self.a,
            price: message::price("p", self.p)?,
            time_micros: message::millis("T", self.time)?,
            kind: Kind::Trade { size: message::quantity("q", self.q)? },
        })
    }
}

impl Kline<'_> {
    fn entry(&self) -> Result<Entry, MessageError> {
        let opened = message::millis("t", self.t)?;
        let number = message::minute(opened).filter(|_| opened % MINUTE_MICROS == 0);
        let number = number.ok_or_else(|| MessageError::Value {
            field: "t",
            expected: "beginning of a minute",
            found: self.t.to_string(),
        })?;
        Ok(Entry {
            number,
            price: message::price("c", self.c)?,
            time_micros: opened.saturating_add(MINUTE_MICROS),
            kind: Kind::Bar(Bar {
                open: message::price("o", self.o)?,
                high: message::price("h", self.h)?,
                low: message::price("l", self.l)?,
                volume: message::quantity("v", self.v)?,
            }),
        })
    }
}

pub(super) fn path(data: Data, symbol: &str, ask: &Ask) -> String {
    let symbol = super::encoded(symbol);
    match (data, ask) {
        (Data::Trades, Ask::Latest) => format!("/api/v3/aggTrades?symbol={symbol}&limit=1"),
        (Data::Trades, Ask::Range { from, to, .. }) => {
            let limit = PAGE.min((to - from).saturating_add(1));
            format!("/api/v3/aggTrades?symbol={symbol}&fromId={from}&limit={limit}")
        }
        // The last bar is still open.
        (Data::Bars, Ask::Latest) => format!("/api/v3/klines?symbol={symbol}&interval=1m&limit=2"),
        (Data::Bars, Ask::Range { from, to, .. }) => {
            let (start, end) = (from.saturating_mul(60_000), to.saturating_add(1).saturating_mul(60_000) - 1);
            format!("/api/v3/klines?symbol={symbol}&interval=1m&startTime={start}&endTime={end}&limit={PAGE}")
        }
    }
}

pub(super) fn page(data: Data, ask: &Ask, body: &str) -> Result<Vec<Entry>, MessageError> {
    match data {
        Data::Trades => {
            let trades: Vec<Trade<'_>> = message::parse(body)?;
            trades.iter().map(Trade::entry).collect()
        }
        Data::Bars => {
            let mut rows: Vec<Vec<&RawValue>> = message::parse(body)?;
            if *ask == Ask::Latest {
                rows.pop();
            }
            rows.iter().map(|row| bar_of_row(row)).collect()
        }
    }
}

/// A row of `klines`: opening time, open, high, low, close, volume, and members without a use here.
fn bar_of_row(row: &[&RawValue]) -> Result<Entry, MessageError> {
    let [opened, open, high, low, close, volume, ..] = row else {
        let found = row.iter().map(|value| value.get()).collect::<Vec<_>>().join(",");
        return Err(MessageError::Value { field: "kline", expected: "row", found: message::excerpt(&found) });
    };
    let t = message::parse(opened.get())?;
    Kline { t, o: open, h: high, l: low, c: close, v: volume, is_closed: true }.entry()
}

#[cfg(test)]
mod tests;
