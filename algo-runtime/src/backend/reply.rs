//! Replies of a backend, checked against the contract. A violation names the message, the field, and the expected value.

use std::collections::BTreeMap;

use bytes::Bytes;
use intuition_api::{
    channel::{self, Violation},
    decimal::Quantity,
    limits::{
        MAX_CHANNEL_BYTES, MAX_CHANNELS, MAX_EVENTS_PER_BATCH, MAX_PUBLICATION_BYTES, MAX_PUBLICATIONS_PER_BATCH,
        MAX_SENTENCE_BYTES, MAX_SIGNALS_PER_EVENT, MAX_STATE_BYTES,
    },
    v1::{
        self, EventBatchResult, EventResult, InitializeResponse, InputEvent, Publication, ReconfigureResponse, Side,
        input_event::Kind,
    },
};

use crate::algorithm::{Output, Signal};

/// A batch that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutstandingBatch {
    /// Number of the batch.
    pub number: u64,
    /// Number of its first event; the others follow.
    pub first_event: u64,
    /// Number of events.
    pub count: usize,
    /// Number of groups, as in [`BatchLimit`](super::BatchLimit).
    pub groups: usize,
    /// Indices of the events that are values of indicators, in order.
    pub indicators: Vec<usize>,
}

/// Indices of the events that are values of indicators.
pub fn indicators_in(events: &[InputEvent]) -> Vec<usize> {
    let is_indicator = |event: &InputEvent| matches!(event.kind, Some(Kind::Indicator(_)));
    events.iter().enumerate().filter(|(_, event)| is_indicator(event)).map(|(index, _)| index).collect()
}

/// The answer to a batch.
#[derive(Debug, Default, PartialEq)]
pub struct BatchResult {
    /// One for each event, in order.
    pub results: Vec<QuoteResult>,
    /// The new state; `None`: unchanged.
    pub state: Option<Bytes>,
    /// In order.
    pub publications: Vec<Publication>,
    /// Messages for the topic of an indicator's account by the index of their quote. Only of a built-in algorithm.
    pub outputs: BTreeMap<usize, Vec<Output>>,
}

/// An algorithm's result for one event.
#[derive(Debug, Clone, PartialEq)]
pub enum QuoteResult {
    /// In order.
    Signals(Vec<IndexedSignal>),
    /// The algorithm cannot use the event.
    Reject(String),
}

/// A signal about a quote of the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexedSignal {
    /// Index of the quote among the events.
    pub quote: usize,
    /// The signal.
    pub signal: Signal,
}

/// Checks the answer to a batch; the error is the violation of the contract.
pub fn check_batch(result: EventBatchResult, asked: &OutstandingBatch) -> Result<BatchResult, String> {
    let EventBatchResult { number, results, state, publications } = result;
    if number != asked.number {
        return Err(format!("EventBatchResult.number: expected {}, got {number}", asked.number));
    }
    if results.len() != asked.count {
        return Err(format!(
            "EventBatchResult.results: expected {}, one per event, got {}",
            asked.count,
            results.len()
        ));
    }
    if let Some(state) = state.as_ref().filter(|state| state.len() > MAX_STATE_BYTES) {
        return Err(format!("EventBatchResult.state: at most {MAX_STATE_BYTES} bytes, got {}", state.len()));
    }
    if publications.len() > MAX_PUBLICATIONS_PER_BATCH {
        return Err(format!(
            "EventBatchResult.publications: at most {MAX_PUBLICATIONS_PER_BATCH} a batch of up to {MAX_EVENTS_PER_BATCH} \
             events, got {} for {}; publish at most {} an event",
            publications.len(),
            asked.count,
            MAX_PUBLICATIONS_PER_BATCH / MAX_EVENTS_PER_BATCH
        ));
    }
    publications.iter().try_for_each(publication)?;
    let results = (asked.first_event..).zip(results).map(|(event, result)| quote_result(event, &result, asked));
    let results = results.collect::<Result<_, _>>()?;
    Ok(BatchResult { results, state, publications, outputs: BTreeMap::new() })
}

fn quote_result(event: u64, result: &EventResult, asked: &OutstandingBatch) -> Result<QuoteResult, String> {
    if result.event != event {
        return Err(format!("EventResult.event: expected {event}, in the order of the batch, got {}", result.event));
    }
    if !result.reject.is_empty() {
        if !result.signals.is_empty() {
            return Err(format!("EventResult: event {event} has both signals and a reject"));
        }
        return Ok(QuoteResult::Reject(sentence(&result.reject)));
    }
    if result.signals.len() > MAX_SIGNALS_PER_EVENT {
        let count = result.signals.len();
        return Err(format!("EventResult.signals: at most {MAX_SIGNALS_PER_EVENT}, event {event} has {count}"));
    }
    result
        .signals
        .iter()
        .map(|signal| indexed_signal(signal, asked))
        .collect::<Result<_, _>>()
        .map(QuoteResult::Signals)
}

