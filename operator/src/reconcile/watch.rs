//! The controller of one kind: its watches, and the wiring of `reconcile`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use intuition_common::exit::with_causes;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{
    Resource, ResourceExt as _,
    runtime::{
        Controller, Predicate as _, PredicateConfig, WatchStreamExt as _, controller, predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, watcher},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    kubernetes::{
        caches::{Changes, api},
        object::{PartialObject, WatchedKind},
        rights::NoBackoff,
    },
    metrics::Metrics,
    names::label,
    reconcile::{ObjectOf, Reconciler, context::OperatorContext, error::ReconcileError, on_error, reconcile},
};

/// Changes of one object within this time lead to one pass.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Runs the controller of a kind in one namespace, or in all, until `shutdown` is cancelled. `watch_more` adds the watches of
/// the children and of other kinds; it gets the store of the objects.
pub(crate) async fn run<R: Reconciler>(
    operator: &OperatorContext,
    namespace: Option<&str>,
    reconciler: R,
    shutdown: CancellationToken,
    watch_more: impl FnOnce(Controller<ObjectOf<R>>, Store<ObjectOf<R>>) -> Controller<ObjectOf<R>>,
) {
    let reconciler = Arc::new(reconciler);
    let (store, writer) = reflector::store::<ObjectOf<R>>();
    let changes = watch_objects(operator, namespace, writer, Arc::clone(&reconciler), store.clone());
    let config = controller::Config::default().concurrency(operator.concurrency).debounce(DEBOUNCE);
    let controller = Controller::for_stream(changes, store.clone()).trigger_backoff(NoBackoff).with_config(config);
    let work = watch_more(controller, store.clone())
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(reconcile::<R>, on_error::<R>, Arc::clone(&reconciler))
        .for_each(|outcome| {
            note_watch(&reconciler.context().metrics, outcome);
            std::future::ready(())
        });
    until_shutdown(work, &store, &shutdown).await;
}

/// Runs the controller until shutdown. If shutdown comes before the store is filled, returns at once: kube would otherwise
/// wait for a store that is not polled any more.
async fn until_shutdown<K: WatchedKind>(
    work: impl Future<Output = ()>,
    store: &Store<PartialObject<K>>,
    shutdown: &CancellationToken,
) {
    let is_too_early = async {
        shutdown.cancelled().await;
        if store.wait_until_ready().now_or_never().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = work => {}
        () = is_too_early => {}
    }
}

/// Watches the objects of a kind. Passes over changes of the status alone, which the operator writes itself.
fn watch_objects<R: Reconciler>(
    operator: &OperatorContext,
    namespace: Option<&str>,
    writer: Writer<ObjectOf<R>>,
    reconciler: Arc<R>,
    store: Store<ObjectOf<R>>,
) -> impl Stream<Item = Result<ObjectOf<R>, watcher::Error>> + Send + 'static {
    let events = watcher(api::<ObjectOf<R>>(&operator.client, namespace), watcher::Config::default());
    operator
        .rights
        .watched(namespace, events)
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Delete(object) => forget(&*reconciler, object),
            // Objects that were deleted while the watch was interrupted.
            watcher::Event::InitDone => reconciler.context().retain(&uids(&store)),
            _ => {}
        })
        .applied_objects()
        .predicate_filter(predicates::generation.combine(predicates::annotations), PredicateConfig::default())
}

fn forget<R: Reconciler>(reconciler: &R, object: &ObjectOf<R>) {
    reconciler.forget_children(&object.namespace().unwrap_or_default(), &object.name_any());
    reconciler.context().forget(object);
    tracing::info!(kind = R::Kind::KIND, name = object.full_name(), "deleted");
}

fn uids<K: WatchedKind>(store: &Store<PartialObject<K>>) -> HashSet<String> {
    store.state().iter().map(|object| object.uid_or_empty().to_owned()).collect()
}

/// Watches the objects of another kind. The second value keeps the store current and has to be polled.
pub(crate) fn watch_others<K: WatchedKind>(
    operator: &OperatorContext,
    namespace: Option<&str>,
) -> (Store<PartialObject<K>>, Changes<PartialObject<K>>) {
    let (store, writer) = reflector::store::<PartialObject<K>>();
    let events = watcher(api::<PartialObject<K>>(&operator.client, namespace), watcher::Config::default());
    let changes = operator
        .rights
        .watched(namespace, events)
        // Mark deletions, since `touched_objects` does not distinguish them.
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

/// The object that a child without an owner reference to it was made for, by its labels.
pub(crate) fn labelled_for<K: WatchedKind>(child: &impl Resource) -> Option<ObjectRef<PartialObject<K>>> {
    let name = child.meta().labels.as_ref()?.get(label::INSTANCE)?;
    Some(ObjectRef::new(name).within(child.meta().namespace.as_deref()?))
}

/// The result of a pass, or an error of the watches.
type ControllerResult<K> =
    Result<(ObjectRef<PartialObject<K>>, controller::Action), controller::Error<ReconcileError, watcher::Error>>;

/// Counts and logs errors of the watches. Passes count and log their own.
fn note_watch<K: WatchedKind>(metrics: &Metrics, outcome: ControllerResult<K>) {
    if let Err(controller::Error::QueueError(error)) = outcome {
        metrics.watch_failed();
        tracing::warn!(error = with_causes(&error), "a watch failed, and is being started again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_is_shut_down_before_its_first_list_ends() {
        let (store, mut writer) = reflector::store::<PartialObject>();
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        until_shutdown(std::future::pending(), &store, &shutdown).await;
        // A controller that has begun comes to its own end.
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitDone);
        let work = until_shutdown(std::future::pending(), &store, &shutdown);
        assert!(tokio::time::timeout(Duration::from_secs(9), work).await.is_err(), "the pass under way is waited for");
        until_shutdown(std::future::ready(()), &store, &shutdown).await;
    }
}
