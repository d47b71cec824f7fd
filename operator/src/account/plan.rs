//! The plan of an account: its runtime, its bridge and its ledger. Later steps decide nothing. Pure.

pub(crate) mod runtime;

use std::collections::BTreeMap;

use intuition_api::{decimal::Money, v1};
use intuition_resources::{Input, Ledger, Portfolio, Storage, address::Address, validate::FieldError};
use k8s_openapi::{api::core::v1::PersistentVolumeClaim, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::{Map, Value};

use crate::{
    account::{
        confine::ChannelRule, kind::AccountKind, reset::Resets, sources::SourceProblem, trading_state::RequestedState,
    },
    kubernetes::owner::Owner,
    names::{Component, selector},
    workload::broker::BrokerPlan,
};

/// The account that a resource asks for, validated, with all defaults applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The kind of the resource.
    pub kind: AccountKind,
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
    /// Settings of the resource that came after v0.1.0.
    pub later_settings: Vec<LaterSetting>,
    /// Problems of the resources that the quotes come from.
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
pub type Stored = BTreeMap<String, String>;

/// A setting of a resource that came after v0.1.0 (ADR 0019).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaterSetting {
    /// Path in the resource.
    pub path: &'static str,
    /// The capability of a component that knows it.
    pub capability: &'static str,
    /// The components that have to know it.
    pub components: &'static [Component],
}

/// A setting that these components have to know by this capability.
pub(crate) const fn later_setting(
    path: &'static str,
    capability: &'static str,
    components: &'static [Component],
) -> LaterSetting {
    LaterSetting { path, capability, components }
}

/// The runtime alone.
pub(crate) const RUNTIME: &[Component] = &[Component::Runtime];
/// The bridge alone.
pub(crate) const BRIDGE: &[Component] = &[Component::Bridge];

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

/// Settings that may change while the runtime runs: those that `Configure` carries.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// The algorithm that the resource asks for.
    pub algorithm: AlgorithmRef,
    /// 0 to 1.
    pub threshold: f64,
    /// The algorithm's parameters.
    pub parameters: Map<String, Value>,
    /// Net deposits; `None`: those of the account.
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

impl Plan {
    /// The account as runtime and bridge know it.
    pub fn account(&self) -> String {
        self.kind.account(&self.namespace, &self.name)
    }

    /// The first part of the names of all children.
    pub fn children(&self) -> String {
        self.kind.children(&self.name)
    }

    /// Labels that select the pod of a workload, without the uid.
    pub fn selector(&self, component: Component) -> BTreeMap<String, String> {
        selector(self.kind.app(), &self.name, component)
    }

    /// The owner of the children.
    pub fn owner(&self) -> Owner {
        Owner {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            kind: self.kind.name(),
            app: self.kind.app(),
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
