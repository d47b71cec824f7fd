//! The stored settings of a resource, which are used if its spec is not accepted.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector::ObjectRef;

use super::Cluster;
use crate::{
    account::plan::Stored,
    kubernetes::{apply_error::ApplyError, owner::Owner, ownership::is_owned},
    names::Component,
};

impl Cluster {
    /// Keys and texts of the runtime's `ConfigMap` in the cache; empty if the resource has none.
    pub(crate) fn stored_settings(&self, owner: &Owner) -> Stored {
        let reference =
            ObjectRef::new(&Component::Runtime.of(&self.kind.children(&owner.name))).within(&owner.namespace);
        let found = self.caches.settings.get(&reference).filter(|found| is_owned(found.as_ref(), &owner.uid));
        found.and_then(|found| found.data.clone()).unwrap_or_default()
    }

    /// Writes the runtime's `ConfigMap`, and nothing else.
    pub(crate) async fn apply_settings(&self, owner: &Owner, settings: &ConfigMap) -> Result<(), ApplyError> {
        self.writer.ensure(owner, settings, &self.caches.settings).await.map(drop)
    }

    /// Whether the runtime's Deployment of this resource exists.
    pub(crate) fn is_deployed(&self, owner: &Owner) -> bool {
        let reference =
            ObjectRef::new(&Component::Runtime.of(&self.kind.children(&owner.name))).within(&owner.namespace);
        self.caches.deployments.get(&reference).is_some_and(|found| is_owned(found.as_ref(), &owner.uid))
    }
}
