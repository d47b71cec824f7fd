//! The controller: watches, and looks at what changed.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use intuition_common::{clock::Clock, exit::with_causes};
use kube::{
    Client, ResourceExt as _,
    api::ListParams,
    runtime::{
        Controller, Predicate as _, PredicateConfig, WatchStreamExt as _,
        controller::{self, Action},
        events::{Recorder, Reporter},
        predicates,
        reflector::{self, ObjectRef},
        watcher::{self, watcher},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    ReconcileError,
    context::{Context, CredentialsDir, Recent},
    pace::{Pace, Pauses},
    reconcile,
};
use crate::{
    ask::Asker,
    cluster::{CallError, Cluster, api, call, watch},
    guarded::Guarded,
    lease::Belief,
    metrics::Metrics,
    names::{MANAGER, label},
    settings::Settings,
};

/// What happens to a resource within this time is looked at once.
const DEBOUNCE: Duration = Duration::from_millis(100);

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

/// Asks for one resource, to know whether the API server answers, knows the kind and lets us.
pub(crate) async fn check(client: &Client, namespace: Option<&str>) -> Result<(), CallError> {
    call(api::<Guarded>(client, namespace).list(&ListParams::default().limit(1))).await.map(drop)
}

/// Keeps every resource of one namespace, or of all, until `shutdown` is cancelled.
pub async fn run(shared: Shared, namespace: Option<String>, shutdown: CancellationToken) {
    let (client, namespace) = (shared.client.clone(), namespace.as_deref());
    let (caches, streams) = watch(&client, namespace);
    let reporter = Reporter { controller: MANAGER.to_owned(), instance: Some(shared.instance.clone()) };
    let context = Arc::new(Context {
        cluster: Cluster::new(client.clone(), caches),
        settings: Arc::clone(&shared.settings),
        credentials: shared.credentials.clone(),
        asker: Asker::default(),
        clock: Arc::clone(&shared.clock),
        recorder: Recorder::new(client.clone(), reporter),
        metrics: shared.metrics.clone(),
        pauses: Pauses::new(shared.pace),
        recent: Recent::default(),
        belief: shared.belief.clone(),
    });
    let (store, writer) = reflector::store::<Guarded>();
    let (gone, known) = (Arc::clone(&context), store.clone());
    let changes = watcher(api::<Guarded>(&client, namespace), watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Delete(algo) => forget(&gone, algo),
            // What was deleted while nobody watched.
            watcher::Event::InitDone => {
                let there = known.state().iter().map(|algo| algo.uid_or_empty().to_owned()).collect();
                gone.pauses.retain(&there);
                gone.recent.retain(&there);
            }
            _ => {}
        })
        .applied_objects()
        // Not what we write ourselves, the status; the annotations are read.
        .predicate_filter(predicates::generation.combine(predicates::annotations), PredicateConfig::default());
    let config = controller::Config::default().concurrency(shared.concurrency).debounce(DEBOUNCE);
    Controller::for_stream(changes, store)
        .with_config(config)
        .owns_stream(streams.settings)
        .owns_stream(streams.accounts)
        .owns_stream(streams.services)
        .owns_stream(streams.deployments)
        .owns_stream(streams.policies)
        .watches_stream(streams.claims, |claim| resource_of(&claim))
        .watches_stream(streams.pods, |pod| resource_of(&pod))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(reconcile, failed, Arc::clone(&context))
        .for_each(|outcome| {
            note(&context, outcome);
            std::future::ready(())
        })
        .await;
}

fn forget(context: &Context, algo: &Guarded) {
    context.cluster.forget(&algo.namespace().unwrap_or_default(), &algo.name_any());
    context.pauses.forget(algo);
    context.recent.forget(algo);
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
    context.pauses.after_failure(&seen)
}

/// Reconciliations report themselves; what is left is the watches.
fn note(
    context: &Context,
    outcome: Result<(ObjectRef<Guarded>, Action), controller::Error<ReconcileError, watcher::Error>>,
) {
    if let Err(controller::Error::QueueError(error)) = outcome {
        context.metrics.watch_failed();
        tracing::warn!(error = with_causes(&error), "a watch failed, and is being started again");
    }
}
