//! The findings for all conditions of a `TradingAlgo`, and the summary: `Ready`, `Reconciling`, `Stalled`.

use std::collections::BTreeMap;

use intuition_api::v1::TradingState;
use intuition_resources::{Ledger, TRADING_ALGO_KIND, TradingAlgoStatus, TradingStatus, validate::FieldError};

use super::{
    configured::{self, Meanwhile},
    health, inputs, processes,
    trading::Traded,
};
use crate::{
    names::annotation,
    reconcile::{
        condition_type,
        finding::{Finding, Truth, abnormal, rollout, worst},
        reason::{self, ALGORITHM_NOT_FOUND, TRADING, Urgency},
        rollout::Rollout,
        topics,
    },
    trading_algo::{
        plan::AlgorithmRef,
        status::observation::{Lasting, LedgerState, Observation},
    },
};

/// The findings for all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    accepted: Finding,
    configured: Finding,
    /// The active algorithm while the requested one has not taken over.
    meanwhile: Option<Meanwhile>,
    runtime: Finding,
    bridge: Finding,
    /// `Ready` and the rollout do not depend on it: accepted quotes are decided.
    inputs: Finding,
    /// As for the inputs: `bridge` has the same missing parts, with their urgency.
    outputs: Finding,
    /// As for the outputs, with `runtime`.
    ledger: Finding,
    trading: Traded,
    /// The worst apply error.
    trouble: Option<Finding>,
}

