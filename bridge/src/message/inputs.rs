//! The description of messages by `spec.channels.inputs[]`: the symbols that they list for a topic, and their format.

use std::collections::HashSet;

use intuition_api::{topic, v1};

use super::{
    format::{Format, UnknownFormat},
    listing::Listing,
};

/// The inputs of one version of the channels, as the runtime sends them.
#[derive(Debug, Clone, Default)]
pub struct Inputs(Vec<Input>);

#[derive(Debug, Clone)]
struct Input {
    filter: String,
    /// The listed symbols. Empty: all symbols are taken.
    symbols: HashSet<String>,
    /// `None`: the messages are quotes of our own.
    format: Option<Result<Format, UnknownFormat>>,
}

impl Inputs {
    /// Keeps the inputs of `Channels.inputs`.
    pub fn new(inputs: Vec<v1::Input>) -> Self {
        let input = |input: v1::Input| Input {
            symbols: input.symbols.into_iter().collect(),
            format: input.format.as_ref().map(|format| Format::new(format, &input.topic)),
            filter: input.topic,
        };
        Self(inputs.into_iter().map(input).collect())
    }

    /// The description of the first input with a filter that matches the topic, as the runtime chooses it.
    pub fn on<'a>(&'a self, topic: &'a str) -> OnTopic<'a> {
        let Some(input) = self.0.iter().find(|input| topic::matches(&input.filter, topic)) else {
            return OnTopic::default();
        };
        OnTopic { listing: Listing::of(&input.symbols), format: input.format.as_ref(), topic }
    }
}

/// The description of the messages on a topic. The default: quotes of our own, of any symbol.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnTopic<'a> {
    pub(super) listing: Listing<'a>,
    pub(super) format: Option<&'a Result<Format, UnknownFormat>>,
    pub(super) topic: &'a str,
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::tick::Content;

    use super::*;
    use crate::message::Envelope;

    #[test]
    fn a_listing_is_of_the_first_input_that_matches_the_topic() {
        let input = |topic: &str, symbols: &[&str]| v1::Input {
            topic: topic.to_owned(),
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            format: None,
        };
        let inputs =
            Inputs::new(vec![input("a/+", &["goog"]), input("a/#", &["ts"]), input("b", &[]), input("+", &["x"])]);
        let on = |topic: &str| {
            let listing = inputs.on(topic).listing;
            (listing.has("goog"), listing.has("ts"), listing.has("x"), listing.is_complete())
        };
        assert_eq!(on("a/1"), (true, false, false, true));
        assert_eq!(on("a/1/2"), (false, true, false, true));
        assert_eq!(on("b"), (false, false, false, false), "an input without a list takes all");
        assert_eq!(on("c"), (false, false, true, true));
        assert_eq!(on("d/e"), (false, false, false, false));
    }

    #[test]
    fn a_format_does_not_read_the_messages_of_an_input_before_it() {
        let format = v1::Format {
            sid: Some(v1::Location { at: Some(v1::location::At::TopicLevel(2)) }),
            price: Some(v1::Location { at: Some(v1::location::At::Pointer("/p".to_owned())) }),
            ..v1::Format::default()
        };
        let input = |topic: &str, format| v1::Input { topic: topic.to_owned(), format, ..v1::Input::default() };
        let inputs = Inputs::new(vec![input("market/+/trades", None), input("market/#", Some(format))]);
        let read = |topic: &str| {
            let envelope = Envelope {
                payload: br#"{"sid":"A","quote":"7.5","p":"9"}"#,
                user_properties: &[],
                input: inputs.on(topic),
                arrived_micros: 0,
            };
            let quotes = envelope.parse().ticks.into_iter().filter_map(|tick| match tick.content {
                Some(Content::Quote(quote)) => Some((quote.sid, quote.price)),
                _ => None,
            });
            quotes.collect::<Vec<_>>()
        };
        let quote = |sid: &str, price: &str| vec![(sid.to_owned(), price.to_owned())];
        assert_eq!(read("market/A/trades"), quote("A", "7.5"));
        assert_eq!(read("market/other"), quote("other", "9"));
    }
}
