//! Rules of network policies, for every kind. The cluster's network plugin enforces them. Pure.

use std::collections::BTreeMap;

use intuition_resources::address::Address;
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use crate::settings::NetworkPolicySettings;

/// Label that Kubernetes puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const DNS_PORT: i32 = 53;

/// Ingress from these peers to these TCP ports.
pub(crate) fn from(peers: Vec<NetworkPolicyPeer>, ports: &[i32]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(peers),
        ports: Some(ports.iter().map(|number| port("TCP", *number)).collect()),
    }
}

/// Egress to any resolver. Node-local resolvers are in no namespace.
pub(crate) fn dns() -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]), to: None }
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

/// Egress to a server. A policy cannot express a host name: the port is open to every host then.
pub(crate) fn to_host(at: &Address) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(vec![port("TCP", i32::from(at.port))]),
        to: address(&at.host).map(|peer| vec![peer]),
    }
}

/// The peer at an IP address; `None` for a host name, which a policy cannot express.
pub(crate) fn address(host: &str) -> Option<NetworkPolicyPeer> {
    let address: std::net::IpAddr = host.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let block = IPBlock { cidr: format!("{address}/{bits}"), except: None };
    Some(NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() })
}

/// A selector of these labels.
pub(crate) fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

/// A port of a rule.
pub(crate) fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        ..NetworkPolicyPort::default()
    }
}
