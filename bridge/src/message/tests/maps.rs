use super::*;

/// Objects that feeds and devices publish and that are no price maps, and the member that each is refused for.
const NO_MAPS: [(&str, &str); 29] = [
    // Binance: book ticker, trade, 24 hour ticker.
    (r#"{"u":77,"s":"BNBUSDT","b":"25.10","B":"3","a":"25.20","A":"4"}"#, "u"),
    (r#"{"b":"25.10","B":"3","s":"BNBUSDT"}"#, "s"),
    (
        r#"{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}"#,
        "e",
    ),
    (r#"{"priceChange":"1.5","weightedAvgPrice":"9.1","count":76}"#, "priceChange"),
    // OKX.
    (r#"{"instId":"BTC-USDT","last":"9999.99","lastSz":"1","askPx":"9999.99"}"#, "instId"),
    (r#"{"last":"9999.99","lastSz":"1","open24h":"9000","volCcy24h":"10000","ts":"1597026383085"}"#, "last"),
    // Kraken, Coinbase, Alpaca.
    (r#"{"error":[],"result":{"XXBTZUSD":{"a":["1","2"]}}}"#, "error"),
    (r#"{"trade_id":1,"best_bid":"25","best_ask":"26","volume_24h":"3"}"#, "trade_id"),
    (r#"{"T":"q","S":"AAPL","bx":"Q","bp":187.5,"bs":2,"ap":187.6,"as":1}"#, "T"),
    // Finnhub and Polygon: numbers alone.
    (r#"{"c":261.74,"h":263.31,"l":260.68,"o":261.07,"pc":259.45,"t":1582641000}"#, "h"),
    (r#"{"v":70790813,"vw":131.6292,"o":130.465,"c":130.15,"h":133.41,"l":129.89,"t":1673240400000,"n":645365}"#, "v"),
    (r#"{"a":1.07,"b":1.06,"t":1673240400000}"#, "t"),
    // Generic tickers and bars.
    (r#"{"ticker":"GOOG","last":3.45,"volume":1200}"#, "ticker"),
    (r#"{"instrument":"EUR_USD","bid":1.07,"ask":1.08}"#, "instrument"),
    (r#"{"bid":1.07,"ask":1.08}"#, "bid"),
    (r#"{"open":1,"high":2,"low":0.5,"close":1.5,"volume":100}"#, "open"),
    (r#"{"Open":1,"High":2,"Low":0.5,"Close":1.5,"Adj Close":1.5}"#, "Open"),
    (r#"{"goog":3.45,"ts":1700000000}"#, "ts"),
    (r#"{"goog":3.45,"time":"2024-05-06T09:30:00Z"}"#, "time"),
    (r#"{"goog":3.45,"Timestamp":1700000000}"#, "Timestamp"),
    (r#"{"goog":3.45,"id":null}"#, "id"),
    (r#"{"SID":"GOOG","Quote":3.45}"#, "SID"),
    (r#"{"Quote":3.45}"#, "Quote"),
    // Home Assistant, Tasmota, sensors.
    (r#"{"state":3.45,"unit_of_measurement":"USD"}"#, "state"),
    (r#"{"temperature":21.5}"#, "temperature"),
    (r#"{"Time":"2024-05-06T09:30:00","AM2301":{"Temperature":21.5,"Humidity":40},"TempUnit":"C"}"#, "Time"),
    (r#"{"battery":97,"linkquality":120}"#, "battery"),
    (r#"{"a":{"usd":3.45}}"#, "a"),
    (r#"{"a":1,"b":[2]}"#, "b"),
];

#[test]
fn object_that_is_no_price_map_is_refused_naming_member_and_setting() {
    for (payload, member) in NO_MAPS {
        let (reason, message) = complaint(payload);
        assert_eq!(reason, "NotAQuote", "{payload}");
        assert!(message.contains(&format!("the member {member:?}")), "{payload}: {message}");
        assert!(message.contains("spec.channels.inputs[]"), "{message}");
    }
    let (_, message) = complaint(r#"{"SID":"GOOG","Quote":3.45}"#);
    assert!(message.contains("it is written \"sid\""), "{message}");
    let (_, message) = complaint(r#"[{"a":1,"b":"BNBUSDT"}]"#);
    assert!(message.starts_with("[0]: the member \"b\" is \"BNBUSDT\", which is not a decimal number"), "{message}");
}

#[test]
fn a_map_with_one_bad_price_is_refused_whole() {
    for (payload, reason) in [
        (r#"{"a":1,"b":-2,"c":3}"#, "NotAQuote"),
        (r#"{"a":1,"b":0}"#, "NotAQuote"),
        (r#"{"a":1,"b":"NaN"}"#, "NotAQuote"),
        (r#"{"a":1,"b":" 2"}"#, "NotAQuote"),
        (r#"{"a":1,"b":"3,45"}"#, "NotAQuote"),
        // Positive numbers, so that it is a map; they are beyond the range that is kept.
        (r#"{"a":1,"b":1e400}"#, "BadPrice"),
        (r#"{"a":1,"b":1.2e-11}"#, "BadPrice"),
        (r#"{"a":1,"":2}"#, "BadSymbol"),
        // Another shape is the reason wherever it shows.
        (r#"{"a":1e400,"":2,"b":"x"}"#, "NotAQuote"),
        (r#"{"b":"x","a":1e400}"#, "NotAQuote"),
    ] {
        assert_eq!(complaint(payload).0, reason, "{payload}");
    }
    let (_, message) = complaint(r#"{"meme":2.5e-11}"#);
    assert!(message.starts_with("meme: 2.5e-11 has more than 10 digits"), "{message}");
    let event = complaint(r#"{"specversion":"1.0","time":"noon","data":{"a":1,"b":2}}"#);
    assert_eq!(event.0, "BadTime");
}

#[test]
fn symbols_of_every_usual_form_are_taken() {
    let payload = r#"{"BRK.B":1,"BTC/USDT":2,"^GSPC":3,"EURUSD=X":4,"F":5,"T":6,"V":7,"C":8,"LOW":9,"OPEN":10,"ID":11,"BID":12,"600519":13,"ćma":14}"#;
    let quotes = show(&read(payload.as_bytes()));
    assert_eq!(quotes.len(), 14);
    assert!(quotes.iter().all(|quote| !quote.starts_with('!')), "{quotes:?}");
}

#[test]
fn a_null_has_no_price_now_and_is_counted() {
    let parsed = parse(br#"{"goog":3.45,"aapl":null,"msft":7}"#, &[], &[]);
    assert_eq!(show(&parsed.ticks), ["goog 3.45", "msft 7"]);
    assert_eq!(parsed.notes, Notes { no_price: 1, ..Notes::default() });
    let parsed = parse(br#"{"goog":null,"aapl":null}"#, &[("source", "s"), ("seq", "1")], &[]);
    assert_eq!((parsed.ticks, parsed.notes.no_price), (vec![], 2));
    let parsed = parse(br#"[{"goog":null},{"aapl":1}]"#, &[], &[]);
    assert_eq!((show(&parsed.ticks), parsed.notes.no_price), (vec!["aapl 1".to_owned()], 1));
}

#[test]
fn map_with_more_members_than_ticks_allowed_is_refused_despite_nulls() {
    let members: Vec<_> = (0..MAX_TICKS).map(|number| format!(r#""s{number}":null"#)).collect();
    let payload = format!(r#"{{{},"a":1,"b":2}}"#, members.join(","));
    assert_eq!(complaint(&payload).0, "TooManyTicks");
}

/// A member's JSON, and whether it is a price or null.
fn member() -> impl Strategy<Value = (String, bool)> {
    prop_oneof![
        3 => (1_u32..1_000_000).prop_map(|price| (price.to_string(), true)),
        2 => (1_u32..1_000_000).prop_map(|price| (format!("\"{price}.5\""), true)),
        1 => Just(("null".to_owned(), true)),
        2 => "(-[1-9]|0|true|\"[a-z]{0,4}\"|\\[1\\]|\\{\"a\":1\\})".prop_map(|text| (text, false)),
    ]
}

proptest! {
    #[test]
    fn nothing_but_a_map_of_prices_trades(
        members in proptest::collection::btree_map("[a-zA-Z]{2,6}|ts|last|Price|LOW|open_24h", member(), 1..6),
    ) {
        let quote = ["sid", "symbol", "quote", "price"].iter().any(|name| members.contains_key(*name));
        prop_assume!(!quote && !members.contains_key("specversion"));
        let body: Vec<_> = members.iter().map(|(name, (value, _))| format!("{name:?}:{value}")).collect();
        let parsed = parse(format!("{{{}}}", body.join(",")).as_bytes(), &[], &[]);
        let is_map = members.iter().all(|(name, (_, price))| *price && !names::is_reserved(name));
        let quotes = show(&parsed.ticks);
        if is_map {
            let nulls = members.values().filter(|(value, _)| value == "null").count();
            prop_assert_eq!(quotes.len(), members.len() - nulls);
            prop_assert_eq!(parsed.notes.no_price, nulls as u64);
            prop_assert!(quotes.iter().all(|quote| !quote.starts_with('!')), "{:?}", quotes);
        } else {
            prop_assert_eq!(quotes, vec!["!NotAQuote".to_owned()]);
        }
    }
}
