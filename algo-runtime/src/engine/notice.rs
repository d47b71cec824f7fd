//! Facts for the log. The engine logs nothing itself: the writer takes them and logs them.

use std::time::Duration;

use intuition_api::{
    decimal::{Money, Price},
    v1::TradingState,
};

use crate::{algorithm::FieldErrors, backend::BackendNotice};

/// A fact for the log.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineNotice {
    /// The settings of the start cannot be used; those of the recorded generation go on.
    SettingsRefused {
        /// The recorded generation.
        generation: i64,
        /// Why they cannot be used.
        errors: FieldErrors,
    },
    /// The starting cash of flags is not lowered: the withdrawal would make the cash negative.
    CashNotLowered {
        /// Cash now.
        cash: Money,
        /// Net deposits now.
        deposits: Money,
        /// Net deposits asked for.
        target: Money,
        /// Code of the denial.
        reason: &'static str,
    },
    /// The trading state changed.
    TradingStateChanged {
        /// Before.
        from: TradingState,
        /// Now.
        to: TradingState,
        /// Number of the state now.
        number: u64,
        /// Code, state and message of each cause.
        causes: Vec<(String, &'static str, String)>,
    },
    /// A holding was sold by hand.
    SoldByHand {
        /// Symbol.
        sid: String,
        /// Number of the decision.
        seq: u64,
    },
    /// A sale by hand was denied. The symbol waits no more.
    SaleDenied {
        /// Symbol.
        sid: String,
        /// Price of the quote.
        price: Price,
        /// Code of the denial.
        reason: &'static str,
    },
    /// An input has brought no quote for its `staleAfter`.
    InputStale {
        /// Topic filter.
        topic: String,
        /// `staleAfter`.
        stale_after: Duration,
    },
    /// A stale input has brought a quote.
    InputFresh {
        /// Topic filter.
        topic: String,
    },
    /// The active algorithm asks for channels that the namespace may not use.
    ChannelsNotAllowed {
        /// The channels.
        channels: Vec<String>,
        /// They are subscribed to all the same.
        subscribed: bool,
    },
    /// The candidate takes over.
    TakesOver {
        /// The previous algorithm.
        from: String,
        /// The algorithm that is active now.
        to: String,
        /// Generation of its settings.
        generation: i64,
    },
    /// The algorithm that took over has decided.
    DecidesFirst {
        /// Time without decisions.
        pause: Duration,
    },
    /// A saved state was deleted: so many other algorithms saved one since.
    StateDeleted {
        /// Name of the algorithm.
        algorithm: String,
        /// The other algorithms.
        others: usize,
    },
    /// A built-in algorithm did not answer each quote once.
    Miscounted {
        /// Name of the algorithm.
        algorithm: &'static str,
        /// Quotes asked.
        asked: usize,
        /// Quotes answered.
        answered: usize,
    },
    /// The algorithm answered a quote with messages of an indicator, and the account is no indicator's.
    OutputsDropped {
        /// The messages.
        outputs: usize,
    },
    /// A fact about a backend.
    Backend(BackendNotice),
}

/// Facts that are not taken yet.
#[derive(Debug, Default)]
pub(super) struct Notices(Vec<EngineNotice>);

impl Notices {
    pub(super) fn add(&mut self, notice: EngineNotice) {
        self.0.push(notice);
    }

    pub(super) fn add_backend(&mut self, notices: Vec<BackendNotice>) {
        self.0.extend(notices.into_iter().map(EngineNotice::Backend));
    }

    pub(super) fn take(&mut self) -> Vec<EngineNotice> {
        std::mem::take(&mut self.0)
    }
}
