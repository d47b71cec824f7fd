//! Network policies, evaluated as a network plugin that enforces them would: whether a packet passes.

use std::{collections::BTreeMap, net::Ipv4Addr};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::selector::{Labels, Selector};

/// A pod, as policies see it.
#[derive(Debug, Clone, Default)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Labels of its namespace, besides the one that holds its name.
    pub namespace_labels: Labels,
    /// Its own labels.
    pub labels: Labels,
    /// The names that its ports have.
    pub ports: BTreeMap<String, u16>,
}

impl Pod {
    /// A pod with these labels.
    pub fn new(namespace: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { namespace: namespace.to_owned(), labels, ..Self::default() }
    }

    fn labels_of_namespace(&self) -> Labels {
        let mut labels = self.namespace_labels.clone();
        labels.insert("kubernetes.io/metadata.name".to_owned(), self.namespace.clone());
        labels
    }
}

/// One end of a connection.
#[derive(Debug, Clone)]
pub enum End {
    /// A pod.
    Pod(Pod),
    /// Something that is no pod: a node, a host outside.
    Address(Ipv4Addr),
}

/// What may be sent over a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// The default.
    #[serde(rename = "TCP")]
    Tcp,
    /// DNS, mostly.
    #[serde(rename = "UDP")]
    Udp,
}

/// All policies of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Policies(Vec<Policy>);

