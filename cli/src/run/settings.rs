//! What a manifest means to a runtime.

use algo_runtime::{
    portfolio::{Policy, PolicyError},
    settings::{Adjustable, Authority, Choice, Initial, Input, Settings},
};
use intuition_operator::resource::{self, TradingAlgo};

use crate::validate;

/// The settings of a local run: the manifest rules at every start, as it would at `kubectl apply`. `decider` is the
/// algorithm that it means.
pub(super) fn of(algo: &TradingAlgo, decider: Choice) -> Result<Settings, PolicyError> {
    let spec = &algo.spec;
    let portfolio = &spec.portfolio;
    let channels = spec.channels.clone().unwrap_or_default();
    let amount = portfolio.amount.map(|amount| amount.to_string());
    Ok(Settings {
        account: validate::account(algo),
        adjustable: Adjustable {
            algorithm: decider,
            threshold: spec.threshold,
            parameters: spec.algorithm.parameters.clone(),
            starting_cash: spec.starting_cash.unwrap_or(resource::DEFAULT_STARTING_CASH).to_string(),
            suspend: spec.suspend == Some(true),
        },
        authority: Authority::Start,
        policy: Policy::from_parts(portfolio.policy.name(), portfolio.fraction, amount.as_deref())?,
        subscribe: channels.filters(),
        inputs: channels.inputs.into_iter().flatten().map(input).collect(),
        initial: Initial::default(),
    })
}

fn input(resource::Input { topic, symbols }: resource::Input) -> Input {
    Input { topic, symbols: symbols.unwrap_or_default() }
}
