//! The samples are those of `web-socket-streams.md` and `rest-api.md`, without their comments.

use super::*;

const AGGREGATE_TRADE: &str = r#"{"e": "aggTrade", "E": 1672515782136, "s": "BNBBTC", "a": 12345, "p": "0.001", "q": "100",
    "f": 100, "l": 105, "T": 1672515782136, "m": true, "M": true}"#;
const KLINE: &str = r#"{"e": "kline", "E": 1672515782136, "s": "BNBBTC", "k": {"t": 1672515780000, "T": 1672515839999,
    "s": "BNBBTC", "i": "1m", "f": 100, "L": 200, "o": "0.0010", "c": "0.0020", "h": "0.0025", "l": "0.0015", "v": "1000",
    "n": 100, "x": false, "q": "1.0000", "V": "500", "Q": "0.500", "B": "123456"}}"#;
const REST_TRADES: &str = r#"[{"a": 26129, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27781,
    "T": 1498793709153, "m": true, "M": true}]"#;
const REST_KLINES: &str = r#"[[1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
    1499644799999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0"]]"#;

fn trade(number: u64, price: &str, size: &str, time_micros: i64) -> Entry {
    let (price, size) = (price.parse().unwrap(), size.parse().unwrap());
    Entry { number, price, time_micros, kind: Kind::Trade { size } }
}

#[test]
fn documented_trade_is_an_entry_raw_and_in_a_combined_stream() {
    let entry = trade(12_345, "0.001", "100", 1_672_515_782_136_000);
    let expected = vec![Message::Entry { symbol: "BNBBTC".into(), entry, is_old: false }];
    assert_eq!(messages(AGGREGATE_TRADE).unwrap(), expected);
    let combined = format!(r#"{{"stream": "bnbbtc@aggTrade", "data": {AGGREGATE_TRADE}}}"#);
    assert_eq!(messages(&combined).unwrap(), expected);
}

#[test]
fn documented_kline_is_a_bar_once_it_is_closed() {
    assert_eq!(messages(KLINE).unwrap(), []);
    let closed = KLINE.replace(r#""x": false"#, r#""x": true"#);
    let [Message::Entry { entry, .. }] = &messages(&closed).unwrap()[..] else { panic!("one bar") };
    assert_eq!((entry.number, entry.time_micros), (27_875_263, 1_672_515_840_000_000));
    assert_eq!(entry.price.to_string(), "0.002");
    let Kind::Bar(bar) = entry.kind else { panic!("a bar") };
    let values = [bar.open.to_string(), bar.high.to_string(), bar.low.to_string(), bar.volume.to_string()];
    assert_eq!(values, ["0.001", "0.0025", "0.0015", "1000"]);
}

#[test]
fn documented_answers_and_notices_are_recognised() {
    for notice in [
        r#"{"e": "serverShutdown", "E": 1770123456789}"#,
        r#"{"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1770123456789}}"#,
    ] {
        assert_eq!(messages(notice).unwrap(), [Message::Shutdown]);
    }
    let answer = messages(r#"{"result": null, "id": 312}"#).unwrap();
    assert_eq!(answer, [Message::Subscribed(Subscription::Request(312))]);
    let refusal = r#"{"code": 2, "msg": "Invalid request: too many parameters"}"#;
    let text = "Invalid request: too many parameters".to_owned();
    assert_eq!(messages(refusal).unwrap(), [Message::Refused { subscription: Subscription::Unnamed, text }]);
}

#[test]
fn unknown_messages_are_passed_over() {
    for unknown in [
        r#"{"e": "referencePrice", "s": "BAZUSD", "r": "1.00", "t": 1770313263917}"#,
        r#"{"stream": "bnbbtc@blockTrade", "data": {"e": "blockTrade", "t": 582}}"#,
        r#"{"hello": 1}"#,
    ] {
        assert_eq!(messages(unknown).unwrap(), [], "{unknown}");
    }
}

#[test]
fn malformed_trade_is_an_error_with_the_text_that_was_found() {
    for (from, to, shown) in [
        (r#""a": 12345"#, r#""a": "x""#, "expected u64"),
        (r#""p": "0.001""#, r#""p": "cheap""#, "p is not a decimal number; found \"cheap\""),
        (r#""q": "100""#, r#""q": "-100""#, "q must not be below 0; found \"-100\""),
        (r#""T": 1672515782136"#, r#""T": 9223372036854775807"#, "T is no time; found 9223372036854775807"),
        (r#""s": "BNBBTC", "#, "", "s is no symbol"),
    ] {
        let error = messages(&AGGREGATE_TRADE.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(shown), "{error}");
    }
    assert!(messages("<html>").unwrap_err().to_string().contains("<html>"));
}

#[test]
fn documented_rest_answers_become_entries() {
    let range = Ask::Range { from: 26_129, to: 26_129, since_micros: None };
    let entries = page(Data::Trades, &range, REST_TRADES).unwrap();
    assert_eq!(entries, [trade(26_129, "0.01633102", "4.70443515", 1_498_793_709_153_000)]);
    let bars = page(Data::Bars, &range, REST_KLINES).unwrap();
    assert_eq!((bars[0].number, bars[0].time_micros), (24_984_000, 1_499_040_060_000_000));
    assert_eq!(bars[0].price.to_string(), "0.015771");
    assert_eq!(page(Data::Bars, &Ask::Latest, REST_KLINES).unwrap(), [], "the last bar is open");
    assert!(page(Data::Bars, &range, "[[1]]").unwrap_err().to_string().contains("found 1"));
    assert!(page(Data::Trades, &range, "<html>busy</html>").unwrap_err().to_string().contains("<html>busy"));
}

#[test]
fn requests_have_the_documented_form() {
    let trades = subscribe(Data::Trades, &["BTCUSDT", "ETHUSDT"], 1);
    let expected = json!({"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade", "ethusdt@aggTrade"], "id": 1});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&trades).unwrap(), expected);
    assert!(subscribe(Data::Bars, &["BTCUSDT"], 1).contains("btcusdt@kline_1m"));
    let range = Ask::Range { from: 5, to: 7, since_micros: None };
    assert_eq!(path(Data::Trades, "BTCUSDT", &range), "/api/v3/aggTrades?symbol=BTCUSDT&fromId=5&limit=3");
    assert_eq!(
        path(Data::Bars, "BTCUSDT", &range),
        "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=300000&endTime=479999&limit=1000"
    );
}
