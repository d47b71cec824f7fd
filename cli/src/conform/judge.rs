//! Judges answers by the contract: what came of what was asked, no I/O.

use std::collections::BTreeSet;

use intuition_api::{
    channel,
    decimal::Quantity,
    describe::{CONTRACT, is_name, is_version},
    limits::{MAX_CHANNELS, MAX_PUBLICATION_BYTES, MAX_PUBLICATIONS_PER_BATCH, MAX_SIGNALS_PER_EVENT, MAX_STATE_BYTES},
    v1::{DescribeResponse, EventBatchResult, EventResult, InputEvent, Publication, Side, Signal, input_event::Kind},
};

use super::row::Row;

/// A rule that an answer breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The rule's row.
    pub(crate) row: Row,
    /// What came, by message and field.
    pub(crate) came: String,
}

impl Violation {
    pub(crate) fn new(row: Row, came: impl Into<String>) -> Self {
        Self { row, came: came.into() }
    }

    /// The same in the check of `row`, which asks for events of a kind of its own: results that do not fit those belong to it.
    pub(crate) fn within(self, row: Row) -> Self {
        if self.row == Row::Batches { Self { row, ..self } } else { self }
    }
}

/// Name, version and contract.
pub(crate) fn description(response: &DescribeResponse) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut broken = |came: String| violations.push(Violation::new(Row::Describe, came));
    if !is_name(&response.name) {
        broken(format!("DescribeResponse.name is {}", shown(&response.name)));
    }
    if !is_version(&response.version) {
        broken(format!("DescribeResponse.version is {}", shown(&response.version)));
    }
    if response.contract != CONTRACT {
        broken(format!("DescribeResponse.contract is {}", shown(&response.contract)));
    }
    violations
}

/// Where two answers to Describe differ: name, version and schema belong to a release of the server.
pub(crate) fn descriptions(first: &DescribeResponse, second: &DescribeResponse) -> Vec<Violation> {
    let fields = [
        ("name", &first.name, &second.name),
        ("version", &first.version, &second.version),
        ("parameters_schema_json", &first.parameters_schema_json, &second.parameters_schema_json),
    ];
    let differing = fields.into_iter().filter(|(_, first, second)| first != second);
    let told = differing.map(|(field, first, second)| {
        let came = format!("DescribeResponse.{field} is {} the first time, {} the second", shown(first), shown(second));
        Violation::new(Row::Describe, came)
    });
    told.collect()
}

/// What is wrong with channels; `message` is the one that carries them.
pub(crate) fn channels(row: Row, message: &str, channels: &[String]) -> Vec<Violation> {
    let mut violations = Vec::new();
    if channels.len() > MAX_CHANNELS {
        violations.push(Violation::new(row, format!("{message}.channels has {}", channels.len())));
    }
    for channel in channels {
        let came = match channel::check(channel) {
            Ok(()) => continue,
            Err(channel::Violation::Size) => format!("has {} bytes", channel.len()),
            Err(channel::Violation::Filter(error)) => error.to_string(),
        };
        violations.push(Violation::new(row, format!("{message}.channels: {} {came}", shown(channel))));
    }
    violations
}

/// The answer to a batch.
pub(crate) fn result(number: u64, events: &[InputEvent], result: &EventBatchResult) -> Vec<Violation> {
    let mut violations = Vec::new();
    if result.number != number {
        let came = format!("EventBatchResult.number is {} for EventBatch.number {number}", result.number);
        violations.push(Violation::new(Row::Order, came));
        // It is another batch's answer: what it says of events means nothing here.
        return violations;
    }
    let asked: Vec<_> = events.iter().map(|event| event.event).collect();
    let answered: Vec<_> = result.results.iter().map(|result| result.event).collect();
    if answered.len() != asked.len() {
        let came = format!("EventBatchResult.results has {} for a batch of {} events", answered.len(), asked.len());
        violations.push(Violation::new(Row::Batches, came));
    } else if let Some((place, (asked, answered))) =
        asked.iter().zip(&answered).enumerate().find(|(_, (asked, answered))| asked != answered)
    {
        let came = format!("EventBatchResult.results[{place}].event is {answered}, the batch has event {asked} there");
        violations.push(Violation::new(Row::Batches, came));
    }
    let quotes = numbers(events, |kind| matches!(kind, Kind::Quote(_)));
    let indicators = numbers(events, |kind| matches!(kind, Kind::Indicator(_)));
    for result in &result.results {
        if indicators.contains(&result.event) {
            violations.extend(untraded(result));
        } else {
            violations.extend(signals(result, &quotes));
        }
    }
    violations.extend(state("EventBatchResult", result.state.as_deref()));
    violations.extend(publications(&result.publications));
    violations
}

