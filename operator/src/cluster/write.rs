//! Writing one object: server-side apply by one field manager, and never over what is somebody else's.

use std::sync::Arc;

use intuition_resources::{API_VERSION, GROUP};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    runtime::reflector::{ObjectRef, Store},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    CallError,
    caches::Kind,
    call, code, controller_of,
    installation::{OtherInstallation, check_installation},
    is_labelled,
    memo::Memo,
    rights::OPERATOR_LACKS_RIGHTS,
    surplus::{restoration, surplus},
};
use crate::{
    guarded::{Guarded, Watched},
    names::MANAGER,
    owner::Owner,
    status::Outlook,
};

/// Why a child could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The name is somebody else's.
    #[error("{kind} {name} exists and is not this resource's: rename one of the two, or delete that one")]
    NameTaken {
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Another installation of the operator made it and manages it.
    #[error(transparent)]
    ManagedByAnother(Box<OtherInstallation>),
    /// It is on its way out.
    #[error("{kind} {name} of a resource that was deleted is still there: waiting until it is gone")]
    AwaitPredecessor {
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
    },
    /// It belongs to a resource that was deleted without it, and cannot be taken over: it selects pods by that one's uid.
    #[error(
        "left behind by a deleted resource of this name: delete it, the ledger stays (kubectl delete deployment {})",
        names.join(" ")
    )]
    LeftBehind {
        /// The Deployments.
        names: Vec<String>,
    },
    /// The API server did not take it.
    #[error("cannot {action} {kind} {name}")]
    Write {
        /// `read`, `apply` or `delete`.
        action: &'static str,
        /// Kind of the child.
        kind: String,
        /// Its name.
        name: String,
        /// What it said.
        source: CallError,
    },
}

impl ApplyError {
    /// Code for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "NameTaken",
            Self::ManagedByAnother(_) => "ManagedByAnother",
            Self::AwaitPredecessor { .. } => "WaitingForPredecessor",
            Self::LeftBehind { .. } => "LeftBehind",
            Self::Write { source, .. } if source.is_farewell() => "NamespaceTerminating",
            Self::Write { source, .. } if source.missing_right().is_some() => OPERATOR_LACKS_RIGHTS,
            Self::Write { .. } if self.outlook() == Outlook::Stays => "ApplyRefused",
            Self::Write { .. } => "ApplyFailed",
        }
    }

    /// What becomes of it.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::NameTaken { .. } | Self::LeftBehind { .. } | Self::ManagedByAnother(_) => Outlook::Stays,
            Self::AwaitPredecessor { .. } => Outlook::Passes,
            // What was seen is gone, or is another one by now: the next look sees it.
            Self::Write { source, .. } if source.is_farewell() || source.is(code::CONFLICT) => Outlook::Passes,
            Self::Write { source, .. } if source.is(code::INVALID) || source.is(code::FORBIDDEN) => Outlook::Stays,
            Self::Write { .. } => Outlook::Uncertain,
        }
    }
}

/// The API server does not answer.
pub(crate) struct Silence;

/// Keeps the worst problem in `worst`. Of what went through, what came back.
pub(crate) fn note<T>(worst: &mut Option<ApplyError>, outcome: Result<T, ApplyError>) -> Result<Option<T>, Silence> {
    let error = match outcome {
        Ok(done) => return Ok(Some(done)),
        Err(error) => error,
    };
    let is_silence = matches!(&error, ApplyError::Write { source, .. } if source.is_silence());
    if worst.as_ref().is_none_or(|known| known.outlook() < error.outlook()) {
        *worst = Some(error);
    }
    if is_silence { Err(Silence) } else { Ok(None) }
}

/// The only writer of children and of statuses.
pub(crate) struct Writer {
    client: Client,
    memo: Memo,
}

