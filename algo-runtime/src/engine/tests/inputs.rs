//! `spec.channels.inputs`: symbols by topic.

use std::time::Duration;

use super::*;
use crate::settings::Input;

/// An input on a filter, with its symbols.
fn input((topic, symbols): &(&str, &[&str])) -> Input {
    Input {
        topic: (*topic).to_owned(),
        symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
        ..Input::default()
    }
}

/// With these inputs, each a filter and its symbols.
fn with_inputs(inputs: &[(&str, &[&str])]) -> Settings {
    let subscribe = inputs.iter().map(|(topic, _)| (*topic).to_owned()).collect();
    Settings { subscribe: Some(subscribe), inputs: inputs.iter().map(input).collect(), ..eager() }
}

fn quote_of(sid: &str) -> Tick {
    let quote = Quote { sid: sid.to_owned(), price: "10".to_owned(), time_micros: 5, ..Quote::default() };
    Tick { content: Some(Content::Quote(quote)), ..Tick::default() }
}

#[test]
fn symbols_that_an_input_does_not_list_are_counted_and_not_decided() {
    let settings = || with_inputs(&[("quotes", &["GOOG", "open"])]);
    let mut bench = Bench::on_disk(settings());
    let ticks = ["GOOG", "AAPL", "goog", "open"].map(quote_of);
    let delivery = bench.delivery("quotes", [ticks.as_slice(), &[bad("BadPrice")]].concat());
    let first = bench.process(std::slice::from_ref(&delivery));
    let expected = [Kind::Decided, Kind::NotListed, Kind::NotListed, Kind::Decided, Kind::DeadLettered];
    assert_eq!(kinds(&first), expected);
    let tally = bench.engine.tally();
    assert_eq!((tally.count(counter::NOT_LISTED), tally.ticks(), tally.account.decisions), (2, 5, 2));
    assert_eq!(first.entries.len(), 3, "two decisions and a dead letter");
    // The ledger keeps the outcome: after a restart with other symbols a repetition has it still.
    bench.restart(with_inputs(&[("quotes", &["AAPL"])]));
    assert_eq!(kinds(&bench.process(&[delivery])), expected);
    assert_eq!(bench.engine.tally().count(counter::NOT_LISTED), 2);
    assert_eq!(kinds(&bench.send(vec![quote_of("AAPL"), quote_of("GOOG")])), [Kind::Decided, Kind::NotListed]);
}

#[test]
fn quote_that_is_not_listed_counts_as_the_last_number_of_its_source() {
    let mut bench = Bench::new(with_inputs(&[("quotes", &["AAPL"])]));
    assert_eq!(kinds(&bench.send(vec![numbered(1, "10")])), [Kind::NotListed]);
    assert_eq!(bench.engine.tally().mark("quotes", "feed"), Some(1));
}

#[test]
fn first_input_that_matches_a_topic_counts() {
    let inputs: &[(&str, &[&str])] = &[("quotes/a", &["A"]), ("quotes/b", &[]), ("quotes/+", &["B"])];
    let mut bench = Bench::new(with_inputs(inputs));
    for (topic, expected) in [
        ("quotes/a", [Kind::Decided, Kind::NotListed]),
        ("quotes/b", [Kind::Decided, Kind::Decided]),
        ("quotes/c", [Kind::NotListed, Kind::Decided]),
        ("other", [Kind::NotSubscribed, Kind::NotSubscribed]),
    ] {
        let delivery = bench.delivery(topic, vec![quote_of("A"), quote_of("B")]);
        assert_eq!(kinds(&bench.process(&[delivery])), expected, "{topic}");
    }
}

#[test]
fn bridge_is_told_the_inputs_where_it_knows_them() {
    let bench = Bench::new(with_inputs(&[("a", &["GOOG"]), ("b/#", &[])]));
    let knows = |inputs, formats| KnownInputs { inputs, formats };
    let told = bench.engine.channels_for_bridge(knows(true, false)).unwrap();
    assert_eq!((told.version, &told.filters), (1, &vec!["a".to_owned(), "b/#".to_owned()]));
    let inputs: Vec<_> = told.inputs.iter().map(|input| (input.topic.as_str(), input.symbols.len())).collect();
    assert_eq!(inputs, [("a", 1), ("b/#", 0)]);
    let before = v1::Channels { inputs: Vec::new(), ..told };
    assert_eq!(bench.engine.channels_for_bridge(knows(false, false)), Some(before.clone()));
    assert_eq!(bench.engine.account().channels, Some(before), "the account shows filters");
}

#[test]
fn bridge_that_knows_no_formats_gets_no_channels_with_one() {
    let mut settings = with_inputs(&[("a", &["GOOG"]), ("b/#", &[])]);
    settings.inputs[1].format = serde_json::from_str(r#"{"sid":{"topicLevel":1},"price":{"pointer":""}}"#).unwrap();
    settings.check().unwrap();
    let bench = Bench::new(settings);
    for (inputs, formats, can_read) in [(true, true, true), (true, false, false), (false, false, false)] {
        let knows = KnownInputs { inputs, formats };
        assert_eq!(bench.engine.can_read(knows), can_read);
        let channels = bench.engine.channels_for_bridge(knows);
        let formats = channels.map(|channels| channels.inputs.iter().map(|input| input.format.is_some()).collect());
        assert_eq!(formats, can_read.then(|| vec![false, true]));
    }
}

#[test]
fn a_feed_within_another_channel_has_symbols_and_ages_of_its_own() {
    let feed = Input {
        max_quote_age: Some(Duration::from_secs(30)),
        stale_after: Some(Duration::from_mins(1)),
        ..input(&("quotes/feed", &["A"]))
    };
    let format = serde_json::from_str(r#"{"sid":{"topicLevel":2},"price":{"pointer":""}}"#).unwrap();
    let foreign = Input { format, ..input(&("quotes/+", &[])) };
    let settings = Settings { subscribe: Some(vec!["quotes/#".to_owned()]), inputs: vec![feed, foreign], ..eager() };
    settings.check().unwrap();
    let mut bench = Bench::new(settings);
    let mut at = |topic: &str, seconds: i64| {
        let delivery = bench.delivery(topic, vec![quote_of("A"), quote_of("B")]);
        bench.engine.take(vec![delivery]).unwrap();
        kinds(&bench.advance_at(seconds * 1_000_000))
    };
    assert_eq!(at("quotes/feed", 30), [Kind::Decided, Kind::NotListed]);
    assert_eq!(at("quotes/feed", 31), [Kind::Denied, Kind::NotListed], "the quotes are of the first second");
    assert_eq!(at("quotes/other", 91), [Kind::Decided, Kind::Decided]);
    let account = bench.engine.account();
    let stale: Vec<_> = account.inputs.iter().map(|input| (input.topic.as_str(), input.stale)).collect();
    assert_eq!(stale, [("quotes/feed", true)], "no quote came on it for a minute");
    let told = bench.engine.channels_for_bridge(KnownInputs { inputs: true, formats: true }).unwrap();
    let inputs: Vec<_> = told.inputs.iter().map(|input| (input.topic.as_str(), input.format.is_some())).collect();
    assert_eq!((told.filters, inputs), (vec!["quotes/#".to_owned()], vec![("quotes/feed", false), ("quotes/+", true)]));
}
