use std::collections::BTreeMap;

use intuition_api::v1::Input;
use proptest::prelude::*;

use super::*;

mod details;
mod formats;
mod identities;
mod listings;
mod maps;
mod ranks;

const ARRIVED: i64 = 1_000_000;

fn read(payload: &[u8]) -> Vec<Tick> {
    read_with(payload, &[])
}

fn read_with(payload: &[u8], properties: &[(&str, &str)]) -> Vec<Tick> {
    parse(payload, properties, &[]).ticks
}

/// With the inputs of the topic `quotes`, each the symbols that it lists.
fn parse(payload: &[u8], properties: &[(&str, &str)], inputs: &[&[&str]]) -> Parsed {
    let user_properties: Vec<_> = properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let input = |symbols: &&[&str]| Input {
        topic: "quotes".to_owned(),
        symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
        format: None,
    };
    let inputs = Inputs::new(inputs.iter().map(input).collect());
    let input = inputs.on("quotes");
    Envelope { payload, user_properties: &user_properties, input, arrived_micros: ARRIVED }.parse()
}

/// Reason and message of the one tick, which is no quote.
fn complaint(payload: &str) -> (String, String) {
    match read(payload.as_bytes()).as_slice() {
        [Tick { content: Some(Content::Unusable(unusable)), .. }] => {
            (unusable.reason.clone(), unusable.message.clone())
        }
        ticks => panic!("{payload}: {:?}", show(ticks)),
    }
}

/// `sid price` of a quote, `sid indicator values` of values, `!Reason` of a dead letter.
fn show(ticks: &[Tick]) -> Vec<String> {
    let show = |tick: &Tick| match tick.content.as_ref().unwrap() {
        Content::Quote(quote) => format!("{} {}", quote.sid, quote.price),
        Content::Indicator(indicator) => {
            let values: Vec<_> =
                indicator.values.iter().map(|value| format!("{} {}", value.name, value.value)).collect();
            format!("{} {} {}", indicator.sid, indicator.name, values.join(" "))
        }
        Content::Unusable(unusable) => format!("!{}", unusable.reason),
    };
    ticks.iter().map(show).collect()
}

fn time_of(payload: &str) -> i64 {
    match read(payload.as_bytes())[0].content.clone().unwrap() {
        Content::Quote(quote) => quote.time_micros,
        Content::Indicator(indicator) => indicator.time_micros,
        Content::Unusable(unusable) => panic!("{payload}: {}", unusable.message),
    }
}

