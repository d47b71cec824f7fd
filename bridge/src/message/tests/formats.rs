//! Messages that an input's format describes.

use super::*;

/// Reads a message on a topic by the format, given as a resource has it, of an input with this filter.
fn parsed(filter: &str, format: &str, topic: &str, payload: &[u8], properties: &[(&str, &str)]) -> Parsed {
    let format: intuition_api::format::Format = serde_json::from_str(format).unwrap();
    let violations = format.check(filter, |_| true);
    assert_eq!(violations, [], "{filter}");
    let input = Input { topic: filter.to_owned(), symbols: Vec::new(), format: Some(format.to_wire()) };
    let inputs = Inputs::new(vec![input]);
    let user_properties: Vec<_> = properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let envelope =
        Envelope { payload, user_properties: &user_properties, input: inputs.on(topic), arrived_micros: ARRIVED };
    envelope.parse()
}

/// `sid price` of each quote, with its time and identity where it has one; the complaint of another tick.
fn told(format: &str, payload: &str) -> Vec<String> {
    told_on("q", format, "q", payload, &[])
}

fn told_on(filter: &str, format: &str, topic: &str, payload: &str, properties: &[(&str, &str)]) -> Vec<String> {
    let tick = |tick: &Tick| match tick.content.as_ref().unwrap() {
        Content::Unusable(unusable) => format!("{}: {}", unusable.reason, unusable.message),
        Content::Indicator(indicator) => format!("values of {}", indicator.name),
        Content::Quote(quote) => {
            let time = if quote.time_micros == ARRIVED { String::new() } else { format!(" @{}", quote.time_micros) };
            let seq = tick.seq.map(|seq| format!(" seq {seq}")).unwrap_or_default();
            let named =
                |name: &str, text: &str| if text.is_empty() { String::new() } else { format!(" {name} {text}") };
            let (source, id) = (named("source", &tick.source), named("id", &tick.id));
            format!("{} {}{time}{source}{seq}{id}", quote.sid, quote.price)
        }
    };
    parsed(filter, format, topic, payload.as_bytes(), properties).ticks.iter().map(tick).collect()
}

const PLAIN: &str = r#"{"sid":{"pointer":"/s"},"price":{"pointer":"/p"}}"#;