impl Summary {
    pub(crate) fn unreadable(error: &str, lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Self {
        Self::not_accepted(Finding::unreadable(error), lasting, before)
    }

    pub(crate) fn refused(problems: &[FieldError], lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Self {
        Self::not_accepted(Finding::refused(problems), lasting, before)
    }

    /// The pods go on with the previous spec, except for the trading state.
    fn not_accepted(accepted: Finding, lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Self {
        let configured =
            Finding::unknown(reason::NOT_ACCEPTED, "the settings of a spec that is not accepted are not put in force");
        let Some(pods) = lasting.pods else { return Self::unseen(accepted, configured, lasting, before) };
        let runtime = processes::runtime(pods, false);
        let bridge = processes::bridge(pods, runtime.truth == Truth::True);
        let (inputs, _) = inputs::inputs(pods, &Ok(Vec::new()), &[]);
        Self {
            accepted,
            configured,
            meanwhile: None,
            inputs,
            outputs: health::outputs(pods),
            ledger: health::ledger(&LedgerState::Unknown, pods, &runtime),
            trading: Traded::of(lasting.trading, pods.report(), lasting.generation),
            runtime,
            bridge,
            trouble: None,
        }
    }

    /// No pod was observed: nothing was created, or a right is missing.
    fn unseen(accepted: Finding, configured: Finding, lasting: &Lasting<'_>, before: &TradingAlgoStatus) -> Self {
        let known: BTreeMap<_, _> =
            before.conditions.iter().map(|condition| (condition.type_.as_str(), condition)).collect();
        let again = |kind: &str| match known.get(kind) {
            Some(condition) => Finding::again(condition, Urgency::None),
            None => Finding::unknown(reason::NOT_ACCEPTED, "nothing was made for a spec that is not accepted"),
        };
        Self {
            accepted,
            configured,
            meanwhile: None,
            runtime: again(condition_type::RUNTIME_READY),
            bridge: again(condition_type::BRIDGE_CONNECTED),
            inputs: again(condition_type::INPUTS_HEALTHY),
            outputs: again(condition_type::OUTPUTS_HEALTHY),
            ledger: again(condition_type::LEDGER_HEALTHY),
            trading: Traded::kept(lasting.trading, before).unwrap_or_else(|| {
                Traded::unknown(none(reason::NOT_ACCEPTED, "no runtime was asked for a spec that is not accepted"))
            }),
            trouble: None,
        }
    }

    /// Nothing was created, because the algorithm does not exist.
    pub(crate) fn without_algorithm(why: &str) -> Self {
        let lacking = Finding::lacking(
            ALGORITHM_NOT_FOUND,
            format!("{why}: nothing is started until it is there"),
            Urgency::Notify,
        );
        Self {
            accepted: Finding::accepted(),
            configured: lacking.clone(),
            meanwhile: None,
            runtime: lacking.clone(),
            inputs: Finding::unknown(ALGORITHM_NOT_FOUND, &lacking.message),
            outputs: none(ALGORITHM_NOT_FOUND, &lacking.message),
            ledger: none(ALGORITHM_NOT_FOUND, &lacking.message),
            trading: Traded::unknown(none(ALGORITHM_NOT_FOUND, &lacking.message)),
            bridge: lacking,
            trouble: None,
        }
    }

    /// `inputs`: the finding for `InputsHealthy`.
    pub(crate) fn observed(observation: &Observation<'_>, inputs: Finding, before: &TradingAlgoStatus) -> Self {
        let trouble = observation.failure.as_ref().map(Finding::from);
        let is_coming =
            matches!(observation.plan.live_settings.algorithm, AlgorithmRef::Served { is_coming: true, .. });
        let runtime = processes::runtime(&observation.pods, is_coming);
        let bridge = processes::bridge(&observation.pods, runtime.truth == Truth::True);
        let (configured, meanwhile) = configured::configured(observation, before);
        let runtime = runtime_finding(observation, runtime, trouble.as_ref());
        Self {
            accepted: topics::accepted(&observation.plan.warnings),
            configured,
            meanwhile,
            bridge: because(bridge, trouble.as_ref()),
            inputs,
            outputs: health::outputs(&observation.pods),
            ledger: health::ledger(&observation.ledger, &observation.pods, &runtime),
            trading: Traded::of(&observation.plan.trading, observation.pods.report(), observation.plan.generation),
            runtime,
            trouble,
        }
    }

    /// Each condition type with its finding, in the order of the status.
    pub(crate) fn all(&self) -> Vec<(&'static str, Finding)> {
        let mut all = vec![
            (condition_type::ACCEPTED, self.accepted.clone()),
            (condition_type::CONFIGURED, self.configured.clone()),
            (condition_type::RUNTIME_READY, self.runtime.clone()),
            (condition_type::BRIDGE_CONNECTED, self.bridge.clone()),
            (condition_type::INPUTS_HEALTHY, self.inputs.clone()),
            (condition_type::OUTPUTS_HEALTHY, self.outputs.clone()),
            (condition_type::LEDGER_HEALTHY, self.ledger.clone()),
            (condition_type::TRADING, self.trading.finding.clone()),
            (condition_type::READY, self.ready()),
        ];
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

    /// The most urgent finding. Apply errors come before their consequences.
    fn worst(&self) -> Option<&Finding> {
        worst(self.trouble.iter().chain(self.parts()).chain([&self.trading.finding]))
    }

    fn parts(&self) -> [&Finding; 4] {
        [&self.accepted, &self.runtime, &self.configured, &self.bridge]
    }

    fn ready(&self) -> Finding {
        // An apply error is about this generation, even while the previous one goes on trading.
        let lacks = |finding: &&Finding| {
            finding.truth != Truth::True && !(self.meanwhile.is_some() && **finding == self.configured)
        };
        let stop = self.trading.is_unconfirmed.then_some(&self.trading.finding);
        if let Some(lacking) = self.trouble.iter().chain(self.parts()).chain(stop).find(lacks) {
            return Finding { truth: Truth::False, observed_generation: None, ..lacking.clone() };
        }
        let fine = self.trades();
        match &self.meanwhile {
            None => fine,
            // True for the effective generation, so that `kubectl wait` for the present one goes on waiting.
            Some(Meanwhile { who, generation }) => Finding {
                message: format!("{} by {who}: {}", fine.message, self.configured.message),
                observed_generation: Some(*generation),
                ..fine
            },
        }
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

fn none(reason: &str, message: &str) -> Finding {
    Finding { urgency: Urgency::None, ..Finding::unknown(reason, message) }
}

/// The finding for `RuntimeReady`, after the ledger's claim and apply errors.
fn runtime_finding(observation: &Observation<'_>, runtime: Finding, trouble: Option<&Finding>) -> Finding {
    match &observation.ledger {
        LedgerState::Lost(ledger) => {
            Finding::lacking(reason::LEDGER_MISSING, lost(observation, ledger), Urgency::ActionRequired)
        }
        LedgerState::Going(ledger) if runtime.truth == Truth::True => Finding {
            reason: reason::LEDGER_BEING_DELETED.to_owned(),
            message: format!(
                "PersistentVolumeClaim {} is being deleted and goes with the runtime's pod: copy the ledger while it is \
                 there",
                ledger.claim_name
            ),
            urgency: Urgency::Notify,
            ..runtime
        },
        _ => because(runtime, trouble),
    }
}

/// Replaces the finding about a missing workload by the apply error that caused it.
fn because(finding: Finding, trouble: Option<&Finding>) -> Finding {
    match trouble {
        Some(trouble) if finding.reason == reason::ROLLING_OUT => trouble.clone(),
        _ => finding,
    }
}

fn lost(observation: &Observation<'_>, ledger: &Ledger) -> String {
    let (namespace, name) = (&observation.plan.namespace, &observation.plan.name);
    format!(
        "PersistentVolumeClaim {} with the ledger is gone. Restore it under this name with the labels of the other \
         objects of {TRADING_ALGO_KIND} {name}; or begin with an empty ledger by: kubectl annotate --overwrite -n {namespace} ta/{name} \
         {}={}",
        ledger.claim_name,
        annotation::NEW_LEDGER,
        ledger.claim_uid
    )
}