fn numbers(events: &[InputEvent], is_wanted: impl Fn(&Kind) -> bool) -> BTreeSet<u64> {
    events.iter().filter(|event| event.kind.as_ref().is_some_and(&is_wanted)).map(|event| event.event).collect()
}

/// Signals about earlier quotes: the contract allows them, and results depend on the size of batches by them.
pub(crate) fn notes(result: &EventBatchResult) -> Vec<Violation> {
    let about_earlier = |result: &&EventResult| result.signals.iter().any(|signal| signal.event < result.event);
    let earlier = result.results.iter().find(about_earlier);
    let note = earlier.map(|result| {
        let came = format!(
            "EventResult of event {} has a signal about an earlier quote: which quotes share a batch depends on load, so that \
             two runs over the same quotes differ",
            result.event
        );
        Violation::new(Row::Signals, came)
    });
    note.into_iter().collect()
}

/// The signals of one event, in a batch with these quotes.
pub(crate) fn signals(result: &EventResult, quotes: &BTreeSet<u64>) -> Vec<Violation> {
    let event = result.event;
    let mut violations: Vec<_> = result.signals.iter().filter_map(|wish| signal(wish, quotes)).collect();
    if let Some(ahead) = result.signals.iter().find(|wish| wish.event > event && quotes.contains(&wish.event)) {
        let came = format!("EventResult of event {event} has a signal about the later quote {}", ahead.event);
        violations.push(Violation::new(Row::Signals, came));
    }
    if result.signals.len() > MAX_SIGNALS_PER_EVENT {
        let came = format!("EventResult of event {event} has {} signals", result.signals.len());
        violations.push(Violation::new(Row::Signals, came));
    }
    if !result.reject.is_empty() && !result.signals.is_empty() {
        violations
            .push(Violation::new(Row::Signals, format!("EventResult of event {event} has both signals and a reject")));
    }
    violations
}

fn signal(signal: &Signal, quotes: &BTreeSet<u64>) -> Option<Violation> {
    let quantity = &signal.quantity;
    let came = if quotes.contains(&signal.event) {
        match Side::try_from(signal.side) {
            Ok(Side::Buy) if !quantity.is_empty() => {
                format!("Signal.quantity of a buy (event {}) is {}", signal.event, shown(quantity))
            }
            Ok(Side::Sell) if quantity.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.') => {
                format!("Signal.quantity (event {}): {} is not in plain notation", signal.event, shown(quantity))
            }
            Ok(Side::Sell) if !quantity.is_empty() => match quantity.parse::<Quantity>() {
                Ok(quantity) if quantity.is_zero() => {
                    format!("Signal.quantity (event {}) is none; leave it empty to sell all that is held", signal.event)
                }
                Ok(_) => return None,
                Err(error) => format!("Signal.quantity (event {}): {} {error}", signal.event, shown(quantity)),
            },
            Ok(Side::Buy | Side::Sell) => return None,
            _ => format!("Signal.side (event {}) is {}", signal.event, signal.side),
        }
    } else {
        let known: Vec<_> = quotes.iter().copied().collect();
        let span = match known.as_slice() {
            [] => "the batch has no quote".to_owned(),
            [only] => format!("the batch has the quote {only} alone"),
            [first, .., last] => format!("the batch has quotes from {first} to {last}"),
        };
        format!("Signal.event is {}, {span}", signal.event)
    };
    Some(Violation::new(Row::Signals, came))
}

