//! Synthetic quotes: a few symbols that rise and fall, each in its own rhythm, with noise; the same at every run.

use intuition_api::{
    quote::{LONGEST_INTERVAL_MICROS, SHORTEST_INTERVAL_MICROS},
    v1::{InputEvent, Quote, QuoteDetails, input_event::Kind},
};

/// Sizes of the batches of a feed. With a single event, with the largest number, and between.
pub(crate) const PLAN: &[usize] = &[1, 2, 5, 256, 1, 64, 17, 100, 1, 33, 128, 32];

/// Symbol, middle of its prices in ten-thousandths, quotes from a low to the next.
const SYMBOLS: &[(&str, i64, i64)] =
    &[("GOOG", 3_451_200, 40), ("AAPL", 1_894_000, 56), ("BRK.B", 4_870_500, 72), ("EURUSD", 10_842, 96)];
/// 2026-01-02T14:30:00Z.
const OPENING_MICROS: i64 = 1_767_364_200_000_000;

/// An endless row of quotes; different ones for each variant.
#[derive(Debug)]
pub(crate) struct Feed {
    variant: i64,
    random: u64,
    made: i64,
    number: u64,
}

impl Feed {
    /// Begins at the first quote.
    pub(crate) const fn new(variant: u32) -> Self {
        Self { variant: variant as i64, random: 0x9e37_79b9_7f4a_7c15 ^ variant as u64, made: 0, number: 0 }
    }

    /// The next quotes.
    pub(crate) fn take(&mut self, count: usize) -> Vec<InputEvent> {
        (0..count).map(|_| self.next_event()).collect()
    }

    /// As many quotes as the plan has, in its batches.
    pub(crate) fn planned(variant: u32) -> Vec<Vec<InputEvent>> {
        let mut feed = Self::new(variant);
        PLAN.iter().map(|size| feed.take(*size)).collect()
    }

    fn next_event(&mut self) -> InputEvent {
        // Growing, and not by one alone.
        self.number += if self.random.is_multiple_of(11) { 3 } else { 1 };
        let noise = self.noise();
        let symbols = i64::try_from(SYMBOLS.len()).unwrap_or(1);
        let place = usize::try_from(self.made % symbols).unwrap_or(0);
        let (sid, middle, period) = SYMBOLS.get(place).copied().unwrap_or(("GOOG", 3_451_200, 40));
        let moment = self.made / symbols + self.variant * 13;
        // A triangle from -6 % to +6 %, in ten-thousandths, and noise of up to 0.2 %.
        let phase = (moment % period) * 4_000 / period;
        let swing = if phase < 2_000 { phase - 1_000 } else { 3_000 - phase };
        let price = (middle + middle * swing * 6 / 100_000 + middle * noise / 500_000).max(1);
        self.made += 1;
        let quote = Quote {
            sid: sid.to_owned(),
            price: decimal(price),
            time_micros: OPENING_MICROS + self.made * 250_000,
            ..Quote::default()
        };
        InputEvent { event: self.number, kind: Some(Kind::Quote(quote)) }
    }

    /// -1,000 to 1,000.
    fn noise(&mut self) -> i64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.random >> 33) % 2_001).unwrap_or(0) - 1_000
    }
}

