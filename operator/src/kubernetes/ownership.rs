//! Ownership of objects: which ones this operator made, and for which resource.

use intuition_resources::GROUP;
use k8s_openapi::{
    NamespaceResourceScope,
    api::apps::v1::Deployment,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource;

use crate::{
    kubernetes::{apply_error::ApplyError, caches::Kind, installation::other_installation, owner::Owner},
    names::{MANAGER, label},
};

/// Whether the labels of an object name this operator and a resource of this name. An object without the label for the
/// kind was restored by hand: a ledger.
pub(crate) fn is_labelled(metadata: &ObjectMeta, owner: &Owner) -> bool {
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    label(label::MANAGED_BY) == Some(MANAGER)
        && label(label::INSTANCE) == Some(&owner.name)
        && label(label::NAME).is_none_or(|app| app == owner.app)
}

/// The controlling owner of an object.
pub(crate) fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether the resource with this uid controls the object.
pub(crate) fn is_owned(object: &impl Resource, uid: &str) -> bool {
    controller_of(object.meta()).is_some_and(|owner| owner.uid == uid)
}

/// An error if the object under a child's name must not be written.
pub(crate) fn check_holder<K: Kind>(owner: &Owner, holder: &ObjectMeta) -> Result<(), ApplyError> {
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
        // An object without an owner was left by a deleted resource, above all its ledger, or its owner reference was
        // removed by hand.
        None => {
            is_labelled(holder, owner) || owner.keeps.as_ref().is_some_and(|kept| holder.uid.as_ref() == Some(kept))
        }
    };
    if !ours {
        return Err(ApplyError::NameTaken { kind, name });
    }
    check_installation::<K>(owner, holder)?;
    // A claim that is being deleted stays until its pod is gone: there is nothing to wait for before that.
    if holder.deletion_timestamp.is_some() && kind != "PersistentVolumeClaim" {
        return Err(ApplyError::AwaitPredecessor { kind, name });
    }
    Ok(())
}

/// Whether no other installation of the operator made an object of this resource.
pub(crate) fn check_installation<K: Kind>(owner: &Owner, holder: &ObjectMeta) -> Result<(), ApplyError> {
    match other_installation::<K>(owner, holder) {
        Some(other) => Err(ApplyError::ManagedByAnother(Box::new(other))),
        None => Ok(()),
    }
}

/// Whether the resource owns the object, and the object is not being deleted.
pub(crate) fn is_of<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(object: &K, owner: &Owner) -> bool {
    object.meta().namespace.as_deref() == Some(&owner.namespace)
        && object.meta().deletion_timestamp.is_none()
        && is_owned(object, &owner.uid)
}

/// Whether a deleted resource of this name left the Deployment behind (`kubectl delete --cascade=orphan`). Its immutable selector
/// has the uid of that resource.
pub(crate) fn is_left_behind(owner: &Owner, deployment: &Deployment) -> bool {
    let selector = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
    let selects_other = selector.and_then(|labels| labels.get(label::UID)).is_some_and(|uid| *uid != owner.uid);
    selects_other && controller_of(&deployment.metadata).is_none() && is_labelled(&deployment.metadata, owner)
}

#[cfg(test)]
mod tests {
    use intuition_resources::TRADING_ALGO_KIND;
    use k8s_openapi::api::core::v1::Service;
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::{names::MANAGER, trading_algo::plan::tests_support::plan};

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
    fn deployment_with_another_uid_and_no_owner_was_left_behind() {
        let left = |uid: &str, owners: Value| {
            let deployment = json!({
                "metadata": {
                    "labels": { label::MANAGED_BY: MANAGER, label::INSTANCE: "a" },
                    "ownerReferences": owners,
                },
                "spec": { "selector": { "matchLabels": { label::UID: uid } }, "template": {} },
            });
            is_left_behind(&plan().owner(), &from_value(deployment).unwrap())
        };
        let owner = json!([{
            "apiVersion": "intuition.dev/v1alpha1", "kind": TRADING_ALGO_KIND, "name": "a", "uid": "other", "controller": true,
        }]);
        assert!(left("other", json!([])));
        assert!(!left("other", owner), "it goes with its owner");
        assert!(!left(&plan().uid, json!([])), "ours, without its owner reference");
    }
}
