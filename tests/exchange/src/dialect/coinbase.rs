//! Coinbase Exchange, by <https://docs.cdp.coinbase.com/exchange/websocket-feed/channels> and
//! <https://docs.cloud.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-trades>.

use serde_json::Value;

use super::{Asked, RestRequest, Texts, kraken::rfc3339, list};
use crate::market::Trade;

pub(super) fn trade(symbol: &str, trade: &Trade, texts: &Texts, is_old: bool) -> String {
    let kind = if is_old { "last_match" } else { "match" };
    let (price, size, number, time) = (&texts.price, &texts.size, trade.number, rfc3339(trade.micros));
    // `sequence` counts all channels of the product, so that it has holes here.
    let sequence = number * 3;
    format!(
        r#"{{"type":"{kind}","trade_id":{number},"sequence":{sequence},"maker_order_id":"ac928c66-ca53-498f-9c13-a110027a60e8","taker_order_id":"132fb6ae-456b-4654-b4e0-d681ac05cea1","time":"{time}","product_id":"{symbol}","size":"{size}","price":"{price}","side":"sell"}}"#
    )
}

pub(super) fn heartbeat(symbol: &str, last: u64) -> String {
    format!(
        r#"{{"type":"heartbeat","sequence":{},"last_trade_id":{last},"product_id":"{symbol}","time":"2014-11-07T08:19:28.464459Z"}}"#,
        last * 3
    )
}

pub(super) fn asked(text: &str) -> Option<Asked> {
    let message: Value = serde_json::from_str(text).ok()?;
    if message.get("type")? != "subscribe" {
        return None;
    }
    let symbols = message.get("product_ids")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Asked::Subscribe { symbols, are_bars: false, id: 0 })
}

pub(super) fn accepted(all: &[String]) -> String {
    let all = list(all.iter().map(|symbol| format!(r#""{symbol}""#)));
    format!(
        r#"{{"type":"subscriptions","channels":[{{"name":"matches","product_ids":{all}}},{{"name":"heartbeat","product_ids":{all}}}]}}"#
    )
}

/// The newest trades first: those below the number `after` and above the number `before`.
pub(super) fn trades(request: &RestRequest, visible: &[Trade], exponents: bool) -> String {
    let limit = usize::try_from(request.number("limit").unwrap_or(1_000).min(1_000)).unwrap_or(0);
    let (after, before) = (request.number("after").unwrap_or(u64::MAX), request.number("before"));
    let page = visible.iter().rev().filter(|trade| trade.number < after);
    let page = page.filter(|trade| before.is_none_or(|before| trade.number > before));
    list(page.take(limit).map(|trade| {
        let (texts, number, time) = (Texts::of(trade, exponents), trade.number, rfc3339(trade.micros));
        let (price, size) = (texts.price, texts.size);
        format!(r#"{{"time":"{time}","trade_id":{number},"price":"{price}","size":"{size}","side":"sell"}}"#)
    }))
}
