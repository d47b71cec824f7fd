//! The feeds of a run by their manifests, and the topics on which its accounts take their quotes. Pure.

use std::path::{Path, PathBuf};

use bridge::MqttConfig;
use feed::{Config, ConfigError, DatabaseFiles};
use intuition_api::topic::{FeedTopics, PREFIX, overlap};
use intuition_resources::{Feed, TradingAlgo};
use serde_json::Value;

use super::names;
use crate::{feed_topics::KnownFeeds, manifest::Place, validate};

/// The options of a run that count for its feeds.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    /// Folder of files, in place of that of each manifest.
    pub(super) files_dir: Option<&'a Path>,
    /// The certificates that exchanges' TLS is to trust.
    pub(super) exchange_ca: Option<&'a PathBuf>,
    /// The file with the URL of the database of tables.
    pub(super) postgres_url: Option<&'a PathBuf>,
    /// The certificates that the database's TLS is to trust.
    pub(super) postgres_ca: Option<&'a PathBuf>,
}

/// A feed of the run.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) config: Config,
    /// The filter of its quotes in a cluster.
    manifest_filter: String,
    /// The filter of its quotes in this run.
    pub(super) filter: String,
}

/// A manifest that this release or a local run cannot serve.
#[derive(Debug, thiserror::Error)]
#[error("{place}")]
pub(super) struct PlanError {
    place: Place,
    source: ConfigError,
}

/// Plans the feeds of the manifests, without suspended feeds. Also returns sentences for a person.
pub(super) fn of(
    feeds: &[(Place, Feed)],
    options: Options<'_>,
    mqtt: &MqttConfig,
) -> Result<(Vec<Planned>, Vec<String>), PlanError> {
    let (mut planned, mut notes) = (Vec::new(), Vec::new());
    for (place, feed) in feeds {
        let name = validate::feed_name(feed);
        if feed.spec.suspend {
            notes.push(format!("{name}: spec.suspend is set, so it publishes nothing"));
            continue;
        }
        if feed.spec.broker.is_some() {
            notes.push(format!("{name}: spec.broker is not for local runs: see --broker"));
        }
        let exchange = feed.spec.source.exchange.as_ref();
        if exchange.is_some_and(|exchange| exchange.ca_secret_ref.is_some()) && options.exchange_ca.is_none() {
            notes.push(format!("{name}: caSecretRef is not for local runs: see --exchange-ca"));
        }
        let failed = |source| PlanError { place: place.clone(), source };
        planned.push(plan(place, feed, options, mqtt).map_err(failed)?);
    }
    Ok((planned, notes))
}

fn plan(place: &Place, feed: &Feed, options: Options<'_>, mqtt: &MqttConfig) -> Result<Planned, ConfigError> {
    let name = validate::feed_name(feed);
    let named = feed.spec.publish.topic.as_deref();
    let own = own_topic(feed, &mqtt.topic_prefix);
    let filter = |prefix: &str, topic: Option<&str>| {
        FeedTopics::new(prefix, &name, topic).map(|topics| topics.filter()).map_err(ConfigError::UseTopic)
    };
    let (manifest_filter, filter) = (filter(PREFIX, named)?, filter(&mqtt.topic_prefix, own.as_deref())?);
    let mut spec = serde_json::to_value(&feed.spec).map_err(ConfigError::ParseSpec)?;
    if let (Some(own), Some(publish)) = (own, spec.get_mut("publish").and_then(Value::as_object_mut)) {
        publish.insert("topic".to_owned(), Value::String(own));
    }
    let config = Config {
        feed: name,
        spec,
        broker: mqtt.url.clone(),
        credentials: mqtt.credentials.clone(),
        client_id_prefix: mqtt.client_id_prefix.clone(),
        topic_prefix: mqtt.topic_prefix.clone(),
        files: options.files_dir.unwrap_or(place.folder()).to_owned(),
        exchange_ca: options.exchange_ca.cloned(),
        database: options
            .postgres_url
            .map(|url| DatabaseFiles::Named { url: url.clone(), authorities: options.postgres_ca.cloned() }),
    };
    config.verify()?;
    Ok(Planned { config, manifest_filter, filter })
}

