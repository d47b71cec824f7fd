//! Writing: server-side apply by one field manager, in one order, and never over what is somebody else's.

use std::sync::Arc;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Secret, networking::v1::NetworkPolicy},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    runtime::reflector::{ObjectRef, Store},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    CallError, Cluster,
    caches::Kind,
    call, code, controller_of, is_labelled, is_owned,
    surplus::{restoration, surplus},
};
use crate::{
    build::Desired,
    names::{Component, MANAGER, broker_secret, claim, label, service_account},
    plan::Plan,
    resource::{GROUP, KIND},
    status::Outlook,
};

/// What became of applying.
#[derive(Debug, Default)]
pub struct Applied {
    /// Generation of the runtime's Deployment, where it is ours.
    pub runtime: Option<i64>,
    /// Generation of the bridge's Deployment, where it is ours.
    pub bridge: Option<i64>,
    /// The worst of what could not be done.
    pub problem: Option<ApplyError>,
}

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
            Self::AwaitPredecessor { .. } => "WaitingForPredecessor",
            Self::LeftBehind { .. } => "LeftBehind",
            Self::Write { source, .. } if source.is_farewell() => "NamespaceTerminating",
            Self::Write { .. } if self.outlook() == Outlook::Stays => "ApplyRefused",
            Self::Write { .. } => "ApplyFailed",
        }
    }

    /// What becomes of it.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::NameTaken { .. } | Self::LeftBehind { .. } => Outlook::Stays,
            Self::AwaitPredecessor { .. } => Outlook::Passes,
            // What was seen is gone, or is another one by now: the next look sees it.
            Self::Write { source, .. } if source.is_farewell() || source.is(code::CONFLICT) => Outlook::Passes,
            Self::Write { source, .. } if source.is(code::INVALID) || source.is(code::FORBIDDEN) => Outlook::Stays,
            Self::Write { .. } => Outlook::Uncertain,
        }
    }
}

impl Cluster {
    /// Makes everything as it is desired, each child on its own: one that is refused holds no other back. An API server that
    /// does not answer is not asked on.
    pub async fn apply(&self, plan: &Plan, desired: &Desired) -> Applied {
        let mut applied = Applied::default();
        let names = self.left_behind(plan);
        if !names.is_empty() {
            // Before anything is written: a Service that selects by the new uid would cut off what still trades.
            applied.problem = Some(ApplyError::LeftBehind { names });
            return applied;
        }
        // Stops at the first silence, which is noted as the problem.
        drop(self.apply_children(plan, desired, &mut applied).await);
        applied
    }

    async fn apply_children(&self, plan: &Plan, desired: &Desired, applied: &mut Applied) -> Result<(), Silence> {
        let caches = &self.caches;
        applied.note(self.ensure(plan, &desired.settings, &caches.settings).await)?;
        applied.note(self.ensure(plan, &desired.account, &caches.accounts).await)?;
        let mut has_claim = true;
        if let Some(claim) = &desired.claim {
            let outcome = self.ensure(plan, claim, &caches.claims).await;
            has_claim = !matches!(outcome, Err(ApplyError::NameTaken { .. } | ApplyError::AwaitPredecessor { .. }));
            applied.note(outcome)?;
        }
        applied.note(self.ensure_broker_secret(plan, desired.broker.as_ref()).await)?;
        for policy in &desired.policies {
            applied.note(self.ensure(plan, policy, &caches.policies).await)?;
        }
        applied.note(self.ensure(plan, &desired.service, &caches.services).await)?;
        // A pod on somebody else's claim would write there, and keep one that is going from going.
        if has_claim {
            applied.runtime = applied.note(self.ensure(plan, &desired.runtime, &caches.deployments).await)?;
        }
        applied.bridge = applied.note(self.ensure(plan, &desired.bridge, &caches.deployments).await)?;
        applied.note(self.delete_strays(plan, desired).await)?;
        Ok(())
    }

