//! Writes objects: server-side apply with one field manager, and never over objects of other owners.

#![expect(clippy::disallowed_methods, reason = "an edge: it hands the time to the cache of written objects")]

use std::sync::Arc;

use intuition_resources::API_VERSION;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    runtime::reflector::{ObjectRef, Store},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    applied_cache::AppliedCache,
    drift::{drift, replace_spec},
};
use crate::{
    kubernetes::{
        apply_error::ApplyError,
        caches::Kind,
        call::{CallError, call, code},
        object::{PartialObject, WatchedKind},
        owner::Owner,
        ownership::check_holder,
    },
    names::MANAGER,
};

/// The only writer of children and of statuses.
pub(crate) struct Writer {
    client: Client,
    applied: AppliedCache,
}

impl Writer {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, applied: AppliedCache::default() }
    }

    /// Objects of a kind in a namespace.
    pub(crate) fn api<K: Kind>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Forgets everything about a resource's children.
    pub(crate) fn forget(&self, namespace: &str, is_child: impl Fn(&str) -> bool) {
        self.applied.forget(namespace, is_child);
    }

    /// Writes the status of the resource with this uid, and of no other of the same name.
    pub(crate) async fn save_status<K: WatchedKind>(
        &self,
        seen: &PartialObject<K>,
        status: &K::Status,
    ) -> Result<(), CallError> {
        let (name, namespace) = (seen.name_any(), seen.namespace().unwrap_or_default());
        let body = json!({
            "apiVersion": API_VERSION,
            "kind": K::KIND,
            "metadata": { "name": name, "uid": seen.uid() },
            "status": status,
        });
        // Read back as it was watched, so that a spec that cannot be read does not fail the write.
        let api: Api<PartialObject<K>> = Api::namespaced(self.client.clone(), &namespace);
        call(api.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body))).await?;
        Ok(())
    }

    /// Writes one child in its desired form, unless nothing differs, and returns the object in the cluster.
    pub(crate) async fn ensure<K: Kind>(
        &self,
        owner: &Owner,
        wanted: &K,
        cache: &Store<K>,
    ) -> Result<Arc<K>, ApplyError> {
        let name = wanted.name_any();
        let failed = |action| {
            let (kind, name) = (K::kind(&()).into_owned(), name.clone());
            move |source| ApplyError::Write { action, kind, name, source }
        };
        let api: Api<K> = self.api(&owner.namespace);
        // The cache holds objects with our labels. An object without them may have the same name.
        let live = match cache.get(&ObjectRef::from_obj(wanted)) {
            Some(live) => Some(live),
            None => call(api.get_opt(&name)).await.map_err(failed("read"))?.map(Arc::new),
        };
        if let Some(live) = &live {
            check_holder::<K>(owner, live.meta())?;
            if self.applied.is_unchanged(wanted, live, Instant::now()) {
                return Ok(Arc::clone(live));
            }
        }
        // Boxed: it is most of a pass's memory, and seldom needed.
        let outcome = Box::pin(write(&api, &name, wanted, live.as_deref())).await.map_err(failed("apply"))?;
        self.applied.remember(wanted, &outcome, Instant::now());
        Ok(Arc::new(outcome))
    }

    /// Deletes one object by its uid. An object that does not exist is deleted.
    pub(crate) async fn delete<K: Kind>(&self, object: &K) -> Result<(), ApplyError> {
        let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
        let precondition = Preconditions { uid: object.uid(), resource_version: None };
        let parameters = DeleteParams::background().preconditions(precondition);
        match call(self.api::<K>(&namespace).delete(&name, &parameters)).await {
            Err(source) if !source.is(code::NOT_FOUND) => {
                Err(ApplyError::Write { action: "delete", kind: K::kind(&()).into_owned(), name, source })
            }
            _ => Ok(()),
        }
    }

    /// Writes a Secret, or deletes it if `wanted` is `None`. The operator cannot read Secrets, by intent; the caller
    /// gives it a name that no other object has.
    pub(crate) async fn ensure_secret(
        &self,
        namespace: &str,
        name: &str,
        wanted: Option<&Secret>,
    ) -> Result<(), ApplyError> {
        if !self.applied.is_due(namespace, name, wanted, Instant::now()) {
            return Ok(());
        }
        let failed = |action| {
            let name = name.to_owned();
            move |source| {
                self.applied.retry_later::<Secret>(namespace, &name);
                ApplyError::Write { action, kind: "Secret".to_owned(), name, source }
            }
        };
        let api: Api<Secret> = self.api(namespace);
        match wanted {
            Some(wanted) => {
                let parameters = PatchParams::apply(MANAGER).force();
                let body = body(wanted, None);
                call(api.patch(name, &parameters, &Patch::Apply(&body))).await.map_err(failed("apply"))?;
            }
            None => match call(api.delete(name, &DeleteParams::default())).await {
                Err(error) if !error.is(code::NOT_FOUND) => return Err(failed("delete")(error)),
                _ => {}
            },
        }
        Ok(())
    }
}

/// Writes one object and reverts manual changes to it.
async fn write<K: Kind>(api: &Api<K>, name: &str, wanted: &K, live: Option<&K>) -> Result<K, CallError> {
    let body = body(wanted, live);
    let mut apply = PatchParams::apply(MANAGER);
    // Forced only over an object that was checked: another object may have taken the name at this moment.
    apply.force = live.is_some();
    let edit = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let mut outcome = call(api.patch(name, &apply, &Patch::Apply(&body))).await;
    if let (Err(error), Some(operations)) = (&outcome, replace_spec(&body))
        && error.is(code::INVALID)
        && live.is_some()
    {
        // A manual addition may conflict with the desired spec: another rollout strategy, a second port of the same
        // name. One write replaces the whole spec then.
        let patch = Patch::<Value>::Json(json_patch::Patch(operations));
        if call(api.patch(name, &edit, &patch)).await.is_ok() {
            outcome = call(api.patch(name, &apply, &Patch::Apply(&body))).await;
        }
    }
    let outcome = outcome?;
    let operations = drift(&body, &serde_json::to_value(&outcome).unwrap_or_default());
    if operations.is_empty() {
        return Ok(outcome);
    }
    call(api.patch(name, &edit, &Patch::<Value>::Json(json_patch::Patch(operations)))).await
}

/// The body of the call: the object with its kind, and the uid of the live object, so that no other object of the same
/// name is written.
fn body<K: Kind>(wanted: &K, live: Option<&K>) -> Value {
    let mut body = serde_json::to_value(wanted).unwrap_or_default();
    if let Value::Object(members) = &mut body {
        members.insert("apiVersion".to_owned(), K::api_version(&()).into());
        members.insert("kind".to_owned(), K::kind(&()).into());
        if let (Some(Value::Object(metadata)), Some(live)) = (members.get_mut("metadata"), live) {
            metadata.insert("uid".to_owned(), json!(live.meta().uid));
        }
    }
    body
}
