//! Names that other components rely on: of children, labels, annotations and ports. Types and reasons of conditions are
//! in `reconcile`.

use std::collections::BTreeMap;

use intuition_resources::{Algorithm, AlgorithmSpec, DEFAULT_PORT};
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

/// The field manager, and the value of the label `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "intuition-operator";

/// Labels recommended by Kubernetes
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>).
pub mod label {
    /// The application: [`super::APP`].
    pub const NAME: &str = "app.kubernetes.io/name";
    /// The resource's name.
    pub const INSTANCE: &str = "app.kubernetes.io/instance";
    /// The part: [`super::Component`].
    pub const COMPONENT: &str = "app.kubernetes.io/component";
    /// The product: [`super::PART_OF`].
    pub const PART_OF: &str = "app.kubernetes.io/part-of";
    /// The manager: [`super::MANAGER`].
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// On pods: uid of the resource. A deleted resource of the same name had another uid.
    pub const UID: &str = "intuition.dev/uid";
    /// On a namespace, with the value [`super::DEFAULT_BROKER`]: its resources get the login of the default broker.
    pub const BROKER: &str = "intuition.dev/broker";
    /// Which image of an `Algorithm`: a part of the image's hash.
    pub const IMAGE: &str = "intuition.dev/image";
}

/// Annotations.
pub mod annotation {
    /// On a resource: uid of a lost claim that may be replaced by an empty one.
    pub const NEW_LEDGER: &str = "intuition.dev/new-ledger";
    /// On pods: a hash of the mounted content. A change replaces the pods.
    pub const MOUNTS: &str = "intuition.dev/mounts";
    /// On the children of an image of an `Algorithm`: the image.
    pub const IMAGE: &str = "intuition.dev/image";
    /// On every child: id of the installation that made it.
    pub const INSTALLATION: &str = "intuition.dev/installation";
    /// On a resource: sources to reset, JSON; see the module `reset`.
    pub const RESET_SOURCE: &str = "intuition.dev/reset-source";
    /// On a resource: the account trades nothing. The value is free text: author and cause.
    pub const HALT: &str = "intuition.dev/halt";
    /// On a resource: the account only sells. The value is free text: author and cause.
    pub const REDUCE: &str = "intuition.dev/reduce";
}

/// Value of [`label::BROKER`].
pub const DEFAULT_BROKER: &str = "default";
/// Value of [`label::NAME`] on the children of a `TradingAlgo`.
pub const APP: &str = "tradingalgo";
/// Value of [`label::NAME`] on the children of an `Algorithm`.
pub const ALGORITHM_APP: &str = "algorithm";
/// Value of [`label::COMPONENT`] there, and the name of the container.
pub const ALGORITHM_SERVER: &str = "algorithm";
/// Value of [`label::NAME`] on the children of a `Feed`.
pub const FEED_APP: &str = "feed";
/// Value of [`label::COMPONENT`] there, and the name of the container.
pub const FEED_PUBLISHER: &str = "feed";
/// Value of [`label::NAME`] on the children of an `Indicator`.
pub const INDICATOR_APP: &str = "indicator";
/// Value of [`label::PART_OF`].
pub const PART_OF: &str = "intuition";

/// Between the name of an `Algorithm` and the hash of an image.
const ALGORITHM_INFIX: &str = "-algorithm";
/// Of a hash, in the name of a child.
const IMAGE_DIGITS: usize = 8;

/// Port of the runtime's gRPC server.
pub const GRPC_PORT: i32 = 50051;
/// Port of /healthz, /readyz and /metrics of runtimes, bridges and feeds.
pub const HTTP_PORT: i32 = 8080;
/// User and group of every container.
pub const USER: i64 = 65_532;

/// Files of the broker's credentials: keys of a Secret, and names in the folder it is mounted at.
pub mod credential {
    /// Keys of a resource's own Secret (`spec.broker.secretRef`) that are mounted, each with the name under which v0.1.0 knows
    /// it. Bridges of this release read no client certificate yet.
    pub const MOUNTED: [(&str, Option<&str>); 5] = [
        ("mqtt-username", Some(USERNAME)),
        ("mqtt-password", Some(PASSWORD)),
        ("mqtt-ca.crt", Some(CA)),
        ("mqtt-tls.crt", None),
        ("mqtt-tls.key", None),
    ];

    /// User name.
    pub const USERNAME: &str = "username";
    /// Password.
    pub const PASSWORD: &str = "password";
    /// PEM of the authorities to trust.
    pub const CA: &str = "ca.crt";
}

/// A workload of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Component {
    /// `algo-runtime`.
    Runtime,
    /// `bridge`.
    Bridge,
}

impl Component {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Runtime, Self::Bridge];

    /// Value of [`label::COMPONENT`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Bridge => "bridge",
        }
    }

    /// Name of its container.
    pub const fn container(self) -> &'static str {
        match self {
            Self::Runtime => "algo-runtime",
            Self::Bridge => "bridge",
        }
    }

    /// Name of its objects, after the first part of the names of all children.
    pub fn of(self, children: &str) -> String {
        format!("{children}-{}", self.name())
    }
}

/// Name of the claim that holds the ledger, after the first part of the names of all children.
pub fn claim(children: &str) -> String {
    format!("{children}-ledger")
}