    /// The Deployments that a resource of this name left behind (`kubectl delete --cascade=orphan`). Their selectors have that
    /// one's uid, and cannot be changed.
    fn left_behind(&self, plan: &Plan) -> Vec<String> {
        let deployments = Component::ALL.iter().filter_map(|component| {
            let reference = ObjectRef::new(&component.of(&plan.name)).within(&plan.namespace);
            self.caches.deployments.get(&reference)
        });
        let left = deployments.filter(|deployment| is_left_behind(plan, deployment));
        left.map(|deployment| deployment.name_any()).collect()
    }

    /// Forgets what it knows of a resource that is gone.
    pub fn forget(&self, namespace: &str, algo: &str) {
        let mut names = vec![claim(algo), service_account(algo)];
        names.extend(Component::ALL.map(|component| component.of(algo)));
        let secrets = format!("{algo}-broker-");
        self.memo.forget(namespace, |name| names.iter().any(|known| known == name) || name.starts_with(&secrets));
    }

    /// One child as it is desired; its generation comes back.
    async fn ensure<K: Kind>(&self, plan: &Plan, wanted: &K, cache: &Store<K>) -> Result<Option<i64>, ApplyError> {
        let name = wanted.name_any();
        let failed = |action| {
            let (kind, name) = (K::kind(&()).into_owned(), name.clone());
            move |source| ApplyError::Write { action, kind, name, source }
        };
        let api: Api<K> = Api::namespaced(self.client.clone(), &plan.namespace);
        // The cache holds what carries our labels; something else may stand there without them.
        let live = match cache.get(&ObjectRef::from_obj(wanted)) {
            Some(live) => Some(live),
            None => call(api.get_opt(&name)).await.map_err(failed("read"))?.map(Arc::new),
        };
        if let Some(live) = &live {
            check_holder::<K>(plan, live.meta())?;
            if self.memo.is_unchanged(wanted, live, Instant::now()) {
                return Ok(live.meta().generation);
            }
        }
        // Boxed: it is most of a look's memory, and seldom needed.
        let outcome = Box::pin(write(&api, &name, wanted, live.as_deref())).await.map_err(failed("apply"))?;
        self.memo.remember(wanted, &outcome, Instant::now());
        Ok(outcome.meta().generation)
    }

    /// The Secret cannot be read, by intent; its name has a part of the uid, so that it is nobody else's.
    async fn ensure_broker_secret(&self, plan: &Plan, wanted: Option<&Secret>) -> Result<Option<i64>, ApplyError> {
        let name = broker_secret(&plan.name, &plan.uid);
        if !self.memo.is_due(&plan.namespace, &name, wanted, Instant::now()) {
            return Ok(None);
        }
        let failed = |action| {
            let name = name.clone();
            move |source| {
                self.memo.still_due::<Secret>(&plan.namespace, &name);
                ApplyError::Write { action, kind: "Secret".to_owned(), name, source }
            }
        };
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &plan.namespace);
        match wanted {
            Some(wanted) => {
                let parameters = PatchParams::apply(MANAGER).force();
                let body = body(wanted, None);
                call(api.patch(&name, &parameters, &Patch::Apply(&body))).await.map_err(failed("apply"))?;
            }
            None => match call(api.delete(&name, &DeleteParams::default())).await {
                Err(error) if !error.is(code::NOT_FOUND) => return Err(failed("delete")(error)),
                _ => {}
            },
        }
        Ok(None)
    }

    /// Deletes the policies that are this resource's and no longer wanted: of all other children there is always one, of
    /// the same name.
    async fn delete_strays(&self, plan: &Plan, desired: &Desired) -> Result<Option<i64>, ApplyError> {
        let wanted = desired.policy_names();
        let strays = self.caches.policies.state_filter(|object| {
            object.namespace().as_deref() == Some(&plan.namespace)
                && is_owned(object, &plan.uid)
                && object.metadata.deletion_timestamp.is_none()
                && !wanted.contains(&object.name_any())
        });
        let api: Api<NetworkPolicy> = Api::namespaced(self.client.clone(), &plan.namespace);
        for stray in strays {
            let name = stray.name_any();
            let precondition = Preconditions { uid: stray.uid(), resource_version: None };
            let parameters = DeleteParams::background().preconditions(precondition);
            if let Err(source) = call(api.delete(&name, &parameters)).await
                && !source.is(code::NOT_FOUND)
            {
                return Err(ApplyError::Write { action: "delete", kind: "NetworkPolicy".to_owned(), name, source });
            }
        }
        Ok(None)
    }
}