/// The topics of the feeds in a run with this prefix. A suspended feed publishes nothing, and exists.
pub(super) fn topics(feeds: &[(Place, Feed)], topic_prefix: &str) -> KnownFeeds {
    KnownFeeds::below(
        topic_prefix,
        feeds.iter().map(|(_, feed)| (validate::feed_name(feed), own_topic(feed, topic_prefix))),
    )
}

/// The topic that a feed names, in a run with this prefix.
fn own_topic(feed: &Feed, topic_prefix: &str) -> Option<String> {
    feed.spec.publish.topic.as_deref().map(|named| names::own_topic(named, topic_prefix))
}

/// Changes the channels that select the quotes of a feed of the run by its topic in a cluster to its topic in this run. Returns
/// sentences for a person.
pub(super) fn localise(algo: &mut TradingAlgo, feeds: &[Planned], topic_prefix: &str) -> Vec<String> {
    let account = validate::account(algo);
    let Some(channels) = &mut algo.spec.channels else { return Vec::new() };
    let subscribed = channels.subscribe.iter_mut().flatten();
    let inputs = channels.inputs.iter_mut().flatten().map(|input| &mut input.topic);
    let mut notes = Vec::new();
    for channel in subscribed.chain(inputs) {
        let means = |feed: &Planned| overlap(channel, &feed.manifest_filter) && !overlap(channel, &feed.filter);
        if !feeds.iter().any(means) {
            continue;
        }
        let own = names::own_topic(channel, topic_prefix);
        notes.push(format!("{account}: the channel {channel} is {own} in this run"));
        *channel = own;
    }
    notes
}

#[cfg(test)]
mod tests {
    use intuition_resources::{API_VERSION, validate::parse};
    use serde_json::json;

    use super::*;
    use crate::manifest;

    fn feed(spec: &str) -> (Place, Feed) {
        let text = format!("apiVersion: {API_VERSION}\nkind: Feed\nmetadata: {{name: demo}}\nspec: {spec}\n");
        let mut checked = validate::check_documents(manifest::parse(Path::new("folder/feed.yaml"), &text), true);
        assert_eq!(checked.problems, Vec::<String>::new());
        checked.feeds.pop().unwrap()
    }

    fn planned(spec: &str, options: Options<'_>, prefix: &str) -> Result<(Vec<Planned>, Vec<String>), PlanError> {
        let mqtt = MqttConfig { topic_prefix: prefix.to_owned(), ..MqttConfig::new("mqtt://localhost") };
        of(&[feed(spec)], options, &mqtt)
    }

    const OPTIONS: Options<'static> =
        Options { files_dir: None, exchange_ca: None, postgres_url: None, postgres_ca: None };
    const GENERATOR: &str =
        "source: {generator: {model: Sine, startPrice: 9, volatility: '0.1', interval: 1s, symbols: [A]}}";
    const FILE: &str = "{source: {file: {claim: {name: quotes, path: a/b.csv}}}}";

    fn with_channels(channels: &Value) -> TradingAlgo {
        let manifest = json!({
            "apiVersion": API_VERSION, "kind": "TradingAlgo", "metadata": { "name": "a" },
            "spec": { "algorithm": { "builtin": "random" }, "channels": channels },
        });
        parse(&manifest).unwrap()
    }

    #[test]
    fn files_are_in_the_folder_of_the_manifest_or_in_that_of_the_flag() {
        let folder = |options| planned(FILE, options, PREFIX).unwrap().0[0].config.files.clone();
        assert_eq!(folder(OPTIONS), Path::new("folder"));
        assert_eq!(folder(Options { files_dir: Some(Path::new("/other")), ..OPTIONS }), Path::new("/other"));
    }

    #[test]
    fn topics_are_below_the_prefix_of_the_run() {
        let spec = |publish: &str| format!("{{{GENERATOR}, publish: {{{publish}}}}}");
        for (publish, prefix, expected) in [
            ("", PREFIX, "intuition/default/feed.demo/quotes"),
            ("", names::LOCAL, "intuition-local/default/feed.demo/quotes"),
            ("topic: 'market/{sid}'", PREFIX, "market/+"),
            ("topic: 'market/{sid}'", names::LOCAL, "intuition-local/market/+"),
        ] {
            let (feeds, notes) = planned(&spec(publish), OPTIONS, prefix).unwrap();
            assert_eq!((feeds[0].filter.as_str(), notes.len()), (expected, 0));
        }
    }