fn indexed_signal(signal: &v1::Signal, asked: &OutstandingBatch) -> Result<IndexedSignal, String> {
    let index = signal.event.checked_sub(asked.first_event).and_then(|index| usize::try_from(index).ok());
    let Some(quote) = index.filter(|index| *index < asked.count) else {
        let last = asked.first_event + asked.count as u64 - 1;
        return Err(format!("Signal.event: {} is none of the batch, {} to {last}", signal.event, asked.first_event));
    };
    if asked.indicators.binary_search(&quote).is_ok() {
        return Err(format!(
            "Signal.event: {} has values of an indicator, and only a quote can be traded",
            signal.event
        ));
    }
    let quantity = match signal.quantity.as_str() {
        "" => None,
        // Prices on MQTT may have an exponent, a decimal of the contract has none.
        text if text.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.') => {
            return Err(format!("Signal.quantity: {:?} is not in plain notation", shown(text)));
        }
        text => {
            let quantity =
                text.parse::<Quantity>().map_err(|error| format!("Signal.quantity: {:?} {error}", shown(text)))?;
            if quantity.is_zero() {
                return Err(format!(
                    "Signal.quantity: {:?} is none; leave it empty to sell all that is held",
                    shown(text)
                ));
            }
            Some(quantity)
        }
    };
    match (Side::try_from(signal.side), quantity) {
        (Ok(Side::Buy), None) => Ok(IndexedSignal { quote, signal: Signal::Buy }),
        (Ok(Side::Buy), Some(_)) => Err("Signal.quantity: a buy has none, its amount is the portfolio's".to_owned()),
        (Ok(Side::Sell), quantity) => Ok(IndexedSignal { quote, signal: Signal::Sell(quantity) }),
        _ => Err(format!("Signal.side: must be SIDE_BUY or SIDE_SELL, is {}", signal.side)),
    }
}

fn publication(publication: &Publication) -> Result<(), String> {
    let Publication { channel, payload } = publication;
    if !channel::is_topic(channel) {
        let channel = shown(channel);
        return Err(format!(
            "Publication.channel: must be a topic without wildcards of at most {MAX_CHANNEL_BYTES} bytes, is {channel:?}"
        ));
    }
    if payload.len() > MAX_PUBLICATION_BYTES {
        return Err(format!(
            "Publication.payload: at most {MAX_PUBLICATION_BYTES} bytes, {channel} has {}",
            payload.len()
        ));
    }
    Ok(())
}

/// The channels of an answer to Initialize, or its refusal; the error is the violation of the contract.
pub fn check_initialize(response: InitializeResponse) -> Result<Result<Vec<String>, String>, String> {
    if !response.refusal.is_empty() {
        return Ok(Err(sentence(&response.refusal)));
    }
    if response.channels.is_empty() {
        return Err("InitializeResponse.channels: at least one, or a refusal".to_owned());
    }
    check_channels("InitializeResponse", response.channels).map(Ok)
}

/// The same for new parameters; no channels: unchanged.
pub fn check_reconfigure(response: ReconfigureResponse) -> Result<Result<Vec<String>, String>, String> {
    if !response.refusal.is_empty() {
        return Ok(Err(sentence(&response.refusal)));
    }
    check_channels("ReconfigureResponse", response.channels).map(Ok)
}

/// Checks channels, and drops repeated ones.
fn check_channels(message: &str, channels: Vec<String>) -> Result<Vec<String>, String> {
    if channels.len() > MAX_CHANNELS {
        return Err(format!("{message}.channels: at most {MAX_CHANNELS}, got {}", channels.len()));
    }
    let mut checked: Vec<String> = Vec::with_capacity(channels.len());
    for channel in channels {
        channel::check(&channel).map_err(|violation| match violation {
            Violation::Size => {
                let channel = shown(&channel);
                format!("{message}.channels: at most {MAX_CHANNEL_BYTES} bytes each, {channel:?} has more")
            }
            Violation::Filter(error) => format!("{message}.channels: {channel:?} {error}"),
        })?;
        if !checked.contains(&channel) {
            checked.push(channel);
        }
    }
    Ok(checked)
}

/// A text from outside, for a message.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