#[test]
fn symbol_in_the_topic_and_a_bare_number() {
    let format = r#"{"sid":{"topicLevel":2},"price":{"pointer":""}}"#;
    let read = |topic: &str, payload: &str| told_on("quotes/+", format, topic, payload, &[]);
    assert_eq!(read("quotes/GOOG", "3.45"), ["GOOG 3.45"]);
    assert_eq!(read("quotes/BTC-USD", r#""42000.10""#), ["BTC-USD 42000.1"]);
    assert_eq!(read("quotes/BTC-USD", " 4.2e4\n"), ["BTC-USD 42000"]);
    assert_eq!(read("quotes/GOOG", "null"), [r#"MissingField: price (pointer ""): it is null"#]);
    assert_eq!(read("quotes/GOOG", "true"), [r#"BadPrice: price (pointer ""): true is true or false"#]);
    assert_eq!(read("quotes/GOOG", "-3"), [r#"BadPrice: price (pointer ""): -3 must be more than 0"#]);
    assert_eq!(read("quotes/", "3"), [r#"BadSymbol: sid (topicLevel 2): a symbol has 1 to 64 characters, found """#]);
    assert_eq!(show_reasons(&read("quotes/GOOG", "3,45")), ["NotJson"]);
    assert_eq!(show_reasons(&read("quotes/GOOG", "")), ["Empty"]);
}

fn show_reasons(told: &[String]) -> Vec<&str> {
    told.iter().filter_map(|told| told.split(':').next()).collect()
}

#[test]
fn members_are_found_at_their_pointers() {
    for (payload, expected) in [
        (r#"{"s":"GOOG","p":3.45}"#, "GOOG 3.45"),
        (r#"{"s":7203,"p":"2810.5","q":{"deep":[1]}}"#, "7203 2810.5"),
        (r#"{"s":"GOOG"}"#, r#"MissingField: price (pointer "/p"): there is nothing; the value is {"s":"GOOG"}"#),
        (r#"{"s":"GOOG","p":{"last":3}}"#, r#"BadPrice: price (pointer "/p"): {"last":3} is an object"#),
        (r#"{"s":"GOOG","p":[3]}"#, r#"BadPrice: price (pointer "/p"): [3] is an array"#),
        (r#"{"s":{"name":"GOOG"},"p":3}"#, r#"BadSymbol: sid (pointer "/s"): {"name":"GOOG"} is an object"#),
        (r#"{"s":null,"p":3}"#, r#"MissingField: sid (pointer "/s"): it is null"#),
        (r#"{"s":7203.5,"p":3}"#, r#"BadSymbol: sid (pointer "/s"): 7203.5 is no string"#),
        (r#"{"s":"GOOG","p":"n/a"}"#, r#"BadPrice: price (pointer "/p"): "n/a" is not a decimal number"#),
        (r#"{"s":"A","p":1,"p":2}"#, r#"RepeatedKey: sid (pointer "/s"): the key "p" is there twice"#),
        ("[]", r#"MissingField: sid (pointer "/s"): there is nothing; the value is []"#),
    ] {
        assert_eq!(told(PLAIN, payload), [expected], "{payload}");
    }
    let deep = r#"{"sid":{"pointer":"/a~1b/1/m~0n"},"price":{"pointer":"/p/0"}}"#;
    assert_eq!(told(deep, r#"{"a/b":[0,{"m~n":"GOOG"}],"p":[3,4]}"#), ["GOOG 3"]);
    assert_eq!(
        told(deep, r#"{"a/b":[0],"p":[3]}"#),
        [r#"MissingField: sid (pointer "/a~1b/1/m~0n"): there is nothing; the value at "/a/b" is [0]"#]
    );
}

#[test]
fn a_quote_of_our_own_is_not_read_where_a_format_describes_another() {
    assert_eq!(show_reasons(&told(PLAIN, r#"{"sid":"GOOG","quote":3.45}"#)), ["MissingField"]);
}

#[test]
fn each_element_of_an_array_is_judged_alone() {
    let format = r#"{"each":"/data","sid":{"pointer":"/s"},"price":{"pointer":"/p"}}"#;
    assert_eq!(
        told(format, r#"{"data":[{"s":"A","p":1},{"s":"B"},7,{"s":"C","p":2}]}"#),
        [
            "A 1",
            r#"MissingField: [1].price (pointer "/p"): there is nothing; the value is {"s":"B"}"#,
            r#"MissingField: [2].sid (pointer "/s"): there is nothing; the value is 7"#,
            "C 2",
        ]
    );
    for (payload, expected) in [
        (r#"{"data":[]}"#, r#"NoQuotes: each (pointer "/data"): the array is empty"#),
        (r#"{"data":{"s":"A"}}"#, r#"NotAQuote: each (pointer "/data"): {"s":"A"} is no array"#),
        (r#"{"data":null}"#, r#"NotAQuote: each (pointer "/data"): null is no array"#),
        (r#"{"d":[]}"#, r#"MissingField: each (pointer "/data"): there is nothing; the value is {"d":[]}"#),
    ] {
        assert_eq!(told(format, payload), [expected], "{payload}");
    }
    let many = |count| format!(r#"{{"data":[{}]}}"#, vec![r#"{"s":"A","p":1}"#; count].join(","));
    assert_eq!(told(format, &many(MAX_TICKS)).len(), MAX_TICKS);
    assert_eq!(show_reasons(&told(format, &many(MAX_TICKS + 1))), ["TooManyTicks"]);
}

#[test]
fn elements_share_members_of_the_message_around_them() {
    let format = r#"{"each":"/trades","sid":{"messagePointer":"/symbol"},"price":{"pointer":"/1"},
        "source":{"value":"desk"},"seq":{"pointer":"/0"}}"#;
    assert_eq!(
        told(format, r#"{"symbol":"BTC","trades":[[7,"42000.1"],[8,42001]]}"#),
        ["BTC 42000.1 source desk seq 7", "BTC 42001 source desk seq 8"]
    );
    let complaint =
        r#"MissingField: sid (messagePointer "/symbol"): there is nothing; the value is {"trades":[[7,1]]}"#;
    assert_eq!(told(format, r#"{"trades":[[7,1]]}"#), [complaint]);
    // A bare array of numbers, all of the topic's symbol.
    let numbers = r#"{"each":"","sid":{"topicLevel":1},"price":{"pointer":""}}"#;
    assert_eq!(told_on("+", numbers, "GOOG", "[3,4]", &[]), ["GOOG 3", "GOOG 4"]);
}

#[test]
fn the_middle_of_bid_and_ask_is_exact() {
    let format = r#"{"sid":{"value":"EURUSD"},"bid":{"pointer":"/b"},"ask":{"pointer":"/a"}}"#;
    for (payload, expected) in [
        (r#"{"b":1.07,"a":1.08}"#, "EURUSD 1.075"),
        (r#"{"b":"1.0700000001","a":1.07}"#, "EURUSD 1.07"),
        (r#"{"b":"1.0700000003","a":1.07}"#, "EURUSD 1.0700000002"),
        (r#"{"b":999999999999,"a":999999999999}"#, "EURUSD 999999999999"),
        (r#"{"b":0,"a":1.08}"#, r#"BadPrice: bid (pointer "/b"): 0 must be more than 0"#),
        (
            r#"{"b":1.07,"a":null}"#,
            r#"MissingField: ask (pointer "/a"): it is null, and without a price both bid and ask are needed"#,
        ),
    ] {
        assert_eq!(told(format, payload), [expected], "{payload}");
    }
    // The odd digit is rounded half-even, and counted.
    assert_eq!(parsed("q", format, "q", br#"{"b":"1.0700000001","a":1.07}"#, &[]).notes.price_rounded, 1);
}

#[test]
fn times_have_a_unit_a_zone_or_an_offset() {
    let told = |time: &str, value: &str| {
        let format = format!(r#"{{"sid":{{"value":"A"}},"price":{{"pointer":"/p"}},"time":{{"pointer":"/t"{time}}}}}"#);
        told(&format, &format!(r#"{{"p":1,"t":{value}}}"#)).concat()
    };
    let (unit, zone) = (|unit: &str| format!(r#","unit":"{unit}""#), r#","timeZone":"America/New_York""#);
    for (time, value, micros) in [
        (String::new(), "1741064760", 1_741_064_760_000_000_i64),
        (String::new(), "1.741064760e9", 1_741_064_760_000_000),
        (String::new(), "1741064760123", 1_741_064_760_123_000),
        (String::new(), "1741064760123456", 1_741_064_760_123_456),
        (String::new(), "1741064760123456789", 1_741_064_760_123_456),
        (String::new(), r#""1741064760""#, 1_741_064_760_000_000),
        (String::new(), r#""2024-05-06T09:30:00-04:00""#, 1_715_002_200_000_000),
        (String::new(), r#""2024-05-06""#, 1_714_953_600_000_000),
        (unit("Seconds"), "86400", 86_400_000_000),
        (unit("Milliseconds"), r#""86400000.5""#, 86_400_000_500),
        (unit("Microseconds"), "86400000000", 86_400_000_000),
        (unit("Nanoseconds"), "86400000000999", 86_400_000_000),
        (zone.to_owned(), r#""2024-05-06 09:30:00""#, 1_715_002_200_000_000),
        (zone.to_owned(), r#""20240506""#, 1_714_968_000_000_000),
        (zone.to_owned(), r#""2024-05-06T09:30:00Z""#, 1_714_987_800_000_000),
    ] {
        assert_eq!(told(&time, value), format!("A 1 @{micros}"), "{time} {value}");
    }
    assert_eq!(told("", "null"), "A 1", "the time of arrival");
    for (time, value, complaint) in [
        (
            String::new(),
            r#""2024-05-06 09:30""#,
            "has no offset from UTC; format.time.timeZone names the zone of such times",
        ),
        (String::new(), r#""06/05/2024""#, "is neither a date nor a time as in 2026-01-02T03:04:05Z"),
        (unit("Seconds"), r#""2024-05-06""#, "is no number of seconds since 1970"),
        (unit("Seconds"), "1e20", "is no number of seconds since 1970"),
        (zone.to_owned(), r#""2024-05-06 25:00""#, "has a time of day that does not exist"),
    ] {
        assert_eq!(told(&time, value), format!(r#"BadTime: time (pointer "/t"): {value} {complaint}"#), "{time}");
    }
    assert_eq!(told("", r#"{"s":1}"#), r#"BadTime: time (pointer "/t"): {"s":1} is an object"#);
}

#[test]
fn identity_comes_from_the_format_and_else_from_user_properties() {
    let with = |member: &str| format!(r#"{{"sid":{{"value":"A"}},"price":{{"pointer":"/p"}}{member}}}"#);
    let told = |member: &str, payload: &str, properties: &[(&str, &str)]| {
        told_on("q", &with(member), "q", payload, properties).concat()
    };
    assert_eq!(told("", r#"{"p":1}"#, &[("id", "x"), ("source", "s"), ("seq", "4")]), "A 1 source s seq 4 id x");
    let seq = r#","seq":{"pointer":"/n"}"#;
    assert_eq!(told(seq, r#"{"p":1,"n":2.0}"#, &[("source", "s"), ("seq", "9")]), "A 1 source s seq 2");
    assert_eq!(told(seq, r#"{"p":1,"n":null}"#, &[("source", "s"), ("seq", "9")]), "A 1 source s seq 9");
    assert_eq!(
        told(seq, r#"{"p":1}"#, &[("seq", "9")]),
        r#"MissingField: seq (pointer "/n"): there is nothing; the value is {"p":1}"#
    );
    assert!(told(seq, r#"{"p":1,"n":1.5}"#, &[]).starts_with("BadIdentity: seq: 1.5 is no integer"));
    let property = r#","id":{"userProperty":"trade"},"time":{"userProperty":"made"}"#;
    let properties = [("trade", "t-1"), ("made", "1741064760000")];
    assert_eq!(told(property, r#"{"p":1}"#, &properties), "A 1 @1741064760000000 id t-1");
    assert_eq!(
        told(property, r#"{"p":1}"#, &[("trade", "t-1")]),
        r#"MissingField: time (userProperty "made"): the message has no such user property"#
    );
}

#[test]
fn a_quote_has_the_same_content_whatever_its_form() {
    let described = parsed("q", PLAIN, "q", br#"{"s":"GOOG","p":"3.450","t":1}"#, &[]).ticks;
    let own = read(br#"{"sid":"GOOG","quote":3.45}"#);
    assert_eq!(described, own);
}

#[test]
fn optional_members_are_those_of_a_quote_of_our_own() {
    let format = r#"{"sid":{"value":"A"},"price":{"pointer":"/c"},"open":{"pointer":"/o"},"high":{"pointer":"/h"},
        "low":{"pointer":"/l"},"volume":{"pointer":"/v"},"size":{"pointer":"/n"},"interval":{"value":"1m"}}"#;
    let read = |payload: &str| parsed("q", format, "q", payload.as_bytes(), &[]).ticks;
    let own = super::read(br#"{"sid":"A","price":3,"open":2,"high":"4.0","low":1,"volume":7,"interval":"1m"}"#);
    assert_eq!(read(r#"{"c":3,"o":2,"h":"4.0","l":1,"v":7,"n":null}"#), own);
    for (payload, reason) in [
        (r#"{"c":5,"o":2,"h":4,"l":1,"v":7,"n":null}"#, "!BadBar"),
        (r#"{"c":3,"o":2,"h":4,"l":1,"v":{},"n":null}"#, "!BadSize"),
        (r#"{"c":3,"o":2,"h":4,"l":1,"n":null}"#, "!MissingField"),
    ] {
        assert_eq!(show(&read(payload)), [reason], "{payload}");
    }
}

#[test]
fn states_of_home_assistant_are_prices_or_none() {
    let (filter, format) = ("homeassistant/sensor/+/state", r#"{"preset":"HomeAssistant"}"#);
    let read = |payload: &str| told_on(filter, format, "homeassistant/sensor/gold_price/state", payload, &[]);
    assert_eq!(read("1923.40"), ["gold_price 1923.4"]);
    assert_eq!(show_reasons(&read("on")), ["NotJson"]);
    for word in ["unavailable", "unknown", "none"] {
        let parsed = parsed(filter, format, "homeassistant/sensor/gold_price/state", word.as_bytes(), &[]);
        assert_eq!((parsed.ticks.len(), parsed.notes.no_price), (0, 1), "{word}");
    }
    let named = r#"{"preset":"HomeAssistant","sid":{"value":"XAU"}}"#;
    assert_eq!(told_on(filter, named, "homeassistant/sensor/gold_price/state", "7", &[]), ["XAU 7"]);
}

#[test]
fn a_format_of_a_later_release_reads_no_message() {
    let sound = intuition_api::v1::Location { at: Some(intuition_api::v1::location::At::Pointer(String::new())) };
    let format = |change: fn(&mut intuition_api::v1::Format)| {
        let mut format =
            intuition_api::v1::Format { sid: Some(sound.clone()), price: Some(sound.clone()), ..Default::default() };
        change(&mut format);
        let inputs = Inputs::new(vec![Input { topic: "q".to_owned(), symbols: Vec::new(), format: Some(format) }]);
        let envelope = Envelope {
            payload: br#"{"sid":"GOOG","quote":3}"#,
            user_properties: &[],
            input: inputs.on("q"),
            arrived_micros: ARRIVED,
        };
        show(&envelope.parse().ticks)
    };
    for change in [
        (|format| format.preset = 7) as fn(&mut intuition_api::v1::Format),
        |format| format.sid = Some(intuition_api::v1::Location::default()),
        |format| format.time_unit = 9,
        |format| format.time_zone = "Mars/Olympus".to_owned(),
    ] {
        assert_eq!(format(change), ["!NotAQuote"]);
    }
}
