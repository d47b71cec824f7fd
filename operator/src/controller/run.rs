//! The controller: watches, and looks at what changed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use intuition_common::{clock::Clock, exit::with_causes};
use intuition_resources::Algorithm;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Client, Resource as _, ResourceExt as _,
    api::ListParams,
    runtime::{
        Controller, Predicate as _, PredicateConfig, WatchStreamExt as _,
        controller::{self, Action},
        predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, watcher},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    ReconcileError,
    context::{Common, Context, CredentialsDir},
    known::Known,
    namespaces::Namespaces,
    pace::{Pace, Pauses},
    reconcile,
};
use crate::{
    ask::Asker,
    cluster::{CallError, Changes, Cluster, NoBackoff, Rights, api, call, watch},
    directory,
    guarded::{Guarded, Watched},
    lease::Belief,
    metrics::Metrics,
    names::label,
    settings::Settings,
    status::Progress,
};

/// What happens to a resource within this time is looked at once.
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(100);

/// What the controllers of all namespaces share.
#[derive(Clone)]
pub struct Shared {
    /// Talks to the API server.
    pub client: Client,
    /// How children are made.
    pub settings: Arc<Settings>,
    /// The default broker's credentials.
    pub credentials: CredentialsDir,
    /// Tells the time of conditions.
    pub clock: Arc<dyn Clock>,
    /// The rights that the operator lacks.
    pub rights: Rights,
    /// Counts.
    pub metrics: Metrics,
    /// When to look again.
    pub pace: Pace,
    /// Resources looked at at the same time, in each of the namespaces that are watched on their own.
    pub concurrency: u16,
    /// Who says so in Events: the operator's pod.
    pub instance: String,
    /// Whether this replica leads; without an election it always does.
    pub belief: Option<Belief>,
}

/// Asks for one resource of each kind, to know whether the API server answers, knows the kinds and lets us.
pub(crate) async fn check(client: &Client, namespace: Option<&str>) -> Result<(), CallError> {
    let one = ListParams::default().limit(1);
    call(api::<Guarded>(client, namespace).list(&one)).await?;
    call(api::<Guarded<Algorithm>>(client, namespace).list(&one)).await.map(drop)
}

/// Keeps every resource of one namespace, or of all, until `shutdown` is cancelled.
pub async fn run(shared: Shared, namespace: Option<String>, shutdown: CancellationToken) {
    let namespace = namespace.as_deref();
    tokio::join!(
        run_algos(&shared, namespace, shutdown.clone()),
        directory::controller::run(&shared, namespace, shutdown)
    );
}

async fn run_algos(shared: &Shared, namespace: Option<&str>, shutdown: CancellationToken) {
    let client = &shared.client;
    let (caches, streams) = watch(client, namespace, &shared.rights);
    let (algorithms, algorithm_changes) = watch_others::<Algorithm>(shared, namespace);
    let context = Arc::new(Context {
        cluster: Cluster::new(client.clone(), caches),
        algorithms,
        credentials: shared.credentials.clone(),
        asker: Asker::default(),
        namespaces: Namespaces::new(client.clone()),
        common: Common::new(shared, Pauses::of_algos(shared.pace)),
    });
    let (store, writer) = reflector::store::<Guarded>();
    let gone = Arc::clone(&context);
    let changes = watch_ours(
        shared,
        namespace,
        writer,
        move |event, store| match event {
            watcher::Event::Delete(algo) => forget(&gone, algo),
            // What was deleted while nobody watched.
            watcher::Event::InitDone => gone.common.retain(&uids(store)),
            _ => {}
        },
        store.clone(),
    );
    let config = controller::Config::default().concurrency(shared.concurrency).debounce(DEBOUNCE);
    let (known, faces) = (store.clone(), Known::default());
    let filled = store.clone();
    let work = Controller::for_stream(changes, store)
        .trigger_backoff(NoBackoff)
        .with_config(config)
        .owns_stream(streams.settings)
        .owns_stream(streams.accounts)
        .owns_stream(streams.services)
        .owns_stream(streams.deployments)
        .owns_stream(streams.policies)
        .watches_stream(streams.claims, |claim| resource_of(&claim))
        .watches_stream(streams.pods, |pod| resource_of(&pod))
        .watches_stream(algorithm_changes, move |algorithm| users_of(&known, &faces, &algorithm))
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(reconcile, failed, Arc::clone(&context))
        .for_each(|outcome| {
            note(&context.common.metrics, outcome);
            std::future::ready(())
        });
    until_told(work, &filled, &shutdown).await;
}

