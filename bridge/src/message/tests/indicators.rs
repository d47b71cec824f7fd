//! Elements with values of indicators.

use super::*;

#[test]
fn values_are_read_exactly_from_text_and_numbers() {
    for (payload, expected) in [
        (r#"{"indicator":"sma-20","sid":"GOOG","value":"44.104"}"#, vec!["GOOG sma-20 value 44.104"]),
        (r#"{"indicator":"sma-20","symbol":"GOOG","value":44.1040}"#, vec!["GOOG sma-20 value 44.104"]),
        (
            r#"{"indicator":"macd","sid":"GOOG","values":{"signal":"-4.490e-1","line":0,"histogram":-1E1}}"#,
            vec!["GOOG macd signal -0.449 line 0 histogram -10"],
        ),
        (r#"{"indicator":"x","sid":"A","values":{"a":1,"b":null},"value":null}"#, vec!["A x a 1"]),
        (
            r#"{"indicator":"x","sid":"A","value":9999999999999999.9999999999}"#,
            vec!["A x value 9999999999999999.9999999999"],
        ),
        (r#"{"indicator":"x","sid":"A","value":1,"ready":true,"period":[20]}"#, vec!["A x value 1"]),
        (
            r#"[{"indicator":"x","sid":"A","value":1},{"sid":"A","quote":2},{"b":3},{"indicator":"x","sid":"A"}]"#,
            vec!["A x value 1", "A 2", "b 3", "!MissingField"],
        ),
        (
            r#"{"specversion":"1.0","data":[{"indicator":"x","sid":"A","value":1},{"sid":"A","quote":2}]}"#,
            vec!["A x value 1", "A 2"],
        ),
        (r#"{"specversion":"1.0","data":"{\"indicator\":\"x\",\"sid\":\"A\",\"value\":1}"}"#, vec!["A x value 1"]),
    ] {
        assert_eq!(show(&read(payload.as_bytes())), expected, "{payload}");
    }
}

#[test]
fn time_and_identity_of_values_are_as_those_of_a_quote() {
    let payload = r#"{"indicator":"x","sid":"A","value":1,"time":1767323045,"source":"s","seq":"7"}"#;
    let [tick] = <[Tick; 1]>::try_from(read(payload.as_bytes())).unwrap();
    assert_eq!((tick.source.as_str(), tick.seq, tick.ordinal), ("s", Some(7), Some(0)));
    assert_eq!(time_of(payload), 1_767_323_045_000_000);
    assert_eq!(time_of(r#"{"indicator":"x","sid":"A","value":1}"#), ARRIVED);
    let event = r#"{"specversion":"1.0","id":"e","source":"s","time":"2026-01-02","data":{"indicator":"x","sid":"A","value":1}}"#;
    let [tick] = <[Tick; 1]>::try_from(read(event.as_bytes())).unwrap();
    assert_eq!((tick.source.as_str(), tick.id.as_str()), ("s", "e"));
    assert_eq!(time_of(event), 1_767_312_000_000_000);
}

#[test]
fn wrong_element_is_refused_and_its_member_is_named() {
    let long = "a".repeat(41);
    for (members, reason, message) in [
        (
            r#""indicator":"SMA","sid":"A","value":1"#,
            "BadIndicator",
            "indicator: \"SMA\" is no name, which has 1 to 40",
        ),
        (&format!(r#""indicator":"{long}","sid":"A","value":1"#), "BadIndicator", "indicator: \"aaa"),
        (r#""indicator":"","sid":"A","value":1"#, "BadIndicator", "indicator: \"\" is no name"),
        (r#""indicator":"x","value":1"#, "MissingField", "the message: values of an indicator need `sid`"),
        (r#""indicator":"x","sid":"A""#, "MissingField", "the message: values of an indicator need `sid`"),
        (r#""indicator":"x","sid":"A","value":null"#, "MissingField", "the message: values of an indicator need `sid`"),
        (r#""indicator":"x","sid":"","value":1"#, "BadSymbol", "sid: a symbol has 1 to 64 characters"),
        (r#""indicator":"x","sid":"A","symbol":"B","value":1"#, "BadSymbol", "the message: sid is \"A\" and symbol"),
        (r#""indicator":"x","sid":"A","value":1,"values":{"a":1}"#, "BadIndicator", "the message: both \"value\" and"),
        (
            r#""indicator":"x","sid":"A","value":1,"price":2"#,
            "BadIndicator",
            "the message: values of an indicator beside a price",
        ),
        (
            r#""indicator":"x","sid":"A","value":1,"quote":2"#,
            "BadIndicator",
            "the message: values of an indicator beside a quote",
        ),
        (r#""indicator":"x","sid":"A","value":"1,5""#, "BadIndicator", "value: \"1,5\" is not a decimal number"),
        (r#""indicator":"x","sid":"A","value":true"#, "BadIndicator", "value: true is not a decimal number"),
        (r#""indicator":"x","sid":"A","value":1e16"#, "BadIndicator", "value: 1e16 has more than 16 digits before"),
        (r#""indicator":"x","sid":"A","values":[1]"#, "BadIndicator", "values: [1] is no object of values"),
        (r#""indicator":"x","sid":"A","values":{}"#, "BadIndicator", "values: there is no value"),
        (r#""indicator":"x","sid":"A","values":{"a":null}"#, "BadIndicator", "values: there is no value"),
        (
            r#""indicator":"x","sid":"A","values":{"A":1}"#,
            "BadIndicator",
            "values: \"A\" is no name, which has 1 to 20",
        ),
        (
            r#""indicator":"x","sid":"A","values":{"a":"n/a"}"#,
            "BadIndicator",
            "values.a: \"n/a\" is not a decimal number",
        ),
        (r#""indicator":"x","sid":"A","values":{"a":1,"a":1}"#, "RepeatedKey", "values: the key \"a\" is there twice"),
        (r#""indicator":"x","indicator":"y","sid":"A","value":1"#, "RepeatedKey", "the message: the key \"indicator\""),
        (
            r#""indicator":"x","sid":"A","values":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}"#,
            "BadIndicator",
            "values: more than 8 values",
        ),
        (r#""indicator":"x","sid":"A","value":1,"time":20260102"#, "BadTime", "time: 20260102 is no time"),
        (r#""indicator":"x","sid":"A","value":1,"seq":1.5"#, "BadIdentity", "seq: 1.5 is no integer"),
    ] {
        let (found, text) = complaint(&format!("{{{members}}}"));
        assert_eq!(found, reason, "{members}");
        assert!(text.starts_with(message), "{text}");
    }
    let inside = read(br#"[{"a":1},{"indicator":"x","sid":"A","values":{"a":"?"}}]"#);
    let Some(Content::Unusable(unusable)) = &inside[1].content else { panic!("values") };
    assert!(unusable.message.starts_with("[1].values.a: "), "{}", unusable.message);
}

#[test]
fn values_with_more_than_ten_places_are_rounded_and_counted_once() {
    let payload = br#"{"indicator":"x","sid":"A","values":{"a":43.60000000000002,"b":1e-30,"c":1}}"#;
    let parsed = parse(payload, &[], &[]);
    assert_eq!(show(&parsed.ticks), ["A x a 43.6 b 0 c 1"]);
    assert_eq!(parsed.notes, Notes { price_rounded: 1, ..Notes::default() });
}

#[test]
fn name_of_an_indicator_beside_a_quote_or_in_a_map_makes_no_values() {
    // A quote may have any other members.
    assert_eq!(show(&read(br#"{"sid":"A","price":3,"indicator":"bullish"}"#)), ["A 3"]);
    assert_eq!(show(&read(br#"{"sid":"A","price":3,"indicator":null,"value":7}"#)), ["A 3"]);
    // In a map it is no symbol, unless the input lists it.
    assert_eq!(complaint(r#"{"goog":3,"indicator":2}"#).0, "NotAQuote");
    assert_eq!(show(&parse(br#"{"goog":3,"indicator":"x"}"#, &[], &[&["goog"]]).ticks), ["goog 3"]);
    assert_eq!(
        show(&parse(br#"{"goog":3,"indicator":"2"}"#, &[], &[&["goog", "indicator"]]).ticks),
        ["goog 3", "indicator 2"]
    );
    // A list takes no values away: the runtime answers those of other symbols.
    let listed = parse(br#"{"indicator":"x","sid":"A","value":1}"#, &[], &[&["goog"]]);
    assert_eq!(show(&listed.ticks), ["A x value 1"]);
}

#[test]
fn equal_values_have_one_content_however_they_are_written() {
    let hash = |payload: &str| read(payload.as_bytes())[0].content_sha256.clone();
    let one = hash(r#"{"indicator":"x","sid":"A","values":{"a":1,"b":2.50}}"#);
    assert_eq!(
        one,
        hash(r#"{"values":{"b":"2.5","a":1e0},"symbol":"A","indicator":"x","time":"2026-01-02","seq":1,"source":"s"}"#)
    );
    for other in [
        r#"{"indicator":"y","sid":"A","values":{"a":1,"b":2.5}}"#,
        r#"{"indicator":"x","sid":"B","values":{"a":1,"b":2.5}}"#,
        r#"{"indicator":"x","sid":"A","values":{"a":1,"b":2.6}}"#,
        r#"{"indicator":"x","sid":"A","values":{"a":1}}"#,
    ] {
        assert_ne!(one, hash(other), "{other}");
    }
    let value = hash(r#"{"indicator":"x","sid":"A","value":1}"#);
    assert_eq!(value, hash(r#"{"indicator":"x","sid":"A","values":{"value":"1"}}"#));
}
