//! Values of indicators on their way in: they reach the algorithm with the quote behind them, and nothing trades on them.

mod batches;
mod outcomes;

use intuition_api::v1::{EventBatch, Indicator, IndicatorValue, input_event};

use super::{backend::up, far::*, *};
use crate::backend::BackendReply;

/// Values of an indicator about GOOG.
pub(super) fn values(name: &str, value: &str) -> Tick {
    let value = IndicatorValue { name: "value".to_owned(), value: value.to_owned() };
    let indicator = Indicator { name: name.to_owned(), sid: "GOOG".to_owned(), values: vec![value], time_micros: 5 };
    Tick { content: Some(Content::Indicator(Box::new(indicator))), ..Tick::default() }
}

/// A quote behind the values of so many indicators, as an indicator's account publishes it: all with the quote's number.
fn joined(seq: i64, indicators: u32, price: &str) -> Vec<Tick> {
    let values = (0..indicators).map(|place| values(&format!("i-{place}"), price));
    let ticks = values.chain([quote(price)]);
    let hash = |tick: &Tick| vec![u8::from(matches!(tick.content, Some(Content::Quote(_)))); 32].into();
    let identified = |(ordinal, tick): (u32, Tick)| Tick {
        source: "feed".to_owned(),
        seq: Some(seq),
        ordinal: Some(ordinal),
        content_sha256: hash(&tick),
        ..tick
    };
    (0..).zip(ticks).map(identified).collect()
}

/// A quote by its price, values by the name of their indicator.
fn shown(kind: Option<&input_event::Kind>) -> String {
    match kind {
        Some(input_event::Kind::Quote(quote)) => quote.price.clone(),
        Some(input_event::Kind::Indicator(indicator)) => indicator.name.clone(),
        None => panic!("an event without a kind"),
    }
}

fn events(batch: &EventBatch) -> Vec<String> {
    batch.events.iter().map(|event| shown(event.kind.as_ref())).collect()
}

impl Wired {
    /// Takes a delivery with these ticks.
    fn deliver(&mut self, ticks: Vec<Tick>) -> Delivery {
        let delivery = self.bench.delivery("quotes", ticks);
        self.take(std::slice::from_ref(&delivery));
        delivery
    }

    /// Answers the next batch: buys at every quote. Gives the events.
    fn buy_quotes(&mut self) -> Vec<String> {
        let batch = self.batch(A);
        let is_quote = |event: u64| {
            let event = batch.events.iter().find(|known| known.event == event).unwrap();
            matches!(event.kind, Some(input_event::Kind::Quote(_)))
        };
        let answer = result(&batch, "", |event| if is_quote(event) { vec![buy(event)] } else { Vec::new() });
        self.report(A, Ok(BackendReply::Result(answer)));
        events(&batch)
    }
}

#[test]
fn ticks_and_events_are_as_large_as_their_quotes() {
    assert_eq!(size_of::<Option<Content>>(), size_of::<Quote>());
    assert_eq!(size_of::<crate::algorithm::Event>(), size_of::<crate::algorithm::Quote>());
}
