//! `intuition validate --sample`: the quotes that the manifests read from a message.

use std::{fs, io, path::PathBuf};

use bridge::message::{Envelope, Inputs};
use intuition_api::{
    format::Format,
    topic,
    v1::{self, Tick, tick::Content},
};
use intuition_common::clock::rfc3339_millis;
use intuition_resources::ChannelPlan;

/// The time of quotes without a time.
const ARRIVED: i64 = 0;

/// A message as `--sample` names it.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    topic: String,
    path: PathBuf,
}

impl std::str::FromStr for Sample {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((topic, path)) if !topic.is_empty() && !topic.contains(['+', '#']) && !path.is_empty() => {
                Ok(Self { topic: topic.to_owned(), path: path.into() })
            }
            _ => Err("must be TOPIC=FILE, with a topic without wildcards"),
        }
    }
}

/// A user property as `--sample-property` names it.
#[derive(Debug, Clone)]
pub(crate) struct Property(String, String);

impl std::str::FromStr for Property {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// The quotes and dead letters of all samples.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// A line for each quote and each dead letter.
    pub(crate) lines: Vec<String>,
    /// Samples that no manifest takes, or that cannot be opened.
    pub(crate) problems: Vec<String>,
    /// There is a dead letter, or a sample without a quote that is taken.
    pub(crate) is_unread: bool,
}

/// Reads each sample as each account with a channel on its topic reads it.
pub(crate) fn read(algos: &[(String, ChannelPlan)], samples: &[Sample], properties: &[Property]) -> Readings {
    let properties: Vec<_> = properties.iter().map(|Property(name, value)| (name.clone(), value.clone())).collect();
    let mut readings = Readings::default();
    for sample in samples {
        let payload = match fs::read(&sample.path) {
            Ok(payload) => payload,
            Err(error) => {
                readings.problems.push(unreadable(sample, &error));
                continue;
            }
        };
        let takers = algos.iter().filter(|(_, channels)| takes(channels, &sample.topic));
        let before = readings.lines.len();
        for (account, channels) in takers {
            readings.add(account, channels, sample, &payload, &properties);
        }
        if readings.lines.len() == before {
            let message = format!("--sample {}: no channel of a manifest selects this topic", sample.topic);
            readings.problems.push(message);
        }
    }
    readings
}

fn unreadable(sample: &Sample, error: &io::Error) -> String {
    format!("cannot read the sample {}: {error}", sample.path.display())
}

/// Whether an account has a channel on the topic. One without filters may get every topic that its algorithm asks for.
fn takes(channels: &ChannelPlan, topic: &str) -> bool {
    let filters = &channels.filters;
    filters.as_ref().is_none_or(|filters| filters.iter().any(|filter| topic::matches(filter, topic)))
}

impl Readings {
    fn add(
        &mut self,
        account: &str,
        channels: &ChannelPlan,
        sample: &Sample,
        payload: &[u8],
        properties: &[(String, String)],
    ) {
        let given = &channels.inputs;
        let listed = given
            .iter()
            .find(|input| topic::matches(&input.topic, &sample.topic))
            .and_then(|input| input.symbols.as_ref());
        let wire = |input: &intuition_resources::Input| v1::Input {
            topic: input.topic.clone(),
            symbols: input.symbols.clone().unwrap_or_default(),
            format: input.format.as_ref().map(|format| Format::from(format).to_wire()),
        };
        let inputs = Inputs::new(given.iter().map(wire).collect());
        let input = inputs.on(&sample.topic);
        let parsed = Envelope { payload, user_properties: properties, input, arrived_micros: ARRIVED }.parse();
        let mut quotes = 0;
        for tick in &parsed.ticks {
            let is_listed = |sid: &String| listed.is_none_or(|listed| listed.contains(sid));
            let line = match tick.content.as_ref() {
                Some(Content::Quote(quote)) if is_listed(&quote.sid) => {
                    quotes += 1;
                    shown(tick, quote)
                }
                Some(Content::Quote(quote)) => format!("{}, which the input does not list", shown(tick, quote)),
                Some(Content::Indicator(indicator)) if is_listed(&indicator.sid) => values(tick, indicator),
                Some(Content::Indicator(indicator)) => {
                    format!("{}, which the input does not list", values(tick, indicator))
                }
                Some(Content::Unusable(unusable)) => {
                    self.is_unread = true;
                    format!("dead letter {}: {}", unusable.reason, unusable.message)
                }
                None => continue,
            };
            self.lines.push(format!("{account}: {}: {line}", sample.topic));
        }
        if parsed.ticks.is_empty() {
            self.lines.push(format!("{account}: {}: no symbol has a price in this message", sample.topic));
        }
        self.is_unread |= quotes == 0;
    }
}

/// Time and identity, where the message has them.
fn identity(tick: &Tick, time_micros: i64) -> Vec<String> {
    let mut parts = Vec::new();
    if time_micros != ARRIVED {
        parts.push(format!("time {}", rfc3339_millis(time_micros)));
    }
    let texts = [("source", &tick.source), ("id", &tick.id)];
    parts.extend(texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name} {text}")));
    parts.extend(tick.seq.map(|seq| format!("seq {seq}")));
    parts
}

/// The values of an indicator.
fn values(tick: &Tick, indicator: &v1::Indicator) -> String {
    let values = indicator.values.iter().map(|value| format!("{} {}", value.name, value.value));
    let mut parts =
        vec![format!("values of {}: {} {}", indicator.name, indicator.sid, values.collect::<Vec<_>>().join(", "))];
    parts.extend(identity(tick, indicator.time_micros));
    parts.join(", ")
}

/// A quote with every value that the message has of it.
fn shown(tick: &Tick, quote: &v1::Quote) -> String {
    let mut parts = vec![format!("{} {}", quote.sid, quote.price)];
    parts.extend(identity(tick, quote.time_micros));
    if let Some(details) = &quote.details {
        let values = [
            ("bid", &details.bid),
            ("ask", &details.ask),
            ("size", &details.size),
            ("open", &details.open),
            ("high", &details.high),
            ("low", &details.low),
            ("volume", &details.volume),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        parts.extend(values);
        parts.extend(details.interval_micros.map(|micros| format!("interval {}s", micros / 1_000_000)));
    }
    parts.join(", ")
}
