//! The children of `Feed`s: their caches, and the writes in their order.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::{
    Client, Resource as _, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use super::{build::Desired, plan::Plan};
use crate::{
    kubernetes::{
        apply_error::{ApplyError, NoAnswer, note},
        caches::{Changes, Kind, cache},
        owner::Owner,
        ownership::{check_installation, is_left_behind, is_of, is_owned},
        rights::Rights,
        writer::Writer,
    },
    names::{FEED_APP, broker_secret, feed, label},
    workload::pod_state::{self, PodState},
};

/// The children of all `Feed`s that one controller watches.
pub(crate) struct Cluster {
    writer: Writer,
    settings: Store<ConfigMap>,
    accounts: Store<ServiceAccount>,
    deployments: Store<Deployment>,
    policies: Store<NetworkPolicy>,
    pods: Store<Pod>,
}

/// The streams that keep the caches current. Each has to be polled.
pub(crate) struct Streams {
    pub(crate) settings: Changes<ConfigMap>,
    pub(crate) accounts: Changes<ServiceAccount>,
    pub(crate) deployments: Changes<Deployment>,
    pub(crate) policies: Changes<NetworkPolicy>,
    pub(crate) pods: Changes<Pod>,
}

/// The result of applying.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Generation of the Deployment that was written, if it was.
    pub(crate) generation: Option<i64>,
    /// The worst error.
    pub(crate) error: Option<ApplyError>,
}

impl Cluster {
    pub(crate) fn watch(client: &Client, namespace: Option<&str>, rights: &Rights) -> (Self, Streams) {
        let (settings, settings_changes) = cache(client, namespace, FEED_APP, rights);
        let (accounts, accounts_changes) = cache(client, namespace, FEED_APP, rights);
        let (deployments, deployments_changes) = cache(client, namespace, FEED_APP, rights);
        let (policies, policies_changes) = cache(client, namespace, FEED_APP, rights);
        let (pods, pods_changes) = cache(client, namespace, FEED_APP, rights);
        let writer = Writer::new(client.clone());
        let streams = Streams {
            settings: settings_changes,
            accounts: accounts_changes,
            deployments: deployments_changes,
            policies: policies_changes,
            pods: pods_changes,
        };
        (Self { writer, settings, accounts, deployments, policies, pods }, streams)
    }

    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Completes once every cache has been filled.
    pub(crate) async fn caches_filled(&self) {
        // An error means that its watch has ended, and with it the controller.
        drop(tokio::join!(
            self.settings.wait_until_ready(),
            self.accounts.wait_until_ready(),
            self.deployments.wait_until_ready(),
            self.policies.wait_until_ready(),
            self.pods.wait_until_ready(),
        ));
    }

    /// Writes all children. A child that is refused does not keep the others from being written.
    pub(crate) async fn apply(&self, plan: &Plan, desired: &Desired) -> Applied {
        let mut applied = Applied::default();
        if let Err(error) = self.check(plan) {
            applied.error = Some(error);
            return applied;
        }
        // Stops at the first call without an answer, which is noted as the error.
        drop(self.apply_children(plan, desired, &mut applied).await);
        applied
    }

    /// An error if another installation of the operator made one of the children, or a deleted resource of this name left its
    /// Deployment behind (`kubectl delete --cascade=orphan`). The selector of a Deployment is immutable.
    fn check(&self, plan: &Plan) -> Result<(), ApplyError> {
        fn check<K: Kind>(owner: &Owner, store: &Store<K>) -> Result<(), ApplyError> {
            let found = store.get(&ObjectRef::new(&feed(&owner.name)).within(&owner.namespace));
            found.map_or(Ok(()), |found| check_installation::<K>(owner, found.meta()))
        }
        let owner = &plan.owner;
        check(owner, &self.deployments)?;
        check(owner, &self.settings)?;
        check(owner, &self.accounts)?;
        let deployment = self.deployments.get(&ObjectRef::new(&feed(&owner.name)).within(&owner.namespace));
        match deployment.filter(|deployment| is_left_behind(owner, deployment)) {
            Some(deployment) => Err(ApplyError::LeftBehind { names: vec![deployment.name_any()] }),
            None => Ok(()),
        }
    }

    async fn apply_children(&self, plan: &Plan, desired: &Desired, applied: &mut Applied) -> Result<(), NoAnswer> {
        let (owner, worst, writer) = (&plan.owner, &mut applied.error, &self.writer);
        note(worst, writer.ensure(owner, &desired.settings, &self.settings).await)?;
        note(worst, writer.ensure(owner, &desired.account, &self.accounts).await)?;
        let secret = broker_secret(&owner.name, &owner.uid);
        note(worst, writer.ensure_secret(&owner.namespace, &secret, desired.broker.as_ref()).await)?;
        if let Some(policy) = &desired.policy {
            note(worst, writer.ensure(owner, policy, &self.policies).await)?;
        } else {
            for stray in self.policies.state_filter(|policy| is_of(policy, owner)) {
                note(worst, writer.delete(stray.as_ref()).await)?;
            }
        }
        let written = writer.ensure(owner, &desired.deployment, &self.deployments).await;
        applied.generation = note(worst, written)?.and_then(|written| written.meta().generation);
        Ok(())
    }

    /// The state of the feed's pod. `generation`: that of its Deployment after the last write.
    pub(crate) fn pod_state(&self, owner: &Owner, generation: Option<i64>) -> PodState {
        let deployment = self.deployments.get(&ObjectRef::new(&feed(&owner.name)).within(&owner.namespace));
        let deployment = deployment.as_deref().filter(|deployment| is_owned(*deployment, &owner.uid));
        let is_pod = |pod: &Pod| {
            pod.namespace().as_deref() == Some(&owner.namespace)
                && pod.labels().get(label::UID).is_some_and(|uid| *uid == owner.uid)
        };
        let pods = self.pods.state_filter(is_pod);
        pod_state::state(deployment, generation, pods.iter().map(AsRef::as_ref))
    }

    /// Forgets the children of a deleted resource.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let (child, secrets) = (feed(name), format!("{name}-broker-"));
        self.writer.forget(namespace, |known| known == child || known.starts_with(&secrets));
    }
}
