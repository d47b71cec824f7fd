//! Network policies of runtime and bridge. The cluster's network plugin enforces them. Pure.

use intuition_resources::address::Address;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};

use crate::{
    account::plan::{AlgorithmRef, Plan},
    names::{Component, GRPC_PORT, HTTP_PORT, algorithm_at, algorithm_selector},
    settings::{NetworkPolicySettings, Settings},
    workload::network::{address, dns, from, labelled, operator, pods, port, to_host},
};

/// The runtime: ingress from its bridge and from the operator; egress to its active algorithm and to the requested one.
pub(crate) fn runtime(plan: &Plan, settings: &Settings) -> NetworkPolicy {
    let network = &settings.network_policy;
    let ingress = vec![
        from(vec![peer(plan, Component::Bridge)], &[GRPC_PORT]),
        from(vec![operator(network)], &[GRPC_PORT, HTTP_PORT]),
    ];
    let mut egress = vec![dns()];
    let requested = match &plan.live_settings.algorithm {
        AlgorithmRef::Served { address, .. } => Some(address.clone()),
        AlgorithmRef::Builtin(_) | AlgorithmRef::Missing(_) => None,
    };
    let active = plan.active_backend_url.as_deref().and_then(Address::of_algorithm);
    for address in requested.into_iter().chain(active) {
        let rule = algorithm(plan, &address, &settings.cluster_domain);
        if !egress.contains(&rule) {
            egress.push(rule);
        }
    }
    policy(plan, Component::Runtime, ingress, egress, network)
}

/// Egress to an algorithm. A policy does not know Services: the peer of an algorithm that the operator runs is its pods.
fn algorithm(plan: &Plan, at: &Address, cluster_domain: &str) -> NetworkPolicyEgressRule {
    let peer = match algorithm_at(&at.host, &plan.namespace, cluster_domain) {
        Some(name) => Some(pods(algorithm_selector(name))),
        None => address(&at.host),
    };
    NetworkPolicyEgressRule { ports: Some(vec![port("TCP", i32::from(at.port))]), to: peer.map(|peer| vec![peer]) }
}

/// The bridge: ingress from the operator, which reads its readiness; egress to its runtime and its broker.
pub(crate) fn bridge(plan: &Plan, settings: &Settings) -> NetworkPolicy {
    let network = &settings.network_policy;
    let ingress = vec![from(vec![operator(network)], &[HTTP_PORT])];
    let runtime = NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", GRPC_PORT)]),
        to: Some(vec![peer(plan, Component::Runtime)]),
    };
    policy(plan, Component::Bridge, ingress, vec![dns(), runtime, to_host(&plan.broker.address)], network)
}

fn policy(
    plan: &Plan,
    component: Component,
    mut ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
    settings: &NetworkPolicySettings,
) -> NetworkPolicy {
    if !settings.metrics_from.is_empty() {
        ingress.push(from(settings.metrics_from.clone(), &[HTTP_PORT]));
    }
    NetworkPolicy {
        metadata: plan.child_metadata(component.of(&plan.children()), Some(component)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(plan.selector(component))),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}

fn peer(plan: &Plan, component: Component) -> NetworkPolicyPeer {
    pods(plan.selector(component))
}
