//! The samples are those of docs.kraken.com: `spot-websocket-v2/{trade,heartbeat,status}` and `get-recent-trades`.

use super::*;

const SNAPSHOT: &str = r#"{"channel": "trade", "type": "snapshot", "data": [
    {"symbol": "MATIC/USD", "side": "buy", "price": 0.5147, "qty": 6423.46326, "ord_type": "limit", "trade_id": 4665846,
     "timestamp": "2023-09-25T07:48:36.925533Z"},
    {"symbol": "MATIC/USD", "side": "buy", "price": 0.5147, "qty": 1136.19677815, "ord_type": "limit", "trade_id": 4665847,
     "timestamp": "2023-09-25T07:49:36.925603Z"}]}"#;
const REST_TRADES: &str = r#"{"error": [], "result": {"XXBTZUSD": [
    ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952],
    ["30243.30000", "0.00376960", 1688669598.2804112, "s", "l", "", 61044953],
    ["30243.30000", "0.01235716", 1688669602.698379, "s", "m", "", 61044956]], "last": "1688671969993150842"}}"#;

fn trade(number: u64, price: &str, size: &str, time_micros: i64) -> Entry {
    let (price, size) = (price.parse().unwrap(), size.parse().unwrap());
    Entry { number, price, time_micros, kind: Kind::Trade { size } }
}

#[test]
fn documented_snapshot_has_old_trades_and_an_update_new_ones() {
    for (text, is_old) in [(SNAPSHOT.to_owned(), true), (SNAPSHOT.replace("snapshot", "update"), false)] {
        let expected = [
            trade(4_665_846, "0.5147", "6423.46326", 1_695_628_116_925_533),
            trade(4_665_847, "0.5147", "1136.19677815", 1_695_628_176_925_603),
        ]
        .map(|entry| Message::Entry { symbol: "MATIC/USD".into(), entry, is_old });
        assert_eq!(messages(&text).unwrap(), expected);
    }
}

#[test]
fn exponents_are_exact() {
    let text = SNAPSHOT.replace("1136.19677815", "9.4e-05").replace("0.5147", "5.147E-1");
    let all = messages(&text).unwrap();
    let [_, Message::Entry { entry, .. }] = &all[..] else { panic!("two trades") };
    assert_eq!(*entry, trade(4_665_847, "0.5147", "0.000094", 1_695_628_176_925_603));
}

#[test]
fn heartbeats_answers_and_unknown_channels_are_told_apart() {
    assert_eq!(messages(r#"{"channel": "heartbeat"}"#).unwrap(), [Message::Heartbeat]);
    let status = r#"{"channel": "status", "data": [{"api_version": "v2", "connection_id": 13834774380200032777,
        "system": "online", "version": "2.0.0"}], "type": "update"}"#;
    assert_eq!(messages(status).unwrap(), []);
    let subscription = Subscription::Symbols(vec!["BTC/USD".into()]);
    let accepted = r#"{"method": "subscribe", "result": {"channel": "trade", "snapshot": false, "symbol": "BTC/USD"},
        "success": true, "time_in": "2022-12-25T09:30:59.123456Z", "time_out": "2022-12-25T09:30:59.123456Z"}"#;
    assert_eq!(messages(accepted).unwrap(), [Message::Subscribed(subscription.clone())]);
    let refused = r#"{"error": "Currency pair not supported BTC/USD", "method": "subscribe", "success": false,
        "symbol": "BTC/USD"}"#;
    let text = "Currency pair not supported BTC/USD".to_owned();
    assert_eq!(messages(refused).unwrap(), [Message::Refused { subscription, text }]);
}

#[test]
fn malformed_trade_is_an_error_with_the_text_that_was_found() {
    for (from, to, shown) in [
        ("0.5147", "\"cheap\"", "price is not a decimal number; found \"cheap\""),
        ("2023-09-25T07:48:36.925533Z", "noon", "timestamp is no time; found noon"),
        ("4665846", "-1", "invalid value"),
    ] {
        let error = messages(&SNAPSHOT.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(shown), "{error}");
    }
    assert!(messages(r#"{"channel": "trade", "type": "update"}"#).is_err());
}

#[test]
fn documented_rest_answer_becomes_entries() {
    let expected = [
        trade(61_044_952, "30243.4", "0.34507674", 1_688_669_597_827_736),
        trade(61_044_953, "30243.3", "0.0037696", 1_688_669_598_280_411),
        trade(61_044_956, "30243.3", "0.01235716", 1_688_669_602_698_379),
    ];
    assert_eq!(page(REST_TRADES).unwrap(), expected);
    let refusal = page(r#"{"error": ["EGeneral:Too many requests"]}"#).unwrap_err().to_string();
    assert!(refusal.contains("EGeneral:Too many requests"), "{refusal}");
    assert!(page(r#"{"error": [], "result": {"last": "1"}}"#).is_err());
    assert!(page("<html>").unwrap_err().to_string().contains("<html>"));
}

#[test]
fn requests_have_the_documented_form() {
    let request: serde_json::Value = serde_json::from_str(&subscribe(&["BTC/USD"], 7)).unwrap();
    let params = json!({"channel": "trade", "symbol": ["BTC/USD"], "snapshot": false});
    assert_eq!(request, json!({"method": "subscribe", "params": params, "req_id": 7}));
    let range = Ask::Range { from: 5, to: 7, since_micros: Some(1_688_669_597_827_736) };
    assert_eq!(
        path("BTC/USD", &range),
        "/0/public/Trades?pair=BTC%2FUSD&assetVersion=1&count=1000&since=1688669597827736000"
    );
}
