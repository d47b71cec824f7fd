//! The API server of a cluster: the connection to it, words for its errors, and connections to runtimes behind it.

use std::{
    io,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use intuition_resources::{GROUP, TRADING_ALGO_KIND};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, ListParams},
    client::UpgradeConnectionError,
    config::{Context, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
    core::GroupVersionKind,
};
use tonic::transport::{Channel, Endpoint};

use crate::args::ClusterArgs;

/// Longest time for one call, with its quick repetitions.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Port of a runtime's gRPC server, as the operator starts it.
const GRPC_PORT: u16 = 50_051;
/// Label of a pod with the uid of its resource, as the operator sets it.
const UID_LABEL: &str = "intuition.dev/uid";
/// Plural and group of the resources, for the rules of a role.
const PLURAL: &str = "tradingalgos.intuition.dev";

/// Errors of calls to a cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig")]
    UseKubeconfig(#[source] Box<KubeconfigError>),
    /// There is neither a kubeconfig nor a service account.
    #[error(
        "no cluster: there is no kubeconfig with a current context (--kubeconfig, $KUBECONFIG, ~/.kube/config), and this \
         is no pod with a service account; an account of `intuition run` is reached by --runtime"
    )]
    FindCluster(#[source] Box<InClusterError>),
    /// Certificates or credentials of the kubeconfig cannot be used.
    #[error("cannot set up the connection to the API server at {server}")]
    SetUp { server: String, source: Box<kube::Error> },
    /// The API server does not answer.
    #[error("cannot reach the API server at {server}")]
    Reach { server: String, source: Box<kube::Error> },
    /// The API server answers too late.
    #[error("the API server at {server} did not answer within {} s", CALL_TIMEOUT.as_secs())]
    TimeOut { server: String },
    /// An exec plugin, a token file or the like gives no credentials.
    #[error("cannot get the credentials that the kubeconfig names for {server}")]
    GetCredentials { server: String, source: Box<kube::Error> },
    /// A role is missing.
    #[error("the right to {right} is missing: {message}")]
    Forbid { right: String, message: String },
    /// The credentials are not accepted.
    #[error("the API server at {server} does not accept the credentials of the kubeconfig: {message}")]
    Authenticate { server: String, message: String },
    /// The resource does not exist.
    #[error("there is no TradingAlgo {name} in the namespace {namespace}")]
    MissResource { namespace: String, name: String },
    /// The kind does not exist.
    #[error("the cluster does not know the kind TradingAlgo: Intuition is not installed there")]
    MissKind,
    /// Another refusal.
    #[error("the API server refused to {right}: {message} ({code})")]
    Refuse { right: String, code: u16, message: String },
    /// No pod to talk to.
    #[error("no runtime of {namespace}/{name} is running: see `kubectl describe ta {name} -n {namespace}`")]
    MissPod { namespace: String, name: String },
    /// The runtime's pod was reached and its gRPC server was not.
    #[error("cannot reach the runtime in the pod {pod} through the API server")]
    Forward { pod: String, source: tonic::transport::Error },
}

impl ClusterError {
    /// Whether another attempt may succeed.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::Reach { .. } | Self::TimeOut { .. } | Self::Forward { .. } => true,
            Self::Refuse { code, .. } => *code == 409 || *code == 429 || *code >= 500,
            _ => false,
        }
    }
}

/// A call, for the words of its errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Verb and resource, for the rules of a role.
    verb: &'static str,
    resource: &'static str,
    /// Empty: all namespaces.
    namespace: &'a str,
    /// Empty: a list.
    name: &'a str,
}

impl<'a> Call<'a> {
    /// A call on a `TradingAlgo`, or on several if `name` is empty.
    pub(crate) const fn on_algo(verb: &'static str, namespace: &'a str, name: &'a str) -> Self {
        Self { verb, resource: PLURAL, namespace, name }
    }

    fn right(self) -> String {
        let Self { verb, resource, namespace, .. } = self;
        if namespace.is_empty() {
            format!("{verb} {resource} in all namespaces")
        } else {
            format!("{verb} {resource} in the namespace {namespace}")
        }
    }
}

/// A cluster, reached with the rights of a kubeconfig's user.
pub(crate) struct Cluster {
    client: Client,
    /// Namespace of the flags, or else of the context.
    pub(crate) namespace: String,
    /// The context's user; `None` without a kubeconfig.
    pub(crate) user: Option<String>,
    server: String,
}

