//! Coinbase Exchange: WebSocket channels `matches` and `heartbeat`, REST `trades` of a product.
//!
//! Source: <https://docs.cdp.coinbase.com/exchange/websocket-feed/channels>, `overview` beside it, and
//! <https://docs.cloud.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-trades>.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Ask, PAGE};
use crate::{
    message::{self, Entry, Message, MessageError, Subscription},
    quote::Kind,
};

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
}

/// A trade. REST answers have no product.
#[derive(Deserialize)]
struct Match<'a> {
    #[serde(default)]
    product_id: String,
    trade_id: u64,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    size: &'a RawValue,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Heartbeat {
    product_id: String,
    last_trade_id: u64,
}

#[derive(Deserialize)]
struct Subscriptions {
    channels: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    name: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
}

pub(super) fn subscribe(symbols: &[&str]) -> String {
    json!({"type": "subscribe", "product_ids": symbols, "channels": ["matches", "heartbeat"]}).to_string()
}

pub(super) fn messages(text: &str) -> Result<Vec<Message>, MessageError> {
    let head: Head<'_> = message::parse(text)?;
    Ok(match head.kind.as_deref() {
        Some(kind @ ("match" | "last_match")) => {
            let trade: Match<'_> = message::parse(text)?;
            let entry = trade.entry()?;
            if trade.product_id.is_empty() {
                let found = message::excerpt(text);
                return Err(MessageError::Value { field: "product_id", expected: "product", found });
            }
            vec![Message::Entry { symbol: trade.product_id, entry, is_old: kind == "last_match" }]
        }
        Some("heartbeat") => {
            let beat: Heartbeat = message::parse(text)?;
            vec![Message::Heartbeat, Message::LastNumber { symbol: beat.product_id, number: beat.last_trade_id }]
        }
        Some("subscriptions") => {
            let all: Subscriptions = message::parse(text)?;
            let products = all.channels.into_iter().filter(|channel| channel.name == "matches");
            let products = products.flat_map(|channel| channel.product_ids).collect();
            vec![Message::Subscribed(Subscription::Symbols(products))]
        }
        Some("error") => {
            let Problem { message, reason } = message::parse(text)?;
            let text = if reason.is_empty() { message } else { format!("{message}: {reason}") };
            vec![Message::Refused { subscription: Subscription::Unnamed, text }]
        }
        _ => Vec::new(),
    })
}

impl Match<'_> {
    fn entry(&self) -> Result<Entry, MessageError> {
        Ok(Entry {
            number: self.trade_id,
            price: message::price("price", self.price)?,
            time_micros: message::rfc3339("time", &self.time)?,
            kind: Kind::Trade { size: message::quantity("size", self.size)? },
        })
    }
}

/// The newest trades come first, and `after` leaves out that number and all newer ones: a page ends at `after`, so a page of
/// dense numbers begins at `from`.
pub(super) fn path(symbol: &str, ask: &Ask) -> String {
    let symbol = super::encoded(symbol);
    match ask {
        Ask::Latest => format!("/products/{symbol}/trades?limit=1"),
        Ask::Range { from, to, .. } => {
            let after = from.saturating_add(PAGE).min(to.saturating_add(1));
            format!("/products/{symbol}/trades?after={after}&limit={}", after - from)
        }
    }
}

pub(super) fn page(body: &str) -> Result<Vec<Entry>, MessageError> {
    let trades: Vec<Match<'_>> = message::parse(body)?;
    trades.iter().map(Match::entry).collect()
}

#[cfg(test)]
mod tests;
