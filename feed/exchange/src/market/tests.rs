//! Any text: an error or messages, and no panic.

use proptest::prelude::*;

use super::*;

const MARKETS: [Market; 3] = [Market::Binance, Market::Kraken, Market::Coinbase];

/// Messages with a member that is something else.
fn changed() -> impl Strategy<Value = String> {
    let messages = prop::sample::select(vec![
        r#"{"e":"aggTrade","s":"BNBBTC","a":@,"p":"0.001","q":"100","T":1672515782136}"#,
        r#"{"e":"aggTrade","s":"BNBBTC","a":1,"p":@,"q":@,"T":@}"#,
        r#"{"e":"kline","s":"BNBBTC","k":{"t":@,"o":@,"c":"1","h":"1","l":"1","v":@,"x":true}}"#,
        r#"{"channel":"trade","type":@,"data":[{"symbol":@,"price":@,"qty":1,"trade_id":1,"timestamp":@}]}"#,
        r#"{"channel":"trade","type":"update","data":@}"#,
        r#"{"method":"subscribe","success":@,"result":@,"error":@}"#,
        r#"{"type":"match","trade_id":@,"time":@,"product_id":"BTC-USD","size":@,"price":@}"#,
        r#"{"type":"subscriptions","channels":@}"#,
        r#"{"error":[],"result":{"XXBTZUSD":[["1","1",@,"b","l","",@]],"last":@}}"#,
        r#"[{"a":@,"p":@,"q":"1","T":@}]"#,
        r#"[[@,"1","1","1","1",@,1]]"#,
    ]);
    let values = prop::sample::select(vec![
        "null",
        "true",
        "\"\"",
        "\"x\"",
        "-1",
        "0",
        "1e400",
        "1e-400",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "[]",
        "{}",
        "[[]]",
        "\"1e99999999999\"",
        "\"9999-12-31T23:59:59.999999999Z\"",
    ]);
    (messages, values).prop_map(|(message, value)| message.replace('@', value))
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![3 => changed(), 1 => "\\PC{0,60}"]) {
        for market in MARKETS {
            let _messages = market.messages(&text);
            for data in [Data::Trades, Data::Bars] {
                let range = Ask::Range { from: 1, to: 1, since_micros: None };
                let _page = market.page(data, &range, &text);
            }
        }
    }
}

#[test]
fn pages_are_in_the_order_of_their_numbers_and_without_repetitions() {
    let row = |number| format!(r#"{{"trade_id":{number},"price":"1","size":"1","time":"2020-03-20T00:36:59Z"}}"#);
    let body = format!("[{},{},{},{}]", row(3), row(2), row(2), row(1));
    let page = Market::Coinbase.page(Data::Trades, &Ask::Latest, &body).unwrap();
    assert_eq!(page.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3]);
}