/// Ten-thousandths as the contract writes prices: without zeros at the end.
fn decimal(units: i64) -> String {
    let text = format!("{}.{:04}", units / 10_000, units % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A full batch of the longest symbols and prices that there are.
pub(crate) fn largest() -> Vec<InputEvent> {
    let quote = |number: u64| {
        // Four bytes a character in every other one: a symbol is counted in characters.
        let filler = if number.is_multiple_of(2) { "𝛼" } else { "Z" };
        let sid = format!("{number:04}{}", filler.repeat(60));
        let price = if number.is_multiple_of(2) { "0.0000000001" } else { "999999999999.9999999999" };
        Quote { sid, price: price.to_owned(), time_micros: OPENING_MICROS, ..Quote::default() }
    };
    (1..=256).map(|number| InputEvent { event: number, kind: Some(Kind::Quote(quote(number))) }).collect()
}

/// Quotes of one symbol with each value beside the price alone, with all of them at both of their bounds, and with a crossed book,
/// between quotes with a price alone.
pub(crate) fn detailed() -> Vec<InputEvent> {
    let (least, most) = ("0.0000000001", "999999999999.9999999999");
    let most_units = "9999999999999999999999999999.99999999";
    let every = |price: &str, units: &str, interval: i64| {
        let price = || Some(price.to_owned());
        QuoteDetails {
            size: Some(units.to_owned()),
            open: price(),
            high: price(),
            low: price(),
            volume: Some(units.to_owned()),
            bid: price(),
            ask: price(),
            interval_micros: Some(interval),
        }
    };
    let bounds = [
        (least, every(least, "0", SHORTEST_INTERVAL_MICROS)),
        (most, every(most, most_units, LONGEST_INTERVAL_MICROS)),
    ];
    let values = every("345", "10", SHORTEST_INTERVAL_MICROS);
    let none = QuoteDetails::default;
    let single = [
        QuoteDetails { size: values.size.clone(), ..none() },
        QuoteDetails { open: values.open.clone(), ..none() },
        QuoteDetails { high: values.high.clone(), ..none() },
        QuoteDetails { low: values.low.clone(), ..none() },
        QuoteDetails { volume: values.volume.clone(), ..none() },
        QuoteDetails { bid: values.bid.clone(), ..none() },
        QuoteDetails { ask: values.ask.clone(), ..none() },
        QuoteDetails { interval_micros: values.interval_micros, ..none() },
        QuoteDetails { bid: Some("346".to_owned()), ask: Some("344".to_owned()), ..none() },
    ];
    let quotes = bounds.into_iter().chain(single.map(|details| ("345", details)));
    let pairs = quotes.flat_map(|(price, details)| [(price, None), (price, Some(Box::new(details)))]);
    let event = |(number, (price, details)): (u64, (&str, Option<Box<QuoteDetails>>))| {
        let time_micros = OPENING_MICROS + i64::try_from(number).unwrap_or(0);
        let quote = Quote { sid: "GOOG".to_owned(), price: price.to_owned(), time_micros, details };
        InputEvent { event: number, kind: Some(Kind::Quote(quote)) }
    };
    (1..).zip(pairs).map(event).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use intuition_api::{decimal::Price, quote::Details};

    use super::*;

    fn quotes(events: &[InputEvent]) -> Vec<(u64, Quote)> {
        let quote = |event: &InputEvent| match &event.kind {
            Some(Kind::Quote(quote)) => (event.event, quote.clone()),
            other => panic!("no quote: {other:?}"),
        };
        events.iter().map(quote).collect()
    }

    #[test]
    fn a_feed_is_the_same_every_time_and_another_for_each_variant() {
        assert_eq!(Feed::planned(0), Feed::planned(0));
        let (one, other) = (quotes(&Feed::planned(0).concat()), quotes(&Feed::planned(1).concat()));
        let differing = one.iter().zip(&other).filter(|(one, other)| one.1.price != other.1.price).count();
        assert!(differing > 600, "{differing}");
    }

    #[test]
    fn prices_can_be_parsed_rise_and_fall_and_numbers_grow() {
        let quotes = quotes(&Feed::planned(0).concat());
        assert!(quotes.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1.time_micros < pair[1].1.time_micros));
        let mut prices: BTreeMap<String, Vec<Price>> = BTreeMap::new();
        for (_, quote) in quotes {
            prices.entry(quote.sid).or_default().push(quote.price.parse().unwrap());
        }
        assert_eq!(prices.len(), SYMBOLS.len());
        for (sid, prices) in prices {
            let risen = prices.windows(20).filter(|window| window[19] > window[0]).count();
            let fallen = prices.windows(20).filter(|window| window[19] < window[0]).count();
            assert!(risen > 20 && fallen > 20, "{sid}: {risen} up, {fallen} down");
        }
    }

    #[test]
    fn detailed_quotes_are_allowed_and_have_each_value_alone() {
        let quotes = quotes(&detailed());
        let (plain, detailed): (Vec<_>, Vec<_>) = quotes.iter().partition(|(_, quote)| quote.details.is_none());
        assert_eq!(plain.len(), detailed.len());
        let mut alone = BTreeSet::new();
        for (_, quote) in detailed {
            let message = quote.details.as_deref().unwrap();
            let details = Details::from_message(message).unwrap();
            assert_eq!(details.check(quote.price.parse().unwrap()), Ok(()));
            assert_eq!(details.to_message(), *message, "canonical");
            let mut present: Vec<_> =
                message.decimals().into_iter().filter_map(|(name, text)| text.map(|_| name)).collect();
            present.extend(message.interval_micros.map(|_| "interval"));
            if let [only] = present.as_slice() {
                alone.insert(*only);
            }
        }
        assert_eq!(alone.len(), 8, "{alone:?}");
    }

    #[test]
    fn the_largest_batch_is_within_what_the_contract_allows() {
        let quotes = quotes(&largest());
        assert_eq!(quotes.len(), 256);
        assert_eq!(quotes.iter().map(|(_, quote)| &quote.sid).collect::<BTreeSet<_>>().len(), 256);
        assert!(
            quotes.iter().all(|(_, quote)| quote.sid.chars().count() == 64 && quote.price.parse::<Price>().is_ok())
        );
    }
}