#[derive(Debug, Clone)]
struct Policy {
    namespace: String,
    spec: Spec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    pod_selector: Selector,
    policy_types: Option<Vec<Direction>>,
    ingress: Option<Vec<Ingress>>,
    egress: Option<Vec<Egress>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Direction {
    Ingress,
    Egress,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingress {
    #[serde(default)]
    from: Vec<Peer>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Egress {
    #[serde(default)]
    to: Vec<Peer>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Peer {
    pod_selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    ip_block: Option<Block>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    cidr: String,
    #[serde(default)]
    except: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Port {
    #[serde(rename = "port")]
    first: Option<PortName>,
    #[serde(rename = "endPort")]
    last: Option<u16>,
    #[serde(default = "tcp")]
    protocol: Protocol,
}

fn tcp() -> Protocol {
    Protocol::Tcp
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum PortName {
    Number(u16),
    Name(String),
}

impl Policies {
    /// Those among `objects`; the others are passed over. A policy without a namespace is in `namespace`.
    pub fn of<'a>(objects: impl IntoIterator<Item = &'a Value>, namespace: &str) -> anyhow::Result<Self> {
        let policies = objects.into_iter().filter(|object| object["kind"] == "NetworkPolicy").map(|object| {
            let spec = serde_json::from_value(object["spec"].clone());
            Ok(Policy {
                namespace: object["metadata"]["namespace"].as_str().unwrap_or(namespace).to_owned(),
                spec: spec.with_context(|| format!("NetworkPolicy {}", object["metadata"]["name"]))?,
            })
        });
        Ok(Self(policies.collect::<anyhow::Result<_>>()?))
    }

    /// Whether a connection passes: out of its source and into its destination.
    pub fn allow(&self, from: &End, to: &End, port: u16, protocol: Protocol) -> anyhow::Result<bool> {
        Ok(self.side(Direction::Egress, from, to, to, port, protocol)?
            && self.side(Direction::Ingress, to, from, to, port, protocol)?)
    }

    /// Whether what applies to `subject` lets it talk to `other`. Nothing applies: it may.
    fn side(
        &self,
        direction: Direction,
        subject: &End,
        other: &End,
        destination: &End,
        port: u16,
        protocol: Protocol,
    ) -> anyhow::Result<bool> {
        let End::Pod(pod) = subject else { return Ok(true) };
        let mut applies = false;
        for policy in &self.0 {
            if policy.namespace != pod.namespace
                || !policy.spec.has(direction)
                || !policy.spec.pod_selector.matches(&pod.labels)?
            {
                continue;
            }
            applies = true;
            for (peers, ports) in policy.spec.rules(direction) {
                let port_fits = ports.is_empty() || any(ports, |rule| rule.fits(destination, port, protocol))?;
                if port_fits && (peers.is_empty() || any(peers, |peer| peer.fits(&policy.namespace, other))?) {
                    return Ok(true);
                }
            }
        }
        Ok(!applies)
    }
}

fn any<T>(items: &[T], mut fits: impl FnMut(&T) -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    for item in items {
        if fits(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Spec {
    /// Without types, a policy is one for what comes in, and for what goes out if it has rules for that.
    fn has(&self, direction: Direction) -> bool {
        match &self.policy_types {
            Some(types) => types.contains(&direction),
            None => direction == Direction::Ingress || self.egress.is_some(),
        }
    }

    fn rules(&self, direction: Direction) -> Vec<(&[Peer], &[Port])> {
        let ingress = self.ingress.iter().flatten().map(|rule| (rule.from.as_slice(), rule.ports.as_slice()));
        let egress = self.egress.iter().flatten().map(|rule| (rule.to.as_slice(), rule.ports.as_slice()));
        match direction {
            Direction::Ingress => ingress.collect(),
            Direction::Egress => egress.collect(),
        }
    }
}

impl Peer {
    fn fits(&self, own_namespace: &str, end: &End) -> anyhow::Result<bool> {
        match (end, &self.ip_block) {
            (End::Address(address), Some(block)) => block.contains(*address),
            // What a block means for pods is the plugin's own; nothing here may depend on it.
            (End::Address(_), None) | (End::Pod(_), Some(_)) => Ok(false),
            (End::Pod(pod), None) => {
                let namespace = match &self.namespace_selector {
                    Some(selector) => selector.matches(&pod.labels_of_namespace())?,
                    None => pod.namespace == own_namespace,
                };
                let selected = match &self.pod_selector {
                    Some(selector) => selector.matches(&pod.labels)?,
                    None => true,
                };
                Ok(namespace && selected)
            }
        }
    }
}

impl Port {
    fn fits(&self, destination: &End, port: u16, protocol: Protocol) -> anyhow::Result<bool> {
        let number = match (&self.first, destination) {
            (None, _) => return Ok(protocol == self.protocol),
            (Some(PortName::Number(number)), _) => Some(*number),
            (Some(PortName::Name(name)), End::Pod(pod)) => pod.ports.get(name).copied(),
            (Some(PortName::Name(_)), End::Address(_)) => None,
        };
        let Some(first) = number else { return Ok(false) };
        let last = self.last.unwrap_or(first);
        if last < first {
            bail!("a port range from {first} to {last}");
        }
        Ok(protocol == self.protocol && (first..=last).contains(&port))
    }
}

impl Block {
    fn contains(&self, address: Ipv4Addr) -> anyhow::Result<bool> {
        Ok(within(&self.cidr, address)? && !any(&self.except, |cidr| within(cidr, address))?)
    }
}

fn within(cidr: &str, address: Ipv4Addr) -> anyhow::Result<bool> {
    let (network, length) = cidr.split_once('/').with_context(|| format!("{cidr} is no CIDR"))?;
    let (network, length): (Ipv4Addr, u32) = (network.parse()?, length.parse()?);
    if length > 32 {
        bail!("{cidr} is no CIDR");
    }
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    Ok(u32::from(network) & mask == u32::from(address) & mask)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn passes(spec: &Value, from: &End, to: &End, port: u16) -> bool {
        let policy = json!({"kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "a"}, "spec": spec});
        Policies::of([&policy], "default").unwrap().allow(from, to, port, Protocol::Tcp).unwrap()
    }

    fn pod(namespace: &str, app: &str) -> End {
        End::Pod(Pod::new(namespace, &[("app", app)]))
    }

    #[test]
    fn a_pod_that_no_policy_selects_is_open() {
        let spec = json!({"podSelector": {"matchLabels": {"app": "x"}}});
        assert!(passes(&spec, &pod("b", "z"), &pod("a", "y"), 1));
        assert!(passes(&spec, &pod("b", "z"), &pod("b", "x"), 1), "a policy is for its own namespace");
        assert!(!passes(&spec, &pod("b", "z"), &pod("a", "x"), 1), "selected, and nothing is allowed");
        assert!(passes(&spec, &pod("a", "x"), &pod("b", "z"), 1), "nothing is said of what goes out");
    }

    #[test]
    fn a_peer_without_namespace_selector_is_of_the_same_namespace() {
        let spec = json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "y"}}}]}]});
        assert!(passes(&spec, &pod("a", "y"), &pod("a", "x"), 1));
        assert!(!passes(&spec, &pod("b", "y"), &pod("a", "x"), 1));
        let spec = json!({"podSelector": {}, "ingress": [{"from": [
            {"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["b"]}]},
             "podSelector": {"matchLabels": {"app": "y"}}}]}]});
        assert!(passes(&spec, &pod("b", "y"), &pod("a", "x"), 1));
        assert!(!passes(&spec, &pod("b", "z"), &pod("a", "x"), 1), "both selectors of one peer must match");
        assert!(!passes(&spec, &pod("c", "y"), &pod("a", "x"), 1));
    }

    #[test]
    fn ports_are_numbers_names_and_ranges() {
        let rules = |port: Value| json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
        let mut named = Pod::new("a", &[]);
        named.ports.insert("http".to_owned(), 8080);
        let named = End::Pod(named);
        assert!(passes(&rules(json!({"port": "http"})), &pod("b", "y"), &named, 8080));
        assert!(!passes(&rules(json!({"port": "http"})), &pod("b", "y"), &pod("a", "x"), 8080), "it has no such port");
        assert!(passes(&rules(json!({"port": 80, "endPort": 90})), &pod("b", "y"), &named, 90));
        assert!(!passes(&rules(json!({"port": 80, "endPort": 90})), &pod("b", "y"), &named, 91));
        assert!(!passes(&rules(json!({"port": 80, "protocol": "UDP"})), &pod("b", "y"), &named, 80));
    }

    #[test]
    fn an_address_is_let_in_by_a_block_alone() {
        let spec = json!({"podSelector": {}, "ingress": [{"from": [
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"namespaceSelector": {}}]}]});
        let from = |address: &str| End::Address(address.parse().unwrap());
        assert!(passes(&spec, &from("10.2.0.1"), &pod("a", "x"), 1));
        assert!(!passes(&spec, &from("10.1.0.1"), &pod("a", "x"), 1));
        assert!(!passes(&spec, &from("11.0.0.1"), &pod("a", "x"), 1), "a namespace selector means pods");
        assert!(passes(&spec, &pod("z", "y"), &pod("a", "x"), 1));
    }

    #[test]
    fn a_misspelt_policy_is_an_error() {
        let policy =
            json!({"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {"podSelector": {}, "ingres": []}});
        assert!(Policies::of([&policy], "default").is_err());
    }
}
