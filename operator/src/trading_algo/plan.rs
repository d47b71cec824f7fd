//! From a `TradingAlgo` and the operator's settings to a plan. Later steps decide nothing. Pure.

pub(crate) mod runtime;

use intuition_api::{
    decimal::Money,
    topic::OwnTopics,
    v1::{self, TradingState},
};
use intuition_resources::{
    Algorithm, AlgorithmChoice, Amount, ChannelPlan, Channels, Input, Ledger, Portfolio, Storage, TRADING_ALGO_KIND,
    TradingAlgo, TradingAlgoStatus, TradingStatus,
    address::Address,
    validate::{FieldError, check_below},
};
use k8s_openapi::{api::core::v1::PersistentVolumeClaim, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource as _, ResourceExt as _};
use serde_json::{Map, Value, json};

use crate::{
    kubernetes::{object::PartialObject, owner::Owner},
    names::{APP, Component, algorithm_url, annotation},
    settings::{Confine, Settings, credentials::Credentials},
    trading_algo::{
        confine::{self, ChannelRule},
        reset::{self, Resets},
        sources::{Account, KnownFeeds, SourceProblem, Sources},
        trading_state::RequestedState,
    },
    workload::broker::{self, BrokerPlan},
};

/// The request of one `TradingAlgo`, validated, with all defaults applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Namespace of the resource and of everything made for it.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The generation of the spec.
    pub generation: i64,
    /// Settings that may change while the runtime runs.
    pub live_settings: LiveSettings,
    /// How buys are sized.
    pub portfolio: Portfolio,
    /// Channels; `None` for those of the algorithm.
    pub subscribe: Option<Vec<String>>,
    /// The descriptions of their messages, those of sources first.
    pub inputs: Vec<Input>,
    /// The channels as the resource names them.
    pub channels: Channels,
    /// Problems of the sources in `spec.channels.from`.
    pub source_problems: Vec<SourceProblem>,
    /// Topic for the decisions, where it is not the usual one.
    pub publish: Option<String>,
    /// Topics that the namespace may not use, where that does not refuse the resource.
    pub warnings: Vec<FieldError>,
    /// The rule for channels that the algorithm asks for.
    pub channel_rule: Option<ChannelRule>,
    /// Id of the installation, for the children.
    pub installation: Option<String>,
    /// The broker.
    pub broker: BrokerPlan,
    /// The ledger's volume.
    pub storage: Storage,
    /// The ledger's claim that the status recorded.
    pub ledger: Option<Ledger>,
    /// uid of a lost claim that may be replaced.
    pub new_ledger: Option<String>,
    /// Sources to reset.
    pub resets: Resets,
    /// URL of the active algorithm, as the status recorded it.
    pub active_backend_url: Option<String>,
    /// The trading state that the resource asks for.
    pub trading: RequestedState,
    /// Facts about the account that earlier passes recorded.
    pub recorded: Recorded,
    /// The data of the runtime's `ConfigMap` in the cluster; empty without one.
    pub stored: Stored,
}

/// Keys and texts of the runtime's `ConfigMap`.
pub type Stored = std::collections::BTreeMap<String, String>;

/// Facts about the account that earlier passes recorded in the status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Whether the runtime has shown an account at all.
    pub has_account: bool,
    /// Net deposits that it last answered, two places.
    pub deposits: Option<String>,
    /// The runtime does not know trading states and was halted instead of reducing: the settings file of its next start
    /// must halt it too.
    pub halts_to_reduce: bool,
}

impl Recorded {
    /// From the status as it was written last.
    pub fn of(status: Option<&TradingAlgoStatus>) -> Self {
        let account = status.and_then(|status| status.account.as_ref());
        let trading = status.and_then(|status| status.trading.as_ref());
        let is_halted = |trading: &&TradingStatus| trading.state == TradingState::Halted.name();
        Self {
            has_account: account.is_some(),
            deposits: account.and_then(|account| account.deposits.clone()),
            halts_to_reduce: trading.filter(is_halted).is_some_and(|trading| {
                !trading.causes.is_empty()
                    && trading.causes.iter().all(|held| held.state == TradingState::Reducing.name())
            }),
        }
    }
}

/// Settings that may change while the runtime runs: those that `Configure` carries.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// The algorithm that the resource asks for.
    pub algorithm: AlgorithmRef,
    /// 0 to 1.
    pub threshold: f64,
    /// The algorithm's parameters.
    pub parameters: Map<String, Value>,
    /// Net deposits; `None`: those of the account, whatever they are.
    pub starting_cash: Option<Money>,
}

