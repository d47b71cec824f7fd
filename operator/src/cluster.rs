//! The cluster, as one controller sees it through its caches and changes it. Nothing else writes what it makes, nor the status
//! of what it makes it for.

mod apply;
mod caches;
mod installation;
mod memo;
mod rights;
mod stored;
mod surplus;
mod write;

use std::{future::Future, sync::Arc, time::Duration};

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, Pod},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

pub use self::{
    apply::Applied,
    caches::{Caches, Streams, watch},
    rights::Rights,
    write::ApplyError,
};
pub(crate) use self::{
    caches::{Changes, api, cache},
    installation::check_installation,
    rights::{NoBackoff, OPERATOR_LACKS_RIGHTS},
    write::{Silence, Writer, note},
};
use crate::{
    guarded::{Guarded, Watched},
    names::{Component, MANAGER, claim, label},
    owner::Owner,
    plan::Plan,
    pods::{self, PodState},
};

/// Cause of a refusal (`NamespaceTerminatingCause` of k8s.io/api/core/v1).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// Longest that a call to the API server may take.
pub(crate) const CALL: Duration = Duration::from_secs(5);

/// What a call to the API server fails with.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It refused.
    #[error("{}", .0.message)]
    Refuse(Box<kube::core::Status>),
    /// It could not be asked.
    #[error("the API server cannot be reached")]
    Reach(#[source] Box<kube::Error>),
    /// What it answered is none of what this release knows.
    #[error("the API server's answer cannot be read")]
    Read(#[source] Box<kube::Error>),
    /// It did not answer.
    #[error("the API server did not answer within {} s", CALL.as_secs())]
    TimeOut,
}

impl CallError {
    /// Whether it answered at all: where it did not, the next call would be in vain too.
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Reach(_) | Self::TimeOut)
    }

    /// Whether it answered with this HTTP status.
    pub fn is(&self, code: u16) -> bool {
        matches!(self, Self::Refuse(status) if status.code == code)
    }

    /// The words of an API server that refused for want of a right, which name verb and resource; `None`: it refused for
    /// another cause, such as a quota, or did not.
    pub fn missing_right(&self) -> Option<&str> {
        let Self::Refuse(status) = self else { return None };
        // Admission refuses with the same code.
        let is_right = status.message.contains(" cannot ") && status.message.contains(" resource ");
        (status.code == code::FORBIDDEN && is_right && !self.is_farewell()).then_some(status.message.as_str())
    }

    /// Whether it refused because the namespace is being deleted, and with it everything in there.
    pub fn is_farewell(&self) -> bool {
        let Self::Refuse(status) = self else { return false };
        status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == NAMESPACE_TERMINATING)
    }
}

/// HTTP status codes of the API server.
pub mod code {
    /// It may not be done.
    pub const FORBIDDEN: u16 = 403;
    /// It is not there, or its kind is not known.
    pub const NOT_FOUND: u16 = 404;
    /// It is another object than the one that was seen, or has changed since.
    pub const CONFLICT: u16 = 409;
    /// It does not fit the schema or a rule.
    pub const INVALID: u16 = 422;
}

/// A call with a deadline.
pub(crate) async fn call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(CallError::Refuse(status)),
        Ok(Err(error @ kube::Error::SerdeError(_))) => Err(CallError::Read(Box::new(error))),
        Ok(Err(error)) => Err(CallError::Reach(Box::new(error))),
        Err(_) => Err(CallError::TimeOut),
    }
}

/// See the module.
pub struct Cluster {
    client: Client,
    caches: Caches,
    writer: Writer,
}

impl Cluster {
    /// Sees by `caches` and writes by `client`.
    pub fn new(client: Client, caches: Caches) -> Self {
        Self { writer: Writer::new(client.clone()), client, caches }
    }

    /// The claim of a resource's ledger; one of the same name that is somebody else's, or a predecessor's, is none. Asked of the API server where
    /// the cache has none: a claim that is not there is never concluded from a cache that may be behind.
    pub async fn claim(&self, plan: &Plan) -> Result<Option<Arc<PersistentVolumeClaim>>, CallError> {
        let (name, namespace, owner) = (claim(&plan.name), plan.namespace.as_str(), plan.owner());
        let cached = self.caches.claims.get(&ObjectRef::new(&name).within(namespace));
        let found = if cached.is_some() {
            cached
        } else {
            let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
            call(api.get_opt(&name)).await?.map(Arc::new)
        };
        Ok(found.filter(|claim| write::check_holder::<PersistentVolumeClaim>(&owner, claim.meta()).is_ok()))
    }

    /// Waits until every cache has been filled once: before that, what is there looks as if it were not.
    pub(crate) async fn await_caches<K>(&self, others: &Store<Guarded<K>>, patience: Duration) -> Result<(), CallError>
    where
        K: Watched,
    {
        let filled = async { tokio::join!(self.caches.filled(), others.wait_until_ready()) };
        tokio::time::timeout(patience, filled).await.map(drop).map_err(|_| CallError::TimeOut)
    }

    /// How a workload is doing, `generation` being that of its Deployment when it was written last.
    pub fn pod_state(&self, owner: &Owner, component: Component, generation: Option<i64>) -> PodState {
        let reference = ObjectRef::new(&component.of(&owner.name)).within(&owner.namespace);
        let deployment = self.caches.deployments.get(&reference);
        let deployment = deployment.as_deref().filter(|deployment| is_owned(*deployment, &owner.uid));
        let pods = self.caches.pods.state_filter(|pod| is_pod_of(pod, owner, component));
        pods::state(deployment, generation, pods.iter().map(AsRef::as_ref))
    }

    /// Writes statuses.
    pub(crate) const fn writer(&self) -> &Writer {
        &self.writer
    }
}

/// Whether an object says that this operator made it for a resource of this name. One without the label for the kind was put
/// back by hand: a ledger.
fn is_labelled(metadata: &ObjectMeta, owner: &Owner) -> bool {
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    label(label::MANAGED_BY) == Some(MANAGER)
        && label(label::INSTANCE) == Some(&owner.name)
        && label(label::NAME).is_none_or(|app| app == owner.app)
}

/// Who controls an object.
fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether the resource with this uid controls the object.
pub(crate) fn is_owned(object: &impl Resource, uid: &str) -> bool {
    controller_of(object.meta()).is_some_and(|owner| owner.uid == uid)
}

fn is_pod_of(pod: &Pod, owner: &Owner, component: Component) -> bool {
    let is = |key: &str, value: &str| pod.labels().get(key).is_some_and(|found| found == value);
    pod.namespace().as_deref() == Some(&owner.namespace)
        && is(label::UID, &owner.uid)
        && is(label::COMPONENT, component.name())
}
