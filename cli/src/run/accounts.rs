//! The accounts of a run: those of the algorithms and those of the indicators, with their channels in this run. Pure.

use algo_runtime::settings::{AlgorithmRef, Settings};
use bridge::MqttConfig;
use intuition_api::topic::{IndicatorTopics, PREFIX, overlap};
use intuition_resources::{Indicator, TradingAlgo};

use super::{
    account::Account,
    error::RunError,
    feed_plan::{self, Planned},
    local::LocalError,
    settings,
    topics::Topics,
};
use crate::{
    source_topics::{Absent, AccountChannels, KnownSources},
    validate,
};

/// The manifests of a run that become accounts.
pub(super) struct Manifests<'a> {
    /// Accounts with their algorithms.
    pub(super) algos: Vec<(TradingAlgo, AlgorithmRef)>,
    pub(super) indicators: &'a [Indicator],
    /// The sources that they may name.
    pub(super) known: &'a KnownSources,
}

/// The accounts, those of indicators first, and sentences for a person. `has_broker`: the broker has other clients, so that a
/// source may run in a cluster.
pub(super) fn of(
    manifests: Manifests<'_>,
    feeds: &[Planned],
    mqtt: &MqttConfig,
    has_broker: bool,
) -> Result<(Vec<Account>, Vec<String>), RunError> {
    let Manifests { algos, indicators, known } = manifests;
    let topics =
        Topics::new(&mqtt.topic_prefix, feed_plan::filters(feeds).chain(joined(indicators, &mqtt.topic_prefix)));
    let (mut accounts, mut notes) = (Vec::new(), Vec::new());
    for indicator in indicators {
        let (account, namespace) = (validate::indicator_account(indicator), validate::namespace(&indicator.metadata));
        if indicator.spec.broker.is_some() {
            notes.push(format!("{account}: spec.broker is not for local runs: see --broker"));
        }
        let localise = |topic: &str| topics.localised(&account, topic, &mut notes);
        let AccountChannels { plan, absent } = known.channels_of_indicator(namespace, &indicator.spec, localise);
        note_absent(&account, absent, has_broker, &mut notes)?;
        let settings = settings::of_indicator(indicator, plan)
            .map_err(|error| RunError::Indicator { account: account.clone(), source: error })?;
        let joined = IndicatorTopics::new(&mqtt.topic_prefix, &validate::indicator_name(indicator)).joined();
        accounts.push(Account { settings, decisions_topic: None, joined_topic: Some(joined) });
    }
    for (mut algo, decider) in algos {
        let account = validate::account(&algo);
        if algo.spec.broker.is_some() {
            notes.push(format!("{account}: spec.broker is not for local runs: see --broker"));
        }
        if let Some(channels) = &mut algo.spec.channels {
            topics.localise(&account, channels, &mut notes);
        }
        let channels = algo.spec.channels.as_ref();
        let AccountChannels { plan, absent } = known.channels_of(validate::namespace(&algo.metadata), channels);
        note_absent(&account, absent, has_broker, &mut notes)?;
        let settings = settings::of(&algo, plan, decider)
            .map_err(|error| RunError::local(account.clone(), LocalError::UsePortfolio(error)))?;
        notes.extend(quotes_twice(&settings, &accounts));
        let decisions_topic = channels.and_then(|channels| channels.publish.clone());
        accounts.push(Account { settings, decisions_topic, joined_topic: None });
    }
    Ok((accounts, notes))
}

/// A sentence about each indicator of the run with quotes that an account takes from another topic too. The joined topic of an indicator
/// with bars has no quotes.
fn quotes_twice(settings: &Settings, accounts: &[Account]) -> Vec<String> {
    let filters = settings.subscribe.as_deref().unwrap_or_default();
    let twice = |indicator: &Account| {
        let joined =
            indicator.joined_topic.as_ref().filter(|joined| filters.iter().any(|filter| overlap(filter, joined)))?;
        let raw = indicator.settings.subscribe.as_deref().unwrap_or_default();
        let other =
            filters.iter().find(|filter| !overlap(filter, joined) && raw.iter().any(|raw| overlap(filter, raw)))?;
        let has_quotes = !indicator.settings.live.parameters.contains_key("bars");
        has_quotes.then(|| {
            format!(
                "{}: {other} and {joined} both have the quotes, so that each is decided twice: leave {other} out",
                settings.account
            )
        })
    };
    accounts.iter().filter_map(twice).collect()
}

/// Joined topics in a cluster, each with that of the run.
fn joined<'a>(indicators: &'a [Indicator], prefix: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    indicators.iter().map(move |indicator| {
        let name = validate::indicator_name(indicator);
        (IndicatorTopics::new(PREFIX, &name).joined(), IndicatorTopics::new(prefix, &name).joined())
    })
}

fn note_absent(account: &str, absent: Vec<Absent>, has_broker: bool, notes: &mut Vec<String>) -> Result<(), RunError> {
    for Absent { field, source } in absent {
        // At a broker that others use, the source may run in a cluster.
        if !has_broker {
            return Err(RunError::MissSource { account: account.to_owned(), field, missing: source });
        }
        notes.push(format!("{account}: {source} is in none of the manifests, and its quotes are those of a cluster"));
    }
    Ok(())
}
