//! The symbols of a session with their numbers, and the outputs that wait for the consumer.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    MAX_KEPT, MAX_OUTPUTS,
    numbering::{Numbering, Offered, Origin},
    recovery::{Numbers, Recoveries, Step},
    status::SymbolStatus,
};
use crate::{
    market::Market,
    message::Entry,
    quote::{Output, Quote},
};

/// Least number of entries that a symbol may keep out of order.
const LEAST_KEPT: usize = 16;

#[derive(Debug)]
struct Symbol {
    name: Arc<str>,
    source: Arc<str>,
    numbering: Numbering,
    last_time: Option<i64>,
    refused: Option<String>,
}

/// See the module. A place is an index into the symbols.
#[derive(Debug)]
pub(super) struct Symbols {
    all: Vec<Symbol>,
    places: HashMap<Arc<str>, usize>,
    outputs: VecDeque<Output>,
}

impl Symbols {
    pub(super) fn new(market: Market, names: &[String], position: &BTreeMap<String, u64>) -> Self {
        let room = (MAX_KEPT / names.len().max(1)).max(LEAST_KEPT);
        let all: Vec<_> = names
            .iter()
            .map(|name| Symbol {
                name: name.as_str().into(),
                source: format!("{market}:{name}").into(),
                numbering: Numbering::new(position.get(name).copied(), room),
                last_time: None,
                refused: None,
            })
            .collect();
        let places = all.iter().enumerate().map(|(place, symbol)| (Arc::clone(&symbol.name), place)).collect();
        Self { all, places, outputs: VecDeque::new() }
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
                tracing::warn!(source = %symbol.source, text, "the exchange refuses a symbol");
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

    /// Whether another output has room.
    pub(super) fn has_room(&self) -> bool {
        self.outputs.len() < MAX_OUTPUTS
    }

    pub(super) fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Outputs that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.outputs.len()
    }

    pub(super) fn take_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Adds an output, made of the source and the name of the symbol.
    pub(super) fn push(&mut self, place: usize, output: impl FnOnce(Arc<str>, Arc<str>) -> Output) {
        if let Some(symbol) = self.all.get_mut(place) {
            let output = output(Arc::clone(&symbol.source), Arc::clone(&symbol.name));
            if let Output::Quote(Quote { time_micros, .. }) = &output {
                symbol.last_time = Some(*time_micros);
            }
            self.outputs.push_back(output);
        }
    }

    pub(super) fn status(&self) -> Vec<SymbolStatus> {
        let status = |symbol: &Symbol| SymbolStatus {
            symbol: Arc::clone(&symbol.name),
            last_number: symbol.numbering.next().and_then(|next| next.checked_sub(1)),
            last_time_micros: symbol.last_time,
            refused: symbol.refused.clone(),
        };
        self.all.iter().map(status).collect()
    }
}
