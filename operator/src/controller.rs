//! Reconciling: one look at a resource, and what keeps looking.

pub(crate) mod context;
mod hourly;
pub(crate) mod known;
mod namespaces;
pub(crate) mod pace;
mod rights;
pub(crate) mod run;

use std::{sync::Arc, time::Instant};

use kube::{
    Resource as _, ResourceExt as _,
    runtime::{controller::Action, reflector::ObjectRef},
};

pub(crate) use self::run::check;
pub use self::{
    context::{Context, CredentialsDir},
    pace::Pace,
    run::{Shared, run},
};
use crate::{
    build,
    cluster::{Applied, ApplyError, CallError},
    confine,
    guarded::Guarded,
    names::Component,
    plan::{Choice, Plan, plan},
    pods::PodState,
    resource::{KIND, Ledger, TradingAlgo, TradingAlgoStatus},
    status::{self, Derived, LedgerState, Observation, Outcome, Outlook, Trouble},
};

/// Why a resource could not be looked at, or not be told of. Tried again with a growing pause.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The ledger's claim could not be looked for, so that nothing was written.
    #[error("cannot look for the ledger's claim")]
    FindClaim(#[source] CallError),
    /// The default broker's credentials could not be read.
    #[error("cannot read the default broker's credentials")]
    ReadCredentials(#[source] std::io::Error),
    /// The namespace could not be read. Its labels decide about the default broker's login.
    #[error("cannot read the namespace")]
    ReadNamespace(#[source] CallError),
    /// The status could not be written.
    #[error("cannot write the status")]
    SaveStatus(#[source] CallError),
    /// A child could not be written; the status says so.
    #[error("not everything could be applied")]
    Apply(#[source] ApplyError),
    /// The caches have not been filled once: nothing can be concluded from them.
    #[error("cannot see what is there")]
    FillCaches(#[source] CallError),
    /// Another replica leads by now, as far as the clock says.
    #[error("this replica leads no more")]
    LoseLead,
    /// It takes too long.
    #[error("it took longer than {0} s")]
    TimeOut(u64),
}

impl ReconcileError {
    /// Code for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::FindClaim(_) => "FindClaim",
            Self::ReadCredentials(_) => "ReadCredentials",
            Self::ReadNamespace(_) => "ReadNamespace",
            Self::SaveStatus(_) => "SaveStatus",
            Self::Apply(_) => "Apply",
            Self::FillCaches(_) => "FillCaches",
            Self::LoseLead => "LoseLead",
            Self::TimeOut(_) => "TimeOut",
        }
    }
}

/// What one look came to: what to say, and what failed on the way and is to be tried again.
struct Look {
    derived: Derived,
    failed: Option<ReconcileError>,
}

/// Makes the cluster as the resource says, and the resource's status as the cluster is.
pub async fn reconcile(seen: Arc<Guarded>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let began = Instant::now();
    let outcome = tokio::time::timeout(pace::LONGEST_LOOK, once(&seen, &context)).await;
    let outcome = outcome.unwrap_or(Err(ReconcileError::TimeOut(pace::LONGEST_LOOK.as_secs())));
    if let Err(error) = &outcome {
        let derive =
            |previous: Option<&_>, problems: &[_]| derive(previous, &*seen, &Outcome::Refused(problems), &context);
        context.common.tell_lacking_rights(context.cluster.writer(), &seen, error, derive).await;
    }
    let failed = outcome.as_ref().err().map(ReconcileError::reason);
    context.common.metrics.reconciled(KIND, began.elapsed(), failed);
    outcome
}

async fn once(seen: &Guarded, context: &Context) -> Result<Action, ReconcileError> {
    if seen.meta().deletion_timestamp.is_some() {
        // The garbage collector takes the children along.
        return Ok(Action::await_change());
    }
    if !context.common.leads() {
        return Err(ReconcileError::LoseLead);
    }
    let patience = context.common.patience(seen);
    context.cluster.await_caches(&context.algorithms, patience).await.map_err(ReconcileError::FillCaches)?;
    let previous = context.common.recent.status_of(seen);
    let look = match &seen.parsed {
        Ok(algo) => look(algo, previous.as_ref(), context).await?,
        Err(error) => {
            let derived = derive(previous.as_ref(), seen, &Outcome::Unreadable(error), context);
            Look { derived, failed: None }
        }
    };
    if !context.common.leads() {
        return Err(ReconcileError::LoseLead);
    }
    context.common.tell(context.cluster.writer(), seen, previous.as_ref(), &look.derived).await?;
    if let Some(error) = look.failed {
        return Err(error);
    }
    Ok(context.common.pauses.after(seen.uid_or_empty(), look.derived.progress))
}

/// Dereference, plan, build, apply, ask, derive.
async fn look(
    algo: &TradingAlgo,
    previous: Option<&TradingAlgoStatus>,
    context: &Context,
) -> Result<Look, ReconcileError> {
    // A resource with a broker of its own has nothing to do with them.
    let credentials = match algo.spec.broker {
        Some(_) => None,
        None => context.credentials.read().await.map_err(ReconcileError::ReadCredentials)?,
    };
    let settings = &context.common.settings;
    let named =
        algo.spec.algorithm.name.as_ref().and_then(|name| {
            context.algorithms.get(&ObjectRef::new(name).within(&algo.namespace().unwrap_or_default()))
        });
    let login = context.login_problem(algo, credentials.as_ref()).await.map_err(ReconcileError::ReadNamespace)?;
    let planned = plan(algo, settings, credentials.as_ref(), named.as_deref());
    let mut plan = match confine::with(planned, login) {
        Ok(plan) => plan,
        Err(problems) => {
            let derived = derive(previous, algo, &Outcome::Refused(&problems), context);
            return Ok(Look { derived, failed: None });
        }
    };
    // Of the status as it was written last, which the cache may not show yet.
    plan.ledger = previous.and_then(|status| status.ledger.clone());
    plan.in_force = previous.and_then(|status| status.backend.as_ref()?.address.clone());
    if let (Choice::Missing(why), true) = (&plan.adjustable.algorithm, plan.has_nothing_to_start()) {
        let derived = derive(previous, algo, &Outcome::WithoutAlgorithm(why), context);
        return Ok(Look { derived, failed: None });
    }
    let claim = context.cluster.claim(&plan).await.map_err(ReconcileError::FindClaim)?;
    let desired = build::desired(&plan, settings, claim.as_deref());
    let applied = context.cluster.apply(&plan, &desired).await;
    let ledger = match plan.lost_claim(claim.as_deref()) {
        Some(lost) => LedgerState::Lost(lost.clone()),
        None => ledger_state(&plan, context).await.map_err(ReconcileError::FindClaim)?,
    };
    let seen = observe(&plan, &applied, ledger, context).await;
    let derived = derive(previous, algo, &Outcome::Seen(&seen), context);
    // What passes or stays has its own pace; a call that failed is tried again with a growing pause.
    let failed = applied.problem.filter(|error| error.outlook() == Outlook::Uncertain).map(ReconcileError::Apply);
    Ok(Look { derived, failed })
}

/// Asks runtime and bridge, where they run.
async fn observe<'a>(plan: &'a Plan, applied: &Applied, ledger: LedgerState, context: &Context) -> Observation<'a> {
    let runtime = context.cluster.pod_state(plan, Component::Runtime, applied.runtime);
    let bridge = context.cluster.pod_state(plan, Component::Bridge, applied.bridge);
    let (said, lacks) = tokio::join!(
        async {
            match &runtime {
                PodState::Running(running) => Some(context.asker.runtime(&running.ip, plan).await),
                _ => None,
            }
        },
        async {
            match &bridge {
                PodState::Running(running) => Some(context.asker.missing(&running.ip).await),
                _ => None,
            }
        }
    );
    let problem = applied.problem.as_ref().map(Trouble::from);
    Observation { plan, problem, ledger, runtime: (runtime, said), bridge: (bridge, lacks) }
}

/// The claim after it was applied.
async fn ledger_state(plan: &Plan, context: &Context) -> Result<LedgerState, CallError> {
    let Some(claim) = context.cluster.claim(plan).await? else {
        return Ok(LedgerState::Unknown);
    };
    let ledger = Ledger { claim_name: claim.name_any(), claim_uid: claim.uid().unwrap_or_default() };
    Ok(match claim.metadata.deletion_timestamp {
        Some(_) => LedgerState::Going(ledger),
        None => LedgerState::There(ledger),
    })
}

fn derive(
    previous: Option<&TradingAlgoStatus>,
    object: &impl kube::Resource,
    outcome: &Outcome<'_>,
    context: &Context,
) -> Derived {
    status::derive(previous, object.meta().generation.unwrap_or_default(), outcome, context.common.now())
}
