//! The caches of the children of accounts, and the writes in their order.

pub(crate) mod caches;
mod stored;

use std::sync::Arc;

use k8s_openapi::api::{
    core::v1::{PersistentVolumeClaim, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    account::{apply::caches::Caches, build::Desired, kind::AccountKind, plan::Plan},
    kubernetes::{
        apply_error::{ApplyError, NoAnswer, note},
        caches::Kind,
        call::{CallError, call},
        owner::Owner,
        ownership::{check_holder, check_installation, is_left_behind, is_owned},
        writer::Writer,
    },
    names::{Component, broker_secret, claim, label, service_account},
    workload::pod_state::{self, PodState},
};

/// The children of all accounts of one kind that one controller watches: reads from caches, writes through the writer.
pub(crate) struct Cluster {
    kind: AccountKind,
    client: Client,
    caches: Caches,
    writer: Writer,
}

impl Cluster {
    /// Reads from `caches` and writes with `client`.
    pub(crate) fn new(kind: AccountKind, client: Client, caches: Caches) -> Self {
        Self { kind, writer: Writer::new(client.clone()), client, caches }
    }

    /// The kind of the accounts.
    pub(crate) const fn kind(&self) -> AccountKind {
        self.kind
    }

    /// The claim of a resource's ledger. A claim of another owner under this name is ignored. The API server is called
    /// if the cache has no claim: absence is never concluded from a cache that may be behind.
    pub(crate) async fn claim(&self, plan: &Plan) -> Result<Option<Arc<PersistentVolumeClaim>>, CallError> {
        let (name, namespace, owner) = (claim(&plan.children()), plan.namespace.as_str(), plan.owner());
        let cached = self.caches.claims.get(&ObjectRef::new(&name).within(namespace));
        let found = if cached.is_some() {
            cached
        } else {
            let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
            call(api.get_opt(&name)).await?.map(Arc::new)
        };
        Ok(found.filter(|claim| check_holder::<PersistentVolumeClaim>(&owner, claim.meta()).is_ok()))
    }

    /// Completes once every cache has been filled.
    pub(crate) async fn caches_filled(&self) {
        self.caches.filled().await;
    }

    /// The state of a workload. `generation`: that of its Deployment after the last write.
    pub(crate) fn pod_state(&self, owner: &Owner, component: Component, generation: Option<i64>) -> PodState {
        let reference = ObjectRef::new(&component.of(&self.kind.children(&owner.name))).within(&owner.namespace);
        let deployment = self.caches.deployments.get(&reference);
        let deployment = deployment.as_deref().filter(|deployment| is_owned(*deployment, &owner.uid));
        let pods = self.caches.pods.state_filter(|pod| is_pod_of(pod, owner, component));
        pod_state::state(deployment, generation, pods.iter().map(AsRef::as_ref))
    }

    /// The writer, for statuses.
    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }
}

fn is_pod_of(pod: &Pod, owner: &Owner, component: Component) -> bool {
    let is = |key: &str, value: &str| pod.labels().get(key).is_some_and(|found| found == value);
    pod.namespace().as_deref() == Some(&owner.namespace)
        && is(label::UID, &owner.uid)
        && is(label::COMPONENT, component.name())
}

/// The result of applying.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Generation of the runtime's Deployment, if it was written.
    pub runtime: Option<i64>,
    /// Generation of the bridge's Deployment, if it was written.
    pub bridge: Option<i64>,
    /// The ledger's claim as it was written.
    pub claim: Option<Arc<PersistentVolumeClaim>>,
    /// The worst error.
    pub error: Option<ApplyError>,
}

impl Cluster {
    /// Writes all children. A child that is refused does not keep the others from being written; an API server that
    /// does not answer ends the pass.
    pub(crate) async fn apply(&self, plan: &Plan, desired: &Desired) -> Applied {
        let mut applied = Applied::default();
        if let Err(error) = self.check_installation(plan) {
            // Checked before anything is written: children of two operators would fit together only by chance.
            applied.error = Some(error);
            return applied;
        }
        let names = self.left_behind(plan);
        if !names.is_empty() {
            // Checked before anything is written: a Service that selects by the new uid would cut off the pods that
            // still trade.
            applied.error = Some(ApplyError::LeftBehind { names });
            return applied;
        }
        // Stops at the first call without an answer, which is noted as the error.
        drop(self.apply_children(plan, desired, &mut applied).await);
        applied
    }

