//! Why a tick cannot be used, as code and as text for the publisher.

use intuition_api::{
    decimal::{Price, Value},
    indicator::{MAX_VALUES, NAME_RULES, VALUE_NAME_RULES, is_name, is_value_name},
    quote::{BadDetail, Details},
    v1::{self, Delivery, QuoteDetails, Tick, Unusable, tick::Content},
};

use crate::{
    algorithm::{Event, Indicator, Quote},
    identity::class_of,
    ledger::Class,
};

pub(super) fn unusable(reason: &str, message: String) -> Unusable {
    Unusable { reason: reason.to_owned(), message }
}

/// The event of a tick for the algorithm, or why there is none.
pub(super) fn usable_event(tick: &Tick) -> Result<Event, Unusable> {
    match &tick.content {
        Some(Content::Quote(quote)) => usable_quote(quote).map(Event::Quote),
        Some(Content::Indicator(indicator)) => usable_indicator(indicator).map(Box::new).map(Event::Indicator),
        Some(Content::Unusable(cause)) => Err(cause.clone()),
        None => Err(unusable("NotAQuote", "the bridge sent a tick without content".to_owned())),
    }
}

fn usable_quote(quote: &v1::Quote) -> Result<Quote, Unusable> {
    let price = quote.price.parse().map_err(|error| unusable("BadPrice", format!("{:?} {error}", quote.price)))?;
    let details = quote.details.as_ref().map(|details| usable_details(details, price)).transpose()?;
    Ok(Quote { sid: quote.sid.clone(), price, time_micros: quote.time_micros, details })
}

fn usable_details(message: &QuoteDetails, price: Price) -> Result<Box<Details>, Unusable> {
    let details = Details::from_message(message).map_err(|(field, error)| {
        let reason = match error {
            BadDetail::Price(_) => "BadPrice",
            BadDetail::Size(_) => "BadSize",
            BadDetail::Interval => "BadBar",
        };
        let text = message.decimals().into_iter().find_map(|(name, text)| text.filter(|_| name == field));
        unusable(reason, format!("{field}: {:?} {error}", text.unwrap_or_default()))
    })?;
    details.check(price).map_err(|contradiction| unusable("BadBar", contradiction.to_string()))?;
    Ok(Box::new(details))
}

/// A bridge of this release checks the same before it sends the values.
fn usable_indicator(indicator: &v1::Indicator) -> Result<Indicator, Unusable> {
    let bad = |message: String| unusable("BadIndicator", message);
    let v1::Indicator { name, sid, values, time_micros } = indicator;
    if !is_name(name) {
        return Err(bad(format!("indicator: {name:?} is no name, which has {NAME_RULES}")));
    }
    if !(1..=MAX_VALUES).contains(&values.len()) {
        return Err(bad(format!("{name} has {} values, and 1 to {MAX_VALUES} are taken", values.len())));
    }
    let mut read: Vec<(String, Value)> = Vec::with_capacity(values.len());
    for v1::IndicatorValue { name: value_name, value } in values {
        if !is_value_name(value_name) {
            return Err(bad(format!("values of {name}: {value_name:?} is no name, which has {VALUE_NAME_RULES}")));
        }
        if read.iter().any(|(known, _)| known == value_name) {
            return Err(bad(format!("values of {name}: {value_name:?} is there twice")));
        }
        let parsed = value.parse().map_err(|error| bad(format!("{value_name} of {name}: {value:?} {error}")))?;
        read.push((value_name.clone(), parsed));
    }
    Ok(Indicator { name: name.clone(), sid: sid.clone(), values: read, time_micros: *time_micros })
}

pub(super) fn conflict(delivery: &Delivery, tick: &Tick) -> Unusable {
    let topic = &delivery.topic;
    let message = match (class_of(tick), tick.seq) {
        (Class::Sequence, Some(seq)) => format!(
            "number {seq} of the source {:?} on {topic} came before with other content: a source that numbers each \
             symbol by itself has to put the symbol into `source`; one that starts again takes a new name, or is reset \
             with `intuition sources reset`",
            tick.source
        ),
        _ => format!(
            "the id {:?} on {topic} came before with other content: an id names one quote; leave out an id that stays \
             the same",
            tick.id
        ),
    };
    unusable("IdentityConflict", message)
}

pub(super) fn went_back(delivery: &Delivery, tick: &Tick, last: i64) -> Unusable {
    let message = format!(
        "the source {:?} on {} stands at {last}, and this is number {}: a source that numbers each symbol by itself has \
         to put the symbol into `source`; one that starts again takes a new name, or is reset with `intuition sources \
         reset`",
        tick.source,
        delivery.topic,
        tick.seq.unwrap_or_default()
    );
    unusable("SequenceWentBack", message)
}

/// Why a quote of a new symbol is not taken.
pub(super) fn too_many_symbols(sid: &str, limit: usize) -> Unusable {
    let message = format!(
        "{sid:?} is a new symbol, and the account has taken quotes of {limit} symbols, which is the limit: \
         list the symbols to take in spec.channels.inputs, or give the others an account of their own"
    );
    unusable("TooManySymbols", message)
}

pub(super) fn too_many_sources(channel: &str, source: &str, limit: usize) -> Unusable {
    let message = format!(
        "{source:?} is a new source on {channel}, and the account has {limit} sources, which is the limit: give \
         sources names that stay the same, and forget those that are gone by `intuition sources forget`"
    );
    unusable("TooManySources", message)
}

pub(super) fn source_forgotten(channel: &str, source: &str) -> Unusable {
    let message = format!(
        "{source:?} was forgotten on {channel} by `intuition sources forget`, so that its last number is not known: \
         publish under another source"
    );
    unusable("SourceForgotten", message)
}