/// A state that is too large.
pub(crate) fn state(message: &str, state: Option<&[u8]>) -> Option<Violation> {
    let size = state.map_or(0, <[u8]>::len);
    (size > MAX_STATE_BYTES).then(|| Violation::new(Row::StateSize, format!("{message}.state has {size} bytes")))
}

/// Messages of its own.
pub(crate) fn publications(publications: &[Publication]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut broken = |came: String| violations.push(Violation::new(Row::Publications, came));
    if publications.len() > MAX_PUBLICATIONS_PER_BATCH {
        broken(format!("there are {} publications in one answer", publications.len()));
    }
    for Publication { channel, payload } in publications {
        if !channel::is_topic(channel) {
            broken(format!("Publication.channel is {}", shown(channel)));
        }
        if payload.len() > MAX_PUBLICATION_BYTES {
            broken(format!("Publication.payload on {} has {} bytes", shown(channel), payload.len()));
        }
    }
    violations
}

/// An event of a kind that nobody knows: all that may come of it is its number.
pub(crate) fn passed_over(result: &EventResult) -> Option<Violation> {
    let EventResult { event, signals, reject } = result;
    let came = match (signals.len(), reject.as_str()) {
        (0, "") => return None,
        (0, reject) => format!("EventResult of event {event}, of an unknown kind, has the reject {}", shown(reject)),
        (count, _) => format!("EventResult of event {event}, of an unknown kind, has {count} signals"),
    };
    Some(Violation::new(Row::UnknownKinds, came))
}

/// Values of an indicator, which may be rejected and cannot be traded.
fn untraded(result: &EventResult) -> Option<Violation> {
    let EventResult { event, signals, .. } = result;
    let came = format!("EventResult of event {event}, an indicator, has signals: {}", signals.len());
    (!signals.is_empty()).then(|| Violation::new(Row::Indicators, came))
}

/// What decides about an event: what has to be the same where the same is asked again. The text of a reject is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    event: u64,
    signals: Vec<Signal>,
    rejected: bool,
}

impl Outcome {
    /// Whether something is to be traded.
    pub(crate) const fn signals_something(&self) -> bool {
        !self.signals.is_empty()
    }
}

impl From<&EventResult> for Outcome {
    fn from(result: &EventResult) -> Self {
        Self { event: result.event, signals: result.signals.clone(), rejected: !result.reject.is_empty() }
    }
}

/// Where two runs over the same events first differ, in words.
pub(crate) fn difference(expected: &[Outcome], found: &[Outcome]) -> Option<String> {
    if let Some((expected, found)) = expected.iter().zip(found).find(|(expected, found)| expected != found) {
        return Some(format!("event {}: {} instead of {}", expected.event, said(found), said(expected)));
    }
    (expected.len() != found.len()).then(|| format!("{} results instead of {}", found.len(), expected.len()))
}

fn said(outcome: &Outcome) -> String {
    if outcome.rejected {
        return "a reject".to_owned();
    }
    let signals = outcome.signals.iter().map(|signal| {
        let side = match signal.side() {
            Side::Buy => "buy",
            Side::Sell => "sell",
            Side::Unspecified => "no side",
        };
        format!("{side} {}", signal.quantity).trim_end().to_owned()
    });
    let signals: Vec<_> = signals.collect();
    if signals.is_empty() { "no signal".to_owned() } else { signals.join(", ") }
}

/// Text from outside, in quotation marks, not without end.
pub(crate) fn shown(text: &str) -> String {
    start_of(text, 120)
}

/// The same for a sentence, such as the message of an error.
pub(crate) fn sentence(text: &str) -> String {
    start_of(text, 400)
}

fn start_of(text: &str, longest: usize) -> String {
    let start: String = text.chars().take(longest).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("{start:?}{more}")
}

#[cfg(test)]
mod tests;
