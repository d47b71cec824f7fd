//! From an `Indicator` and the operator's settings to the plan of its account. Later steps decide nothing. Pure.

use intuition_api::{capability, decimal::Money, topic::OwnTopics};
use intuition_resources::{
    ChannelPlan, ChannelSource, Channels, Indicator, IndicatorSpec, IndicatorStatus, Input, Policy, Portfolio,
    validate::{FieldError, check_indicator},
};
use kube::ResourceExt as _;
use serde_json::json;

use crate::{
    account::{
        confine,
        kind::AccountKind,
        plan::{AlgorithmRef, BRIDGE, LaterSetting, LiveSettings, Plan, RUNTIME, Recorded, Stored, later_setting},
        reset,
        sources::{KnownSources, SourceProblem, Sources, Taker},
        trading_state::RequestedState,
    },
    names::annotation,
    settings::{Confine, Settings, credentials::Credentials},
    workload::broker,
};

/// The built-in algorithm of the runtime that computes values and trades nothing.
const ALGORITHM: &str = "indicators";
/// Path of the source in the resource.
const FEED: &str = "spec.from.feed";
/// Path of the filter in the resource.
const TOPIC: &str = "spec.from.topic";

/// Inputs of a plan beside the spec.
pub struct Inputs<'a> {
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The default broker's credentials.
    pub credentials: Option<&'a Credentials>,
    /// The feed that the spec names.
    pub sources: KnownSources<'a>,
    /// The status that was written last.
    pub previous: Option<&'a IndicatorStatus>,
    /// The data of the runtime's `ConfigMap` in the cluster; empty without one.
    pub stored: Stored,
}

/// The feed that a resource names, as a source of an account's channels.
pub(crate) fn source_of(indicator: &Indicator) -> Vec<ChannelSource> {
    let spec = &indicator.spec;
    let of_feed = |feed: &String| ChannelSource {
        symbols: spec.symbols.clone(),
        ..ChannelSource::of_feed(feed.clone(), spec.from.namespace.clone())
    };
    spec.from.feed.iter().map(of_feed).collect()
}

/// The plan of a resource, or all violations of its spec.
pub fn plan(indicator: &Indicator, inputs: Inputs<'_>) -> Result<Plan, Vec<FieldError>> {
    let Inputs { settings, credentials, sources, previous, stored } = inputs;
    let kind = AccountKind::Indicator;
    let mut problems = check_indicator(&json!(indicator), &settings.topics.prefix);
    let (name, uid) = (indicator.name_any(), indicator.uid().unwrap_or_default());
    let namespace = indicator.namespace().unwrap_or_default();
    let broker = broker::plan(indicator.spec.broker.as_ref(), settings, credentials, (&kind.children(&name), &uid));
    let broker = broker.map_err(|problem| {
        // A URL that violates the schema is reported once.
        if !problems.iter().any(|known| known.path.starts_with("spec.broker")) {
            problems.push(problem);
        }
    });
    let Origin { channels, source_problems, warnings } = origin(indicator, (&namespace, &name), sources, settings)
        .unwrap_or_else(|mut refused| {
            problems.append(&mut refused);
            Origin::default()
        });
    let parameters = indicator.spec.parameters();
    let parameters = parameters.map_err(|error| problems.push(FieldError::new("spec", error.to_string())));
    let (Ok(broker), Ok(parameters), true) = (broker, parameters, problems.is_empty()) else {
        problems.sort();
        return Err(problems);
    };
    Ok(Plan {
        kind,
        namespace,
        name,
        uid,
        generation: indicator.metadata.generation.unwrap_or_default(),
        live_settings: LiveSettings {
            algorithm: AlgorithmRef::Builtin(ALGORITHM.to_owned()),
            // The algorithm reads none.
            threshold: 0.0,
            parameters,
            starting_cash: Some(Money::default()),
        },
        // Nothing is ever bought, and this policy draws no random numbers.
        portfolio: Portfolio { policy: Policy::FixedFraction, fraction: Some(1.0), amount: None },
        subscribe: channels.filters,
        inputs: channels.inputs,
        later_settings: later_settings(&indicator.spec),
        source_problems,
        publish: None,
        warnings,
        channel_rule: None,
        installation: settings.installation.clone(),
        broker,
        storage: indicator.spec.storage.clone(),
        ledger: previous.and_then(|status| status.ledger.clone()),
        new_ledger: indicator.annotations().get(annotation::NEW_LEDGER).cloned(),
        resets: reset::parse(indicator.annotations().get(annotation::RESET_SOURCE).map(String::as_str)),
        active_backend_url: None,
        trading: RequestedState::default(),
        recorded: Recorded::default(),
        stored,
    })
}

/// The settings that came after v0.1.0: all of them but the broker and the storage.
fn later_settings(spec: &IndicatorSpec) -> Vec<LaterSetting> {
    let mut settings = vec![
        later_setting("spec.compute", capability::INDICATORS, RUNTIME),
        later_setting("spec.compute", capability::JOINED, BRIDGE),
    ];
    settings.extend(spec.symbols.as_ref().map(|_| later_setting("spec.symbols", capability::INPUTS, RUNTIME)));
    let retain = spec.storage.retain.as_ref();
    settings.extend(retain.map(|_| later_setting("spec.storage.retain", capability::RETENTION, RUNTIME)));
    settings
}

/// The channel of an indicator.
#[derive(Default)]
struct Origin {
    channels: ChannelPlan,
    source_problems: Vec<SourceProblem>,
    warnings: Vec<FieldError>,
}

/// The channel of the feed or filter, or violations if it may not be subscribed to.
fn origin(
    indicator: &Indicator,
    (namespace, name): (&str, &str),
    known: KnownSources<'_>,
    settings: &Settings,
) -> Result<Origin, Vec<FieldError>> {
    let topics = &settings.topics;
    let mut origin = Origin::default();
    let mut channels = Channels::default();
    let mut inputs = Vec::new();
    if let Some(topic) = &indicator.spec.from.topic {
        let refused = confine::subscription(namespace, topic, TOPIC, topics);
        if topics.confine == Confine::Enforce && refused.is_some() {
            return Err(refused.into_iter().collect());
        }
        origin.warnings.extend(refused);
        match &indicator.spec.symbols {
            None => channels.subscribe = Some(vec![topic.clone()]),
            symbols => {
                channels.inputs = Some(vec![Input {
                    topic: topic.clone(),
                    symbols: symbols.clone(),
                    format: None,
                    max_quote_age: None,
                    stale_after: None,
                }]);
            }
        }
    } else {
        let named = source_of(indicator);
        let account = AccountKind::Indicator.account(namespace, name);
        let own = OwnTopics::new(&topics.prefix, &account, None).filters();
        let taker = Taker { namespace, own: &own, path: |_| FEED.to_owned() };
        let sources = Sources::of(&named, taker, known, topics);
        let refused = sources.without_channel();
        if !refused.is_empty() {
            return Err(refused);
        }
        channels.from = Some(named);
        origin.source_problems = sources.problems;
        inputs = sources.inputs;
    }
    origin.channels = channels.plan(inputs);
    Ok(origin)
}

#[cfg(test)]
mod tests;
