//! Bars that quotes are collected into, by the times of the quotes alone: a repetition of the same quotes closes the same bars.

use indicators::Sample;
use intuition_api::{
    decimal::{LIMIT, Price, Quantity},
    quote::Details,
};

use super::Quote;

const MINUTE_MICROS: i64 = 60_000_000;

/// A bar, open or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    /// Opening time, a multiple of the length of a bar since 1970.
    pub(super) opening_micros: i64,
    pub(super) open: Price,
    pub(super) high: Price,
    pub(super) low: Price,
    /// Price of the quote that came last.
    pub(super) close: Price,
    /// Sum of the sizes of trades and of the volumes of bars. `None`: no quote had one.
    pub(super) volume: Option<Quantity>,
}

/// The place of a quote beside the open bar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is part of the open bar, or opened the first one.
    Within,
    /// It opened a later bar, and closed this one.
    Behind(Bar),
    /// It is older than the open bar, and no part of any.
    Late,
}

/// Puts a quote into the open bar, or opens the bar of its time.
pub(super) fn place(open: &mut Option<Bar>, quote: &Quote, length_micros: i64) -> Placed {
    let opening_micros = quote.time_micros.div_euclid(length_micros).saturating_mul(length_micros);
    match open {
        Some(bar) if opening_micros < bar.opening_micros => Placed::Late,
        Some(bar) if opening_micros == bar.opening_micros => {
            bar.add(quote);
            Placed::Within
        }
        _ => open.replace(Bar::new(quote, opening_micros)).map_or(Placed::Within, Placed::Behind),
    }
}

impl Bar {
    fn new(quote: &Quote, opening_micros: i64) -> Self {
        let bar = as_bar(quote);
        let first = bar.and_then(|bar| bar.open).unwrap_or(quote.price);
        let mut bar = Self { opening_micros, open: first, high: first, low: first, close: quote.price, volume: None };
        bar.add(quote);
        bar
    }

    fn add(&mut self, quote: &Quote) {
        let bar = as_bar(quote);
        let prices = [
            Some(quote.price),
            bar.and_then(|bar| bar.open),
            bar.and_then(|bar| bar.high),
            bar.and_then(|bar| bar.low),
        ];
        for price in prices.into_iter().flatten() {
            self.high = self.high.max(price);
            self.low = self.low.min(price);
        }
        self.close = quote.price;
        let moved = bar.and_then(|bar| bar.volume).or_else(|| quote.details.as_deref()?.size);
        if let Some(moved) = moved {
            let sum = self.volume.unwrap_or_default().checked_add(moved);
            self.volume = sum.or_else(|| Quantity::from_units(LIMIT));
        }
    }

    /// The bar as the input of an indicator.
    pub(super) const fn sample(&self) -> Sample {
        Sample {
            close: self.close,
            high: Some(self.high),
            low: Some(self.low),
            volume: self.volume,
            time_micros: self.opening_micros,
        }
    }

    /// The bar as a quote.
    pub(super) fn quote(&self, sid: &str, length_micros: i64) -> Quote {
        let details = Details {
            open: Some(self.open),
            high: Some(self.high),
            low: Some(self.low),
            volume: self.volume,
            interval_micros: Some(length_micros),
            ..Details::default()
        };
        Quote {
            sid: sid.to_owned(),
            price: self.close,
            time_micros: self.opening_micros,
            details: Some(Box::new(details)),
        }
    }

    /// Minutes from 1970 to its opening.
    pub(super) const fn minute(&self) -> i64 {
        self.opening_micros.div_euclid(MINUTE_MICROS)
    }
}

/// The values of a quote that is a bar itself.
fn as_bar(quote: &Quote) -> Option<&Details> {
    quote.details.as_deref().filter(|details| details.interval_micros.is_some())
}
