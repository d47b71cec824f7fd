//! The members of a quote beside its price.

use intuition_api::{quote, v1::Quote};

use super::*;

fn quote_of(payload: &str) -> Quote {
    match read(payload.as_bytes()).remove(0).content.unwrap() {
        Content::Quote(quote) => quote,
        other => panic!("{payload}: {other:?}"),
    }
}

/// A quote with more members, and their values as `name value`.
fn values(members: &str) -> Vec<String> {
    let quote = quote_of(&format!(r#"{{"sid":"A","price":3,{members}}}"#));
    let Some(details) = quote.details else { return Vec::new() };
    let texts = details.decimals().into_iter();
    let mut shown: Vec<_> = texts.filter_map(|(name, text)| Some(format!("{name} {}", text?))).collect();
    shown.extend(details.interval_micros.map(|micros| format!("interval {micros}")));
    shown
}

#[test]
fn members_are_read_exactly_from_text_and_numbers() {
    for (members, expected) in [
        (r#""bid":2.990,"ask":"3.01""#, &["bid 2.99", "ask 3.01"][..]),
        (r#""size":0,"volume":"0.00""#, &["size 0", "volume 0"]),
        (
            r#""open":1,"high":"4e0","low":0.5,"volume":9616100,"interval":"1d""#,
            &["open 1", "high 4", "low 0.5", "volume 9616100", "interval 86400000000"],
        ),
        (r#""bid":null,"ask":null,"interval":null"#, &[]),
        (r#""Bid":"n/a","BID":-1,"last":true,"vol":"x""#, &[]),
        (r#""size":1234567890123456789012345678.00000001"#, &["size 1234567890123456789012345678.00000001"]),
        (r#""bid":5,"ask":4"#, &["bid 5", "ask 4"]),
        (r#""open":9,"high":2,"low":1"#, &["open 9", "high 2", "low 1"]),
    ] {
        assert_eq!(values(members), expected, "{members}");
    }
}

#[test]
fn a_wrong_member_refuses_the_quote_and_is_named() {
    for (members, reason, message) in [
        (r#""bid":0"#, "BadPrice", "bid: 0 must be more than 0"),
        (r#""ask":"n/a""#, "BadPrice", "ask: \"n/a\" is not a decimal number"),
        (r#""open":-1"#, "BadPrice", "open: -1 must be more than 0"),
        (r#""high":[1]"#, "BadPrice", "high: [1] is not a decimal number"),
        (r#""low":1e12"#, "BadPrice", "low: 1e12 has more than 12 digits before the point"),
        (r#""size":-2"#, "BadSize", "size: -2 must not be below 0"),
        (r#""volume":"1.2K""#, "BadSize", "volume: \"1.2K\" is not a decimal number"),
        (r#""volume":true"#, "BadSize", "volume: true is not a decimal number"),
        (r#""interval":60"#, "BadBar", "interval: 60 is no interval"),
        (r#""interval":"1M""#, "BadBar", "interval: \"1M\" is no interval"),
        (r#""high":1,"low":2"#, "BadBar", "the message: high is 1, below low, which is 2"),
        (r#""high":2,"interval":"1m""#, "BadBar", "the message: price is 3, above high, which is 2"),
    ] {
        let (found, text) = complaint(&format!(r#"{{"sid":"A","price":3,{members}}}"#));
        assert_eq!(found, reason, "{members}");
        assert!(text.starts_with(message), "{text}");
    }
    let inside = read(br#"[{"a":1},{"sid":"A","price":3,"ask":"x"}]"#);
    let Some(Content::Unusable(unusable)) = &inside[1].content else { panic!("a quote") };
    assert!(unusable.message.starts_with("[1].ask: "), "{}", unusable.message);
}

#[test]
fn a_quote_with_several_rounded_values_is_counted_once() {
    let parsed = parse(br#"{"sid":"A","price":3,"bid":2.990000000000000213,"ask":3.0099999999999997868}"#, &[], &[]);
    assert_eq!(parsed.notes, Notes { price_rounded: 1, ..Notes::default() });
    let parsed = parse(br#"{"sid":"A","price":3,"volume":0.30000000000000004}"#, &[], &[]);
    assert_eq!(parsed.notes, Notes { price_rounded: 1, ..Notes::default() });
}

#[test]
fn a_price_map_has_no_such_members() {
    for name in ["size", "open", "high", "low", "volume", "bid", "ask", "interval"] {
        assert!(quote::Member::find(name).is_some());
        assert_eq!(complaint(&format!(r#"{{"goog":3,"{name}":2}}"#)).0, "NotAQuote", "{name}");
    }
    assert_eq!(complaint(r#"{"sid":"A","bid":2,"ask":3}"#).0, "MissingField");
}

#[test]
fn values_of_a_bar_are_content_and_those_of_another_quote_are_not() {
    let hash = |members: &str| {
        let payload = format!(r#"{{"sid":"A","price":3{members}}}"#);
        read(payload.as_bytes())[0].content_sha256.clone()
    };
    let alone = hash("");
    for members in [r#","bid":2,"ask":4,"size":1"#, r#","open":3,"high":3,"low":3,"volume":5"#, r#","interval":"1m""#] {
        assert_eq!(hash(members), alone, "{members}");
    }
    let bar = hash(r#","interval":"1m","open":3,"high":3,"low":3,"volume":5"#);
    assert_ne!(bar, alone);
    assert_eq!(bar, hash(r#","volume":5.0,"low":"3.00","open":3e0,"high":3,"interval":"1m","bid":2"#));
    assert_ne!(bar, hash(r#","interval":"1m","open":3,"high":3,"low":3,"volume":6"#));
}
