//! What a resource's status says, from what was seen. Pure: the time comes in, and nothing is read or written.

mod account;
mod capabilities;
pub(crate) mod conditions;
pub(crate) mod configured;
pub(crate) mod finding;
mod findings;
mod health;
mod inputs;
mod topics;
mod trading;
mod warnings;
pub(crate) mod workload;

use intuition_common::exit::with_causes;
use intuition_resources::{Ledger, TradingAlgoStatus, validate::Problem};
use k8s_openapi::jiff::Timestamp;

pub use self::conditions::{Notice, condition};
use self::{findings::Findings, trading::Traded};
use crate::{
    ask::{AskError, Missing, Readiness, RuntimeReport},
    cluster::ApplyError,
    plan::Plan,
    pods::PodState,
    trading::Wanted,
};

/// What came of one look at a resource.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// The API server holds what this release cannot read.
    Unreadable(&'a str, Lasting<'a>),
    /// The spec is refused.
    Refused(&'a [Problem], Lasting<'a>),
    /// Nothing was made: the algorithm that it names cannot be used, for this reason.
    WithoutAlgorithm(&'a str),
    /// Everything was applied, but for `Observation::problem`, and looked at.
    Seen(&'a Observation<'a>),
}

/// The parts of a resource that count although its spec is not accepted: the trading state, and the running pods.
#[derive(Debug, Clone, Copy)]
pub struct Lasting<'a> {
    /// Its generation.
    pub generation: i64,
    /// The trading state.
    pub trading: &'a Wanted,
    /// The pods; `None`: nothing was made.
    pub pods: Option<&'a Pods>,
}

/// Runtime and bridge, as the cluster shows them and as they answered.
#[derive(Debug)]
pub struct Pods {
    /// The runtime's pod, and its answers where it runs.
    pub runtime: (PodState, Option<RuntimeReport>),
    /// The bridge's pod, and its `/readyz` where it runs.
    pub bridge: (PodState, Option<Result<Readiness, AskError>>),
}

impl Pods {
    /// The runtime's answers, where it runs.
    fn report(&self) -> Option<&RuntimeReport> {
        self.runtime.1.as_ref()
    }

    /// The warnings of the bridge; none where it does not answer.
    fn warnings(&self) -> &[Missing] {
        match &self.bridge.1 {
            Some(Ok(readiness)) => &readiness.warnings,
            Some(Err(_)) | None => &[],
        }
    }
}

/// What was seen.
#[derive(Debug)]
pub struct Observation<'a> {
    /// What the resource asks for.
    pub plan: &'a Plan,
    /// What could not be applied.
    pub problem: Option<Trouble>,
    /// The ledger's claim.
    pub ledger: LedgerState,
    /// Runtime and bridge.
    pub pods: Pods,
}

/// What could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Code.
    pub reason: &'static str,
    /// With all causes.
    pub message: String,
    /// What becomes of it.
    pub outlook: Outlook,
}

impl From<&ApplyError> for Trouble {
    fn from(error: &ApplyError) -> Self {
        Self { reason: error.reason(), message: with_causes(error), outlook: error.outlook() }
    }
}

/// What becomes of something that could not be applied, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// It passes by itself.
    Passes,
    /// It may go through the next time.
    Uncertain,
    /// It stays so until somebody changes something.
    Stays,
}

/// The ledger's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerState {
    /// It could not be made or looked for.
    Unknown,
    /// It is there.
    There(Ledger),
    /// It is there and goes with its pod.
    Going(Ledger),
    /// It was there and is gone.
    Lost(Ledger),
}

/// A status, what is new in it for people, and how it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived<S = TradingAlgoStatus> {
    /// The whole status.
    pub status: S,
    /// What changed that a person should know.
    pub notices: Vec<Notice>,
    /// How it goes on.
    pub progress: Progress,
}

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Everything is as it shall be.
    Settled,
    /// On its way.
    Moving,
    /// Another algorithm is about to take over: it shows at the next look whether it did.
    Swapping,
    /// Held up by something that may pass: a broker that is away, an image that is not there.
    HeldUp,
    /// Nothing changes until somebody does something.
    Stalled,
}

/// The status after `previous`, for this generation of the resource.
pub fn derive(previous: Option<&TradingAlgoStatus>, generation: i64, outcome: &Outcome<'_>, now: Timestamp) -> Derived {
    let before = previous.cloned().unwrap_or_default();
    let mut hourly = Vec::new();
    let (findings, pods) = match outcome {
        Outcome::Unreadable(error, lasting) => (Findings::unreadable(error, lasting, &before), lasting.pods),
        Outcome::Refused(problems, lasting) => (Findings::refused(problems, lasting, &before), lasting.pods),
        Outcome::WithoutAlgorithm(why) => (Findings::without_algorithm(why), None),
        Outcome::Seen(seen) => {
            let (inputs, notices) = inputs::inputs(&seen.pods, &seen.plan.resets);
            hourly = notices;
            hourly.extend(topics::notice(seen.plan));
            (Findings::seen(seen, inputs, &before), Some(&seen.pods))
        }
    };
    let (conditions, mut notices) = conditions::next(&before.conditions, &findings.all(), generation, now);
    notices.extend(hourly);
    if let Some(pods) = pods {
        // The note of the account names both ledgers, and goes out instead of the bridge's under the same key.
        notices.extend(pods.report().and_then(|report| account::went_back(&before, report)));
        notices.extend(warnings::notices(pods.warnings()));
    }
    let mut status = TradingAlgoStatus {
        conditions,
        observed_generation: Some(generation),
        trading: Some(findings.trading_status().clone()),
        ..before
    };
    if let Outcome::Seen(seen) = outcome {
        account::take_ledger(&mut status, &seen.ledger);
    }
    if let Some(report) = pods.and_then(Pods::report) {
        account::take(&mut status, report);
    }
    Derived { status, notices, progress: findings.pace() }
}

/// The status after `previous` with another trading state and nothing else changed, for a look that could not go on.
pub fn derive_trading(previous: Option<&TradingAlgoStatus>, lasting: &Lasting<'_>, now: Timestamp) -> Derived {
    let mut status = previous.cloned().unwrap_or_default();
    let traded = Traded::of(lasting.trading, lasting.pods.and_then(Pods::report), lasting.generation);
    let findings = [(condition::TRADING, traded.finding)];
    let (next, notices) = conditions::next(&status.conditions, &findings, lasting.generation, now);
    for condition in next {
        match status.conditions.iter_mut().find(|known| known.type_ == condition.type_) {
            Some(known) => *known = condition,
            None => status.conditions.push(condition),
        }
    }
    status.trading = Some(traded.status);
    Derived { status, notices, progress: Progress::Moving }
}

#[cfg(test)]
mod tests;
