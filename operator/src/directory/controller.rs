//! Reconciling: one look at an `Algorithm`, and what keeps looking.

use std::{sync::Arc, time::Instant};

use futures::StreamExt as _;
use intuition_common::exit::with_causes;
use intuition_resources::{ALGORITHM_KIND, Algorithm, AlgorithmStatus, RunningImage, TradingAlgo};
use kube::{
    Resource as _, ResourceExt as _,
    runtime::{
        Controller,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    ask::describe,
    build::desired,
    cluster::{Applied, Cluster, Former, ports},
    plan::{Plan, plan},
    status::{Observation, Outcome, derive},
    users::{Users, mentions},
};
use crate::{
    cluster::{ApplyError, NoBackoff},
    controller::{
        ReconcileError, Shared,
        context::Common,
        known::Known,
        pace::{self, Pauses},
        run::{DEBOUNCE, note, uids, until_told, watch_others, watch_ours},
    },
    guarded::Guarded,
    status::{Derived, Outlook, Trouble},
};

type Seen = Guarded<Algorithm>;

/// What every look needs.
struct Context {
    cluster: Cluster,
    /// Who may refer to it.
    algos: Store<Guarded>,
    common: Common<Algorithm>,
}

/// What one look came to: what to say, and what failed on the way and is to be tried again.
struct Look {
    derived: Derived<AlgorithmStatus>,
    failed: Option<ReconcileError>,
}

/// Keeps every `Algorithm` of one namespace, or of all, until `shutdown` is cancelled.
pub(crate) async fn run(shared: &Shared, namespace: Option<&str>, shutdown: CancellationToken) {
    let client = &shared.client;
    let (cluster, streams) = Cluster::watch(client, namespace, &shared.rights);
    let (algos, algo_changes) = watch_others::<TradingAlgo>(shared, namespace);
    let common = Common::new(shared, Pauses::of_algorithms(shared.pace));
    let context = Arc::new(Context { cluster, algos, common });
    let (store, writer) = reflector::store::<Seen>();
    let gone = Arc::clone(&context);
    let tell = move |event: &watcher::Event<Seen>, store: &Store<Seen>| match event {
        watcher::Event::Delete(algorithm) => forget(&gone, algorithm),
        // What was deleted while nobody watched.
        watcher::Event::InitDone => gone.common.retain(&uids(store)),
        _ => {}
    };
    let changes = watch_ours(shared, namespace, writer, tell, store.clone());
    let known = Known::default();
    let filled = store.clone();
    let work = Controller::for_stream(changes, store)
        .trigger_backoff(NoBackoff)
        .with_config(controller::Config::default().concurrency(shared.concurrency).debounce(DEBOUNCE))
        .owns_stream(streams.accounts)
        .owns_stream(streams.services)
        .owns_stream(streams.deployments)
        .owns_stream(streams.policies)
        .watches_stream(streams.pods, |pod| algorithm_of(&pod))
        .watches_stream(algo_changes, move |algo| mentioned(&known, &algo))
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(reconcile, failed, Arc::clone(&context))
        .for_each(|outcome| {
            note(&context.common.metrics, outcome);
            std::future::ready(())
        });
    until_told(work, &filled, &shutdown).await;
}

fn forget(context: &Context, algorithm: &Seen) {
    context.cluster.forget(&algorithm.namespace().unwrap_or_default(), &algorithm.name_any());
    context.common.forget(algorithm);
    tracing::info!(algorithm = algorithm.full_name(), "was deleted");
}

fn algorithm_of(object: &impl kube::Resource) -> Option<ObjectRef<Seen>> {
    let name = object.meta().labels.as_ref()?.get(crate::names::label::INSTANCE)?;
    Some(ObjectRef::new(name).within(object.meta().namespace.as_deref()?))
}

/// What a `TradingAlgo` says that concerns algorithms: the one it names, and the host of the one that decides.
type Mentioned = (Option<String>, Option<String>);

/// The algorithms that a `TradingAlgo` refers to, and those that it did, where that has changed: its account does not matter.
fn mentioned(known: &Known<Mentioned>, algo: &Guarded) -> Vec<ObjectRef<Seen>> {
    let is_gone = algo.meta().deletion_timestamp.is_some();
    let now = if is_gone { Mentioned::default() } else { mentions(algo) };
    let before =
        if is_gone { known.forget(algo.uid_or_empty()) } else { known.replace(algo.uid_or_empty(), now.clone()) };
    let before = before.unwrap_or_default();
    if before == now {
        return Vec::new();
    }
    let namespace = algo.namespace().unwrap_or_default();
    // A host's first label is the Service, which begins with the name.
    let of = |(named, host): Mentioned| {
        let service = host.as_deref().and_then(|host| host.split('.').next()).and_then(|service| {
            let (name, _) = service.rsplit_once('-')?;
            name.strip_suffix("-algorithm").map(str::to_owned)
        });
        named.into_iter().chain(service)
    };
    let names: std::collections::BTreeSet<_> = of(before).chain(of(now)).collect();
    names.iter().map(|name| ObjectRef::new(name).within(&namespace)).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
fn failed(seen: Arc<Seen>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let (algorithm, reason) = (seen.full_name(), error.reason());
    tracing::warn!(algorithm, reason, error = with_causes(error), "failed, trying again");
    context.common.pauses.after_failure(seen.uid_or_empty())
}

async fn reconcile(seen: Arc<Seen>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let began = Instant::now();
    let outcome = tokio::time::timeout(pace::LONGEST_LOOK, once(&seen, &context)).await;
    let outcome = outcome.unwrap_or(Err(ReconcileError::TimeOut(pace::LONGEST_LOOK.as_secs())));
    if let Err(error) = &outcome {
        let generation = seen.meta().generation.unwrap_or_default();
        let (users, now) = (users(&seen, &context), context.common.now());
        let derive = |previous: Option<&_>, problems: &[_]| {
            derive(previous, generation, &users, &Outcome::Refused(problems), now)
        };
        context.common.tell_lacking_rights(context.cluster.writer(), &seen, error, derive).await;
    }
    let failed = outcome.as_ref().err().map(ReconcileError::reason);
    context.common.metrics.reconciled(ALGORITHM_KIND, began.elapsed(), failed);
    outcome
}

async fn once(seen: &Seen, context: &Context) -> Result<Action, ReconcileError> {
    let common = &context.common;
    if seen.meta().deletion_timestamp.is_some() {
        // The garbage collector takes the children along; its users say that it goes.
        return Ok(Action::await_change());
    }
    if !common.leads() {
        return Err(ReconcileError::LoseLead);
    }
    context.cluster.await_caches(&context.algos, common.patience(seen)).await.map_err(ReconcileError::FillCaches)?;
    let previous = common.recent.status_of(seen);
    let look = look(seen, previous.as_ref(), context).await;
    if !common.leads() {
        return Err(ReconcileError::LoseLead);
    }
    common.tell(context.cluster.writer(), seen, previous.as_ref(), &look.derived).await?;
    match look.failed {
        Some(error) => Err(error),
        None => Ok(common.pauses.after(seen.uid_or_empty(), look.derived.progress)),
    }
}

/// Plan, build, apply, look, ask, derive; then what nobody needs any more goes.
async fn look(seen: &Seen, previous: Option<&AlgorithmStatus>, context: &Context) -> Look {
    let generation = seen.meta().generation.unwrap_or_default();
    let now = context.common.now();
    let settings = &context.common.settings;
    let of = |users: &Users, outcome: &Outcome<'_>| derive(previous, generation, users, outcome, now);
    let plan = match seen.parsed.as_ref().map(|algorithm| plan(algorithm, settings)) {
        Ok(Ok(plan)) => plan,
        Ok(Err(problems)) => {
            let derived = of(&users(seen, context), &Outcome::Refused(&problems));
            return Look { derived, failed: None };
        }
        Err(error) => {
            let derived = of(&users(seen, context), &Outcome::Unreadable(error));
            return Look { derived, failed: None };
        }
    };
    let desired = desired(&plan, settings, &ports(&context.cluster.former(&plan)));
    let mut applied = context.cluster.apply(&plan, desired.as_ref()).await;
    let fleet = context.cluster.fleet(&plan, applied.generation);
    let can_be_asked = fleet.as_ref().is_none_or(|fleet| fleet.ready > 0);
    let answer = if can_be_asked { Some(describe(&plan.url, &plan.owner.full_name()).await) } else { None };
    // As of now: a look takes its time, and who decides by what is asked at the latest moment.
    let users = users(seen, context);
    let kept = let_go(&plan, &users, matches!(answer, Some(Ok(_))), &mut applied, context).await;
    let problem = applied.problem.as_ref().map(Trouble::from);
    let ready = fleet.as_ref().map(|fleet| fleet.ready).unwrap_or_default();
    let images = images(&plan, ready, &kept, &users);
    let derived = of(&users, &Outcome::Seen(&Observation { plan: &plan, problem, fleet, answer, images }));
    let failed = applied.problem.filter(|error| error.outlook() == Outlook::Uncertain).map(ReconcileError::Apply);
    Look { derived, failed }
}

/// Takes away what runs former images that nobody decides by, and gives back the rest. While somebody refers to the algorithm,
/// a former image stays until the new one answers: it is what runs.
async fn let_go(plan: &Plan, users: &Users, answers: bool, applied: &mut Applied, context: &Context) -> Vec<Former> {
    let mut kept = Vec::new();
    for former in context.cluster.former(plan) {
        if !may_go(&former, users, answers) || !context.common.leads() {
            kept.push(former);
            continue;
        }
        if let Err(error) = context.cluster.remove(plan, &former).await {
            kept.push(former);
            if applied.problem.as_ref().is_none_or(|known: &ApplyError| known.outlook() < error.outlook()) {
                applied.problem = Some(error);
            }
        }
    }
    kept
}

fn may_go(former: &Former, users: &Users, answers: bool) -> bool {
    users.deciding_by(&former.name) == 0 && (answers || users.referring.is_empty())
}

fn images(plan: &Plan, ready: i32, kept: &[Former], users: &Users) -> Vec<RunningImage> {
    let current = plan.image.as_ref().map(|image| RunningImage {
        image: image.image.clone(),
        name: image.name.clone(),
        ready,
        deciding: users.deciding_by(&image.name),
    });
    let former = kept.iter().map(|former| RunningImage {
        image: former.image.clone(),
        name: former.name.clone(),
        ready: former.ready,
        deciding: users.deciding_by(&former.name),
    });
    current.into_iter().chain(former).collect()
}

fn users(seen: &Seen, context: &Context) -> Users {
    let algos = context.algos.state_filter(|algo| algo.namespace() == seen.namespace());
    Users::of(&seen.namespace().unwrap_or_default(), &seen.name_any(), algos.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests;
