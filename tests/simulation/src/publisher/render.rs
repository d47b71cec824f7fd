//! Quotes as payloads, in the shapes of docs/input.md.

use bytes::Bytes;
use rand::{RngExt as _, rngs::ChaCha8Rng};

use crate::facts::{Identity, Place, Quote};

/// Where a publisher writes the identity of its quotes. One publisher has one style: an event brings its source along, so that
/// an id there is another identity than in a plain quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Members of the quote.
    Members,
    /// MQTT 5 user properties; one quote for each message.
    Properties,
    /// A CloudEvent around each quote.
    Events,
}

/// An element of a message.
#[derive(Debug, Clone)]
pub(super) enum Element {
    Quote(Quote),
    /// JSON, and the reason of its dead letter.
    Unusable((&'static str, &'static str)),
}

impl From<Element> for Place {
    fn from(element: Element) -> Self {
        match element {
            Element::Quote(quote) => Self::Quote(quote),
            Element::Unusable((_, reason)) => Self::Unusable(reason),
        }
    }
}

/// Payload and user properties of a message with these elements, in their order.
pub(super) fn message(elements: &[Element], style: Style, draw: &mut ChaCha8Rng) -> (Bytes, Vec<(String, String)>) {
    let quotes: Vec<_> = elements
        .iter()
        .filter_map(|element| if let Element::Quote(quote) = element { Some(quote) } else { None })
        .collect();
    let is_quotes_alone = quotes.len() == elements.len();
    let is_map = is_quotes_alone && may_be_map(&quotes, style) && draw.random_bool(0.5);
    let payload = if is_map {
        map(&quotes, draw)
    } else {
        let parts: Vec<_> = elements.iter().map(|element| self::element(element, style, draw)).collect();
        match parts.as_slice() {
            [part] if draw.random_bool(0.8) => part.clone(),
            _ => format!("[{}]", parts.join(", ")),
        }
    };
    let user_properties = match (style, quotes.first()) {
        (Style::Properties, Some(quote)) => properties(&quote.identity),
        _ if draw.random_bool(0.1) => vec![("trace".to_owned(), draw.random::<u16>().to_string())],
        _ => Vec::new(),
    };
    (payload.into(), user_properties)
}

/// A map has no place for identities, and each symbol once.
fn may_be_map(quotes: &[&Quote], style: Style) -> bool {
    let has_no_identity = |quote: &&Quote| style == Style::Properties || quote.identity == Identity::Bare;
    let is_repeated =
        |(place, quote): (usize, &&Quote)| quotes.iter().take(place).any(|before| before.symbol == quote.symbol);
    !quotes.is_empty() && quotes.iter().all(has_no_identity) && !quotes.iter().enumerate().any(is_repeated)
}

fn map(quotes: &[&Quote], draw: &mut ChaCha8Rng) -> String {
    let members: Vec<_> =
        quotes.iter().map(|quote| format!(r#""{}": {}"#, quote.symbol, number(&quote.price, draw))).collect();
    format!("{{{}}}", members.join(", "))
}

fn element(element: &Element, style: Style, draw: &mut ChaCha8Rng) -> String {
    let quote = match element {
        Element::Unusable((json, _)) => return (*json).to_owned(),
        Element::Quote(quote) => quote,
    };
    let identity = members(&quote.identity, if style == Style::Events { "sequence" } else { "seq" });
    let price = number(&quote.price, draw);
    let content = match draw.random_range(0..4) {
        0 => format!(r#""sid": "{}", "quote": {price}"#, quote.symbol),
        1 => format!(r#""symbol": "{}", "price": {price}"#, quote.symbol),
        // As bars have it.
        2 => format!(
            r#""symbol": "{}", "price": {price}, "open": 1.5, "high": 2.5, "low": 0.5, "volume": 1200"#,
            quote.symbol
        ),
        _ => format!(r#""symbol": "{}", "price": {price}, "quote": "USD", "time": null"#, quote.symbol),
    };
    match style {
        Style::Members => format!("{{{content}{identity}}}"),
        Style::Properties => format!("{{{content}}}"),
        Style::Events => format!(r#"{{"specversion": "1.0", "type": "quote"{identity}, "data": {{{content}}}}}"#),
    }
}

/// The members that name an identity, each behind a comma.
fn members(identity: &Identity, seq: &str) -> String {
    match identity {
        Identity::Numbered { source, seq: number } => format!(r#", "source": "{source}", "{seq}": {number}"#),
        Identity::NumberAlone(number) => format!(r#", "{seq}": {number}"#),
        Identity::Id(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => format!(r#", "id": {id}"#),
        Identity::Id(id) => format!(r#", "id": "{id}""#),
        Identity::Bare => String::new(),
    }
}

fn properties(identity: &Identity) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match identity {
        Identity::Numbered { source, seq } => vec![pair("source", source), pair("seq", &seq.to_string())],
        Identity::NumberAlone(seq) => vec![pair("seq", &seq.to_string())],
        Identity::Id(id) => vec![pair("id", id)],
        Identity::Bare => Vec::new(),
    }
}

/// A price in one of its notations, which all mean the same number.
fn number(price: &str, draw: &mut ChaCha8Rng) -> String {
    match draw.random_range(0..5) {
        0 => format!(r#""{price}""#),
        1 if price.contains('.') => format!("{price}00"),
        2 => format!("{price}e0"),
        _ => price.to_owned(),
    }
}
