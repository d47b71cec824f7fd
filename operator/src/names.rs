//! Names that others rely on: of children, labels, annotations, ports and conditions. Each concept has its one name here.

use std::collections::BTreeMap;

/// Who writes, in `managedFields`, and the value of the label `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "intuition-operator";

/// Labels recommended by Kubernetes
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>).
pub mod label {
    /// What it is: [`super::APP`].
    pub const NAME: &str = "app.kubernetes.io/name";
    /// Whose: the resource's name.
    pub const INSTANCE: &str = "app.kubernetes.io/instance";
    /// Which part: [`super::Component`].
    pub const COMPONENT: &str = "app.kubernetes.io/component";
    /// What it belongs to.
    pub const PART_OF: &str = "app.kubernetes.io/part-of";
    /// Who made it: [`super::MANAGER`].
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// uid of the resource, on pods: a predecessor of the same name has another.
    pub const UID: &str = "intuition.dev/uid";
}

/// Annotations.
pub mod annotation {
    /// On a resource: uid of a lost claim that may be replaced by an empty one.
    pub const NEW_LEDGER: &str = "intuition.dev/new-ledger";
    /// On pods: a hash of what they mount, so that a change of it rolls them.
    pub const MOUNTS: &str = "intuition.dev/mounts";
}

/// Value of [`label::NAME`].
pub const APP: &str = "tradingalgo";
/// Value of [`label::PART_OF`].
pub const PART_OF: &str = "intuition";

/// Port of the runtime's gRPC server.
pub const GRPC_PORT: i32 = 50051;
/// Port of /healthz, /readyz and /metrics of runtimes and bridges.
pub const HTTP_PORT: i32 = 8080;
/// User and group of every container.
pub const USER: i64 = 65_532;

/// Files of the broker's credentials: keys of a Secret, and names in the folder it is mounted at.
pub mod credential {
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

    /// Name of its objects.
    pub fn of(self, algo: &str) -> String {
        format!("{algo}-{}", self.name())
    }
}

/// Name of the claim that holds the ledger.
pub fn claim(algo: &str) -> String {
    format!("{algo}-ledger")
}

/// Name of the service account of both pods.
pub fn service_account(algo: &str) -> String {
    format!("{algo}-algo")
}

/// Name of the Secret with the default broker's credentials. The part of the uid makes it no one else's: the operator may
/// write secrets but not read them.
pub fn broker_secret(algo: &str, uid: &str) -> String {
    let short: String = uid.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("{algo}-broker-{short}")
}

/// What finds everything of one resource.
pub fn labels(algo: &str) -> BTreeMap<String, String> {
    let pairs = [(label::NAME, APP), (label::INSTANCE, algo), (label::PART_OF, PART_OF), (label::MANAGED_BY, MANAGER)];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// What finds one workload of one resource, whichever its uid.
pub fn selector(algo: &str, component: Component) -> BTreeMap<String, String> {
    let pairs = [(label::NAME, APP), (label::INSTANCE, algo), (label::COMPONENT, component.name())];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Selects everything that this operator makes.
pub fn everything() -> String {
    format!("{}={MANAGER},{}={APP}", label::MANAGED_BY, label::NAME)
}