/// Lets a controller work until it is told to end. One that is told so before it knows what there is has begun nothing; it
/// would wait for that for ever, as nobody reads any more.
pub(crate) async fn until_told<K: Watched>(
    work: impl Future<Output = ()>,
    store: &Store<Guarded<K>>,
    shutdown: &CancellationToken,
) {
    let is_told_too_early = async {
        shutdown.cancelled().await;
        if store.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = work => {}
        () = is_told_too_early => {}
    }
}

/// Changes of our own resources, without those that we make ourselves, the status; the annotations are read.
pub(crate) fn watch_ours<K: Watched>(
    shared: &Shared,
    namespace: Option<&str>,
    writer: Writer<Guarded<K>>,
    mut tell: impl FnMut(&watcher::Event<Guarded<K>>, &Store<Guarded<K>>) + Send + 'static,
    store: Store<Guarded<K>>,
) -> impl Stream<Item = Result<Guarded<K>, watcher::Error>> + Send + 'static {
    let events = watcher(api::<Guarded<K>>(&shared.client, namespace), watcher::Config::default());
    shared
        .rights
        .watched(namespace, events)
        .reflect(writer)
        .inspect_ok(move |event| tell(event, &store))
        .applied_objects()
        .predicate_filter(predicates::generation.combine(predicates::annotations), PredicateConfig::default())
}

/// The other kind of resource, and what changes there; it has to be polled.
pub(crate) fn watch_others<K: Watched>(
    shared: &Shared,
    namespace: Option<&str>,
) -> (Store<Guarded<K>>, Changes<Guarded<K>>) {
    let (store, writer) = reflector::store::<Guarded<K>>();
    let events = watcher(api::<Guarded<K>>(&shared.client, namespace), watcher::Config::default());
    let changes = shared
        .rights
        .watched(namespace, events)
        // Else nobody could tell the last word about an object from any other.
        .map_ok(|event| match event {
            watcher::Event::Delete(mut object) => {
                object.meta_mut().deletion_timestamp.get_or_insert(Time(Timestamp::UNIX_EPOCH));
                watcher::Event::Delete(object)
            }
            other => other,
        })
        .reflect(writer)
        .touched_objects()
        .boxed();
    (store, changes)
}

/// uids of all that is there.
pub(crate) fn uids<K: Watched>(store: &Store<Guarded<K>>) -> HashSet<String> {
    store.state().iter().map(|object| object.uid_or_empty().to_owned()).collect()
}

/// What a `TradingAlgo` sees of an `Algorithm`: the rest of its changes are no concern of theirs.
type Face = (Option<i64>, bool, Option<String>);

/// The resources that refer to an `Algorithm`, where it changed for them.
fn users_of(store: &Store<Guarded>, known: &Known<Face>, algorithm: &Guarded<Algorithm>) -> Vec<ObjectRef<Guarded>> {
    let (meta, status) = (algorithm.meta(), algorithm.status.as_ref());
    if meta.deletion_timestamp.is_some() {
        known.forget(algorithm.uid_or_empty());
    } else {
        let healthy = status.is_some_and(|status| status.healthy);
        let face = (meta.generation, healthy, status.and_then(|status| status.address.clone()));
        if known.replace(algorithm.uid_or_empty(), face.clone()) == Some(face) {
            return Vec::new();
        }
    }
    let (name, namespace) = (algorithm.name_any(), algorithm.namespace());
    let refers = |algo: &Guarded| {
        algo.namespace() == namespace
            && algo.parsed.as_ref().is_ok_and(|algo| algo.spec.algorithm.name.as_deref() == Some(&name))
    };
    store.state_filter(refers).iter().map(|algo| ObjectRef::from_obj(algo.as_ref())).collect()
}

