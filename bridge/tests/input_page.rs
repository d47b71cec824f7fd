//! docs/input.md against the bridge: its list of reserved names, its reason codes, and each of its examples.

#![expect(clippy::unwrap_used, reason = "tests may panic, and so may their helpers")]

use bridge::message::{Envelope, Inputs, Parsed, Reason, with_reserved_names};
use intuition_api::v1::{Input, Quote, Tick, tick::Content};
use jiff::Timestamp;

const PAGE: &str = include_str!("../../docs/input.md");
const ARRIVED: i64 = 7;

struct Example<'a> {
    /// Words behind the language of the message's block: `symbols=a,b`, `properties=name:value,...`.
    settings: Vec<(&'a str, Vec<&'a str>)>,
    message: String,
    expected: Vec<&'a str>,
}

/// The blocks of the page: messages, each followed by the ticks that the bridge reads from it.
fn examples() -> Vec<Example<'static>> {
    let mut examples = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        let Some(settings) = line.strip_prefix("```json") else {
            assert!(!line.starts_with("```"), "a block without a message: {line}");
            continue;
        };
        let message: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        assert_eq!(lines.next(), Some("```text"), "a block of ticks behind {message:?}");
        let expected = lines.by_ref().take_while(|line| *line != "```").collect();
        let setting = |text: &'static str| {
            let (name, values) = text.split_once('=').unwrap();
            (name, values.split(',').collect())
        };
        let settings = settings.split_whitespace().map(setting).collect();
        examples.push(Example { settings, message: message.join("\n"), expected });
    }
    examples
}

fn parse(example: &Example<'_>) -> Parsed {
    let setting = |name| example.settings.iter().find(|(other, _)| *other == name).map(|(_, values)| values.as_slice());
    let symbols = setting("symbols").unwrap_or_default().iter().map(|symbol| (*symbol).to_owned()).collect();
    let inputs = Inputs::new(vec![Input { topic: "quotes".to_owned(), symbols, format: None }]);
    let property = |text: &&str| {
        let (name, value) = text.split_once(':').unwrap();
        (name.to_owned(), value.to_owned())
    };
    let user_properties: Vec<_> = setting("properties").unwrap_or_default().iter().map(property).collect();
    let input = inputs.on("quotes");
    let payload = example.message.as_bytes();
    Envelope { payload, user_properties: &user_properties, input, arrived_micros: ARRIVED }.parse()
}

/// A tick as the page shows it. The rank is shown where the ticks of the message share an identity.
fn show(tick: &Tick, shared: bool) -> String {
    let (subject, time_micros) = match tick.content.as_ref().unwrap() {
        Content::Quote(quote) => (show_quote(quote), quote.time_micros),
        Content::Indicator(indicator) => {
            let values = indicator.values.iter().map(|value| format!("{} {}", value.name, value.value));
            let values = values.collect::<Vec<_>>().join(", ");
            (format!("values of {}: {} {values}", indicator.name, indicator.sid), indicator.time_micros)
        }
        Content::Unusable(unusable) => return format!("{}: {}", unusable.reason, unusable.message),
    };
    let time = Timestamp::from_microsecond(time_micros).unwrap();
    let parts = [
        Some(subject),
        (time_micros != ARRIVED).then(|| format!("time {time}")),
        (!tick.source.is_empty()).then(|| format!("source {}", tick.source)),
        tick.seq.map(|seq| format!("seq {seq}")),
        (!tick.id.is_empty()).then(|| format!("id {}", tick.id)),
        shared.then(|| format!("ordinal {}", tick.ordinal.unwrap())),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn show_quote(quote: &Quote) -> String {
    let details = quote.details.as_deref().cloned().unwrap_or_default();
    let decimals = details.decimals().into_iter().filter_map(|(name, text)| Some(format!("{name} {}", text?)));
    let decimals: Vec<_> = decimals.collect();
    let parts = [
        Some(format!("{} {}", quote.sid, quote.price)),
        (!decimals.is_empty()).then(|| decimals.join(", ")),
        details.interval_micros.map(|micros| format!("interval {} s", micros / 1_000_000)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[test]
fn every_example_of_the_page_is_read_as_the_page_shows() {
    let examples = examples();
    assert!(examples.len() >= 25, "{}", examples.len());
    for example in examples {
        let ticks = parse(&example).ticks;
        let shared = ticks.len() > 1 && ticks.iter().all(|tick| tick.seq.is_some());
        let read: Vec<_> = ticks.iter().map(|tick| show(tick, shared)).collect();
        assert_eq!(read, example.expected, "{}", example.message);
    }
}

#[test]
fn the_page_lists_every_reason_and_no_other() {
    let section = PAGE.split("\n## Reason codes\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut listed: Vec<_> = rows.collect();
    let mut reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    listed.sort_unstable();
    reasons.sort_unstable();
    assert_eq!(listed, reasons);
}

#[test]
fn the_reserved_names_of_the_page_are_those_of_the_code() {
    assert!(with_reserved_names(PAGE).as_deref() == Some(PAGE), "run `make generate` and commit the result");
}
