use super::*;

fn violations(json: &str, filter: &str) -> Vec<String> {
    let format: Format = serde_json::from_str(json).unwrap();
    let found = format.check(filter, |zone| zone == "Europe/Paris");
    found.into_iter().map(|Violation { path, message }| format!("{path}: {message}")).collect()
}

#[test]
fn every_rule_names_the_field_that_breaks_it() {
    let price = r#""price":{"pointer":""}"#;
    let one_of = "must have exactly one of pointer, messagePointer, topicLevel, userProperty and value";
    for (json, filter, expected) in [
        (format!(r#"{{"sid":{{"topicLevel":2}},{price}}}"#), "quotes/+", vec![]),
        (format!(r#"{{"sid":{{"topicLevel":1}},{price}}}"#), "quotes/#", vec![]),
        (r#"{"sid":{"value":"A"},"bid":{"pointer":"/b"},"ask":{"pointer":"/a"}}"#.to_owned(), "q", vec![]),
        (r#"{"preset":"HomeAssistant"}"#.to_owned(), "homeassistant/sensor/+/state", vec![]),
        ("{}".to_owned(), "q", vec![": needs sid".to_owned(), ": needs price, or both bid and ask".to_owned()]),
        (
            r#"{"sid":{"value":"A"},"bid":{"pointer":"/b"}}"#.to_owned(),
            "q",
            vec![": needs price, or both bid and ask".to_owned()],
        ),
        (format!(r#"{{"sid":{{}},{price}}}"#), "q", vec![format!("sid: {one_of}")]),
        (format!(r#"{{"sid":{{"value":"A","pointer":""}},{price}}}"#), "q", vec![format!("sid: {one_of}")]),
        (
            format!(r#"{{"sid":{{"topicLevel":0}},{price}}}"#),
            "quotes/+",
            vec!["sid.topicLevel: must be at least 1: the first level of a topic is 1".to_owned()],
        ),
        (
            format!(r#"{{"sid":{{"topicLevel":3}},{price}}}"#),
            "quotes/+",
            vec![r#"sid.topicLevel: must be at most 2, is 3: the topics of "quotes/+" have no further levels"#.to_owned()],
        ),
        (
            format!(r#"{{"sid":{{"topicLevel":2}},{price}}}"#),
            "quotes/#",
            vec![
                r#"sid.topicLevel: must be at most 1, is 2: "quotes/#" selects shorter topics too, "quotes/+/#" would not"#
                    .to_owned(),
            ],
        ),
        (
            format!(r#"{{"sid":{{"topicLevel":1}},{price}}}"#),
            "#",
            vec![r##"sid.topicLevel: must be at most 0, is 1: "#" selects shorter topics too, "+/#" would not"##.to_owned()],
        ),
        (
            format!(r#"{{"sid":{{"pointer":"s"}},{price},"each":"~"}}"#),
            "q",
            vec![
                "each: must be empty or begin with /, as in /data/price".to_owned(),
                "sid.pointer: must be empty or begin with /, as in /data/price".to_owned(),
            ],
        ),
        (
            format!(r#"{{"sid":{{"value":"A"}},{price},"time":{{"pointer":"/t","timeZone":"Mars"}}}}"#),
            "q",
            vec![r#"time.timeZone: must be a name of the IANA time zone database, as in America/New_York, is "Mars""#.to_owned()],
        ),
        (
            format!(r#"{{"sid":{{"value":"A"}},{price},"time":{{"pointer":"/t","timeZone":"Europe/Paris","unit":"Seconds"}}}}"#),
            "q",
            vec!["time: must have at most one of unit and timeZone: a number of a unit has no zone".to_owned()],
        ),
        (
            r#"{"preset":"HomeAssistant"}"#.to_owned(),
            "homeassistant/#",
            vec!["preset: HomeAssistant needs a topic that ends with /state, as in homeassistant/sensor/+/state".to_owned()],
        ),
    ] {
        assert_eq!(violations(&json, filter), expected, "{json} {filter}");
    }
}

#[test]
fn a_member_of_a_later_release_is_refused_by_its_name() {
    for (json, name) in [
        (r#"{"decay":{"pointer":""}}"#, "decay"),
        (r#"{"sid":{"regex":"a"}}"#, "regex"),
        (r#"{"time":{"pattern":"%d"}}"#, "pattern"),
        (r#"{"preset":"OpenHab"}"#, "OpenHab"),
        (r#"{"time":{"pointer":"/t","unit":"Hours"}}"#, "Hours"),
    ] {
        let error = serde_json::from_str::<Format>(json).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