fn forget(context: &Context, algo: &Guarded) {
    context.cluster.forget(&algo.namespace().unwrap_or_default(), &algo.name_any());
    context.common.forget(algo);
    tracing::info!(algo = algo.full_name(), "was deleted");
}

/// The resource that an object without an owner of this kind was made for.
fn resource_of(object: &impl kube::Resource) -> Option<ObjectRef<Guarded>> {
    let algo = object.meta().labels.as_ref()?.get(label::INSTANCE)?;
    Some(ObjectRef::new(algo).within(object.meta().namespace.as_deref()?))
}

#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
fn failed(seen: Arc<Guarded>, error: &ReconcileError, context: Arc<Context>) -> Action {
    tracing::warn!(
        algo = seen.full_name(),
        reason = error.reason(),
        error = with_causes(error),
        "failed, trying again"
    );
    let pauses = &context.common.pauses;
    // A stop does not wait for the long pauses of a look that fails again and again.
    if seen.trading().is_news_to(context.common.recent.status_of(&seen).as_ref()) {
        return pauses.after(seen.uid_or_empty(), Progress::Moving);
    }
    pauses.after_failure(seen.uid_or_empty())
}

/// What a controller says of each look, and of its watches.
type Told<K> = Result<(ObjectRef<Guarded<K>>, Action), controller::Error<ReconcileError, watcher::Error>>;

/// Reconciliations report themselves; what is left is the watches.
pub(crate) fn note<K: Watched>(metrics: &Metrics, outcome: Told<K>) {
    if let Err(controller::Error::QueueError(error)) = outcome {
        metrics.watch_failed();
        tracing::warn!(error = with_causes(&error), "a watch failed, and is being started again");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn algo(namespace: &str, name: &str, algorithm: &Value) -> Guarded {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "algorithm": algorithm },
        }))
        .unwrap()
    }

    fn algorithm(status: &Value) -> Guarded<Algorithm> {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "Algorithm",
            "metadata": { "name": "mine", "namespace": "n", "uid": "u-1", "generation": 1 },
            "spec": { "address": "http://elsewhere:7" },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn those_who_refer_to_an_algorithm_are_woken_by_what_concerns_them() {
        let (store, mut writer) = reflector::store::<Guarded>();
        let named = json!({ "name": "mine" });
        for found in [algo("n", "a", &named), algo("n", "b", &json!({ "builtin": "random" })), algo("m", "c", &named)] {
            writer.apply_watcher_event(&watcher::Event::Apply(found));
        }
        let known = Known::default();
        let woken = |algorithm: &Guarded<Algorithm>| {
            users_of(&store, &known, algorithm).into_iter().map(|found| found.name).collect::<Vec<_>>()
        };
        assert_eq!(woken(&algorithm(&Value::Null)), ["a"]);
        assert_eq!(woken(&algorithm(&json!({ "usedBy": 1 }))), Vec::<String>::new(), "its users are no news to them");
        assert_eq!(woken(&algorithm(&json!({ "usedBy": 1, "healthy": true }))), ["a"]);
        let mut gone = algorithm(&json!({ "usedBy": 1, "healthy": true }));
        gone.meta_mut().deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(woken(&gone), ["a"]);
        assert_eq!(woken(&algorithm(&json!({ "usedBy": 1, "healthy": true }))), ["a"], "made anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_is_told_to_end_before_it_knows_anything_ends() {
        let (store, mut writer) = reflector::store::<Guarded>();
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        until_told(std::future::pending(), &store, &shutdown).await;
        // One that has begun comes to its own end.
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitDone);
        let work = until_told(std::future::pending(), &store, &shutdown);
        assert!(tokio::time::timeout(Duration::from_secs(9), work).await.is_err(), "what is under way is waited for");
        until_told(std::future::ready(()), &store, &shutdown).await;
    }
}