    #[test]
    fn channels_that_mean_a_feed_of_the_run_are_those_of_the_run() {
        let (feeds, _) = planned(&format!("{{{GENERATOR}}}"), OPTIONS, names::LOCAL).unwrap();
        let mut algo = with_channels(&json!({ "subscribe": [
            "intuition/default/feed.demo/quotes", "intuition/+/feed.demo/quotes", "quotes", "intuition/default/feed.other/quotes", "+/default/feed.demo/quotes",
        ] }));
        let notes = localise(&mut algo, &feeds, names::LOCAL);
        let expected = [
            "intuition-local/default/feed.demo/quotes",
            "intuition-local/+/feed.demo/quotes",
            "quotes",
            "intuition/default/feed.other/quotes",
            "+/default/feed.demo/quotes",
        ];
        assert_eq!(algo.spec.channels.unwrap().subscribe.unwrap(), expected);
        let first = "default/a: the channel intuition/default/feed.demo/quotes is intuition-local/default/feed.demo/quotes in this run";
        assert_eq!((notes.len(), notes[0].as_str()), (2, first));
        let input = json!({ "inputs": [{ "topic": "intuition/default/feed.demo/quotes", "symbols": ["A"] }] });
        let mut algo = with_channels(&input);
        localise(&mut algo, &feeds, names::LOCAL);
        let inputs = algo.spec.channels.unwrap().inputs.unwrap();
        assert_eq!(inputs[0].topic, "intuition-local/default/feed.demo/quotes");
    }

    #[test]
    fn channels_stay_where_the_run_has_the_topics_of_a_cluster() {
        let (feeds, _) = planned(&format!("{{{GENERATOR}}}"), OPTIONS, PREFIX).unwrap();
        let mut algo = with_channels(&json!({ "subscribe": ["intuition/default/feed.demo/quotes"] }));
        let before = algo.clone();
        assert_eq!((localise(&mut algo, &feeds, PREFIX).len(), algo), (0, before));
    }

    #[test]
    fn suspended_feeds_are_left_out_and_cluster_fields_are_noted() {
        let (feeds, notes) = planned(&format!("{{{GENERATOR}, suspend: true}}"), OPTIONS, PREFIX).unwrap();
        assert_eq!(
            (feeds.len(), notes),
            (0, vec!["default/demo: spec.suspend is set, so it publishes nothing".to_owned()])
        );
        let spec = format!("{{{GENERATOR}, broker: {{url: 'mqtt://far'}}}}");
        let (feeds, notes) = planned(&spec, OPTIONS, PREFIX).unwrap();
        assert_eq!((feeds.len(), notes.len()), (1, 1));
    }

    #[test]
    fn table_needs_the_login_of_its_database() {
        let table = "{source: {postgres: {secretRef: {name: db}, table: t, cursor: {column: id}, columns: {sid: s, price: p}}}}";
        let error = planned(table, OPTIONS, PREFIX).unwrap_err();
        let error = intuition_common::exit::with_causes(&error);
        assert!(error.contains("--postgres-url-file FILE"), "{error}");
        let (url, authorities) = (PathBuf::from("url"), PathBuf::from("ca"));
        let options = Options { postgres_url: Some(&url), postgres_ca: Some(&authorities), ..OPTIONS };
        let (feeds, _) = planned(table, options, PREFIX).unwrap();
        let expected = DatabaseFiles::Named { url: url.clone(), authorities: Some(authorities.clone()) };
        assert_eq!(feeds[0].config.database, Some(expected));
    }

    #[test]
    fn sources_that_cannot_be_used_are_refused_with_their_place() {
        let lower_case = "{source: {exchange: {name: Binance, symbols: [btcusdt]}}}";
        let error = planned(lower_case, OPTIONS, PREFIX).unwrap_err();
        let error = intuition_common::exit::with_causes(&error);
        assert!(error.starts_with("folder/feed.yaml: document 1 (demo): spec.source.exchange: "), "{error}");
    }
}
