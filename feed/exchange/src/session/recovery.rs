//! The recovery of missing numbers over REST: one request at a time, for one symbol after the other.
//!
//! The recovery of a symbol begins when numbers are missing, or when a new connection may have missed some. It ends when
//! nothing is missing, or with a gap at its bounds in time and trades.

mod paging;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use intuition_common::backoff::Backoff;
use tokio::time::Instant;

use self::paging::{Paging, Placement};
use super::numbering::Numbering;
use crate::{
    market::{Ask, Limits, Market, PAGE},
    message::Entry,
    quote::GapReason,
};

/// Number of a REST request within a session.
pub type RequestId = u64;

/// The state of one symbol's recovery.
#[derive(Debug)]
struct Recovery {
    began: Instant,
    /// The next request may go out then.
    due: Instant,
    /// Entries fetched so far.
    fetched: u64,
    /// The latest number at the exchange is known.
    knows_latest: bool,
    backoff: Backoff,
    paging: Paging,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    id: RequestId,
    symbol: usize,
    ask: Ask,
}

/// Fetched entries that are given one after the other.
#[derive(Debug)]
struct Page {
    symbol: usize,
    entries: VecDeque<Entry>,
}

/// A step through a fetched page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Give this entry. It is kept by the numbering, or fetched.
    Give(Entry, bool),
    /// The exchange does not have these numbers.
    Absent(u64, u64),
}

/// All recoveries of a session.
#[derive(Debug)]
pub(super) struct Recoveries {
    market: Market,
    limits: Limits,
    seed: u64,
    running: BTreeMap<usize, Recovery>,
    flight: Option<Flight>,
    page: Option<Page>,
    /// No request goes out before: the pace, and the exchange's own wish.
    not_before: Option<Instant>,
    /// Symbol of the last request, so that the next one gets its turn.
    last: usize,
    requests: RequestId,
}

impl Recoveries {
    pub(super) const fn new(market: Market, limits: Limits, seed: u64) -> Self {
        let running = BTreeMap::new();
        Self { market, limits, seed, running, flight: None, page: None, not_before: None, last: 0, requests: 0 }
    }

    /// Symbols in recovery.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// The symbols in recovery.
    pub(super) fn places(&self) -> Vec<usize> {
        self.running.keys().copied().collect()
    }

    /// Asks the exchange for the latest number of a symbol with a position: a connection may have missed trades.
    pub(super) fn look(&mut self, symbol: usize, now: Instant) {
        let recovery = self.recovery(symbol, now);
        recovery.knows_latest = false;
        recovery.due = recovery.due.min(now);
    }

    /// Begins or ends the recovery of a symbol, by the numbers that are missing now.
    pub(super) fn review(&mut self, symbol: usize, numbering: &Numbering, now: Instant) {
        let is_missing = numbering.missing().is_some();
        let is_draining = self.page.as_ref().is_some_and(|page| page.symbol == symbol);
        match self.running.get(&symbol) {
            None if is_missing => self.recovery(symbol, now).knows_latest = true,
            Some(recovery) if recovery.knows_latest && !is_missing && !is_draining => {
                self.running.remove(&symbol);
            }
            _ => {}
        }
    }

    fn recovery(&mut self, symbol: usize, now: Instant) -> &mut Recovery {
        let (first, longest) = self.limits.pauses;
        let seed = self.seed.wrapping_add(symbol as u64);
        self.running.entry(symbol).or_insert_with(|| Recovery {
            began: now,
            due: now + self.limits.reorder_grace,
            fetched: 0,
            knows_latest: false,
            backoff: Backoff::new(first, longest, seed),
            paging: Paging::default(),
        })
    }

    /// The symbols with a recovery that has run out of time, each with the reason for the gap.
    pub(super) fn exhausted(&self, now: Instant) -> Vec<(usize, GapReason)> {
        let is_draining = |symbol| self.page.as_ref().is_some_and(|page| page.symbol == symbol);
        let running = self.running.iter().filter(|(symbol, _)| !is_draining(**symbol));
        running
            .filter_map(|(symbol, recovery)| {
                if now >= recovery.began + self.limits.recovery_time {
                    Some((*symbol, GapReason::TooLate))
                } else if recovery.fetched >= self.limits.recovery_trades {
                    Some((*symbol, GapReason::TooMany))
                } else {
                    None
                }
            })
            .collect()
    }

    /// Ends the recovery of a symbol. An answer that is under way is passed over.
    pub(super) fn end(&mut self, symbol: usize) {
        self.running.remove(&symbol);
    }

    /// The last number of a range that is too long for one recovery, so that its beginning is a gap.
    pub(super) const fn beyond(&self, first: u64, last: u64) -> Option<u64> {
        let excess = (last - first).saturating_add(1).saturating_sub(self.limits.recovery_trades);
        if excess == 0 { None } else { Some(first + (excess - 1)) }
    }

