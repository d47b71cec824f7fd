//! The settings of a runtime from a manifest.

use std::time::Duration;

use algo_runtime::{
    ledger::Retention,
    portfolio::{Policy, PolicyError},
    settings::{AlgorithmRef, Initial, InitialTrading, Input, LiveSettings, Settings, SettingsSource, Topics},
};
use intuition_api::{indicator, v1::TradingState};
use intuition_resources::{Amount, ChannelPlan, Indicator, Retain, TradingAlgo};

use crate::{
    trading::{HALT_ANNOTATION, REDUCE_ANNOTATION},
    validate,
};

/// The settings of a local run: the manifest rules at every start, as it would at `kubectl apply`. `decider` is the
/// algorithm that it means, `channels` are those of the run.
pub(super) fn of(algo: &TradingAlgo, channels: ChannelPlan, decider: AlgorithmRef) -> Result<Settings, PolicyError> {
    let spec = &algo.spec;
    let portfolio = &spec.portfolio;
    let amount = portfolio.amount.map(|amount| amount.to_string());
    Ok(Settings {
        account: validate::account(algo),
        live: LiveSettings {
            algorithm: decider,
            threshold: spec.threshold,
            parameters: spec.algorithm.parameters.clone(),
            starting_cash: spec.starting_cash.unwrap_or(intuition_resources::DEFAULT_STARTING_CASH).to_string(),
            // Part of the trading state below.
            suspend: false,
            retention: spec.storage.retain.as_ref().map(retention),
        },
        source: SettingsSource::Start,
        policy: Policy::from_parts(portfolio.policy.name(), portfolio.fraction, amount.as_deref())?,
        subscribe: channels.filters,
        inputs: channels.inputs.into_iter().map(input).collect(),
        topics: Topics::default(),
        initial: Initial {
            cash_unchanged: spec.starting_cash.is_none(),
            trading: InitialTrading::Flags(trading_state(algo)),
        },
    })
}

/// The settings of an indicator in a local run, with the channels of the run.
pub(super) fn of_indicator(indicator: &Indicator, channels: ChannelPlan) -> Result<Settings, serde_json::Error> {
    let spec = &indicator.spec;
    Ok(Settings {
        account: validate::indicator_account(indicator),
        live: LiveSettings {
            algorithm: AlgorithmRef::Builtin(indicator::ALGORITHM.to_owned()),
            threshold: 0.0,
            parameters: spec.parameters()?,
            starting_cash: Amount::whole(0).to_string(),
            suspend: false,
            retention: spec.storage.retain.as_ref().map(retention),
        },
        source: SettingsSource::Start,
        policy: Policy::RandomFraction,
        subscribe: channels.filters,
        inputs: channels.inputs.into_iter().map(input).collect(),
        topics: Topics::default(),
        initial: Initial { cash_unchanged: false, trading: InitialTrading::Flags(TradingState::Active) },
    })
}

/// The trading state that a manifest asks for, by its fields and its annotations: the strictest, as in a cluster. A stop that
/// `intuition halt` set at the runtime holds beside it.
fn trading_state(algo: &TradingAlgo) -> TradingState {
    let by_field = algo.spec.trading_state.map(TradingState::from);
    let by_suspend = (algo.spec.suspend == Some(true)).then_some(TradingState::Halted);
    let by_annotation = [(HALT_ANNOTATION, TradingState::Halted), (REDUCE_ANNOTATION, TradingState::Reducing)]
        .into_iter()
        .filter(|(name, _)| algo.metadata.annotations.iter().flatten().any(|(annotation, _)| annotation == name))
        .map(|(_, state)| state);
    by_field.into_iter().chain(by_suspend).chain(by_annotation).max().unwrap_or(TradingState::Active)
}

fn retention(Retain { decisions, age }: &Retain) -> Retention {
    let age_seconds = age.as_ref().map(intuition_resources::Duration::seconds);
    Retention { decisions: decisions.map(i64::cast_unsigned), age_seconds }
}

fn input(input: intuition_resources::Input) -> Input {
    let intuition_resources::Input { topic, symbols, format, max_quote_age, stale_after } = input;
    let length = |duration: intuition_resources::Duration| Duration::from_secs(duration.seconds());
    Input {
        topic,
        symbols: symbols.unwrap_or_default(),
        format: format.as_ref().map(Into::into),
        max_quote_age: max_quote_age.map(length),
        stale_after: stale_after.map(length),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(spec: &serde_json::Value, annotations: &serde_json::Value) -> Settings {
        let manifest = json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "TradingAlgo",
            "metadata": { "name": "a", "namespace": "default", "annotations": annotations },
            "spec": spec,
        });
        of(
            &serde_json::from_value(manifest).unwrap(),
            ChannelPlan::default(),
            AlgorithmRef::Builtin("random".to_owned()),
        )
        .unwrap()
    }

    #[test]
    fn the_strictest_of_fields_and_annotations_is_the_trading_state() {
        let (halt, reduce) = (json!({ "intuition.dev/halt": "alice" }), json!({ "intuition.dev/reduce": "" }));
        for (state, suspend, annotations, expected) in [
            (None, None, json!({}), TradingState::Active),
            (Some("Active"), Some(false), json!({ "team": "halt" }), TradingState::Active),
            (Some("Reducing"), Some(true), json!({}), TradingState::Halted),
            (Some("Halted"), Some(false), json!({}), TradingState::Halted),
            (Some("Active"), None, reduce.clone(), TradingState::Reducing),
            (Some("Reducing"), None, halt.clone(), TradingState::Halted),
            (None, Some(false), halt, TradingState::Halted),
            (Some("Halted"), None, reduce, TradingState::Halted),
        ] {
            let mut spec = json!({ "algorithm": { "builtin": "random" } });
            if let Some(state) = state {
                spec["tradingState"] = json!(state);
            }
            if let Some(suspend) = suspend {
                spec["suspend"] = json!(suspend);
            }
            let found = settings(&spec, &annotations);
            assert_eq!(found.initial.trading, InitialTrading::Flags(expected), "{spec} {annotations}");
            assert!(!found.live.suspend);
        }
    }

    #[test]
    fn retention_of_the_manifest_bounds_a_local_ledger() {
        let with = |storage: serde_json::Value| {
            settings(&json!({ "algorithm": { "builtin": "random" }, "storage": storage }), &json!({})).live.retention
        };
        assert_eq!(with(json!({})), None);
        let day = Some(Retention { decisions: None, age_seconds: Some(86_400) });
        assert_eq!(with(json!({ "retain": { "for": "24h" } })), day);
        let both = Some(Retention { decisions: Some(10_000), age_seconds: Some(86_400) });
        assert_eq!(with(json!({ "retain": { "decisions": 10_000, "for": "1d" } })), both);
    }

    #[test]
    fn starting_cash_that_is_absent_leaves_the_deposits_as_they_are() {
        let absent = settings(&json!({ "algorithm": { "builtin": "random" } }), &json!({}));
        assert_eq!((absent.initial.cash_unchanged, absent.live.starting_cash.as_str()), (true, "10000.00"));
        let given = settings(&json!({ "algorithm": { "builtin": "random" }, "startingCash": 500 }), &json!({}));
        assert_eq!((given.initial.cash_unchanged, given.live.starting_cash.as_str()), (false, "500.00"));
    }
}
