//! The operator dies after its first write, after its second, and so on to the last. Whoever comes after it ends where one
//! that never died ends: the same children, each once, and the same status. Against the API server of `$KUBECONFIG`, which
//! has to know all kinds.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::disallowed_methods, reason = "what is spawned here dies with the test")]

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt as _;
use intuition_common::clock::SystemClock;
use intuition_operator::{
    controllers,
    kubernetes::rights::Rights,
    metrics::Metrics,
    reconcile::context::OperatorContext,
    settings::{Settings, credentials::CredentialsDir},
};
use intuition_resources::{Algorithm, Feed, Indicator, TradingAlgo};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
    client::{Body, ClientBuilder},
};
use prometheus_client::registry::Registry;
use serde_json::{Value, from_value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Layer, Service as TowerService};

const PATIENCE: Duration = Duration::from_mins(3);
const SETTINGS: &str = "
runtimeImage: localhost/none:0
bridgeImage: localhost/none:0
feedImage: localhost/none:0
nodeSelector: {intuition.dev/no-node: has-this}
broker: {url: 'mqtt://nowhere.invalid'}
networkPolicy: {operatorNamespace: n, operatorPodLabels: {a: b}}
";

/// What becomes of the write that it dies at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastWrite {
    /// The API server never gets it.
    Refused,
    /// The API server does it, and nobody hears of that.
    DoneUnheard,
}

/// Lets so many writes through, and then nothing at all.
#[derive(Clone)]
struct Mortal {
    writes_left: Arc<AtomicUsize>,
    last: LastWrite,
    dead: CancellationToken,
}

#[derive(Clone)]
struct MortalService<S> {
    inner: S,
    mortal: Mortal,
}

impl<S> Layer<S> for Mortal {
    type Service = MortalService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MortalService { inner, mortal: self.clone() }
    }
}

impl<S> TowerService<http::Request<Body>> for MortalService<S>
where
    S: TowerService<http::Request<Body>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mortal = self.mortal.clone();
        let is_write = request.method() != http::Method::GET;
        let lives = !is_write
            || mortal.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let was_alive = !mortal.dead.is_cancelled();
        if !lives && was_alive && mortal.last == LastWrite::DoneUnheard {
            let last = self.inner.call(request);
            return Box::pin(async move {
                drop(last.await);
                mortal.dead.cancel();
                Err("the operator died before it heard of it".into())
            });
        }
        if !lives {
            mortal.dead.cancel();
        }
        if mortal.dead.is_cancelled() {
            return Box::pin(async { Err("the operator has died".into()) });
        }
        Box::pin(self.inner.call(request))
    }
}

