//! Instruments and their trades, which follow from a seed, are numbered without holes and are all kept.

use std::collections::HashSet;

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use serde::Serialize;

use crate::text;

/// Digits of a price after the point.
pub(crate) const PRICE_PLACES: usize = 2;
/// Digits of a size after the point.
pub(crate) const SIZE_PLACES: usize = 8;
/// Microseconds of a bar.
pub(crate) const MINUTE: i64 = 60_000_000;

/// A trade as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// Number of the trade, per instrument.
    pub number: u64,
    /// Price in hundredths.
    pub price: u64,
    /// Size in units of 10^-8.
    pub size: u64,
    /// Microseconds since the Unix epoch. They never go back.
    pub micros: i64,
}

/// A bar of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Beginning of the minute, microseconds since the Unix epoch.
    pub opened: i64,
    /// First price, hundredths.
    pub open: u64,
    /// Highest price, hundredths.
    pub high: u64,
    /// Lowest price, hundredths.
    pub low: u64,
    /// Last price, hundredths.
    pub close: u64,
    /// Sum of all sizes, units of 10^-8.
    pub volume: u64,
}

/// A trade as the control endpoint returns it.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    number: u64,
    price: String,
    size: String,
    micros: i64,
}

/// An instrument, and the record of its trades.
#[derive(Debug)]
pub struct Instrument {
    /// `BTC/USD`.
    pub name: String,
    random: ChaCha8Rng,
    price: u64,
    first: u64,
    record: Vec<Trade>,
}

impl Trade {
    /// Price as decimal text.
    pub fn price_text(&self) -> String {
        text::plain(self.price, PRICE_PLACES)
    }

    /// Size as decimal text.
    pub fn size_text(&self) -> String {
        text::plain(self.size, SIZE_PLACES)
    }

    pub(crate) fn recorded(&self) -> Recorded {
        Recorded { number: self.number, price: self.price_text(), size: self.size_text(), micros: self.micros }
    }
}

impl Instrument {
    /// An instrument without trades. Two of one name and seed make the same prices and sizes. `first`: its first number.
    pub fn new(name: &str, seed: u64, first: u64) -> Self {
        let salt = name.bytes().fold(seed, |salt, byte| salt.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = ChaCha8Rng::seed_from_u64(salt);
        let price = random.random_range(1_000..5_000_000);
        Self { name: name.to_owned(), random, price, first, record: Vec::new() }
    }

    /// Makes the next trade, at this time or at the time of the last one, whichever is later.
    pub(crate) fn make(&mut self, micros: i64) -> Trade {
        let step = (self.price / 1_000).max(1);
        let moved = self.price.saturating_add(self.random.random_range(0..=2 * step)).saturating_sub(step);
        self.price = moved.max(1);
        let size = if self.random.random_bool(0.2) {
            // Small enough for an exponent in many encoders.
            self.random.random_range(1..10_000)
        } else {
            self.random.random_range(10_000..1_000_000_000)
        };
        let last = self.record.last();
        let trade = Trade {
            number: last.map_or(self.first, |last| last.number + 1),
            price: self.price,
            size,
            micros: last.map_or(micros, |last| last.micros.max(micros)),
        };
        self.record.push(trade);
        trade
    }

    /// All trades.
    pub fn record(&self) -> &[Trade] {
        &self.record
    }

    /// The trades with numbers from `from` on.
    pub(crate) fn from(&self, from: u64) -> &[Trade] {
        let start = self.record.partition_point(|trade| trade.number < from);
        self.record.get(start..).unwrap_or_default()
    }

    /// The bar of the minute that opened at `opened`. A minute without trades repeats the last price. `None`: nothing was
    /// traded before its end.
    pub fn bar(&self, opened: i64) -> Option<Bar> {
        let start = self.record.partition_point(|trade| trade.micros < opened);
        let end = self.record.partition_point(|trade| trade.micros < opened + MINUTE);
        let trades = self.record.get(start..end)?;
        let Some((first, last)) = trades.first().zip(trades.last()) else {
            let price = self.record.get(start.checked_sub(1)?)?.price;
            return Some(Bar { opened, open: price, high: price, low: price, close: price, volume: 0 });
        };
        let prices = trades.iter().map(|trade| trade.price);
        let (low, high) = prices.fold((u64::MAX, 0), |(low, high), price| (low.min(price), high.max(price)));
        let volume = trades.iter().map(|trade| trade.size).sum();
        Some(Bar { opened, open: first.price, high, low, close: last.price, volume })
    }

    /// The beginnings of all minutes from the first trade's to the last one's.
    pub(crate) fn minutes(&self) -> impl Iterator<Item = i64> + use<> {
        let minute = |trade: &Trade| trade.micros.div_euclid(MINUTE);
        let range = self.record.first().zip(self.record.last()).map(|(first, last)| minute(first)..=minute(last));
        range.into_iter().flatten().map(|minute| minute * MINUTE)
    }
}

/// Whether all names differ in every spelling of the three protocols.
pub(crate) fn are_distinct(names: &[String]) -> bool {
    let spelled: HashSet<_> = names.iter().map(|name| name.replace('/', "")).collect();
    spelled.len() == names.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_makes_the_same_trades_and_another_one_others() {
        let made = |seed| {
            let mut instrument = Instrument::new("BTC/USD", seed, 100);
            (0..50).map(|micros| instrument.make(micros)).collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert!(made(1).iter().zip(100..).all(|(trade, number)| trade.number == number && trade.size > 0));
    }

    #[test]
    fn bars_are_those_of_their_trades_and_quiet_minutes_are_flat() {
        let mut instrument = Instrument::new("BTC/USD", 1, 1);
        let trades: Vec<_> = [0, 1, MINUTE - 1, 2 * MINUTE].map(|micros| instrument.make(micros)).into();
        let bar = instrument.bar(0).unwrap();
        assert_eq!((bar.open, bar.close), (trades[0].price, trades[2].price));
        assert_eq!(bar.high, trades[..3].iter().map(|trade| trade.price).max().unwrap());
        assert_eq!(bar.volume, trades[..3].iter().map(|trade| trade.size).sum::<u64>());
        let flat = instrument.bar(MINUTE).unwrap();
        assert_eq!((flat.open, flat.high, flat.volume), (bar.close, bar.close, 0));
        assert_eq!(instrument.minutes().collect::<Vec<_>>(), [0, MINUTE, 2 * MINUTE]);
    }
}
