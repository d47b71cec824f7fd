//! A tick on its way through the engine: recognised, and without an outcome in the ledger.

use std::sync::Arc;

use intuition_api::v1::{Delivery, Unusable, tick_outcome::SeenBy};

use super::source_numbers::TakenNumber;
use crate::{
    algorithm::Quote,
    identity::{Known, RowRef},
    ledger::WindowRow,
    portfolio::Denial,
};

/// How a tick gets its outcome.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every tick is new")]
pub(super) enum TickAction {
    /// It has its outcome already.
    Repeat(Known, SeenBy),
    /// It had an outcome, longer ago than is kept.
    Forgotten,
    /// Its delivery was decided when its bytes were read in another way.
    Reparsed,
    /// It has no outcome yet, and a row for one.
    New {
        /// The row that the ledger gets.
        row: WindowRow,
        /// The same row in memory.
        reference: RowRef,
        /// The source of the outcome.
        step: NewTick,
    },
}

/// Where the outcome of a new tick comes from.
#[derive(Debug)]
pub(super) enum NewTick {
    /// It cannot be used.
    DeadLetter(Unusable),
    /// The active algorithm did not ask for its channel.
    NotSubscribed,
    /// The input of its channel does not list its symbol.
    NotListed,
    /// The algorithm decides.
    Decide(Quote),
}

/// A tick that was recognised.
#[derive(Debug)]
pub(super) struct PendingTick {
    pub(super) delivery: Arc<Delivery>,
    pub(super) index: u32,
    pub(super) action: TickAction,
    /// Its number came before, without a source as well, and with other content.
    pub(super) reused: bool,
    /// The number that it took from its source.
    pub(super) taken: Option<TakenNumber>,
    /// Its number among the ticks recognised since the start, from 1.
    pub(super) number: u64,
    /// It sold a holding by hand.
    pub(super) sale: Option<Sale>,
}

impl PendingTick {
    /// The quote that the algorithm has to decide; `None`: the tick gets its outcome without the algorithm.
    pub(super) const fn quote(&self) -> Option<&Quote> {
        match &self.action {
            TickAction::New { step: NewTick::Decide(quote), .. } => Some(quote),
            _ => None,
        }
    }
}

/// A quote that the algorithm is asked about.
#[derive(Debug, Clone)]
pub(super) struct PendingQuote {
    pub(super) delivery: Arc<Delivery>,
    pub(super) index: u32,
    pub(super) quote: Quote,
    /// Every signal about it is denied, because of its age when the algorithm is asked.
    pub(super) denial: Option<Denial>,
}

/// A sale by hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sale {
    pub(super) position: u64,
    pub(super) seq: u64,
}
