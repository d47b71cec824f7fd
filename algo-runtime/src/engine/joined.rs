//! The messages of an indicator's account: a quote with the indicators that include it, or a closed bar. Pure.
//!
//! A message has the identity of its quote, so that gaps and repetitions at a consumer are those of the origin. The messages of an
//! account are on one topic, and no two of them may have the same identity: a consumer would take the second for a repetition of
//! the first, or refuse its number (ADR 0048).
//! - A quote without an identity gets a number from the outbox.
//! - Quotes of one message with a common identity get an id with their rank.
//! - Where quotes of several topics meet, source and id name the topic: numbers count for each topic.

mod numbers;

use std::collections::HashMap;

use intuition_api::v1::{self, Delivery, IndicatorValue, Tick, tick::Content};
use sha2::{Digest as _, Sha256};

pub(super) use self::numbers::JoinedNumbers;

use crate::{
    algorithm::{Indicator, Output, Quote},
    identity::{class_of, event_of, ranks},
    ledger::Class,
};

/// Bytes of a source or an id, at most.
const MAX_IDENTITY_BYTES: usize = 256;

/// The account that publishes, and its next outbox position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Publisher<'a> {
    pub(super) account: &'a str,
    /// Ledger id of the entry at the position.
    pub(super) ledger_id: &'a str,
    pub(super) position: u64,
}

/// The quote that a message comes of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) tick: &'a Tick,
    /// By [`shared_ranks`].
    pub(super) shared_rank: Option<u32>,
    /// Quotes of other topics come too.
    pub(super) joins_topics: bool,
    /// The input of the topic lists symbols, so that quotes of others are left out.
    pub(super) lists_symbols: bool,
}

/// Identity of a message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Identity {
    source: String,
    seq: Option<i64>,
    id: String,
    /// Numbers are left out on purpose.
    is_sparse: bool,
}

/// For each tick of a delivery: its rank, where it is a quote and another quote of the delivery has the same source, seq and id.
pub(super) fn shared_ranks(delivery: &Delivery) -> Vec<Option<u32>> {
    if let [_] = delivery.ticks.as_slice() {
        return vec![None];
    }
    let mut counts: HashMap<_, u32> = HashMap::new();
    for tick in delivery.ticks.iter().filter(|tick| is_quote(tick)) {
        *counts.entry(identity(tick)).or_default() += 1;
    }
    let is_shared = |tick: &Tick| is_quote(tick) && counts.get(&identity(tick)).is_some_and(|count| *count > 1);
    ranks(delivery).into_iter().zip(&delivery.ticks).map(|(rank, tick)| is_shared(tick).then_some(rank)).collect()
}

fn identity(tick: &Tick) -> (&str, Option<i64>, &str) {
    (&tick.source, tick.seq, &tick.id)
}

const fn is_quote(tick: &Tick) -> bool {
    matches!(tick.content, Some(Content::Quote(_)))
}

/// The message of an output. `None`: the tick is no quote.
pub(super) fn joined(publisher: Publisher<'_>, origin: Origin<'_>, output: Output) -> Option<v1::Joined> {
    let Some(Content::Quote(quote)) = &origin.tick.content else { return None };
    let (identity, quote, values) = match output {
        Output::Quote(values) => (of_quote(publisher, origin), quote.clone(), values),
        Output::Bar { bar, values, minute } => (of_bar(publisher.account, &bar.sid, minute), wire_quote(bar), values),
    };
    let Delivery { replay, backfill, .. } = *origin.delivery;
    let Identity { source, seq, id, is_sparse } = identity;
    let indicators = values.into_iter().map(wire_indicator).collect();
    Some(v1::Joined { indicators, quote: Some(quote), source, seq, id, replay, sparse: is_sparse, backfill })
}

fn of_quote(Publisher { account, ledger_id, position }: Publisher<'_>, origin: Origin<'_>) -> Identity {
    let Origin { delivery, tick, shared_rank, joins_topics, lists_symbols } = origin;
    let is_sparse = delivery.sparse || lists_symbols;
    let class = class_of(tick);
    if class == Class::Packet {
        // The packet ends here, and a number without a source identifies nothing by itself.
        let source = bounded(format!("{account}/{ledger_id}"));
        return Identity { source, seq: i64::try_from(position).ok(), is_sparse: true, ..Identity::default() };
    }
    let named = |text: String| match text {
        text if text.is_empty() || !joins_topics => bounded(text),
        text => bounded(format!("{}:{text}", delivery.topic)),
    };
    let source = named(tick.source.clone());
    match (class, shared_rank) {
        (Class::Sequence, None) => Identity { source, seq: tick.seq, id: String::new(), is_sparse },
        (_, None) => Identity { source, seq: None, id: named(tick.id.clone()), is_sparse },
        (_, Some(rank)) => {
            let id = named(format!("{}/{rank}", event_of(delivery, tick)));
            Identity { source, seq: None, id, is_sparse }
        }
    }
}

/// A bar is numbered by its opening: a ledger that began anew closes the same bar under the same number.
fn of_bar(account: &str, sid: &str, minute: i64) -> Identity {
    Identity { source: bounded(format!("{account}:{sid}")), seq: Some(minute), id: String::new(), is_sparse: true }
}

/// A text as a source or an id, which bridges take up to a length.
fn bounded(text: String) -> String {
    if text.len() <= MAX_IDENTITY_BYTES { text } else { hex::encode(Sha256::digest(text.as_bytes())) }
}

fn wire_quote(quote: Quote) -> v1::Quote {
    let Quote { sid, price, time_micros, details } = quote;
    let details = details.map(|details| Box::new(details.to_message()));
    v1::Quote { sid, price: price.to_string(), time_micros, details }
}

fn wire_indicator(indicator: Indicator) -> v1::Indicator {
    let Indicator { name, sid, values, time_micros } = indicator;
    let values = values.into_iter().map(|(name, value)| IndicatorValue { name, value: value.to_string() });
    v1::Indicator { name, sid, values: values.collect(), time_micros }
}

#[cfg(test)]
mod tests;
