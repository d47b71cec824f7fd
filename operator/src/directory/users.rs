//! Who refers to an `Algorithm`, and who decides by which of its images. Pure.

use std::collections::{BTreeMap, BTreeSet};

use intuition_resources::address::Address;
use kube::ResourceExt as _;

use crate::guarded::Guarded;

/// The resources `TradingAlgo` of one namespace, as one `Algorithm` there sees them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Users {
    /// Names of those that refer to it, in order.
    pub referring: BTreeSet<String>,
    /// How many decide by the algorithm at a host, whoever it is.
    deciding: BTreeMap<String, i64>,
}

impl Users {
    /// Of these, those that matter to the `Algorithm` of this namespace and name.
    pub fn of<'a>(namespace: &str, name: &str, algos: impl IntoIterator<Item = &'a Guarded>) -> Self {
        let mut users = Self::default();
        for algo in algos.into_iter().filter(|algo| algo.namespace().as_deref() == Some(namespace)) {
            let (named, host) = mentions(algo);
            if named.as_deref() == Some(name) {
                users.referring.insert(algo.name_any());
            }
            if let Some(host) = host {
                *users.deciding.entry(host).or_default() += 1;
            }
        }
        users
    }

    /// How many decide by what a Service of this name leads to.
    pub fn deciding_by(&self, service: &str) -> i64 {
        let leads = |host: &&String| host.split('.').next() == Some(service);
        self.deciding.iter().filter(|(host, _)| leads(host)).map(|(_, count)| count).sum()
    }
}

/// The `Algorithm` that a resource refers to, and the host of the algorithm that decides there.
pub fn mentions(algo: &Guarded) -> (Option<String>, Option<String>) {
    let named = algo.parsed.as_ref().ok().and_then(|algo| algo.spec.algorithm.name.clone());
    let address = algo.status.as_ref().and_then(|status| status.backend.as_ref()?.address.as_deref());
    (named, address.and_then(Address::of_algorithm).map(|address| address.host))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn algo(namespace: &str, name: &str, algorithm: &Value, address: Option<&str>) -> Guarded {
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
    fn who_refers_and_who_decides_are_two_things() {
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
        assert_eq!(users.deciding_by("mine-algorithm-00000001"), 2, "one of them on its way elsewhere");
        assert_eq!(users.deciding_by("mine-algorithm-00000002"), 1);
        assert_eq!(users.deciding_by("mine-algorithm-00000003"), 0);
    }
}
