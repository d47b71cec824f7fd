//! Reconciling: one look at a resource, and what keeps looking.

pub(crate) mod context;
mod hourly;
pub(crate) mod known;
mod namespaces;
pub(crate) mod pace;
mod rights;
pub(crate) mod run;

use std::{sync::Arc, time::Instant};

use intuition_common::exit::with_causes;
use intuition_resources::{Ledger, TRADING_ALGO_KIND, TradingAlgo, TradingAlgoStatus, validate::Problem};
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
    ask::Questions,
    build,
    cluster::{Applied, ApplyError, CallError},
    confine,
    guarded::Guarded,
    names::Component,
    owner::Owner,
    plan::{Choice, Plan, Recorded, Stored, plan},
    pods::PodState,
    status::{self, Derived, Lasting, LedgerState, Observation, Outcome, Outlook, Pods, Trouble},
    trading::Wanted,
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
        let trading = seen.trading();
        let lasting = Lasting { generation: seen.meta().generation.unwrap_or_default(), trading: &trading, pods: None };
        let derive = |previous: Option<&_>, problems: &[_]| {
            derive(previous, &*seen, &Outcome::Refused(problems, lasting), &context)
        };
        context.common.tell_lacking_rights(context.cluster.writer(), &seen, error, derive).await;
    }
    let failed = outcome.as_ref().err().map(ReconcileError::reason);
    context.common.metrics.reconciled(TRADING_ALGO_KIND, began.elapsed(), failed);
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
        Ok(algo) => {
            let stopped = stop(seen, previous.as_ref(), context).await;
            // Boxed: it is most of a look's memory, and the other way is short.
            match Box::pin(look(seen, algo, previous.as_ref(), context)).await {
                Ok(look) => look,
                Err(error) => {
                    if let Some(derived) = stopped {
                        context.common.tell(context.cluster.writer(), seen, previous.as_ref(), &derived).await?;
                    }
                    return Err(error);
                }
            }
        }
        Err(error) => not_accepted(seen, Refusal::Unreadable(error), previous.as_ref(), context).await,
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

/// Why a spec is not accepted.
enum Refusal<'a> {
    Unreadable(&'a str),
    Invalid(&'a [Problem]),
}

/// A look at a resource whose spec is not accepted: nothing is made of it, but the trading state that it asks for is put
/// in force where the account runs on, and what runs is looked at.
async fn not_accepted(
    seen: &Guarded,
    refusal: Refusal<'_>,
    previous: Option<&TradingAlgoStatus>,
    context: &Context,
) -> Look {
    let (owner, generation) = (owner(seen, context), seen.meta().generation.unwrap_or_default());
    let (cluster, trading) = (&context.cluster, seen.trading());
    let stored = cluster.stored_settings(&owner);
    let pods = lasting_pods(&owner, generation, &trading, &stored, context).await;
    let settings = build::runtime::with_trading_state(&owner, &stored, &trading, generation);
    let problem = match &settings {
        Some(settings) => cluster.apply_settings(&owner, settings).await.err(),
        None => None,
    };
    let lasting = Lasting { generation, trading: &trading, pods: pods.as_ref() };
    let outcome = match refusal {
        Refusal::Unreadable(error) => Outcome::Unreadable(error, lasting),
        Refusal::Invalid(problems) => Outcome::Refused(problems, lasting),
    };
    let derived = derive(previous, seen, &outcome, context);
    if let Some(error) = &problem {
        // Its file is for a start without an operator: the state itself went by the call.
        let name = owner.full_name();
        tracing::warn!(
            name,
            reason = error.reason(),
            error = with_causes(error),
            "cannot write the trading state's file"
        );
    }
    let failed = problem.filter(|error| error.outlook() == Outlook::Uncertain).map(ReconcileError::Apply);
    Look { derived, failed }
}

fn owner(seen: &Guarded, context: &Context) -> Owner {
    seen.owner(context.common.settings.installation.as_deref())
}

/// Puts a stop in force that the status does not show, before anything is read or written for the rest of the look: an API
/// server that is slow or refuses must not hold it back. The status that follows from it is for a look that fails.
async fn stop(seen: &Guarded, previous: Option<&TradingAlgoStatus>, context: &Context) -> Option<Derived> {
    let trading = seen.trading();
    if !trading.is_news_to(previous) {
        return None;
    }
    let (owner, generation) = (owner(seen, context), seen.meta().generation.unwrap_or_default());
    let stored = context.cluster.stored_settings(&owner);
    let pods = lasting_pods(&owner, generation, &trading, &stored, context).await?;
    let lasting = Lasting { generation, trading: &trading, pods: Some(&pods) };
    Some(status::derive_trading(previous, &lasting, context.common.now()))
}

/// Runtime and bridge as they run, asked for the trading state alone; `None`: nothing was made.
async fn lasting_pods(
    owner: &Owner,
    generation: i64,
    trading: &Wanted,
    stored: &Stored,
    context: &Context,
) -> Option<Pods> {
    if !context.cluster.is_deployed(owner) {
        return None;
    }
    let stored = build::runtime::stored_settings(stored);
    let questions = Questions { owner, generation, trading, plan: None, stored };
    Some(pods(&questions, &Applied::default(), context).await)
}

/// Dereference, plan, build, apply, ask, derive.
async fn look(
    seen: &Guarded,
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
        Err(problems) => return Ok(not_accepted(seen, Refusal::Invalid(&problems), previous, context).await),
    };
    // Of the status as it was written last, which the cache may not show yet.
    plan.ledger = previous.and_then(|status| status.ledger.clone());
    plan.in_force = previous.and_then(|status| status.backend.as_ref()?.address.clone());
    plan.recorded = Recorded::of(previous);
    plan.stored = context.cluster.stored_settings(&plan.owner());
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

/// Asks the pods after everything was applied.
async fn observe<'a>(plan: &'a Plan, applied: &Applied, ledger: LedgerState, context: &Context) -> Observation<'a> {
    let questions = Questions {
        owner: &plan.owner(),
        generation: plan.generation,
        trading: &plan.trading,
        plan: Some(plan),
        stored: build::runtime::stored_settings(&plan.stored),
    };
    let pods = pods(&questions, applied, context).await;
    Observation { plan, problem: applied.problem.as_ref().map(Trouble::from), ledger, pods }
}

/// Asks runtime and bridge, where they run.
async fn pods(questions: &Questions<'_>, applied: &Applied, context: &Context) -> Pods {
    let owner = questions.owner;
    let runtime = context.cluster.pod_state(owner, Component::Runtime, applied.runtime);
    let bridge = context.cluster.pod_state(owner, Component::Bridge, applied.bridge);
    let (said, lacks) = tokio::join!(
        async {
            match &runtime {
                PodState::Running(running) => Some(context.asker.runtime(&running.ip, questions).await),
                _ => None,
            }
        },
        async {
            match &bridge {
                PodState::Running(running) => Some(context.asker.readiness(&running.ip).await),
                _ => None,
            }
        }
    );
    Pods { runtime: (runtime, said), bridge: (bridge, lacks) }
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
