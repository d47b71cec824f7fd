//! The feeds of a run by their manifests. Pure.

use std::path::{Path, PathBuf};

use bridge::MqttConfig;
use feed::{Config, ConfigError, DatabaseFiles};
use intuition_api::topic::{FeedTopics, PREFIX};
use intuition_resources::Feed;
use serde_json::Value;

use super::names;
use crate::{manifest::Place, validate};

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

/// The names of the feeds, each with the topic that it names, in a run with this prefix. A suspended feed publishes nothing, and
/// exists.
pub(super) fn topics<'a>(
    feeds: &'a [(Place, Feed)],
    topic_prefix: &'a str,
) -> impl Iterator<Item = (String, Option<String>)> + 'a {
    feeds.iter().map(move |(_, feed)| (validate::feed_name(feed), own_topic(feed, topic_prefix)))
}

/// The topic that a feed names, in a run with this prefix.
fn own_topic(feed: &Feed, topic_prefix: &str) -> Option<String> {
    feed.spec.publish.topic.as_deref().map(|named| names::own_topic(named, topic_prefix))
}

/// The filter of each feed's quotes in a cluster, and that in this run.
pub(super) fn filters(feeds: &[Planned]) -> impl Iterator<Item = (String, String)> {
    feeds.iter().map(|feed| (feed.manifest_filter.clone(), feed.filter.clone()))
}

#[cfg(test)]
mod tests {
    use intuition_resources::API_VERSION;

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