    /// The next request, if one may go out now: its number, its symbol and its subject.
    pub(super) fn request(
        &mut self,
        now: Instant,
        numbering: impl Fn(usize) -> Option<Numbers>,
    ) -> Option<(RequestId, usize, Ask)> {
        if self.flight.is_some() || self.page.is_some() || self.not_before.is_some_and(|instant| now < instant) {
            return None;
        }
        let due = |(symbol, recovery): (&usize, &Recovery)| (recovery.due <= now).then_some(*symbol);
        let behind = self.running.range(self.last + 1..).find_map(due);
        let symbol = behind.or_else(|| self.running.iter().find_map(due))?;
        let recovery = self.running.get(&symbol)?;
        let ask = match numbering(symbol) {
            Some(numbers) if recovery.knows_latest => Ask::Range {
                from: numbers.first,
                to: numbers.last,
                since_micros: self.market.pages_by_time().then(|| recovery.paging.since(&numbers)).flatten(),
            },
            _ => Ask::Latest,
        };
        self.requests += 1;
        self.last = symbol;
        self.flight = Some(Flight { id: self.requests, symbol, ask });
        self.not_before = Some(now + self.limits.request_pause);
        Some((self.requests, symbol, ask))
    }

    /// The symbol and the subject of the request under way, if it has this number. The request is over then.
    pub(super) fn landed(&mut self, id: RequestId) -> Option<(usize, Ask)> {
        let flight = self.flight.take_if(|flight| flight.id == id)?;
        Some((flight.symbol, flight.ask))
    }

    /// A request failed. `pause`: the time that the exchange asks all requests to wait.
    pub(super) fn failed(&mut self, symbol: usize, pause: Option<Duration>, now: Instant) {
        if let Some(pause) = pause {
            self.not_before = self.not_before.max(Some(now + pause));
        }
        if let Some(recovery) = self.running.get_mut(&symbol) {
            recovery.due = now + recovery.backoff.pause();
        }
    }

    /// The latest number of a symbol is known.
    pub(super) fn found_latest(&mut self, symbol: usize, now: Instant) {
        if let Some(recovery) = self.running.get_mut(&symbol) {
            recovery.knows_latest = true;
            recovery.due = now;
        }
    }

    /// Takes an answer to [`Ask::Range`], by growing number.
    pub(super) fn fetched(&mut self, symbol: usize, from: u64, entries: Vec<Entry>, now: Instant) {
        let Some(recovery) = self.running.get_mut(&symbol) else { return };
        let by_time = self.market.pages_by_time();
        let news = entries.partition_point(|entry| entry.number < from);
        recovery.fetched = recovery.fetched.saturating_add((entries.len() - news) as u64);
        let is_full = entries.len() as u64 >= PAGE;
        match recovery.paging.place(by_time, from, &entries, is_full) {
            Placement::Use => {
                recovery.backoff.reset();
                recovery.due = now;
                self.page = Some(Page { symbol, entries: entries.into() });
            }
            Placement::Move => recovery.due = now,
            Placement::Wait => recovery.due = now + recovery.backoff.pause(),
        }
    }

    /// The symbol of the page that is given now.
    pub(super) fn page_symbol(&self) -> Option<usize> {
        self.page.as_ref().map(|page| page.symbol)
    }

    /// One step through the page, for the numbering of its symbol. `None`: the page is at its end.
    pub(super) fn step(&mut self, numbering: &mut Numbering) -> Option<Step> {
        while let Some(page) = &mut self.page
            && let Some(entry) = page.entries.front().copied()
            && let Some(next) = numbering.next()
        {
            if entry.number < next {
                page.entries.pop_front();
            } else if let Some((kept, origin)) = numbering.take() {
                return Some(Step::Give(kept, origin == super::numbering::Origin::Backfill));
            } else if entry.number == next {
                page.entries.pop_front();
                numbering.pass(next, entry.time_micros);
                return Some(Step::Give(entry, true));
            } else {
                let absent = numbering.skip_before(entry.number);
                return absent.map(|absent| Step::Absent(*absent.start(), *absent.end()));
            }
        }
        self.page = None;
        None
    }

    /// When something is due at the latest.
    pub(super) fn wake(&self) -> Option<Instant> {
        let ends = self.running.values().map(|recovery| recovery.began + self.limits.recovery_time);
        if self.flight.is_some() || self.page.is_some() {
            return ends.min();
        }
        let due = self.running.values().map(|recovery| self.not_before.map_or(recovery.due, |at| recovery.due.max(at)));
        ends.chain(due).min()
    }
}

/// Missing numbers of a symbol, and times around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Lowest missing number.
    pub(super) first: u64,
    /// Highest number of the first hole.
    pub(super) last: u64,
    /// Event time of the number before them.
    pub(super) time_before: Option<i64>,
    /// Event time of the number behind them.
    pub(super) time_behind: Option<i64>,
}
