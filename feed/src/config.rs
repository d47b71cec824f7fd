//! The configuration of a feed: its spec, and the flags of its process.

use std::{path::PathBuf, sync::Arc, time::Duration};

use intuition_api::topic::{FeedTopicError, FeedTopics, PrefixError, check_prefix};
use intuition_common::clock::{Clock, SystemClock};
use intuition_mqtt::{Address, AddressError, Credentials, Options};
use intuition_resources::{
    API_VERSION, FEED_KIND, FeedSource, FeedSpec,
    validate::{FieldError, check_feed},
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::{
    exchange::ExchangeSource,
    file::{FileError, FileSource},
    generator::{GeneratorSource, LongSymbol},
    machine::Settings,
    postgres::{DatabaseFiles, PostgresSource},
    source::Source,
};

/// The configuration of a feed.
#[derive(Debug, Clone)]
pub struct Config {
    /// `<namespace>/<name>`.
    pub feed: String,
    /// The spec of the `Feed`, as JSON.
    pub spec: Value,
    /// `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`.
    pub broker: String,
    /// Credentials for the broker.
    pub credentials: Credentials,
    /// Prefix of the client id, `PREFIX.<namespace>.<name>.feed`.
    pub client_id_prefix: String,
    /// First levels of the feed's topics.
    pub topic_prefix: String,
    /// The folder in which the claim or the `ConfigMap` of a file is mounted.
    pub files: PathBuf,
    /// The certificates that an exchange's TLS is to trust in place of the machine's, PEM.
    pub exchange_ca: Option<PathBuf>,
    /// The files with the login of a database.
    pub database: Option<DatabaseFiles>,
}

/// Errors in a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The name of the feed cannot be read.
    #[error("a feed is `<namespace>/<name>`, not {0:?}")]
    ParseFeed(String),
    /// The spec breaks rules of the resource.
    #[error("the spec is invalid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    InvalidSpec(Vec<FieldError>),
    /// The spec cannot be read.
    #[error("the spec cannot be read")]
    ParseSpec(#[source] serde_json::Error),
    /// The broker's address cannot be read.
    #[error(transparent)]
    ParseBrokerUrl(AddressError),
    /// The topic prefix breaks a rule for topics.
    #[error("the topic prefix {prefix:?} {source}")]
    ParseTopicPrefix {
        /// The value as given.
        prefix: String,
        /// The cause.
        source: PrefixError,
    },
    /// The topic of the quotes cannot be used.
    #[error("spec.publish.topic: {0}")]
    UseTopic(FeedTopicError),
    /// The file cannot be used.
    #[error(transparent)]
    UseFile(FileError),
    /// A symbol of the generator cannot be used.
    #[error("spec.source.generator.symbols: {0}")]
    UseSymbol(LongSymbol),
    /// The exchange cannot be used as described.
    #[error("spec.source.exchange: {0}")]
    UseExchange(::exchange::ConfigError),
    /// The login of the database is missing.
    #[error("spec.source.postgres: the file with the URL of the database is missing: --postgres-url-file FILE")]
    MissingUrl,
    /// The spec has no source. The rules of the resource refuse it before.
    #[error("spec.source has no source")]
    NoSource,
}

/// A checked configuration.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) options: Options,
    pub(crate) source: Box<dyn Source>,
}

impl Config {
    /// Checks all parts without a connection, and without opening the file.
    pub fn verify(&self) -> Result<(), ConfigError> {
        self.check(Arc::new(SystemClock), TaskTracker::new()).map(drop)
    }

    /// Checks all parts. `tasks` has the tasks of the source.
    pub(crate) fn check(&self, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Result<Checked, ConfigError> {
        let address: Address = self.broker.parse().map_err(ConfigError::ParseBrokerUrl)?;
        let parse_feed = || ConfigError::ParseFeed(self.feed.clone());
        let (namespace, name) = self.feed.split_once('/').ok_or_else(parse_feed)?;
        check_prefix(&self.topic_prefix)
            .map_err(|source| ConfigError::ParseTopicPrefix { prefix: self.topic_prefix.clone(), source })?;
        let manifest = json!({
            "apiVersion": API_VERSION, "kind": FEED_KIND, "metadata": { "name": name, "namespace": namespace },
            "spec": self.spec,
        });
        let problems = check_feed(&manifest, &self.topic_prefix);
        if problems.iter().any(|problem| problem.path.starts_with("metadata")) {
            return Err(parse_feed());
        }
        if !problems.is_empty() {
            return Err(ConfigError::InvalidSpec(problems));
        }
        let spec: FeedSpec = serde_json::from_value(self.spec.clone()).map_err(ConfigError::ParseSpec)?;
        let topics = FeedTopics::new(&self.topic_prefix, &self.feed, spec.publish.topic.as_deref())
            .map_err(ConfigError::UseTopic)?;
        let options = Options {
            credentials: self.credentials.clone(),
            ..Options::new(address, format!("{}.{namespace}.{name}.feed", self.client_id_prefix))
        };
        let settings = Settings {
            feed: self.feed.clone(),
            topics,
            backfill: spec.publish.backfill,
            stale_after: spec.stale_after.map(|after| Duration::from_secs(after.seconds())),
        };
        Ok(Checked { settings, options, source: self.source(&spec.source, clock, tasks)? })
    }

    fn source(
        &self,
        source: &FeedSource,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Result<Box<dyn Source>, ConfigError> {
        match source {
            FeedSource { generator: Some(generator), .. } => {
                Ok(Box::new(GeneratorSource::new(generator, clock, tasks).map_err(ConfigError::UseSymbol)?))
            }
            FeedSource { file: Some(file), .. } => {
                Ok(Box::new(FileSource::new(file, &self.files, tasks).map_err(ConfigError::UseFile)?))
            }
            FeedSource { exchange: Some(exchange), .. } => {
                let source = ExchangeSource::new(exchange, self.exchange_ca.clone(), clock, tasks);
                Ok(Box::new(source.map_err(ConfigError::UseExchange)?))
            }
            FeedSource { postgres: Some(table), .. } => {
                let files = self.database.clone().ok_or(ConfigError::MissingUrl)?;
                Ok(Box::new(PostgresSource::new(table.clone(), files, clock, tasks)))
            }
            FeedSource { .. } => Err(ConfigError::NoSource),
        }
    }
}
