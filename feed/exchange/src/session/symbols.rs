//! The symbols of a session with their numbers.

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use tokio::time::Instant;

use super::{
    MAX_KEPT,
    numbering::{Numbering, Offered, Origin},
    recovery::{Numbers, Recoveries, Step},
    status::SymbolStatus,
};
use crate::{config::Config, message::Entry};

/// Least number of entries that a symbol may keep out of order.
const LEAST_KEPT: usize = 16;

#[derive(Debug)]
struct Symbol {
    name: Arc<str>,
    numbering: Numbering,
    refused: Option<String>,
}

/// See the module. A place is an index into the symbols.
#[derive(Debug)]
pub(super) struct Symbols {
    all: Vec<Symbol>,
    places: HashMap<Arc<str>, usize>,
}

impl Symbols {
    pub(super) fn new(config: &Config) -> Self {
        let room = (MAX_KEPT / config.symbols.len().max(1)).max(LEAST_KEPT);
        // The position of bars that are built is a minute, and the numbers are those of trades.
        let position = |name: &String| config.position.get(name).filter(|_| !config.builds_bars()).copied();
        let symbol = |name: &String| Symbol {
            name: name.as_str().into(),
            numbering: Numbering::new(position(name), room),
            refused: None,
        };
        let all: Vec<_> = config.symbols.iter().map(symbol).collect();
        let places = all.iter().enumerate().map(|(place, symbol)| (Arc::clone(&symbol.name), place)).collect();
        Self { all, places }
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.all.get(place).map(|symbol| &*symbol.name)
    }

    /// The places of all symbols, in batches.
    pub(super) fn batches(&self, size: usize) -> Vec<Vec<usize>> {
        let places: Vec<_> = (0..self.all.len()).collect();
        places.chunks(size.max(1)).map(<[usize]>::to_vec).collect()
    }

    pub(super) fn has_position(&self, place: usize) -> bool {
        self.all.get(place).is_some_and(|symbol| symbol.numbering.next().is_some())
    }

    /// Notes the exchange's refusal of a symbol, or its end.
    pub(super) fn refuse(&mut self, place: usize, text: Option<&str>) {
        if let Some(symbol) = self.all.get_mut(place) {
            if let Some(text) = text {
                tracing::warn!(symbol = %symbol.name, text, "the exchange refuses a symbol");
            }
            symbol.refused = text.map(str::to_owned);
        }
    }

    pub(super) fn offer(&mut self, place: usize, entry: Entry, origin: Origin) -> Offered {
        self.all.get_mut(place).map_or(Offered::Early, |symbol| symbol.numbering.offer(entry, origin))
    }

    pub(super) fn mention(&mut self, place: usize, number: u64) {
        if let Some(symbol) = self.all.get_mut(place) {
            symbol.numbering.mention(number);
        }
    }

    pub(super) fn take(&mut self, place: usize) -> Option<(Entry, Origin)> {
        self.all.get_mut(place)?.numbering.take()
    }

    pub(super) fn step(&mut self, place: usize, recoveries: &mut Recoveries) -> Option<Step> {
        recoveries.step(&mut self.all.get_mut(place)?.numbering)
    }

    pub(super) fn review(&self, place: usize, recoveries: &mut Recoveries, now: Instant) {
        if let Some(symbol) = self.all.get(place) {
            recoveries.review(place, &symbol.numbering, now);
        }
    }

    /// The first hole in the numbers of a symbol.
    pub(super) fn missing(&self, place: usize) -> Option<Numbers> {
        let numbering = &self.all.get(place)?.numbering;
        let missing = numbering.missing()?;
        Some(Numbers {
            first: *missing.start(),
            last: *missing.end(),
            time_before: numbering.last_time(),
            time_behind: numbering.first_kept_time(),
        })
    }

    /// Gives up the first hole of a symbol, up to `last` and not beyond its end.
    pub(super) fn skip(&mut self, place: usize, last: u64) -> Option<RangeInclusive<u64>> {
        let numbering = &mut self.all.get_mut(place)?.numbering;
        let end = *numbering.missing()?.end();
        numbering.skip(end.min(last))
    }

    /// The state of all symbols. `last`: number and time of the last output.
    pub(super) fn status(&self, last: impl Fn(usize) -> (Option<u64>, Option<i64>)) -> Vec<SymbolStatus> {
        let status = |(place, symbol): (usize, &Symbol)| {
            let (last_number, last_time_micros) = last(place);
            let (symbol, refused) = (Arc::clone(&symbol.name), symbol.refused.clone());
            SymbolStatus { symbol, last_number, last_time_micros, refused }
        };
        self.all.iter().enumerate().map(status).collect()
    }
}
