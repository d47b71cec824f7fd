//! The `TradingAlgo`s that refer to an `Algorithm`, or have one of its images as their active algorithm. Pure.

use std::collections::{BTreeMap, BTreeSet};

use intuition_resources::address::Address;
use kube::ResourceExt as _;

use crate::kubernetes::object::PartialObject;

/// The users of one `Algorithm`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Users {
    /// Names of the `TradingAlgo`s that refer to it, in order.
    pub referring: BTreeSet<String>,
    /// The number of accounts by the host of their active algorithm.
    active: BTreeMap<String, i64>,
}

impl Users {
    /// The users of the `Algorithm` of this namespace and name.
    pub(crate) fn of<'a>(namespace: &str, name: &str, algos: impl IntoIterator<Item = &'a PartialObject>) -> Self {
        let mut users = Self::default();
        for algo in algos.into_iter().filter(|algo| algo.namespace().as_deref() == Some(namespace)) {
            let (named, host) = refs(algo);
            if named.as_deref() == Some(name) {
                users.referring.insert(algo.name_any());
            }
            if let Some(host) = host {
                *users.active.entry(host).or_default() += 1;
            }
        }
        users
    }

    /// The number of accounts with an active algorithm behind the Service of this name.
    pub(crate) fn active_at(&self, service: &str) -> i64 {
        let leads = |host: &&String| host.split('.').next() == Some(service);
        self.active.iter().filter(|(host, _)| leads(host)).map(|(_, count)| count).sum()
    }
}

/// The references of a `TradingAlgo`: the `Algorithm` that it names, and the host of its active algorithm.
pub(crate) type AlgorithmRefs = (Option<String>, Option<String>);

/// The references of a `TradingAlgo`.
pub(crate) fn refs(algo: &PartialObject) -> AlgorithmRefs {
    let named = algo.parsed.as_ref().ok().and_then(|algo| algo.spec.algorithm.name.clone());
    let address = algo.status.as_ref().and_then(|status| status.backend.as_ref()?.address.as_deref());
    (named, address.and_then(Address::of_algorithm).map(|address| address.host))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn algo(namespace: &str, name: &str, algorithm: &Value, address: Option<&str>) -> PartialObject {
        let backend = json!({ "algorithm": "x", "version": "1", "address": address });
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "algorithm": algorithm },
            "status": { "backend": backend },
        }))
        .unwrap()
    }

    #[test]
    fn references_and_active_algorithms_are_counted_apart() {
        let at = |service: &str| format!("http://{service}.n.svc.cluster.local:50051");
        let (old, new) = (at("mine-algorithm-00000001"), at("mine-algorithm-00000002"));
        let algos = [
            algo("n", "b", &json!({ "name": "mine" }), Some(&old)),
            algo("n", "a", &json!({ "name": "mine" }), Some(&new)),
            algo("n", "c", &json!({ "builtin": "random" }), Some(&old)),
            algo("n", "d", &json!({ "name": "other" }), None),
            algo("m", "e", &json!({ "name": "mine" }), Some(&old)),
        ];
        let users = Users::of("n", "mine", &algos);
        assert_eq!(users.referring.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(users.active_at("mine-algorithm-00000001"), 2, "one of them on its way elsewhere");
        assert_eq!(users.active_at("mine-algorithm-00000002"), 1);
        assert_eq!(users.active_at("mine-algorithm-00000003"), 0);
    }
}
