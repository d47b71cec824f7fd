//! A resource as it is watched: what it says may be beyond this release, and then only it is concerned.

use std::{borrow::Cow, fmt::Debug};

use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, ResourceExt as _};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::Value;

use crate::resource::{ALGORITHM_KIND, Algorithm, AlgorithmStatus, KIND, TradingAlgo, TradingAlgoStatus};

/// A kind of ours.
pub trait Watched:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// What `kind` says.
    const KIND: &'static str;
    /// What the operator observed.
    type Status: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
}

impl Watched for TradingAlgo {
    const KIND: &'static str = KIND;
    type Status = TradingAlgoStatus;
}

impl Watched for Algorithm {
    const KIND: &'static str = ALGORITHM_KIND;
    type Status = AlgorithmStatus;
}

/// A resource, or what can be read of it. Unlike kube's own guard it keeps the status of a resource whose spec cannot be
/// read: what was recorded there, the ledger's claim above all, must not be lost with the next write.
#[derive(Debug, Clone)]
pub struct Guarded<K: Watched = TradingAlgo> {
    metadata: ObjectMeta,
    /// The resource, or why it cannot be read.
    pub parsed: Result<Box<K>, String>,
    /// Its status, where that can be read.
    pub status: Option<K::Status>,
}

impl<K: Watched> Guarded<K> {
    /// The resource's uid, which tells it from others of the same name.
    pub fn uid_or_empty(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// `<namespace>/<name>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace().unwrap_or_default(), self.name_any())
    }
}

impl<'de, K: Watched> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        // Half of an object, and nobody here reads it.
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        let part = |name: &str| value.get(name).cloned().unwrap_or_default();
        let metadata = serde_json::from_value(part("metadata")).map_err(D::Error::custom)?;
        let status = serde_json::from_value(part("status")).ok();
        let parsed = serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string());
        Ok(Self { metadata, parsed, status })
    }
}

impl<K: Watched> Resource for Guarded<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dynamic: &()) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &()) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &()) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &()) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_spec_that_cannot_be_read_hides_neither_name_nor_status() {
        let ledger = json!({ "claimName": "a-ledger", "claimUid": "claim-1" });
        let object = json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "TradingAlgo",
            "metadata": { "name": "a", "namespace": "n", "uid": "u-1", "managedFields": [{ "manager": "kubectl" }] },
            "spec": { "algorithm": { "builtin": "random" }, "ofTheNextRelease": true },
            "status": { "ledger": ledger },
        });
        let seen: Guarded = from_value(object.clone()).unwrap();
        assert!(seen.parsed.as_ref().unwrap_err().contains("ofTheNextRelease"), "{:?}", seen.parsed);
        assert_eq!((seen.full_name().as_str(), seen.uid_or_empty()), ("n/a", "u-1"));
        assert_eq!(json!(seen.status.unwrap().ledger), ledger);
        assert_eq!(seen.metadata.managed_fields, None);

        let mut readable = object;
        readable["spec"].as_object_mut().unwrap().remove("ofTheNextRelease");
        let seen: Guarded = from_value(readable).unwrap();
        assert_eq!(seen.parsed.unwrap().status.unwrap(), seen.status.unwrap());
    }
}