    async fn apply_children(&self, plan: &Plan, desired: &Desired, applied: &mut Applied) -> Result<(), NoAnswer> {
        let (caches, writer, owner) = (&self.caches, &self.writer, plan.owner());
        let worst = &mut applied.error;
        if let Some(settings) = &desired.settings {
            note(worst, writer.ensure(&owner, settings, &caches.settings).await)?;
        }
        note(worst, writer.ensure(&owner, &desired.account, &caches.accounts).await)?;
        let mut has_claim = true;
        if let Some(claim) = &desired.claim {
            let outcome = writer.ensure(&owner, claim, &caches.claims).await;
            has_claim = !matches!(outcome, Err(ApplyError::NameTaken { .. } | ApplyError::AwaitPredecessor { .. }));
            applied.claim = note(worst, outcome)?;
        }
        let secret = broker_secret(&plan.children(), &plan.uid);
        note(worst, writer.ensure_secret(&plan.namespace, &secret, desired.broker.as_ref()).await)?;
        for policy in &desired.policies {
            note(worst, writer.ensure(&owner, policy, &caches.policies).await)?;
        }
        note(worst, writer.ensure(&owner, &desired.service, &caches.services).await)?;
        // Do not start the runtime on a claim that is not ours: it would write to it, and would block a claim that is
        // being deleted.
        if has_claim {
            applied.runtime = note(worst, writer.ensure(&owner, &desired.runtime, &caches.deployments).await)?
                .and_then(|written| written.metadata.generation);
        }
        applied.bridge = note(worst, writer.ensure(&owner, &desired.bridge, &caches.deployments).await)?
            .and_then(|written| written.metadata.generation);
        note(worst, self.delete_strays(plan, desired).await)?;
        Ok(())
    }

    /// An error if another installation of the operator made one of the children.
    fn check_installation(&self, plan: &Plan) -> Result<(), ApplyError> {
        fn check<K: Kind>(owner: &Owner, store: &Store<K>, name: &str) -> Result<(), ApplyError> {
            let found = store.get(&ObjectRef::new(name).within(&owner.namespace));
            found.map_or(Ok(()), |found| check_installation::<K>(owner, found.meta()))
        }
        let (caches, owner, children) = (&self.caches, plan.owner(), plan.children());
        for component in Component::ALL {
            check(&owner, &caches.deployments, &component.of(&children))?;
        }
        check(&owner, &caches.claims, &claim(&children))?;
        check(&owner, &caches.settings, &Component::Runtime.of(&children))?;
        check(&owner, &caches.services, &Component::Runtime.of(&children))?;
        check(&owner, &caches.accounts, &service_account(&children))
    }

    /// The Deployments that a deleted resource of this name left behind (`kubectl delete --cascade=orphan`). Their
    /// immutable selectors have its uid.
    fn left_behind(&self, plan: &Plan) -> Vec<String> {
        let deployments = Component::ALL.iter().filter_map(|component| {
            let reference = ObjectRef::new(&component.of(&plan.children())).within(&plan.namespace);
            self.caches.deployments.get(&reference)
        });
        let owner = plan.owner();
        let left = deployments.filter(|deployment| is_left_behind(&owner, deployment));
        left.map(|deployment| deployment.name_any()).collect()
    }

    /// Forgets the children of a deleted resource.
    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let children = self.kind.children(name);
        let mut names = vec![claim(&children), service_account(&children)];
        names.extend(Component::ALL.map(|component| component.of(&children)));
        let secrets = format!("{children}-broker-");
        self.writer.forget(namespace, |name| names.iter().any(|known| known == name) || name.starts_with(&secrets));
    }

    /// Deletes the resource's policies that are not wanted any more. Every other child always exists, under the same
    /// name.
    async fn delete_strays(&self, plan: &Plan, desired: &Desired) -> Result<(), ApplyError> {
        let wanted = desired.policy_names();
        let strays = self.caches.policies.state_filter(|object: &NetworkPolicy| {
            object.namespace().as_deref() == Some(&plan.namespace)
                && is_owned(object, &plan.uid)
                && object.metadata.deletion_timestamp.is_none()
                && !wanted.contains(&object.name_any())
        });
        for stray in strays {
            self.writer.delete(stray.as_ref()).await?;
        }
        Ok(())
    }
}
