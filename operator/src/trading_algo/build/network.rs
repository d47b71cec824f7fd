//! Who may talk to whom. Enforcing it is the work of the cluster's network plugin.

use std::collections::BTreeMap;

use intuition_resources::address::Address;
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::metadata;
use crate::{
    names::{Component, GRPC_PORT, HTTP_PORT, algorithm_at, algorithm_selector, selector},
    settings::{NetworkPolicySettings, Settings},
    trading_algo::plan::{AlgorithmRef, Plan},
};

/// Label that Kubernetes puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const DNS_PORT: i32 = 53;

/// The runtime: quotes from its bridge, settings and questions from the operator; out to its algorithm, the one that decides
/// and the one that shall.
pub(crate) fn runtime(plan: &Plan, settings: &Settings) -> NetworkPolicy {
    let network = &settings.network_policy;
    let ingress = vec![
        from(vec![peer(plan, Component::Bridge)], &[GRPC_PORT]),
        from(vec![operator(network)], &[GRPC_PORT, HTTP_PORT]),
    ];
    let mut egress = vec![dns()];
    let wanted = match &plan.live_settings.algorithm {
        AlgorithmRef::Served { address, .. } => Some(address.clone()),
        AlgorithmRef::Builtin(_) | AlgorithmRef::Missing(_) => None,
    };
    let active = plan.active_backend_url.as_deref().and_then(Address::of_algorithm);
    for address in wanted.into_iter().chain(active) {
        let rule = algorithm(plan, &address, &settings.cluster_domain);
        if !egress.contains(&rule) {
            egress.push(rule);
        }
    }
    policy(plan, Component::Runtime, ingress, egress, network)
}

/// To one that the operator runs by its pods, as a Service is nothing that a policy knows; to any other by its address.
fn algorithm(plan: &Plan, at: &Address, cluster_domain: &str) -> NetworkPolicyEgressRule {
    let peer = match algorithm_at(&at.host, &plan.namespace, cluster_domain) {
        Some(name) => Some(pods(algorithm_selector(name))),
        None => address(&at.host),
    };
    NetworkPolicyEgressRule { ports: Some(vec![port("TCP", i32::from(at.port))]), to: peer.map(|peer| vec![peer]) }
}

/// The bridge: the operator reads what it lacks; out to its runtime and its broker.
pub(crate) fn bridge(plan: &Plan, settings: &Settings) -> NetworkPolicy {
    let network = &settings.network_policy;
    let ingress = vec![from(vec![operator(network)], &[HTTP_PORT])];
    let broker = NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", i32::from(plan.broker.address.port))]),
        to: address(&plan.broker.address.host).map(|peer| vec![peer]),
    };
    let runtime = NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", GRPC_PORT)]),
        to: Some(vec![peer(plan, Component::Runtime)]),
    };
    policy(plan, Component::Bridge, ingress, vec![dns(), runtime, broker], network)
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
        metadata: metadata(plan, component.of(&plan.name), Some(component)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(selector(&plan.name, component))),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}

/// From these, to these ports.
pub(crate) fn from(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(peers),
        ports: Some(ports.iter().map(|number| port("TCP", *number)).collect()),
    }
}

/// Any resolver: node-local ones are in no namespace.
fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]), to: None }
}

fn peer(plan: &Plan, component: Component) -> NetworkPolicyPeer {
    pods(selector(&plan.name, component))
}

/// Pods of the same namespace.
pub(crate) fn pods(labels: BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(labelled(labels)), ..NetworkPolicyPeer::default() }
}

/// The operator's pods.
pub(crate) fn operator(settings: &NetworkPolicySettings) -> NetworkPolicyPeer {
    let namespace = [(NAMESPACE_NAME.to_owned(), settings.operator_namespace.clone())].into();
    NetworkPolicyPeer {
        namespace_selector: Some(labelled(namespace)),
        pod_selector: Some(labelled(settings.operator_pod_labels.clone())),
        ip_block: None,
    }
}

/// A server given by its address; one given by its name may be anywhere.
fn address(host: &str) -> Option<NetworkPolicyPeer> {
    let address: std::net::IpAddr = host.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let block = IPBlock { cidr: format!("{address}/{bits}"), except: None };
    Some(NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() })
}

pub(crate) fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        ..NetworkPolicyPort::default()
    }
}