/// Name of the service account of both pods, after the first part of the names of all children.
pub fn service_account(children: &str) -> String {
    format!("{children}-algo")
}

/// Name of the Secret with the default broker's credentials, for an account or a feed; `name`: the first part of the names of its children. The part of the uid makes it unique: the operator may
/// write Secrets but not read them.
pub fn broker_secret(name: &str, uid: &str) -> String {
    let short: String = uid.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("{name}-broker-{short}")
}

/// Name of the service account and of the network policy of an `Algorithm`.
pub fn algorithm(name: &str) -> String {
    format!("{name}{ALGORITHM_INFIX}")
}

/// Name of every child of a `Feed` but the Secret.
pub fn feed(name: &str) -> String {
    format!("{name}-feed")
}

/// The first part of the names of all children of an `Indicator`.
pub fn indicator(name: &str) -> String {
    format!("{name}-indicator")
}

/// The first digits of an image's hash, which distinguish the children of different images.
pub fn image_hash(image: &str) -> String {
    hex::encode(Sha256::digest(image)).chars().take(IMAGE_DIGITS).collect()
}

/// Name of the Deployment of an image of an `Algorithm`, and of the Service in front of it.
pub fn algorithm_image(name: &str, image: &str) -> String {
    format!("{}-{}", algorithm(name), image_hash(image))
}

/// URL of a Service in the cluster.
pub fn service_url(service: &str, namespace: &str, cluster_domain: &str, port: i32) -> String {
    format!("http://{service}.{namespace}.svc.{cluster_domain}:{port}")
}

/// URL of an `Algorithm`: its address, or that of the Service of its image. `None`: the spec has neither.
pub fn algorithm_url(algorithm: &Algorithm, cluster_domain: &str) -> Option<String> {
    let spec = &algorithm.spec;
    match (&spec.image, &spec.address) {
        (Some(image), None) => {
            let service = algorithm_image(&algorithm.name_any(), image);
            Some(service_url(
                &service,
                &algorithm.namespace().unwrap_or_default(),
                cluster_domain,
                algorithm_port(spec),
            ))
        }
        (None, Some(address)) => Some(address.strip_suffix('/').unwrap_or(address).to_owned()),
        _ => None,
    }
}

/// Port of the image of an `Algorithm`.
pub fn algorithm_port(spec: &AlgorithmSpec) -> i32 {
    spec.port.unwrap_or(DEFAULT_PORT)
}

/// The `Algorithm` in this namespace with the image behind a Service's host.
pub fn algorithm_at<'a>(host: &'a str, namespace: &str, cluster_domain: &str) -> Option<&'a str> {
    let service =
        host.strip_suffix(cluster_domain)?.strip_suffix(".svc.")?.strip_suffix(namespace)?.strip_suffix('.')?;
    let (name, hash) = service.rsplit_once('-')?;
    let is_hash = hash.len() == IMAGE_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.strip_suffix(ALGORITHM_INFIX).filter(|name| is_hash && !name.is_empty())
}

/// Labels of all children of one resource.
pub fn labels(app: &str, name: &str) -> BTreeMap<String, String> {
    let pairs = [(label::NAME, app), (label::INSTANCE, name), (label::PART_OF, PART_OF), (label::MANAGED_BY, MANAGER)];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Selector of one workload of an account, without the uid.
pub fn selector(app: &str, name: &str, component: Component) -> BTreeMap<String, String> {
    let pairs = [(label::NAME, app), (label::INSTANCE, name), (label::COMPONENT, component.name())];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Selector of the pods of an `Algorithm`, of all its images.
pub fn algorithm_selector(name: &str) -> BTreeMap<String, String> {
    let pairs = [(label::NAME, ALGORITHM_APP), (label::INSTANCE, name), (label::COMPONENT, ALGORITHM_SERVER)];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Selector of the pod of a `Feed`, without the uid.
pub fn feed_selector(name: &str) -> BTreeMap<String, String> {
    let pairs = [(label::NAME, FEED_APP), (label::INSTANCE, name), (label::COMPONENT, FEED_PUBLISHER)];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Label selector of all children of one kind.
pub fn everything(app: &str) -> String {
    format!("{}={MANAGER},{}={app}", label::MANAGED_BY, label::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_known_by_the_host_of_its_service() {
        let service = algorithm_image("mean-reversion", "registry.example/a:1");
        assert!(service.starts_with("mean-reversion-algorithm-") && service.len() == 33, "{service}");
        let url = service_url(&service, "n", "cluster.local", 1);
        let host = url.strip_prefix("http://").unwrap().strip_suffix(":1").unwrap();
        assert_eq!(algorithm_at(host, "n", "cluster.local"), Some("mean-reversion"));
        for (host, namespace) in [
            (host, "m"),
            ("a-algorithm-0123456.n.svc.cluster.local", "n"),
            ("a-algorithm-0123456z.n.svc.cluster.local", "n"),
            ("-algorithm-01234567.n.svc.cluster.local", "n"),
            ("a-runtime.n.svc.cluster.local", "n"),
            ("10.0.0.1", "n"),
        ] {
            assert_eq!(algorithm_at(host, namespace, "cluster.local"), None, "{host}");
        }
    }
}
