//! The samples are those of docs.cdp.coinbase.com: `exchange/websocket-feed/channels` and `get-product-trades`. The sample of a
//! match has the members of the channel's reference.

use super::*;

const MATCH: &str = r#"{"type": "match", "trade_id": 10, "sequence": 50,
    "maker_order_id": "ac928c66-ca53-498f-9c13-a110027a60e8", "taker_order_id": "132fb6ae-456b-4654-b4e0-d681ac05cea1",
    "time": "2014-11-07T08:19:27.028459Z", "product_id": "BTC-USD", "size": "5.23512", "price": "400.23", "side": "sell"}"#;
const HEARTBEAT: &str = r#"{"type": "heartbeat", "sequence": 90, "last_trade_id": 20, "product_id": "BTC-USD",
    "time": "2014-11-07T08:19:28.464459Z"}"#;
const REST_TRADES: &str = r#"[{"time": "2020-03-20T00:36:59.860Z", "trade_id": 86327327, "price": "6225.32000000",
    "size": "0.06469797", "side": "sell"}]"#;

fn trade(number: u64, price: &str, size: &str, time_micros: i64) -> Entry {
    let (price, size) = (price.parse().unwrap(), size.parse().unwrap());
    Entry { number, price, time_micros, kind: Kind::Trade { size } }
}

#[test]
fn documented_match_is_an_entry_and_the_last_match_an_old_one() {
    let entry = trade(10, "400.23", "5.23512", 1_415_348_367_028_459);
    for (text, is_old) in [(MATCH.to_owned(), false), (MATCH.replace("\"match\"", "\"last_match\""), true)] {
        assert_eq!(messages(&text).unwrap(), [Message::Entry { symbol: "BTC-USD".into(), entry, is_old }]);
    }
}

#[test]
fn documented_heartbeat_has_the_last_number() {
    let number = Message::LastNumber { symbol: "BTC-USD".into(), number: 20 };
    assert_eq!(messages(HEARTBEAT).unwrap(), [Message::Heartbeat, number]);
}

#[test]
fn answers_errors_and_unknown_types_are_told_apart() {
    let answer = r#"{"type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD", "ETH-USD"]},
        {"name": "heartbeat", "product_ids": ["BTC-USD"]}]}"#;
    let symbols = Subscription::Symbols(vec!["BTC-USD".into(), "ETH-USD".into()]);
    assert_eq!(messages(answer).unwrap(), [Message::Subscribed(symbols)]);
    let error = r#"{"type": "error", "message": "Failed to subscribe", "reason": "matches requires a product ID"}"#;
    let text = "Failed to subscribe: matches requires a product ID".to_owned();
    assert_eq!(messages(error).unwrap(), [Message::Refused { subscription: Subscription::Unnamed, text }]);
    assert_eq!(messages(r#"{"type": "ticker", "price": "1"}"#).unwrap(), []);
}

#[test]
fn malformed_match_is_an_error_with_the_text_that_was_found() {
    for (from, to, shown) in [
        ("\"400.23\"", "\"cheap\"", "price is not a decimal number; found \"cheap\""),
        ("\"trade_id\": 10", "\"trade_id\": \"10\"", "invalid type"),
        ("2014-11-07T08:19:27.028459Z", "noon", "time is no time; found noon"),
        ("\"product_id\": \"BTC-USD\", ", "", "product_id is no product"),
    ] {
        let error = messages(&MATCH.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(shown), "{error}");
    }
}

#[test]
fn documented_rest_answer_becomes_entries() {
    let expected = [trade(86_327_327, "6225.32", "0.06469797", 1_584_664_619_860_000)];
    assert_eq!(page(REST_TRADES).unwrap(), expected);
    assert!(page("<html>").unwrap_err().to_string().contains("<html>"));
}

#[test]
fn requests_have_the_documented_form() {
    let request: serde_json::Value = serde_json::from_str(&subscribe(&["BTC-USD"])).unwrap();
    assert_eq!(request, json!({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "heartbeat"]}));
    let range = |from, to| Ask::Range { from, to, since_micros: None };
    assert_eq!(path("BTC-USD", &range(5, 7)), "/products/BTC-USD/trades?after=8&limit=3");
    assert_eq!(path("BTC-USD", &range(5, 5_000)), "/products/BTC-USD/trades?after=1005&limit=1000");
    assert_eq!(path("BTC-USD", &Ask::Latest), "/products/BTC-USD/trades?limit=1");
}
