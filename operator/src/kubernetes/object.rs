//! A watched object with a spec that may not parse, for example because a newer release wrote it. One bad object must not break the
//! watch.

use std::{borrow::Cow, fmt::Debug};

use intuition_resources::TradingAlgo;
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, ResourceExt as _};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value};

/// A kind that the operator watches.
pub trait WatchedKind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Value of `kind` in a manifest.
    const KIND: &'static str;
    /// Fields of the spec that are kept unparsed, for use if the spec cannot be parsed.
    const RAW_FIELDS: &'static [&'static str];
    /// Type of the status.
    type Status: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// A resource, or its readable parts. Unlike kube's `DeserializeGuard` it keeps the status of a resource whose spec
/// cannot be parsed: the status records the ledger's claim, which the next write must not lose.
#[derive(Debug, Clone)]
pub struct PartialObject<K: WatchedKind = TradingAlgo> {
    metadata: ObjectMeta,
    /// The resource, or the parse error.
    pub parsed: Result<Box<K>, String>,
    /// Its status, if it can be parsed.
    pub status: Option<K::Status>,
    /// The members of the spec that [`WatchedKind::RAW_FIELDS`] names.
    raw: Map<String, Value>,
}

impl<K: WatchedKind> PartialObject<K> {
    /// The resource's uid, which differs from that of an earlier resource of the same name.
    pub fn uid_or_empty(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// A member of the spec that [`WatchedKind::RAW_FIELDS`] names, as it was written.
    pub(crate) fn raw_field(&self, name: &str) -> Option<&Value> {
        self.raw.get(name)
    }

    /// `<namespace>/<name>`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace().unwrap_or_default(), self.name_any())
    }
}

impl<'de, K: WatchedKind> Deserialize<'de> for PartialObject<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        // `managedFields` are half of an object's memory, and unused.
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        let part = |name: &str| value.get(name).cloned().unwrap_or_default();
        let metadata = serde_json::from_value(part("metadata")).map_err(D::Error::custom)?;
        let status = serde_json::from_value(part("status")).ok();
        let spec = value.get("spec");
        let kept = |name: &&str| Some(((*name).to_owned(), spec?.get(*name)?.clone()));
        let raw = K::RAW_FIELDS.iter().filter_map(kept).collect();
        let parsed = serde_json::from_value(value).map(Box::new).map_err(|error| error.to_string());
        Ok(Self { metadata, parsed, status, raw })
    }
}

impl<K: WatchedKind> Resource for PartialObject<K> {
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
            "spec": { "algorithm": { "builtin": "random" }, "ofTheNextRelease": true, "tradingState": "Paused" },
            "status": { "ledger": ledger },
        });
        let seen: PartialObject = from_value(object.clone()).unwrap();
        assert!(seen.parsed.as_ref().unwrap_err().contains("ofTheNextRelease"), "{:?}", seen.parsed);
        assert_eq!((seen.full_name().as_str(), seen.uid_or_empty()), ("n/a", "u-1"));
        assert_eq!(json!(seen.status.as_ref().unwrap().ledger), ledger);
        assert_eq!(seen.metadata.managed_fields, None);
        assert_eq!(
            seen.trading().state(),
            intuition_api::v1::TradingState::Halted,
            "a stop that it cannot read is one"
        );

        let mut readable = object;
        readable["spec"].as_object_mut().unwrap().retain(|member, _| member == "algorithm");
        let seen: PartialObject = from_value(readable).unwrap();
        assert_eq!(seen.parsed.unwrap().status.unwrap(), seen.status.unwrap());
    }
}
