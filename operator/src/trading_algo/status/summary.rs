//! The findings for all conditions of a `TradingAlgo`: those of its account and of its trading state, and the summary.

use intuition_api::v1::TradingState;
use intuition_resources::{TradingAlgoStatus, TradingStatus, validate::FieldError};

use super::{outcome::Lasting, trading::Traded};
use crate::{
    account::status::{
        observation::{Observation, Pods},
        parts::{Parts, unneeded},
    },
    reconcile::{
        condition_type,
        finding::{Finding, Truth, abnormal, rollout},
        reason::{self, ALGORITHM_NOT_FOUND, TRADING},
        rollout::Rollout,
    },
};

/// The findings for all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    parts: Parts,
    trading: Traded,
}

impl Summary {
    pub(crate) fn unreadable(error: &str, lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Self {
        let parts = Parts::unreadable(error, lasting.pods, &before.conditions);
        Self { parts, trading: lasting_trading(lasting, before) }
    }

    pub(crate) fn refused(problems: &[FieldError], lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Self {
        let parts = Parts::refused(problems, lasting.pods, &before.conditions);
        Self { parts, trading: lasting_trading(lasting, before) }
    }

    /// Nothing was created, because the algorithm does not exist.
    pub(crate) fn without_algorithm(why: &str) -> Self {
        let message = format!("{why}: nothing is started until it is there");
        Self { parts: Parts::without_algorithm(why), trading: Traded::unknown(unneeded(ALGORITHM_NOT_FOUND, &message)) }
    }

    /// `inputs`: the finding for `InputsHealthy`.
    pub(crate) fn observed(observation: &Observation<'_>, inputs: Finding, before: &TradingAlgoStatus) -> Self {
        let plan = observation.plan;
        Self {
            parts: Parts::observed(observation, inputs, &before.conditions),
            trading: Traded::of(&plan.trading, observation.pods.report(), plan.generation),
        }
    }

    /// Each condition type with its finding, in the order of the status.
    pub(crate) fn all(&self) -> Vec<(&'static str, Finding)> {
        let mut all = self.parts.all();
        all.push((condition_type::TRADING, self.trading.finding.clone()));
        all.push((condition_type::READY, self.ready()));
        all.extend(abnormal(self.worst()));
        all
    }

    pub(crate) const fn trading_status(&self) -> &TradingStatus {
        &self.trading.status
    }

    fn rollout(&self) -> Rollout {
        rollout(self.worst())
    }

    /// The rollout on which the next requeue depends: an unconfirmed stop is sent again soon, even if the resource is
    /// stalled.
    pub(crate) fn pace(&self) -> Rollout {
        if self.trading.is_unconfirmed { Rollout::Progressing } else { self.rollout() }
    }

    fn worst(&self) -> Option<&Finding> {
        self.parts.worst([&self.trading.finding])
    }

    fn ready(&self) -> Finding {
        let stop = self.trading.is_unconfirmed.then_some(&self.trading.finding);
        self.parts.ready(stop, self.trades())
    }

    /// `Ready` of a resource without a problem: quotes are decided in every trading state.
    fn trades(&self) -> Finding {
        let trading = &self.trading.finding;
        if trading.truth != Truth::False {
            return Finding::fine(TRADING, "quotes are being decided");
        }
        let denied = if self.trading.status.state == TradingState::Reducing.name() { "buy" } else { "signal" };
        let message = format!("{}. Every {denied} is denied; quotes are being decided", trading.message);
        Finding::fine(&trading.reason, message)
    }
}

/// The trading state of a spec that is not accepted.
fn lasting_trading(lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Traded {
    if lasting.pods.is_some() {
        return Traded::of(lasting.trading, lasting.pods.and_then(Pods::report), lasting.generation);
    }
    Traded::kept(lasting.trading, before).unwrap_or_else(|| {
        Traded::unknown(unneeded(reason::NOT_ACCEPTED, "no runtime was asked for a spec that is not accepted"))
    })
}