/// The API server does not answer.
struct Silence;

impl Applied {
    /// Keeps the worst problem.
    fn note(&mut self, outcome: Result<Option<i64>, ApplyError>) -> Result<Option<i64>, Silence> {
        let error = match outcome {
            Ok(generation) => return Ok(generation),
            Err(error) => error,
        };
        let is_silence = matches!(&error, ApplyError::Write { source, .. } if source.is_silence());
        if self.problem.as_ref().is_none_or(|known| known.outlook() < error.outlook()) {
            self.problem = Some(error);
        }
        if is_silence { Err(Silence) } else { Ok(None) }
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
pub(super) fn check_holder<K: Kind>(plan: &Plan, holder: &ObjectMeta) -> Result<(), ApplyError> {
    let (kind, name) = (K::kind(&()).into_owned(), holder.name.clone().unwrap_or_default());
    let ours = match controller_of(holder) {
        Some(owner) if owner.uid == plan.uid => true,
        Some(owner) => {
            let is_predecessor =
                owner.kind == KIND && owner.api_version.split('/').next() == Some(GROUP) && owner.name == plan.name;
            return Err(if is_predecessor {
                ApplyError::AwaitPredecessor { kind, name }
            } else {
                ApplyError::NameTaken { kind, name }
            });
        }
        // Without an owner it is what a predecessor left, its ledger above all, or what somebody took ours from.
        None => is_labelled(holder, &plan.name) || plan.had_claim(holder),
    };
    if !ours {
        return Err(ApplyError::NameTaken { kind, name });
    }
    // A claim that is being deleted goes only once its pod does; until then there is nothing to wait for.
    if holder.deletion_timestamp.is_some() && kind != "PersistentVolumeClaim" {
        return Err(ApplyError::AwaitPredecessor { kind, name });
    }
    Ok(())
}

/// See [`Cluster::left_behind`].
fn is_left_behind(plan: &Plan, deployment: &Deployment) -> bool {
    let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
    let selects_other = selector.and_then(|labels| labels.get(label::UID)).is_some_and(|uid| *uid != plan.uid);
    selects_other && controller_of(&deployment.metadata).is_none() && is_labelled(&deployment.metadata, &plan.name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::from_value;

    use super::*;
    use crate::plan::tests_support::plan;

    fn check(metadata: Value) -> Option<&'static str> {
        let holder: ObjectMeta = from_value(metadata).unwrap();
        check_holder::<Service>(&plan(), &holder).err().map(|error| error.reason())
    }

    #[test]
    fn only_what_is_ours_is_written() {
        let owner = |kind: &str, group: &str, name: &str, uid: &str| {
            json!({ "ownerReferences": [{
                "apiVersion": format!("{group}/v1"), "kind": kind, "name": name, "uid": uid, "controller": true,
            }] })
        };
        assert_eq!(check(owner(KIND, GROUP, "a", "0f1e2d3c-0000")), None);
        assert_eq!(check(owner(KIND, GROUP, "a", "other")), Some("WaitingForPredecessor"));
        assert_eq!(check(owner(KIND, GROUP, "b", "other")), Some("NameTaken"));
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
    }

    #[test]
    fn a_deployment_that_selects_by_another_uid_and_has_no_owner_was_left_behind() {
        let left = |uid: &str, owners: Value| {
            let deployment = json!({
                "metadata": {
                    "labels": { label::MANAGED_BY: MANAGER, label::INSTANCE: "a" },
                    "ownerReferences": owners,
                },
                "spec": { "selector": { "matchLabels": { label::UID: uid } }, "template": {} },
            });
            is_left_behind(&plan(), &from_value(deployment).unwrap())
        };
        let owner = json!([{
            "apiVersion": "intuition.dev/v1alpha1", "kind": KIND, "name": "a", "uid": "other", "controller": true,
        }]);
        assert!(left("other", json!([])));
        assert!(!left("other", owner), "it goes with its owner");
        assert!(!left(&plan().uid, json!([])), "ours, whose owner somebody took away");
    }
}