impl Writer {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, memo: Memo::default() }
    }

    /// Objects of a kind in a namespace.
    pub(super) fn api<K: Kind>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Forgets everything about a resource's children.
    pub(crate) fn forget(&self, namespace: &str, is_child: impl Fn(&str) -> bool) {
        self.memo.forget(namespace, is_child);
    }

    /// Writes the status of the resource with this uid, and of no other of the same name.
    pub(crate) async fn save_status<K: Watched>(&self, seen: &Guarded<K>, status: &K::Status) -> Result<(), CallError> {
        let (name, namespace) = (seen.name_any(), seen.namespace().unwrap_or_default());
        let body = json!({
            "apiVersion": API_VERSION,
            "kind": K::KIND,
            "metadata": { "name": name, "uid": seen.uid() },
            "status": status,
        });
        // Read back as it was watched, so that a spec that cannot be read does not fail the write.
        let api: Api<Guarded<K>> = Api::namespaced(self.client.clone(), &namespace);
        call(api.patch_status(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body))).await?;
        Ok(())
    }

    /// One child as it is desired; its generation comes back.
    pub(crate) async fn ensure<K: Kind>(
        &self,
        owner: &Owner,
        wanted: &K,
        cache: &Store<K>,
    ) -> Result<Option<i64>, ApplyError> {
        let name = wanted.name_any();
        let failed = |action| {
            let (kind, name) = (K::kind(&()).into_owned(), name.clone());
            move |source| ApplyError::Write { action, kind, name, source }
        };
        let api: Api<K> = self.api(&owner.namespace);
        // The cache holds what carries our labels; something else may stand there without them.
        let live = match cache.get(&ObjectRef::from_obj(wanted)) {
            Some(live) => Some(live),
            None => call(api.get_opt(&name)).await.map_err(failed("read"))?.map(Arc::new),
        };
        if let Some(live) = &live {
            check_holder::<K>(owner, live.meta())?;
            if self.memo.is_unchanged(wanted, live, Instant::now()) {
                return Ok(live.meta().generation);
            }
        }
        // Boxed: it is most of a look's memory, and seldom needed.
        let outcome = Box::pin(write(&api, &name, wanted, live.as_deref())).await.map_err(failed("apply"))?;
        self.memo.remember(wanted, &outcome, Instant::now());
        Ok(outcome.meta().generation)
    }

    /// Deletes one object, and none that took its name. One that is not there any more is deleted.
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

    /// A Secret as it is desired, or none. It cannot be read, by intent; the caller gives it a name that is nobody else's.
    pub(crate) async fn ensure_secret(
        &self,
        namespace: &str,
        name: &str,
        wanted: Option<&Secret>,
    ) -> Result<Option<i64>, ApplyError> {
        if !self.memo.is_due(namespace, name, wanted, Instant::now()) {
            return Ok(None);
        }
        let failed = |action| {
            let name = name.to_owned();
            move |source| {
                self.memo.still_due::<Secret>(namespace, &name);
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
        Ok(None)
    }
}

/// Writes one object so that nothing is left of what somebody did to it.
async fn write<K: Kind>(api: &Api<K>, name: &str, wanted: &K, live: Option<&K>) -> Result<K, CallError> {
    let body = body(wanted, live);
    let mut apply = PatchParams::apply(MANAGER);
    // Forced over edits of what is ours, and only there: somebody may have taken the name this very moment.
    apply.force = live.is_some();
    let edit = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let mut outcome = call(api.patch(name, &apply, &Patch::Apply(&body))).await;
    if let (Err(error), Some(operations)) = (&outcome, restoration(&body))
        && error.is(code::INVALID)
        && live.is_some()
    {
        // What somebody added may not go together with what is ours: another rollout strategy, a second port of the same
        // name. All of the spec is put back then, in one write.
        let patch = Patch::<Value>::Json(json_patch::Patch(operations));
        if call(api.patch(name, &edit, &patch)).await.is_ok() {
            outcome = call(api.patch(name, &apply, &Patch::Apply(&body))).await;
        }
    }
    let outcome = outcome?;
    let operations = surplus(&body, &serde_json::to_value(&outcome).unwrap_or_default());
    if operations.is_empty() {
        return Ok(outcome);
    }
    call(api.patch(name, &edit, &Patch::<Value>::Json(json_patch::Patch(operations)))).await
}

/// What is sent: the object with its kind, and the uid of the one that was seen, so that no other of the same name is
/// written.
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

/// Whether what stands under a child's name may be written.
pub(super) fn check_holder<K: Kind>(owner: &Owner, holder: &ObjectMeta) -> Result<(), ApplyError> {
    let (kind, name) = (K::kind(&()).into_owned(), holder.name.clone().unwrap_or_default());
    let ours = match controller_of(holder) {
        Some(found) if found.uid == owner.uid => true,
        Some(found) => {
            let is_predecessor = found.kind == owner.kind
                && found.api_version.split('/').next() == Some(GROUP)
                && found.name == owner.name;
            return Err(if is_predecessor {
                ApplyError::AwaitPredecessor { kind, name }
            } else {
                ApplyError::NameTaken { kind, name }
            });
        }
        // Without an owner it is what a predecessor left, its ledger above all, or what somebody took ours from.
        None => {
            is_labelled(holder, owner) || owner.keeps.as_ref().is_some_and(|kept| holder.uid.as_ref() == Some(kept))
        }
    };
    if !ours {
        return Err(ApplyError::NameTaken { kind, name });
    }
    check_installation::<K>(owner, holder)?;
    // A claim that is being deleted goes only once its pod does; until then there is nothing to wait for.
    if holder.deletion_timestamp.is_some() && kind != "PersistentVolumeClaim" {
        return Err(ApplyError::AwaitPredecessor { kind, name });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use intuition_resources::TRADING_ALGO_KIND;
    use k8s_openapi::api::core::v1::Service;
    use serde_json::from_value;

    use super::*;
    use crate::{names::label, plan::tests_support::plan};

    fn check(metadata: Value) -> Option<&'static str> {
        let holder: ObjectMeta = from_value(metadata).unwrap();
        check_holder::<Service>(&plan().owner(), &holder).err().map(|error| error.reason())
    }

    #[test]
    fn only_what_is_ours_is_written() {
        let owner = |kind: &str, group: &str, name: &str, uid: &str| {
            json!({ "ownerReferences": [{
                "apiVersion": format!("{group}/v1"), "kind": kind, "name": name, "uid": uid, "controller": true,
            }] })
        };
        assert_eq!(check(owner(TRADING_ALGO_KIND, GROUP, "a", "0f1e2d3c-0000")), None);
        assert_eq!(check(owner(TRADING_ALGO_KIND, GROUP, "a", "other")), Some("WaitingForPredecessor"));
        assert_eq!(check(owner(TRADING_ALGO_KIND, GROUP, "b", "other")), Some("NameTaken"));
        assert_eq!(check(owner("Deployment", "apps", "a", "other")), Some("NameTaken"));
        assert_eq!(check(json!({})), Some("NameTaken"));
        let labels = json!({ label::MANAGED_BY: MANAGER, label::INSTANCE: "a" });
        assert_eq!(check(json!({ "labels": labels })), None, "left behind without an owner");
        assert_eq!(
            check(json!({ "labels": labels, "deletionTimestamp": "2026-01-02T03:04:05Z" })),
            Some("WaitingForPredecessor")
        );
        let others = json!({ label::MANAGED_BY: MANAGER, label::INSTANCE: "b" });
        assert_eq!(check(json!({ "labels": others })), Some("NameTaken"));
        let algorithms = json!({ label::MANAGED_BY: MANAGER, label::INSTANCE: "a", label::NAME: "algorithm" });
        assert_eq!(check(json!({ "labels": algorithms })), Some("NameTaken"), "of an Algorithm of the same name");
    }

    #[test]
    fn write_for_want_of_a_right_is_told_from_one_that_admission_refused() {
        let reason = |message: &str| {
            let status = kube::core::Status::failure(message, "Forbidden").with_code(code::FORBIDDEN);
            let source = CallError::Refuse(status.boxed());
            let error =
                ApplyError::Write { action: "apply", kind: "Deployment".to_owned(), name: "a".to_owned(), source };
            (error.reason(), error.outlook())
        };
        let right = "deployments.apps \"a\" is forbidden: User \"o\" cannot patch resource \"deployments\" in API group \"apps\"";
        assert_eq!(reason(right), ("OperatorLacksRights", Outlook::Stays));
        assert_eq!(reason("deployments.apps \"a\" is forbidden: exceeded quota: q"), ("ApplyRefused", Outlook::Stays));
    }
}
