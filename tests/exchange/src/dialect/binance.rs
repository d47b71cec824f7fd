//! Binance spot, by `web-socket-streams.md` and `rest-api.md` of <https://github.com/binance/binance-spot-api-docs>.

use serde_json::Value;

use super::{Asked, RestRequest, Texts, list};
use crate::{
    market::{Bar, Instrument, MINUTE, PRICE_PLACES, SIZE_PLACES, Trade},
    text,
};

pub(super) fn trade(symbol: &str, trade: &Trade, texts: &Texts) -> String {
    let (millis, number) = (trade.micros / 1_000, trade.number);
    format!(
        r#"{{"e":"aggTrade","E":{millis},"s":"{symbol}","a":{number},"p":"{}","q":"{}","f":{number},"l":{number},"T":{millis},"m":true,"M":true}}"#,
        texts.price, texts.size
    )
}

pub(super) fn bar(symbol: &str, bar: &Bar, is_closed: bool) -> String {
    let (start, end) = (bar.opened / 1_000, (bar.opened + MINUTE) / 1_000 - 1);
    let [open, high, low, close] = prices(bar);
    let volume = text::plain(bar.volume, SIZE_PLACES);
    format!(
        r#"{{"e":"kline","E":{end},"s":"{symbol}","k":{{"t":{start},"T":{end},"s":"{symbol}","i":"1m","f":1,"L":1,"o":"{open}","c":"{close}","h":"{high}","l":"{low}","v":"{volume}","n":1,"x":{is_closed},"q":"1","V":"1","Q":"1","B":"0"}}}}"#
    )
}

fn prices(bar: &Bar) -> [String; 4] {
    [bar.open, bar.high, bar.low, bar.close].map(|price| text::plain(price, PRICE_PLACES))
}

pub(super) fn asked(text: &str) -> Option<Asked> {
    let message: Value = serde_json::from_str(text).ok()?;
    if message.get("method")? != "SUBSCRIBE" {
        return None;
    }
    let streams: Vec<_> = message.get("params")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let are_bars = streams.first()?.ends_with("@kline_1m");
    let symbols = streams.iter().filter_map(|stream| Some(stream.split_once('@')?.0.to_uppercase())).collect();
    Some(Asked::Subscribe { symbols, are_bars, id: message.get("id").and_then(Value::as_u64).unwrap_or(0) })
}

pub(super) fn trades(request: &RestRequest, visible: &[Trade], exponents: bool) -> String {
    let limit = usize::try_from(request.number("limit").unwrap_or(500).min(1_000)).unwrap_or(0);
    let start = match request.number("fromId") {
        Some(from) => visible.partition_point(|trade| trade.number < from),
        None => visible.len().saturating_sub(limit),
    };
    list(visible.iter().skip(start).take(limit).map(|trade| {
        let (texts, number) = (Texts::of(trade, exponents), trade.number);
        let (price, size, millis) = (texts.price, texts.size, trade.micros / 1_000);
        format!(
            r#"{{"a":{number},"p":"{price}","q":"{size}","f":{number},"l":{number},"T":{millis},"m":true,"M":true}}"#
        )
    }))
}

pub(super) fn klines(request: &RestRequest, instrument: &Instrument) -> String {
    let limit = usize::try_from(request.number("limit").unwrap_or(500).min(1_000)).unwrap_or(0);
    let micros = |key| request.number(key).and_then(|millis| i64::try_from(millis).ok()?.checked_mul(1_000));
    let minutes: Vec<_> = instrument
        .minutes()
        .filter(|opened| micros("startTime").is_none_or(|start| *opened >= start))
        .filter(|opened| micros("endTime").is_none_or(|end| *opened <= end))
        .collect();
    // Without a start the latest ones are sent.
    let skipped = if micros("startTime").is_some() { 0 } else { minutes.len().saturating_sub(limit) };
    let bars = minutes.into_iter().skip(skipped).take(limit).filter_map(|opened| instrument.bar(opened));
    list(bars.map(|bar| {
        let (start, end) = (bar.opened / 1_000, (bar.opened + MINUTE) / 1_000 - 1);
        let [open, high, low, close] = prices(&bar);
        let volume = text::plain(bar.volume, SIZE_PLACES);
        format!(r#"[{start},"{open}","{high}","{low}","{close}","{volume}",{end},"1",1,"1","1","0"]"#)
    }))
}
