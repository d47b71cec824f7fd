//! From a plan to the children. Pure: the same plan, settings and claim give the same children.

mod bridge;
mod deployment;
mod ledger;
mod network;
pub(crate) mod runtime;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::ResourceExt;

use crate::{
    account::plan::Plan,
    names::{Component, service_account},
    settings::Settings,
    workload::broker_credentials,
};

/// The children of one resource, a field for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The runtime's settings, a file that changes without a restart; `None` leaves it as it is, because the named
    /// algorithm does not exist.
    pub settings: Option<ConfigMap>,
    /// The service account of both pods, without a token.
    pub account: ServiceAccount,
    /// The ledger's volume; `None` if a lost claim must not be replaced.
    pub claim: Option<PersistentVolumeClaim>,
    /// Credentials for the default broker.
    pub broker: Option<Secret>,
    /// The Service of the runtime, for the bridge.
    pub service: Service,
    /// The runtime.
    pub runtime: Deployment,
    /// The bridge.
    pub bridge: Deployment,
    /// Network policies of the pods.
    pub policies: Vec<NetworkPolicy>,
}

impl Desired {
    /// Names of the network policies, the only kind of which there may be none.
    pub fn policy_names(&self) -> Vec<String> {
        self.policies.iter().map(ResourceExt::name_any).collect()
    }
}

/// The children of a plan. `claim`: the ledger's claim in the cluster.
pub fn desired(plan: &Plan, settings: &Settings, claim: Option<&PersistentVolumeClaim>) -> Desired {
    Desired {
        settings: runtime::settings(plan),
        account: ServiceAccount {
            metadata: plan.child_metadata(service_account(&plan.children()), None),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        claim: plan.lost_claim(claim).is_none().then(|| ledger::claim(plan, claim)),
        broker: broker_credentials::secret(&plan.broker.login, |name| {
            plan.child_metadata(name, Some(Component::Bridge))
        }),
        service: runtime::service(plan),
        runtime: runtime::deployment(plan, settings),
        bridge: bridge::deployment(plan, settings),
        policies: if settings.network_policy.enabled {
            vec![network::runtime(plan, settings), network::bridge(plan, settings)]
        } else {
            Vec::new()
        },
    }
}

#[cfg(test)]
mod tests;