fn operator_context(client: Client) -> OperatorContext {
    OperatorContext {
        client,
        settings: Arc::new(Settings::parse(SETTINGS).unwrap()),
        credentials: CredentialsDir(None),
        clock: Arc::new(SystemClock),
        rights: Rights::default(),
        metrics: Metrics::register(&mut Registry::default()),
        resync: Duration::from_millis(500),
        concurrency: 4,
        instance: "crash-test".to_owned(),
        leader: None,
    }
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Place {
    client: Client,
    namespace: String,
}

impl Place {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// What the operator made of one kind, without what differs from object to object.
    async fn made<K>(&self) -> Vec<Value>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let ours = ListParams::default().labels("app.kubernetes.io/managed-by=intuition-operator");
        let found = self.api::<K>().list(&ours).await.unwrap();
        found.into_iter().map(|object| strip(json!(object))).collect()
    }

    async fn all(&self) -> Vec<Value> {
        let mut all = self.made::<ConfigMap>().await;
        all.extend(self.made::<ServiceAccount>().await);
        all.extend(self.made::<PersistentVolumeClaim>().await);
        all.extend(self.made::<NetworkPolicy>().await);
        all.extend(self.made::<Service>().await);
        all.extend(self.made::<Deployment>().await);
        all
    }

    /// A resource of each kind that makes the operator make something.
    async fn create(&self) {
        let algorithm = from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "Algorithm",
            "metadata": { "name": "mortal" },
            "spec": { "image": "localhost/none:0" },
        }));
        self.api::<Algorithm>().create(&PostParams::default(), &algorithm.unwrap()).await.unwrap();
        let algo = from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "TradingAlgo",
            "metadata": { "name": "mortal" },
            "spec": { "algorithm": { "builtin": "random" }, "storage": { "onDelete": "Delete" } },
        }));
        self.api::<TradingAlgo>().create(&PostParams::default(), &algo.unwrap()).await.unwrap();
        let feed = from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "Feed",
            "metadata": { "name": "mortal" },
            "spec": { "source": { "exchange": { "name": "Kraken", "symbols": ["BTC/USD"] } } },
        }));
        self.api::<Feed>().create(&PostParams::default(), &feed.unwrap()).await.unwrap();
        let indicator = from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "Indicator",
            "metadata": { "name": "mortal" },
            "spec": {
                "from": { "feed": "mortal" },
                "compute": [{ "name": "vwap", "type": "VWAP" }],
                "storage": { "onDelete": "Delete" },
            },
        }));
        self.api::<Indicator>().create(&PostParams::default(), &indicator.unwrap()).await.unwrap();
    }

    async fn delete(&self) {
        self.api::<TradingAlgo>().delete("mortal", &DeleteParams::background()).await.unwrap();
        self.api::<Algorithm>().delete("mortal", &DeleteParams::background()).await.unwrap();
        self.api::<Feed>().delete("mortal", &DeleteParams::background()).await.unwrap();
        self.api::<Indicator>().delete("mortal", &DeleteParams::background()).await.unwrap();
        until("the garbage collector takes the children", async || self.all().await.is_empty().then_some(())).await;
    }

    /// Types, statuses and reasons of the conditions, once all pods are known not to be schedulable.
    async fn settled(&self) -> Option<Vec<String>> {
        let algo = self.api::<TradingAlgo>().get_status("mortal").await.unwrap().status?;
        let algorithm = self.api::<Algorithm>().get_status("mortal").await.unwrap().status?;
        let feed = self.api::<Feed>().get_status("mortal").await.unwrap().status?;
        let indicator = self.api::<Indicator>().get_status("mortal").await.unwrap().status?;
        let known = [
            ("algo", algo.conditions),
            ("algorithm", algorithm.conditions),
            ("feed", feed.conditions),
            ("indicator", indicator.conditions),
        ];
        let shown: Vec<_> = known
            .iter()
            .flat_map(|(of, known)| known.iter().map(move |known| (of, known)))
            .map(|(of, known)| format!("{of} {}={} {}", known.type_, known.status, known.reason))
            .collect();
        let wanted = [
            "algo RuntimeReady",
            "algo BridgeConnected",
            "algorithm Ready",
            "feed Ready",
            "indicator RuntimeReady",
            "indicator BridgeConnected",
        ];
        let is_shown = |kind: &&str| shown.contains(&format!("{kind}=False Unschedulable"));
        wanted.iter().all(is_shown).then_some(shown)
    }

    /// Runs an operator until the resource is settled; what it made and said.
    async fn finish(&self) -> (Vec<Value>, Vec<String>) {
        let stop = CancellationToken::new();
        let work = controllers::run(operator_context(self.client.clone()), Some(self.namespace.clone()), stop.clone());
        let work = tokio::spawn(work);
        let status = until("the resource is settled", async || self.settled().await).await;
        stop.cancel();
        work.await.unwrap();
        (self.all().await, status)
    }

    /// Runs an operator that dies after so many writes. `false`: it never needed that many.
    async fn die_after(&self, writes: usize, last: LastWrite) -> bool {
        let mortal = Mortal { writes_left: Arc::new(AtomicUsize::new(writes)), last, dead: CancellationToken::new() };
        let config = Config::infer().await.unwrap();
        let client = ClientBuilder::try_from(config).unwrap().with_layer(&mortal).build();
        let work = controllers::run(operator_context(client), Some(self.namespace.clone()), CancellationToken::new());
        let work = tokio::spawn(work);
        let died = tokio::select! {
            () = mortal.dead.cancelled() => true,
            _ = until("it dies, or is settled", async || self.settled().await) => false,
        };
        work.abort();
        died
    }
}

fn strip(mut object: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    members.remove("status");
    let metadata = members.get_mut("metadata").unwrap().as_object_mut().unwrap();
    metadata.retain(|name, _| ["name", "labels", "ownerReferences"].contains(&name.as_str()));
    // The volume that a claim got, or not yet.
    if let Some(Value::Object(spec)) = members.get_mut("spec") {
        spec.remove("volumeName");
    }
    // The uid of the resource, the addresses that the Service got.
    let text = object.to_string();
    let uid = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    let address = regex::Regex::new(r"\d+\.\d+\.\d+\.\d+").unwrap();
    let text = uid.replace_all(&text, "UID");
    serde_json::from_str(&address.replace_all(&text, "ADDRESS")).unwrap()
}

#[tokio::test]
async fn wherever_the_operator_dies_the_next_one_ends_where_it_would_have() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::try_default().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = from_value(json!({ "metadata": { "generateName": "crash-" } })).unwrap();
    let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap().name_any();
    let place = Place { client, namespace: namespace.clone() };
    // A panic must not leave the namespace behind.
    let outcome = AssertUnwindSafe(dies_at_every_write(&place)).catch_unwind().await;
    namespaces.delete(&namespace, &DeleteParams::background()).await.unwrap();
    outcome.unwrap();
}

async fn dies_at_every_write(place: &Place) {
    place.create().await;
    let expected = place.finish().await;
    assert_eq!(
        expected.0.len(),
        24,
        "eight of each account, four of the algorithm, four of the feed: {:#?}",
        expected.0
    );
    place.delete().await;

    for last in [LastWrite::Refused, LastWrite::DoneUnheard] {
        let mut writes = 0;
        loop {
            place.create().await;
            if !place.die_after(writes, last).await {
                break;
            }
            let (made, status) = place.finish().await;
            let when = format!("after it died with {writes} writes, the next one {last:?}");
            assert_eq!(status, expected.1, "{when}");
            assert_eq!(made.len(), expected.0.len(), "{when}");
            for (found, wanted) in made.iter().zip(&expected.0) {
                assert_eq!(found, wanted, "{when}");
            }
            place.delete().await;
            writes += 1;
        }
        assert!(writes >= 28, "24 children and four statuses take at least 28 writes, not {writes}");
        // It was settled, and is there to be deleted.
        place.delete().await;
    }
}
