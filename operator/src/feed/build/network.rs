//! The network policy of a feed. The cluster's network plugin enforces it. Pure.

use intuition_resources::Place;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicySpec};

use crate::{
    feed::plan::Plan,
    names::{FEED_PUBLISHER, HTTP_PORT, feed, feed_selector},
    settings::Settings,
    workload::network::{dns, from, labelled, operator, port, to_host},
};

/// Ingress from the operator, which reads the pages; egress to the broker and to the servers of the source.
pub(super) fn policy(plan: &Plan, settings: &Settings) -> NetworkPolicy {
    let network = &settings.network_policy;
    let mut ingress = vec![from(vec![operator(network)], &[HTTP_PORT])];
    if !network.metrics_from.is_empty() {
        ingress.push(from(network.metrics_from.clone(), &[HTTP_PORT]));
    }
    let mut egress = vec![dns(), to_host(&plan.broker.address)];
    for place in plan.source.places() {
        let rule = match place {
            Place::Address(address) => to_host(&address),
            Place::Port(number) => {
                NetworkPolicyEgressRule { ports: Some(vec![port("TCP", i32::from(number))]), to: None }
            }
        };
        if !egress.contains(&rule) {
            egress.push(rule);
        }
    }
    NetworkPolicy {
        metadata: plan.owner.metadata(feed(&plan.owner.name), Some(FEED_PUBLISHER)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(feed_selector(&plan.owner.name))),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}