#[test]
fn every_shape_is_read_in_order() {
    for (payload, expected) in [
        (r#"{"sid":"GOOG","quote":"345"}"#, vec!["GOOG 345"]),
        (r#"{"goog": 3.45}"#, vec!["goog 3.45"]),
        (r#"{"b":"1","a":2.50,"B":1e1}"#, vec!["b 1", "a 2.5", "B 10"]),
        (
            r#"[{"sid":"A","quote":1},{"x":2,"y":3},{"specversion":"1.0","data":{"z":4}}]"#,
            vec!["A 1", "x 2", "y 3", "z 4"],
        ),
        (r#"{"specversion":"1.0","id":"7","data":{"sid":"A","quote":1}}"#, vec!["A 1"]),
        (r#"{"specversion":"1.0","data":[{"a":1},{"sid":"B","quote":"2"}]}"#, vec!["a 1", "B 2"]),
        (r#"{"specversion":"1.0","data_base64":"eyJhIjoxfQ=="}"#, vec!["a 1"]),
        (r#"{"specversion":"1.0","id":"a2","source":"p","type":"q","data":"{\"goog\":3.45}"}"#, vec!["goog 3.45"]),
        (
            r#"{"specversion":"1.0","data":" [{\"goog\":3.45},{\"sid\":\"A\",\"quote\":1}]\n"}"#,
            vec!["goog 3.45", "A 1"],
        ),
        (r#"[{"sid":"GOOG","quote":3.45}]"#, vec!["GOOG 3.45"]),
        (r#"{"symbol":"GOOG","price":"3.45"}"#, vec!["GOOG 3.45"]),
        (r#"{"sid":"GOOG","price":3.45}"#, vec!["GOOG 3.45"]),
        (r#"{"symbol":"BTCUSDT","quote":42000.1,"volume":7,"ts":1}"#, vec!["BTCUSDT 42000.1"]),
        (r#"{"symbol":"BTC","price":"42000.1","quote":"USDT"}"#, vec!["BTC 42000.1"]),
        (r#"{"sid":"A","symbol":"A","price":3.450,"quote":"345e-2"}"#, vec!["A 3.45"]),
        (r#"{"sid":null,"symbol":"A","price":1,"quote":null}"#, vec!["A 1"]),
        (r#"{"id":"AAPL","symbol":"AAPL","price":189.5,"time":"1704187800000","exchange":"NMS"}"#, vec!["!BadTime"]),
    ] {
        assert_eq!(show(&read(payload.as_bytes())), expected, "{payload}");
    }
}

#[test]
fn what_cannot_be_used_is_told_why() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let many = format!("[{}]", vec![r#"{"a":1}"#; MAX_TICKS + 1].join(","));
    let digits = format!(r#"{{"a":{}}}"#, "1".repeat(40));
    let symbol = format!(r#"{{"{}":1}}"#, "x".repeat(65));
    let id = format!(r#"{{"sid":"A","quote":1,"id":"{}"}}"#, "x".repeat(257));
    let megabyte = "x".repeat(1 << 20);
    let cases: Vec<(&[u8], Vec<&str>)> = vec![
        (b"", vec!["!Empty"]),
        (b"\xff\xfe", vec!["!NotUtf8"]),
        (b"hello", vec!["!NotJson"]),
        (megabyte.as_bytes(), vec!["!NotJson"]),
        (b"{\"a\":1", vec!["!NotJson"]),
        (br#"{"a":NaN}"#, vec!["!NotJson"]),
        (br#"{"\ud800":1}"#, vec!["!NotJson"]),
        (deep.as_bytes(), vec!["!NotAQuote"]),
        (b"345", vec!["!NotAQuote"]),
        (br#"[[{"a":1}],{"b":2}]"#, vec!["!NotAQuote", "b 2"]),
        (br#"{"quote":"345"}"#, vec!["!MissingField"]),
        (br#"{"sid":"A"}"#, vec!["!MissingField"]),
        (br#"{"symbol":"A"}"#, vec!["!MissingField"]),
        (br#"{"price":1,"time":"2026-01-02"}"#, vec!["!MissingField"]),
        (br#"{"sid":"A","quote":null}"#, vec!["!MissingField"]),
        (br#"{"specversion":"1.0","id":"1"}"#, vec!["!MissingField"]),
        (br#"{"a":1,"a":2}"#, vec!["!RepeatedKey"]),
        (br#"[{"sid":"A","quote":1,"quote":2},{"b":2}]"#, vec!["!RepeatedKey", "b 2"]),
        (br#"{"sid":"A","quote":-1}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":0}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":"NaN"}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":1e400}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":[1]}"#, vec!["!BadPrice"]),
        (digits.as_bytes(), vec!["!BadPrice"]),
        (br#"{"a":1,"b":true,"c":3}"#, vec!["!NotAQuote"]),
        (symbol.as_bytes(), vec!["!BadSymbol"]),
        (br#"{"sid":7,"quote":1}"#, vec!["!BadSymbol"]),
        (br#"{"sid":"","quote":1}"#, vec!["!BadSymbol"]),
        (br#"{"sid":"A","quote":1,"time":"yesterday"}"#, vec!["!BadTime"]),
        (br#"{"sid":"A","quote":1,"time":"2026-01-02T03:04:05"}"#, vec!["!BadTime"]),
        (br#"{"sid":"A","quote":1,"time":12}"#, vec!["!BadTime"]),
        (br#"{"sid":"A","quote":1,"time":true}"#, vec!["!BadTime"]),
        (br#"{"sid":"A","symbol":"B","quote":1}"#, vec!["!BadSymbol"]),
        (br#"{"sid":"A","symbol":7,"quote":1}"#, vec!["!BadSymbol"]),
        (br#"{"sid":"A","quote":1,"price":2}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":0,"price":2}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":1e400,"price":2}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":2,"price":"n/a"}"#, vec!["!BadPrice"]),
        (br#"{"sid":"A","quote":1.2e-11}"#, vec!["!BadPrice"]),
        (br#"{"specversion":"1.0","id":"1","data":"hello"}"#, vec!["!NotJson"]),
        (br#"{"specversion":"1.0","id":"1","data":"7"}"#, vec!["!NotAQuote"]),
        (br#"{"specversion":"1.0","time":"x","data":{"a":1}}"#, vec!["!BadTime"]),
        (id.as_bytes(), vec!["!IdentityTooLong"]),
        (br#"{"sid":"A","quote":1,"id":1.5}"#, vec!["!BadIdentity"]),
        (b"{}", vec!["!NoQuotes"]),
        (b"[]", vec!["!NoQuotes"]),
        (many.as_bytes(), vec!["!TooManyTicks"]),
    ];
    for (payload, expected) in cases {
        assert_eq!(show(&read(payload)), expected, "{}", cut(&String::from_utf8_lossy(payload)));
    }
}

#[test]
fn a_message_for_a_person_says_where_and_stays_short() {
    let payload = format!(r#"[{{"a":1}},{{"sid":"A","quote":"{}"}}]"#, "9".repeat(5_000));
    let Content::Unusable(unusable) = read(payload.as_bytes())[1].content.clone().unwrap() else { panic!("a price") };
    assert!(unusable.message.starts_with("[1].quote: \"999"), "{}", unusable.message);
    assert!(unusable.message.len() < 200);
}

#[test]
fn as_many_ticks_as_allowed_are_taken() {
    let payload = format!("[{}]", vec![r#"{"a":1}"#; MAX_TICKS].join(","));
    assert_eq!(read(payload.as_bytes()).len(), MAX_TICKS);
}

#[test]
fn identity_comes_from_the_payload_before_the_event_before_the_properties() {
    let properties = [("id", "p-id"), ("source", "p-source"), ("seq", "1")];
    let identity = |tick: &Tick| (tick.id.clone(), tick.source.clone(), tick.seq);
    for (payload, id, source, seq) in [
        (r#"{"a":1}"#, "p-id", "p-source", Some(1)),
        (r#"{"sid":"A","quote":1,"id":12}"#, "12", "p-source", Some(1)),
        (r#"{"sid":"A","quote":1,"seq":"7","source":"s"}"#, "p-id", "s", Some(7)),
        (r#"{"sid":"A","quote":1,"seq":1.5}"#, "p-id", "p-source", None),
        (r#"{"sid":"A","quote":1,"seq":null,"id":null,"source":null}"#, "p-id", "p-source", Some(1)),
        (r#"{"specversion":"1.0","id":"e","source":"es","sequence":"9","data":{"a":1}}"#, "e", "es", Some(9)),
        (r#"{"specversion":"1.0","id":"e","data":{"sid":"A","quote":1,"id":"q"}}"#, "q", "p-source", Some(1)),
        // What cannot be used is still named.
        (r#"{"sid":"A","quote":-1,"id":"bad"}"#, "bad", "p-source", Some(1)),
    ] {
        let ticks = read_with(payload.as_bytes(), &properties);
        assert_eq!(identity(&ticks[0]), (id.to_owned(), source.to_owned(), seq), "{payload}");
    }
}

#[test]
fn time_is_the_quotes_then_the_events_then_the_arrivals() {
    assert_eq!(time_of(r#"{"a":1}"#), ARRIVED);
    assert_eq!(time_of(r#"{"sid":"A","quote":1,"time":"1970-01-02"}"#), 86_400_000_000);
    assert_eq!(time_of(r#"{"sid":"A","quote":1,"time":"1970-01-01T01:00:00.5+01:00"}"#), 500_000);
    assert_eq!(time_of(r#"{"specversion":"1.0","time":"1970-01-01T00:00:02Z","data":{"a":1}}"#), 2_000_000);
}

#[test]
fn a_numeric_time_has_the_unit_in_which_it_is_between_1990_and_2100() {
    let micros = 1_741_064_760_123_456;
    for (time, expected) in [
        ("1741064760", 1_741_064_760_000_000),
        ("1741064760.0", 1_741_064_760_000_000),
        ("1741064760.1234569", micros),
        ("1741064760123", 1_741_064_760_123_000),
        ("1741064760123.4569", micros),
        ("1.741064760e12", 1_741_064_760_000_000),
        ("1741064760123456", micros),
        ("1741064760123456789", micros),
        ("631152000", 631_152_000_000_000),
        ("4102444799", 4_102_444_799_000_000),
        ("4102444799.9999999", 4_102_444_799_999_999),
        ("631152000000", 631_152_000_000_000),
        ("4102444799999", 4_102_444_799_999_000),
        ("631152000000000", 631_152_000_000_000),
        ("4102444799999999", 4_102_444_799_999_999),
        ("631152000000000000", 631_152_000_000_000),
        ("4102444799999999999", 4_102_444_799_999_999),
    ] {
        assert_eq!(time_of(&format!(r#"{{"sid":"A","quote":1,"time":{time}}}"#)), expected, "{time}");
    }
    for time in [
        "0",
        "-1",
        "631151999",
        "631151999.9",
        "4102444800",
        "631151999999",
        "4102444800000",
        "631151999999999",
        "4102444800000000",
        "631151999999999999",
        "4102444800000000000",
        "20240506",
        "1e400",
        "1e-400",
        "-1741064760",
    ] {
        let (reason, message) = complaint(&format!(r#"{{"sid":"A","quote":1,"time":{time}}}"#));
        assert_eq!(reason, "BadTime", "{time}");
        assert!(message.contains(time) && message.contains("between 1990 and 2100"), "{message}");
    }
    let event = r#"{"specversion":"1.0","time":1741064760,"data":{"a":1}}"#;
    assert_eq!(time_of(event), 1_741_064_760_000_000);
}

#[test]
fn a_price_with_float_noise_is_rounded_and_counted() {
    let parsed =
        parse(br#"[{"sid":"ACME","quote":41.20000076293945},{"b":"41.5","c":0.1000000000000000055}]"#, &[], &[]);
    assert_eq!(show(&parsed.ticks), ["ACME 41.2000007629", "b 41.5", "c 0.1"]);
    assert_eq!(parsed.notes, Notes { price_rounded: 2, ..Notes::default() });
    let (reason, message) = complaint(r#"{"sid":"meme","quote":2.5e-11}"#);
    assert_eq!(reason, "BadPrice");
    assert_eq!(
        message,
        "quote: 2.5e-11 has more than 10 digits after the point, and rounded to 10 it would differ by more than a millionth"
    );
}

#[test]
fn both_spellings_of_a_member_may_not_differ_and_the_message_names_both() {
    for (payload, expected) in [
        (r#"{"sid":"A","symbol":"B","quote":1}"#, "the message: sid is \"A\" and symbol is \"B\""),
        (r#"[{"sid":"A","quote":"1","price":2}]"#, "[0]: quote is \"1\" and price is 2"),
        (r#"{"sid":"A","Quote":1}"#, "neither \"quote\" nor \"price\"; \"Quote\" is written differently"),
        (r#"{"SYMBOL":"A","price":1}"#, "neither \"sid\" nor \"symbol\"; \"SYMBOL\" is written differently"),
    ] {
        let (_, message) = complaint(payload);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn time_beyond_rfc_3339_in_utc_is_out_of_range_and_not_unreadable() {
    let complaint = |time: &str| complaint(&format!(r#"{{"sid":"A","quote":1,"time":"{time}"}}"#));
    for (time, expected) in [
        ("0000-01-01T00:00:00+14:00", "is out of range"),
        ("-000001-12-31T23:59:59.9999999Z", "is out of range"),
        ("-009999-01-01T00:00:00Z", "is out of range"),
        ("9999-12-31T23:59:59.999999999Z", "is out of range"),
        ("9999-12-31", "is out of range"),
        ("2026-01-02T03:04:05", "is neither a date nor a time"),
        ("2026-02-30T03:04:05Z", "is neither a date nor a time"),
        ("2026-02-30", "is neither a date nor a time"),
        ("noon", "is neither a date nor a time"),
    ] {
        let (reason, message) = complaint(time);
        assert_eq!(reason, "BadTime", "{time}");
        assert!(message.starts_with(&format!("time: \"{time}\" {expected}")), "{message}");
    }
    let first = -62_167_219_200_000_000;
    for (time, micros) in [
        ("0000-01-01T00:00:00Z", first),
        ("0000-01-01", first),
        ("0000-01-01T14:00:00+14:00", first),
        ("9999-12-30T22:00:00Z", 253_402_207_200_000_000),
    ] {
        assert_eq!(time_of(&format!(r#"{{"sid":"A","quote":1,"time":"{time}"}}"#)), micros, "{time}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!read(&payload).is_empty());
    }

    #[test]
    fn no_json_makes_it_panic(payload in "[\\[\\]{}:,\"a-d0-9.eE+\\\\-]{0,80}|(\\[|\\{\"(sid|quote|data|specversion|id)\":|\"\\\\u[dD]8|1|\\}|\\]|,){0,30}") {
        prop_assert!(!read(payload.as_bytes()).is_empty());
    }

    #[test]
    fn a_price_is_the_number_that_was_written(whole in 0_u64..1_000_000_000_000, part in "[0-9]{1,10}", quoted: bool) {
        prop_assume!(whole > 0 || part.bytes().any(|digit| digit != b'0'));
        let text = format!("{whole}.{part}");
        let payload = if quoted { format!("{{\"a\":\"{text}\"}}") } else { format!("{{\"a\":{text}}}") };
        let trimmed = text.trim_end_matches('0').trim_end_matches('.');
        prop_assert_eq!(show(&read(payload.as_bytes())), vec![format!("a {trimmed}")]);
    }
}
