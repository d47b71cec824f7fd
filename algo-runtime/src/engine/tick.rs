//! A tick on its way through the engine: recognised, and without an outcome in the ledger.

use std::sync::Arc;

use intuition_api::v1::{Delivery, Unusable, input_event::Kind, tick_outcome::SeenBy};

use super::source_numbers::TakenNumber;
use crate::{
    algorithm::{Event, Indicator, Quote},
    backend::input,
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
    /// The algorithm is told of it, and decides it where it is a quote.
    Decide(Event),
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
    /// Whether the algorithm has to answer for it. False: it gets its outcome without the algorithm.
    pub(super) const fn needs_answer(&self) -> bool {
        matches!(self.action, TickAction::New { step: NewTick::Decide(_), .. })
    }

    /// The quote that the algorithm has to decide.
    pub(super) const fn quote(&self) -> Option<&Quote> {
        match &self.action {
            TickAction::New { step: NewTick::Decide(Event::Quote(quote)), .. } => Some(quote),
            _ => None,
        }
    }
}

/// An event of a batch to the algorithm.
#[derive(Debug, Clone)]
pub(super) enum PendingEvent {
    /// It can be traded.
    Quote(PendingQuote),
    /// Values of an indicator.
    Indicator(Box<Indicator>),
}

impl PendingEvent {
    /// The quote that a signal about the event trades.
    pub(super) const fn quote(&self) -> Option<&PendingQuote> {
        match self {
            Self::Quote(quote) => Some(quote),
            Self::Indicator(_) => None,
        }
    }

    /// As a built-in algorithm gets it.
    pub(super) fn event(&self) -> Event {
        match self {
            Self::Quote(pending) => Event::Quote(pending.quote.clone()),
            Self::Indicator(indicator) => Event::Indicator(indicator.clone()),
        }
    }

    /// As a backend gets it.
    pub(super) fn input(&self) -> Kind {
        match self {
            Self::Quote(pending) => input::of_quote(&pending.quote),
            Self::Indicator(indicator) => input::of_indicator(indicator),
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