impl Cluster {
    /// Reads the kubeconfig, or the service account of a pod. Sends nothing.
    pub(crate) async fn of(args: &ClusterArgs) -> Result<Self, ClusterError> {
        // It fails only if a provider was installed already, and that one serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let (mut config, user) = config(args).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let server = config.cluster_url.to_string();
        let namespace = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)
            .map_err(|source| ClusterError::SetUp { server: server.clone(), source: Box::new(source) })?;
        Ok(Self { client, namespace, user, server })
    }

    /// The `TradingAlgo` resources of a namespace. Untyped, so that a resource with an invalid spec is returned as well.
    pub(crate) fn algos(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind())
    }

    /// The resources of all namespaces.
    pub(crate) fn all_algos(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &kind())
    }

    /// Awaits a call within its timeout, and turns its error into a [`ClusterError`].
    pub(crate) async fn call<T>(
        &self,
        call: Call<'_>,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| explain(error, call, &self.server)),
            Err(_) => Err(ClusterError::TimeOut { server: self.server.clone() }),
        }
    }

    /// A connection to the running runtime of a resource, through the API server.
    pub(crate) async fn runtime(&self, namespace: &str, name: &str, uid: &str) -> Result<Channel, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let labels = format!(
            "app.kubernetes.io/name=tradingalgo,app.kubernetes.io/component=runtime,app.kubernetes.io/instance={name},\
             {UID_LABEL}={uid}"
        );
        let list = Call { verb: "list", resource: "pods", namespace, name: "" };
        let found = self.call(list, pods.list(&ListParams::default().labels(&labels))).await?;
        let pod = running(found.items);
        let missing = || ClusterError::MissPod { namespace: namespace.to_owned(), name: name.to_owned() };
        let pod = pod.ok_or_else(missing)?;
        // The upgrade is a GET, which needs the right to get; API servers from 1.35 on check the right to create as well.
        let forward = Call { verb: "get and create", resource: "pods/portforward", namespace, name: "" };
        let mut forwarder = self.call(forward, pods.portforward(&pod, &[GRPC_PORT])).await?;
        let stream = Mutex::new(forwarder.take_stream(GRPC_PORT));
        let connect = tower::service_fn(move |_| {
            // One stream is one connection. A second connection needs a forward of its own.
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            std::future::ready(stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
        });
        // The connector does not read the host.
        let endpoint = Endpoint::from_static("http://runtime").connect_timeout(CONNECT_TIMEOUT);
        let connected = endpoint.connect_with_connector(connect).await;
        connected.map_err(|source| ClusterError::Forward { pod, source })
    }
}

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1alpha1", TRADING_ALGO_KIND))
}

/// The name of the newest running pod.
fn running(pods: Vec<Pod>) -> Option<String> {
    let is_running = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
    };
    let running = pods.into_iter().filter(is_running);
    running.max_by_key(|pod| pod.metadata.creation_timestamp.clone())?.metadata.name
}

/// The connection to the cluster, and the user of its context.
async fn config(args: &ClusterArgs) -> Result<(Config, Option<String>), ClusterError> {
    let unusable = |error| ClusterError::UseKubeconfig(Box::new(error));
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    let kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let is_asked_for = args.kubeconfig.is_some() || args.context.is_some();
    let configured = match kubeconfig {
        Ok(kubeconfig) => {
            let context = args.context.as_deref();
            let (user, names_proxy) = (user(&kubeconfig, context), names_proxy(&kubeconfig, context));
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
            config.map(|config| (without_needless_proxy(config, names_proxy), user))
        }
        Err(error) => Err(error),
    };
    match configured {
        Ok(configured) => Ok(configured),
        Err(error) if is_asked_for || !is_absent(&error) => Err(unusable(error)),
        Err(_) => {
            let config = Config::incluster().map_err(|error| ClusterError::FindCluster(Box::new(error)))?;
            Ok((config, None))
        }
    }
}

/// Whether there is no kubeconfig with a context, as in a pod.
fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath | KubeconfigError::CurrentContextNotSet => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn context<'a>(kubeconfig: &'a Kubeconfig, context: Option<&str>) -> Option<&'a Context> {
    let wanted = context.or(kubeconfig.current_context.as_deref())?;
    kubeconfig.contexts.iter().find(|context| context.name == wanted)?.context.as_ref()
}

/// The user of a context.
fn user(kubeconfig: &Kubeconfig, name: Option<&str>) -> Option<String> {
    context(kubeconfig, name)?.user.clone()
}

/// Whether the kubeconfig itself has a proxy for the cluster of a context.
fn names_proxy(kubeconfig: &Kubeconfig, name: Option<&str>) -> bool {
    let Some(context) = context(kubeconfig, name) else { return false };
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster);
    let proxy = cluster.and_then(|cluster| cluster.cluster.as_ref()?.proxy_url.as_deref());
    proxy.is_some_and(|proxy| !proxy.is_empty())
}

/// Drops a proxy of the environment for an API server on this machine, as `kubectl` does: the client would use it.
fn without_needless_proxy(mut config: Config, names_proxy: bool) -> Config {
    let host = config.cluster_url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|addr| addr.is_loopback());
    if is_local && !names_proxy {
        config.proxy_url = None;
    }
    config
}

/// An error of a call in words.
fn explain(error: kube::Error, call: Call<'_>, server: &str) -> ClusterError {
    let server = server.to_owned();
    let (code, message) = match &error {
        kube::Error::Api(status) => (status.code, status.message.clone()),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) => {
            (code.as_u16(), error.to_string())
        }
        kube::Error::Auth(_) => return ClusterError::GetCredentials { server, source: Box::new(error) },
        _ => return ClusterError::Reach { server, source: Box::new(error) },
    };
    match code {
        401 => ClusterError::Authenticate { server, message },
        403 => ClusterError::Forbid { right: call.right(), message },
        // The answer for an unknown kind names no object.
        404 if call.resource == PLURAL && (call.name.is_empty() || !message.contains(call.name)) => {
            ClusterError::MissKind
        }
        404 if call.resource == PLURAL => {
            ClusterError::MissResource { namespace: call.namespace.to_owned(), name: call.name.to_owned() }
        }
        code => ClusterError::Refuse { right: call.right(), code, message },
    }
}
