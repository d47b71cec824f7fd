//! Installations of the operator. Two of them that serve one namespace would undo each other's writes without end.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    kubernetes::{caches::Kind, owner::Owner},
    names::{MANAGER, annotation, label},
};

/// An object that another installation manages.
#[derive(Debug, thiserror::Error)]
#[error(
    "{kind} {name} is managed by the installation {other} of the operator, and this one is {own}: let only one of them serve \
     this namespace (operator.watchNamespaces of the chart), or, where {other} is gone, hand its objects over by: \
     kubectl annotate -n {namespace} deploy,svc,cm,sa,pvc,netpol -l {}={MANAGER},{}={instance} {}-",
    label::MANAGED_BY,
    label::INSTANCE,
    annotation::INSTALLATION
)]
pub struct OtherInstallation {
    kind: String,
    name: String,
    namespace: String,
    /// Name of the resource that it was made for.
    instance: String,
    /// Id of the installation that manages it.
    other: String,
    /// Id of this installation.
    own: String,
}

/// The error of an object that another installation made. One without an id was made by v0.1.0, or handed over.
pub(crate) fn other_installation<K: Kind>(owner: &Owner, holder: &ObjectMeta) -> Option<OtherInstallation> {
    let own = owner.installation.as_ref()?;
    let other = holder.annotations.as_ref().and_then(|annotations| annotations.get(annotation::INSTALLATION));
    let other = other.filter(|other| *other != own)?;
    Some(OtherInstallation {
        kind: K::kind(&()).into_owned(),
        name: holder.name.clone().unwrap_or_default(),
        namespace: owner.namespace.clone(),
        instance: owner.name.clone(),
        other: other.clone(),
        own: own.clone(),
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::{from_value, json};

    use super::*;
    use crate::{
        kubernetes::{apply_error::Outlook, ownership::check_holder},
        trading_algo::plan::tests_support::plan,
    };

    #[test]
    fn child_of_another_installation_is_left_alone() {
        let labels = json!({ label::MANAGED_BY: MANAGER, label::INSTANCE: "a" });
        let check = |own: Option<&str>, other: Option<&str>| {
            let annotations = other.map(|id| json!({ annotation::INSTALLATION: id }));
            let holder = json!({ "name": "a-runtime", "labels": labels, "annotations": annotations });
            let holder: ObjectMeta = from_value(holder).unwrap();
            let owner = Owner { installation: own.map(str::to_owned), ..plan().owner() };
            check_holder::<Service>(&owner, &holder)
        };
        let error = check(Some("s/one"), Some("s/two")).unwrap_err();
        assert_eq!((error.reason(), error.outlook()), ("ManagedByAnother", Outlook::Stays));
        let text = error.to_string();
        assert!(
            text.contains("s/two") && text.contains("app.kubernetes.io/instance=a intuition.dev/installation-"),
            "{text}"
        );
        for (own, other) in [(Some("s/one"), Some("s/one")), (Some("s/one"), None), (None, Some("s/two")), (None, None)]
        {
            assert!(check(own, other).is_ok(), "{own:?} {other:?}");
        }
    }
}
