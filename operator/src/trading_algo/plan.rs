//! From a `TradingAlgo` and the operator's settings to the plan of its account. Later steps decide nothing. Pure.

mod later_settings;

use intuition_api::{topic::OwnTopics, v1::TradingState};
use intuition_resources::{
    Algorithm, AlgorithmChoice, Amount, ChannelPlan, ChannelSource, Channels, TradingAlgo, TradingAlgoStatus,
    TradingStatus,
    address::Address,
    validate::{FieldError, check_below},
};
use kube::{Resource as _, ResourceExt as _};
use serde_json::json;

use crate::{
    account::{
        confine,
        kind::AccountKind,
        plan::{AlgorithmRef, LiveSettings, Plan, Recorded, Stored},
        reset,
        sources::{KnownSources, Sources, Taker},
        trading_state::RequestedState,
    },
    kubernetes::object::PartialObject,
    names::{algorithm_url, annotation},
    settings::{Confine, Settings, credentials::Credentials},
    trading_algo::quotes_twice,
    workload::broker,
};

/// Inputs of a plan beside the spec.
pub struct Inputs<'a> {
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The default broker's credentials.
    pub credentials: Option<&'a Credentials>,
    /// The `Algorithm` that the spec names, if it exists.
    pub algorithm: Option<&'a PartialObject<Algorithm>>,
    /// The feeds and indicators that the spec names.
    pub sources: KnownSources<'a>,
    /// The status that was written last.
    pub previous: Option<&'a TradingAlgoStatus>,
    /// The data of the runtime's `ConfigMap` in the cluster; empty without one.
    pub stored: Stored,
}

impl<'a> Inputs<'a> {
    /// Settings alone: no credentials, no `Algorithm`, no sources, no status and nothing stored.
    pub const fn new(settings: &'a Settings) -> Self {
        let sources = KnownSources { feeds: &[], indicators: &[], scope: None };
        Self { settings, credentials: None, algorithm: None, sources, previous: None, stored: Stored::new() }
    }
}

/// The feeds and indicators that a resource names, also by the joined topic of an indicator.
pub(crate) fn sources_of(algo: &TradingAlgo, prefix: &str) -> Vec<ChannelSource> {
    let Some(channels) = &algo.spec.channels else { return Vec::new() };
    let mut named = channels.from.clone().unwrap_or_default();
    named.extend(quotes_twice::by_topic(channels, prefix));
    named
}

/// The plan of a resource, or all violations of its spec.
pub fn plan(algo: &TradingAlgo, inputs: Inputs<'_>) -> Result<Plan, Vec<FieldError>> {
    let Inputs { settings, credentials, algorithm: named, sources: known, previous, stored } = inputs;
    let mut problems = check_below(&json!(algo), &settings.topics.prefix);
    let (name, uid) = (algo.name_any(), algo.uid().unwrap_or_default());
    let broker = match broker::plan(algo.spec.broker.as_ref(), settings, credentials, (&name, &uid)) {
        Ok(broker) => Some(broker),
        Err(problem) => {
            // A URL that violates the schema is reported once.
            if !problems.iter().any(|known| known.path.starts_with("spec.broker")) {
                problems.push(problem);
            }
            None
        }
    };
    let namespace = algo.namespace().unwrap_or_default();
    let channels = algo.spec.channels.clone().unwrap_or_default();
    let mut warnings = confine::problems(&namespace, &channels, &settings.topics);
    if settings.topics.confine == Confine::Enforce {
        problems.append(&mut warnings);
    }
    let Sources { inputs, problems: mut source_problems } = sources(&channels, (&namespace, &name), known, settings)
        .unwrap_or_else(|mut refused| {
            problems.append(&mut refused);
            Sources::default()
        });
    let algorithm = choice(&algo.spec.algorithm, named, &settings.cluster_domain);
    let (Some(broker), Some(algorithm), true) = (broker, algorithm, problems.is_empty()) else {
        problems.sort();
        return Err(problems);
    };
    source_problems.extend(quotes_twice::problems((&namespace, &channels), &inputs, known, &settings.topics.prefix));
    let ChannelPlan { filters: subscribe, inputs } = channels.plan(inputs);
    Ok(Plan {
        kind: AccountKind::TradingAlgo,
        channel_rule: confine::channel_rule(&namespace, channels.are_named(), &settings.topics),
        namespace,
        name,
        uid,
        generation: algo.metadata.generation.unwrap_or_default(),
        live_settings: LiveSettings {
            algorithm,
            threshold: algo.spec.threshold,
            parameters: algo.spec.algorithm.parameters.clone(),
            starting_cash: algo.spec.starting_cash.map(Amount::money),
        },
        portfolio: algo.spec.portfolio.clone(),
        subscribe,
        inputs,
        publish: channels.publish.clone(),
        later_settings: later_settings::of(&algo.spec),
        source_problems,
        warnings,
        installation: settings.installation.clone(),
        broker,
        storage: algo.spec.storage.clone(),
        ledger: previous.and_then(|status| status.ledger.clone()),
        new_ledger: algo.annotations().get(annotation::NEW_LEDGER).cloned(),
        resets: reset::parse(algo.annotations().get(annotation::RESET_SOURCE).map(String::as_str)),
        active_backend_url: previous.and_then(|status| status.backend.as_ref()?.address.clone()),
        trading: trading(algo),
        recorded: recorded(previous),
        stored,
    })
}

