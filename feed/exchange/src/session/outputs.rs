//! The outputs that wait for the consumer, and the bars that are built on the way to them.

use std::{collections::VecDeque, sync::Arc};

use super::{
    MAX_OUTPUTS,
    bars::{BarBuilder, Built},
    status::Counters,
};
use crate::{
    config::Config,
    market::Data,
    message::Entry,
    quote::{Gap, GapReason, Output, Quote},
};

#[derive(Debug)]
struct Outlet {
    name: Arc<str>,
    source: Arc<str>,
    /// Builds bars of trades. `None`: entries are given as they are.
    bars: Option<BarBuilder>,
    last_number: Option<u64>,
    last_time: Option<i64>,
}

/// See the module. A place is an index into the symbols of the session.
#[derive(Debug)]
pub(super) struct Outputs {
    outlets: Vec<Outlet>,
    waiting: VecDeque<Output>,
    /// Numbers without an entry are no loss.
    is_sparse: bool,
    counters: Counters,
}

impl Outputs {
    pub(super) fn new(config: &Config) -> Self {
        let builds_bars = config.builds_bars();
        let outlet = |name: &String| Outlet {
            name: name.as_str().into(),
            source: format!("{}:{name}", config.market).into(),
            bars: builds_bars.then(|| BarBuilder::new(config.position.get(name).copied())),
            last_number: None,
            last_time: None,
        };
        Self {
            outlets: config.symbols.iter().map(outlet).collect(),
            waiting: VecDeque::new(),
            is_sparse: config.data == Data::Bars && !builds_bars,
            counters: Counters::default(),
        }
    }

    /// Counters of the session.
    pub(super) const fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(super) fn counted(&self) -> Counters {
        self.counters.clone()
    }

    /// Whether another entry has room.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_OUTPUTS
    }

    /// Outputs that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Output> {
        self.waiting.pop_front()
    }

    /// Gives an entry of the numbers, which come in order. `backfill`: it did not come live.
    pub(super) fn push(&mut self, place: usize, entry: &Entry, backfill: bool) {
        let Some(outlet) = self.outlets.get_mut(place) else { return };
        let Some(bars) = &mut outlet.bars else { return self.quote(place, entry, backfill) };
        match bars.push(entry) {
            Some(Built::Bar(bar)) => self.quote(place, &bar, backfill),
            Some(Built::Gap(first, last, reason)) => self.gap(place, first, last, reason),
            None => {}
        }
    }

    /// Reports numbers that will not come.
    pub(super) fn push_gap(&mut self, place: usize, first: u64, last: u64, reason: GapReason) {
        let Some(outlet) = self.outlets.get_mut(place) else { return };
        match &mut outlet.bars {
            Some(bars) => bars.cut(reason),
            None if self.is_sparse && reason == GapReason::NotAtExchange => {}
            None => self.gap(place, first, last, reason),
        }
    }

    fn quote(&mut self, place: usize, entry: &Entry, backfill: bool) {
        let Some(outlet) = self.outlets.get_mut(place) else { return };
        let &Entry { number: seq, price, time_micros, kind } = entry;
        let (source, symbol) = (Arc::clone(&outlet.source), Arc::clone(&outlet.name));
        (outlet.last_number, outlet.last_time) = (Some(seq), Some(time_micros));
        self.counters.quotes += 1;
        self.counters.backfilled += u64::from(backfill);
        self.waiting.push_back(Output::Quote(Quote { source, symbol, seq, price, time_micros, kind, backfill }));
    }

    fn gap(&mut self, place: usize, first: u64, last: u64, reason: GapReason) {
        let Some(outlet) = self.outlets.get_mut(place) else { return };
        outlet.last_number = Some(last);
        let (source, symbol) = (Arc::clone(&outlet.source), Arc::clone(&outlet.name));
        let gap = Gap { source, symbol, first, last, reason };
        self.counters.gap(&gap);
        self.waiting.push_back(Output::Gap(gap));
    }

    /// Number of the last quote or gap of a symbol, and the event time of its last quote.
    pub(super) fn last(&self, place: usize) -> (Option<u64>, Option<i64>) {
        self.outlets.get(place).map_or((None, None), |outlet| (outlet.last_number, outlet.last_time))
    }
}