/// The algorithm that the resource asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlgorithmRef {
    /// A built-in algorithm, by name.
    Builtin(String),
    /// An algorithm with a server.
    Served {
        /// `http://host:port`.
        url: String,
        /// Host and port of the URL.
        address: Address,
        /// The algorithm is being created, or has not answered yet: an unreachable server is expected.
        is_coming: bool,
    },
    /// An `Algorithm` that cannot be used, with the reason.
    Missing(String),
}

/// Inputs of a plan beside the spec.
pub struct Inputs<'a> {
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The default broker's credentials.
    pub credentials: Option<&'a Credentials>,
    /// The `Algorithm` that the spec names, if it exists.
    pub algorithm: Option<&'a PartialObject<Algorithm>>,
    /// The feeds that the spec names.
    pub feeds: KnownFeeds<'a>,
    /// The status that was written last.
    pub previous: Option<&'a TradingAlgoStatus>,
    /// The data of the runtime's `ConfigMap` in the cluster; empty without one.
    pub stored: Stored,
}

impl<'a> Inputs<'a> {
    /// Settings alone: no credentials, no `Algorithm`, no feeds, no status and nothing stored.
    pub const fn new(settings: &'a Settings) -> Self {
        let feeds = KnownFeeds { found: &[], scope: None };
        Self { settings, credentials: None, algorithm: None, feeds, previous: None, stored: Stored::new() }
    }
}

/// The plan of a resource, or all violations of its spec.
pub fn plan(algo: &TradingAlgo, inputs: Inputs<'_>) -> Result<Plan, Vec<FieldError>> {
    let Inputs { settings, credentials, algorithm: named, feeds, previous, stored } = inputs;
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
    let Sources { inputs, problems: source_problems } = sources(&channels, (&namespace, &name), feeds, settings)
        .unwrap_or_else(|mut refused| {
            problems.append(&mut refused);
            Sources::default()
        });
    let algorithm = choice(&algo.spec.algorithm, named, &settings.cluster_domain);
    let (Some(broker), Some(algorithm), true) = (broker, algorithm, problems.is_empty()) else {
        problems.sort();
        return Err(problems);
    };
    let ChannelPlan { filters: subscribe, inputs } = channels.plan(inputs);
    Ok(Plan {
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
        channels,
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
        recorded: Recorded::of(previous),
        stored,
    })
}

/// The sources of `spec.channels.from`, or violations if the resource has no channel that may be used.
fn sources(
    channels: &Channels,
    (namespace, name): (&str, &str),
    feeds: KnownFeeds<'_>,
    settings: &Settings,
) -> Result<Sources, Vec<FieldError>> {
    let Some(named) = &channels.from else { return Ok(Sources::default()) };
    let topics = &settings.topics;
    let own = OwnTopics::new(&topics.prefix, &format!("{namespace}/{name}"), channels.publish.as_deref());
    let sources = Sources::of(named, Account { namespace, topics: &own }, feeds, topics);
    let are_alone = channels.subscribe.is_none() && channels.inputs.is_none();
    let refused = if are_alone { sources.without_channel() } else { Vec::new() };
    if refused.is_empty() { Ok(sources) } else { Err(refused) }
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

impl Plan {
    /// `<namespace>/<name>`, as runtime and bridge know it.
    pub fn account(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The owner of the children.
    pub fn owner(&self) -> Owner {
        Owner {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            kind: TRADING_ALGO_KIND,
            app: APP,
            keeps: self.ledger.as_ref().map(|ledger| ledger.claim_uid.clone()),
            installation: self.installation.clone(),
        }
    }

    /// Metadata of a child that is deleted with the resource.
    pub fn child_metadata(&self, name: String, component: Option<Component>) -> ObjectMeta {
        self.owner().metadata(name, component.map(Component::name))
    }

    /// Whether nothing can be started: the algorithm does not exist, and there is no ledger from an earlier start.
    pub fn has_nothing_to_start(&self) -> bool {
        matches!(self.live_settings.algorithm, AlgorithmRef::Missing(_)) && self.ledger.is_none()
    }

    /// Whether the plan asks for the account's active algorithm. True if the plan names none.
    pub fn is_decided_by(&self, account: &v1::AccountResponse) -> bool {
        let backend = account.backend.clone().unwrap_or_default();
        match &self.live_settings.algorithm {
            AlgorithmRef::Builtin(name) => {
                backend.address.is_empty() && [backend.name.as_str(), &account.algorithm].contains(&name.as_str())
            }
            AlgorithmRef::Served { url, .. } => backend.address == *url,
            AlgorithmRef::Missing(_) => true,
        }
    }

    /// The recorded claim, if it does not exist any more (`found` is `None`) and must not be replaced.
    pub fn lost_claim(&self, found: Option<&PersistentVolumeClaim>) -> Option<&Ledger> {
        let had = self.ledger.as_ref().filter(|_| found.is_none())?;
        (self.new_ledger.as_deref() != Some(&had.claim_uid)).then_some(had)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::support as tests_support;