/// The sources of `spec.channels.from`, or violations if the resource has no channel that may be used.
fn sources(
    channels: &Channels,
    (namespace, name): (&str, &str),
    known: KnownSources<'_>,
    settings: &Settings,
) -> Result<Sources, Vec<FieldError>> {
    let Some(named) = &channels.from else { return Ok(Sources::default()) };
    let topics = &settings.topics;
    let own = OwnTopics::new(&topics.prefix, &format!("{namespace}/{name}"), channels.publish.as_deref()).filters();
    let taker = Taker { namespace, own: &own, path: |place| format!("spec.channels.from[{place}]") };
    let sources = Sources::of(named, taker, known, topics);
    let are_alone = channels.subscribe.is_none() && channels.inputs.is_none();
    let refused = if are_alone { sources.without_channel() } else { Vec::new() };
    if refused.is_empty() { Ok(sources) } else { Err(refused) }
}

/// The account as earlier passes recorded it.
pub(crate) fn recorded(status: Option<&TradingAlgoStatus>) -> Recorded {
    let account = status.and_then(|status| status.account.as_ref());
    let trading = status.and_then(|status| status.trading.as_ref());
    let is_halted = |trading: &&TradingStatus| trading.state == TradingState::Halted.name();
    Recorded {
        has_account: account.is_some(),
        deposits: account.and_then(|account| account.deposits.clone()),
        halts_to_reduce: trading.filter(is_halted).is_some_and(|trading| {
            !trading.causes.is_empty() && trading.causes.iter().all(|held| held.state == TradingState::Reducing.name())
        }),
    }
}

fn trading(algo: &TradingAlgo) -> RequestedState {
    let [state, suspend] = [json!(algo.spec.trading_state), json!(algo.spec.suspend)];
    RequestedState::read(Some(&state), Some(&suspend), algo.metadata.annotations.as_ref())
}

fn choice(
    given: &AlgorithmChoice,
    named: Option<&PartialObject<Algorithm>>,
    cluster_domain: &str,
) -> Option<AlgorithmRef> {
    let served = |url: &str, is_coming| {
        let url = url.strip_suffix('/').unwrap_or(url).to_owned();
        Address::of_algorithm(&url).map(|address| AlgorithmRef::Served { url, address, is_coming })
    };
    match (&given.builtin, &given.address, &given.name) {
        (Some(name), _, _) => Some(AlgorithmRef::Builtin(name.clone())),
        (None, Some(url), _) => served(url, false),
        (None, None, Some(name)) => {
            let Some(named) = named else {
                return Some(AlgorithmRef::Missing(format!("there is no Algorithm {name} in this namespace")));
            };
            if named.meta().deletion_timestamp.is_some() {
                return Some(AlgorithmRef::Missing(format!("Algorithm {name} is being deleted")));
            }
            let url = named.parsed.as_ref().ok().and_then(|algorithm| algorithm_url(algorithm, cluster_domain));
            let is_coming = !named.status.as_ref().is_some_and(|status| {
                status.healthy && status.address == url && status.observed_generation == named.meta().generation
            });
            let unusable = || AlgorithmRef::Missing(format!("Algorithm {name} cannot be used, see its conditions"));
            Some(url.and_then(|url| served(&url, is_coming)).unwrap_or_else(unusable))
        }
        (None, None, None) => None,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::support as tests_support;
