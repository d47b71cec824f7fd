//! Who may talk to whom. Enforcing it is the work of the cluster's network plugin.

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::metadata;
use crate::{
    names::{Component, GRPC_PORT, HTTP_PORT, selector},
    plan::Plan,
    settings::NetworkPolicySettings,
};

/// Label that Kubernetes puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const DNS_PORT: i32 = 53;

/// The runtime: quotes from its bridge, settings and questions from the operator; out it needs nothing but names.
pub(super) fn runtime(plan: &Plan, settings: &NetworkPolicySettings) -> NetworkPolicy {
    let ingress = vec![
        from(vec![peer(plan, Component::Bridge)], &[GRPC_PORT]),
        from(vec![operator(settings)], &[GRPC_PORT, HTTP_PORT]),
    ];
    policy(plan, Component::Runtime, ingress, vec![dns()], settings)
}

/// The bridge: the operator reads what it lacks; out to its runtime and its broker.
pub(super) fn bridge(plan: &Plan, settings: &NetworkPolicySettings) -> NetworkPolicy {
    let ingress = vec![from(vec![operator(settings)], &[HTTP_PORT])];
    let broker = NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", i32::from(plan.broker.address.port))]),
        to: address(&plan.broker.address.host).map(|peer| vec![peer]),
    };
    let runtime = NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", GRPC_PORT)]),
        to: Some(vec![peer(plan, Component::Runtime)]),
    };
    policy(plan, Component::Bridge, ingress, vec![dns(), runtime, broker], settings)
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

fn from(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
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
    NetworkPolicyPeer { pod_selector: Some(labelled(selector(&plan.name, component))), ..NetworkPolicyPeer::default() }
}

fn operator(settings: &NetworkPolicySettings) -> NetworkPolicyPeer {
    let namespace = [(NAMESPACE_NAME.to_owned(), settings.operator_namespace.clone())].into();
    NetworkPolicyPeer {
        namespace_selector: Some(labelled(namespace)),
        pod_selector: Some(labelled(settings.operator_pod_labels.clone())),
        ip_block: None,
    }
}

/// A broker given by its address; one given by its name may be anywhere.
fn address(host: &str) -> Option<NetworkPolicyPeer> {
    let address: std::net::IpAddr = host.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let block = IPBlock { cidr: format!("{address}/{bits}"), except: None };
    Some(NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() })
}

fn labelled(labels: std::collections::BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        ..NetworkPolicyPort::default()
    }
}