fn sentence(text: &str) -> String {
    let end =
        (0..=MAX_SENTENCE_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: OutstandingBatch =
        OutstandingBatch { number: 3, first_event: 11, count: 2, groups: 2, indicators: Vec::new() };

    fn result(event: u64, signals: Vec<v1::Signal>) -> EventResult {
        EventResult { event, signals, reject: String::new() }
    }

    fn signal(event: u64, side: Side, quantity: &str) -> v1::Signal {
        v1::Signal { event, side: side.into(), quantity: quantity.to_owned() }
    }

    fn good() -> EventBatchResult {
        let first = result(11, vec![signal(11, Side::Buy, ""), signal(12, Side::Sell, "1.5")]);
        EventBatchResult { number: 3, results: vec![first, result(12, Vec::new())], ..EventBatchResult::default() }
    }

    #[test]
    fn an_answer_says_for_each_quote_what_is_to_be_done() {
        let answer = check_batch(good(), &ASKED).unwrap();
        let sell = Signal::Sell(Some("1.5".parse().unwrap()));
        let signals = vec![IndexedSignal { quote: 0, signal: Signal::Buy }, IndexedSignal { quote: 1, signal: sell }];
        assert_eq!(answer.results, [QuoteResult::Signals(signals), QuoteResult::Signals(Vec::new())]);
        assert_eq!((answer.state, answer.publications), (None, Vec::new()));
    }

    #[test]
    fn what_the_contract_does_not_allow_is_told_by_its_field() {
        type Change = fn(&mut EventBatchResult);
        let changes: [(Change, &str); 16] = [
            (|r| r.number = 2, "EventBatchResult.number: expected 3, got 2"),
            (|r| drop(r.results.pop()), "EventBatchResult.results: expected 2, one per event, got 1"),
            (|r| r.results.push(EventResult::default()), "EventBatchResult.results: expected 2, one per event, got 3"),
            (|r| r.results.swap(0, 1), "EventResult.event: expected 11, in the order of the batch, got 12"),
            (|r| r.results[0].reject = "no".to_owned(), "EventResult: event 11 has both signals and a reject"),
            (
                |r| r.results[0].signals = vec![signal(11, Side::Buy, ""); 65],
                "EventResult.signals: at most 64, event 11 has 65",
            ),
            (|r| r.results[0].signals[0].event = 10, "Signal.event: 10 is none of the batch, 11 to 12"),
            (|r| r.results[0].signals[0].event = 13, "Signal.event: 13 is none of the batch, 11 to 12"),
            (|r| r.results[0].signals[0].side = 0, "Signal.side: must be SIDE_BUY or SIDE_SELL, is 0"),
            (|r| r.results[0].signals[0].side = 9, "Signal.side: must be SIDE_BUY or SIDE_SELL, is 9"),
            (
                |r| r.results[0].signals[0].quantity = "1".to_owned(),
                "Signal.quantity: a buy has none, its amount is the portfolio's",
            ),
            (|r| r.results[0].signals[1].quantity = "-1".to_owned(), "Signal.quantity: \"-1\" is not in plain"),
            (|r| r.results[0].signals[1].quantity = "0.00".to_owned(), "Signal.quantity: \"0.00\" is none"),
            (
                |r| r.state = Some(vec![0; MAX_STATE_BYTES + 1].into()),
                "EventBatchResult.state: at most 1048576 bytes, got 1048577",
            ),
            (
                |r| r.publications = vec![Publication { channel: "a/#".to_owned(), payload: Bytes::new() }],
                "Publication.channel: must be a topic without wildcards of at most 256 bytes, is \"a/#\"",
            ),
            (
                |r| r.publications = vec![Publication::default(); MAX_PUBLICATIONS_PER_BATCH + 1],
                "EventBatchResult.publications: at most 1000 a batch of up to 256 events, got 1001 for 2; publish at most 3",
            ),
        ];
        for (change, expected) in changes {
            let mut result = good();
            change(&mut result);
            let violation = check_batch(result, &ASKED).unwrap_err();
            assert!(violation.starts_with(expected), "{violation}");
        }
    }

    #[test]
    fn signal_about_values_of_an_indicator_is_a_violation() {
        let asked = OutstandingBatch { groups: 1, indicators: vec![0], ..ASKED };
        let violation = check_batch(good(), &asked).unwrap_err();
        assert_eq!(violation, "Signal.event: 11 has values of an indicator, and only a quote can be traded");
        let mut result = good();
        // A result about values may name the quote.
        result.results[0].signals.remove(0);
        assert!(check_batch(result, &asked).is_ok());
    }

    #[test]
    fn channels_are_filters_and_repeated_ones_count_once() {
        let answer = |channels: &[&str], refusal: &str| {
            let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
            super::check_initialize(InitializeResponse { channels, refusal: refusal.to_owned() })
        };
        assert_eq!(answer(&["a/+", "b", "a/+"], "").unwrap().unwrap(), ["a/+", "b"]);
        assert_eq!(answer(&[], "fast: below slow").unwrap().unwrap_err(), "fast: below slow");
        assert!(answer(&[], "").unwrap_err().starts_with("InitializeResponse.channels: at least one"));
        assert!(answer(&["a/#/b"], "").unwrap_err().contains("\"a/#/b\""));
        assert!(answer(&vec!["a"; 65], "").unwrap_err().contains("at most 64"));
        assert!(answer(&["x".repeat(300).as_str()], "").unwrap_err().contains("at most 256 bytes"));
    }
}
