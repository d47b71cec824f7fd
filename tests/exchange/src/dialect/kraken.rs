//! Kraken, WebSocket version 2, by <https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/trade> and
//! <https://docs.kraken.com/api-reference/market-data/get-recent-trades>.

use serde_json::Value;

use super::{Asked, RestRequest, Texts, list};
use crate::market::Trade;

/// The first message on a connection.
pub(super) const STATUS: &str = r#"{"channel":"status","data":[{"api_version":"v2","connection_id":13834774380200032777,"system":"online","version":"2.0.0"}],"type":"update"}"#;

pub(super) fn trade(symbol: &str, trade: &Trade, texts: &Texts, is_old: bool) -> String {
    let kind = if is_old { "snapshot" } else { "update" };
    let (price, size, number, time) = (&texts.price, &texts.size, trade.number, rfc3339(trade.micros));
    format!(
        r#"{{"channel":"trade","type":"{kind}","data":[{{"symbol":"{symbol}","side":"buy","price":{price},"qty":{size},"ord_type":"limit","trade_id":{number},"timestamp":"{time}"}}]}}"#
    )
}

/// RFC 3339 with six digits behind the seconds, as exchanges write it.
pub(super) fn rfc3339(micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}

pub(super) fn asked(text: &str) -> Option<Asked> {
    let message: Value = serde_json::from_str(text).ok()?;
    let params = message.get("params").filter(|_| message.get("method").is_some_and(|method| method == "subscribe"))?;
    if params.get("channel")? != "trade" {
        return None;
    }
    let symbols = params.get("symbol")?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let id = message.get("req_id").and_then(Value::as_u64).unwrap_or(0);
    Some(Asked::Subscribe { symbols, are_bars: false, id })
}

pub(super) fn accepted(symbol: &str, id: u64) -> String {
    format!(
        r#"{{"method":"subscribe","req_id":{id},"result":{{"channel":"trade","snapshot":false,"symbol":"{symbol}"}},"success":true,"time_in":"2022-12-25T09:30:59.123456Z","time_out":"2022-12-25T09:30:59.123456Z"}}"#
    )
}

pub(super) fn refused(symbol: &str, id: u64) -> String {
    format!(
        r#"{{"error":"Currency pair not supported {symbol}","method":"subscribe","req_id":{id},"success":false,"symbol":"{symbol}"}}"#
    )
}

/// Trades behind the time `since`, nanoseconds. Without it, the latest ones.
pub(super) fn trades(request: &RestRequest, visible: &[Trade], exponents: bool) -> String {
    let count = usize::try_from(request.number("count").unwrap_or(1_000).min(1_000)).unwrap_or(0);
    let start = match request.number("since").and_then(|since| i64::try_from(since / 1_000).ok()) {
        Some(since) => visible.partition_point(|trade| trade.micros <= since),
        None => visible.len().saturating_sub(count),
    };
    let page: Vec<_> = visible.iter().skip(start).take(count).collect();
    let last = page.last().map_or(0, |trade| trade.micros) * 1_000;
    let rows = list(page.into_iter().map(|trade| {
        let texts = Texts::of(trade, exponents);
        let (seconds, micros) = (trade.micros / 1_000_000, trade.micros % 1_000_000);
        let (price, size, number) = (texts.price, texts.size, trade.number);
        format!(r#"["{price}","{size}",{seconds}.{micros:06},"b","l","",{number}]"#)
    }));
    format!(r#"{{"error":[],"result":{{"{}":{rows},"last":"{last}"}}}}"#, request.symbol)
}
