//! Kraken, WebSocket version 2: channel `trade`, REST `Trades`.
//!
//! Source: <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/trade>, `heartbeat` and `status` beside it, and
//! <https://docs.kraken.com/api-reference/market-data/get-recent-trades>.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Ask, PAGE};
use crate::{
    message::{self, Entry, Message, MessageError, Subscription},
    quote::Kind,
};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    result: Option<Acknowledged>,
    /// The symbol of a refused subscription.
    #[serde(default)]
    symbol: Option<String>,
}

#[derive(Deserialize)]
struct Acknowledged {
    #[serde(default)]
    symbol: Option<String>,
}

#[derive(Deserialize)]
struct Trade<'a> {
    symbol: String,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
    #[serde(rename = "trade_id")]
    number: u64,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow, default)]
    result: BTreeMap<String, &'a RawValue>,
}

/// Asks for no old trades: the documented defaults differ.
pub(super) fn subscribe(symbols: &[&str], id: u64) -> String {
    json!({
        "method": "subscribe",
        "params": {"channel": "trade", "symbol": symbols, "snapshot": false},
        "req_id": id,
    })
    .to_string()
}

pub(super) fn messages(text: &str) -> Result<Vec<Message>, MessageError> {
    let head: Head<'_> = message::parse(text)?;
    match (head.channel.as_deref(), head.method.as_deref()) {
        (Some("heartbeat"), _) => Ok(vec![Message::Heartbeat]),
        (Some("trade"), _) => {
            let data = head.data.map_or("", RawValue::get);
            let trades: Vec<Trade<'_>> = message::parse(data)?;
            let is_old = head.kind.as_deref() == Some("snapshot");
            trades.into_iter().map(|trade| trade.message(is_old)).collect()
        }
        (None, Some("subscribe")) => Ok(vec![answer(head)]),
        _ => Ok(Vec::new()),
    }
}

fn answer(head: Head<'_>) -> Message {
    let symbol = head.result.and_then(|result| result.symbol).or(head.symbol);
    let subscription = symbol.map_or(Subscription::Unnamed, |symbol| Subscription::Symbols(vec![symbol]));
    if head.success == Some(true) {
        Message::Subscribed(subscription)
    } else {
        Message::Refused { subscription, text: head.error.unwrap_or_default() }
    }
}

impl Trade<'_> {
    fn message(self, is_old: bool) -> Result<Message, MessageError> {
        let entry = Entry {
            number: self.number,
            price: message::price("price", self.price)?,
            time_micros: message::rfc3339("timestamp", &self.timestamp)?,
            kind: Kind::Trade { size: message::quantity("qty", self.qty)? },
        };
        Ok(Message::Entry { symbol: self.symbol, entry, is_old })
    }
}

/// `since` is a time in nanoseconds. Without one the exchange answers with its latest trades.
pub(super) fn path(symbol: &str, ask: &Ask) -> String {
    let symbol = super::encoded(symbol);
    let trades = format!("/0/public/Trades?pair={symbol}&assetVersion=1&count={PAGE}");
    match ask {
        Ask::Range { since_micros: Some(micros), .. } => format!("{trades}&since={}", micros.saturating_mul(1_000)),
        Ask::Latest | Ask::Range { since_micros: None, .. } => trades,
    }
}

pub(super) fn page(body: &str) -> Result<Vec<Entry>, MessageError> {
    let reply: Reply<'_> = message::parse(body)?;
    if !reply.error.is_empty() {
        return Err(MessageError::Refuse(message::excerpt(&reply.error.join(", "))));
    }
    // One member has the name of the pair, and `last` is the cursor.
    let Some((_, rows)) = reply.result.iter().find(|(name, _)| *name != "last") else {
        return Err(MessageError::Value { field: "result", expected: "list of trades", found: message::excerpt(body) });
    };
    let rows: Vec<Vec<&RawValue>> = message::parse(rows.get())?;
    rows.iter().map(|row| trade_of_row(row)).collect()
}

/// A row of `Trades`: price, size, seconds, side, type, a remark, number.
fn trade_of_row(row: &[&RawValue]) -> Result<Entry, MessageError> {
    let [price, size, time, _, _, _, number, ..] = row else {
        let found = row.iter().map(|value| value.get()).collect::<Vec<_>>().join(",");
        return Err(MessageError::Value { field: "trade", expected: "row", found: message::excerpt(&found) });
    };
    Ok(Entry {
        number: message::parse(number.get())?,
        price: message::price("price", price)?,
        time_micros: message::seconds("time", time)?,
        kind: Kind::Trade { size: message::quantity("volume", size)? },
    })
}

#[cfg(test)]
mod tests;
