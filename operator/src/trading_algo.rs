//! Reconciling one `TradingAlgo`: the steps of a pass, in order. It is an account, and its steps are those of `account` but for
//! these:
//!
//! - `plan`, with `quotes_twice`: from the spec to the plan of an account, or all violations; pure.
//! - `status`: from the observation to conditions and Events; pure.
//! - `controller`: the watches that trigger a pass.

pub(crate) mod controller;
pub mod plan;
mod quotes_twice;
pub(crate) mod status;

use std::sync::Arc;

use intuition_common::exit::with_causes;
use intuition_resources::{Algorithm, TRADING_ALGO_KIND, TradingAlgo, TradingAlgoStatus, validate::FieldError};
use kube::{
    Resource as _, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use self::{
    plan::Inputs,
    status::outcome::{Lasting, Outcome},
};
use crate::{
    account::{
        build::runtime::with_trading_state, pass::Accounts, plan::AlgorithmRef, source_cache::SourceCache,
        trading_state::RequestedState,
    },
    kubernetes::{
        object::{PartialObject, WatchedKind},
        owner::Owner,
        writer::Writer,
    },
    names::APP,
    reconcile::{ReconcileOutcome, Reconciler, context::Context, derived::Derived, error::ReconcileError},
    workload::{broker, broker_login::BrokerLogins},
};

impl WatchedKind for TradingAlgo {
    const KIND: &'static str = TRADING_ALGO_KIND;
    const RAW_FIELDS: &'static [&'static str] = &["tradingState", "suspend"];
    type Status = TradingAlgoStatus;
}

impl PartialObject<TradingAlgo> {
    /// The trading state that the resource asks for, also if its spec cannot be parsed or is refused.
    pub fn trading(&self) -> RequestedState {
        RequestedState::read(
            self.raw_field("tradingState"),
            self.raw_field("suspend"),
            self.meta().annotations.as_ref(),
        )
    }

    /// The owner of the children that this installation of the operator makes.
    pub fn owner(&self, installation: Option<&str>) -> Owner {
        Owner {
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
            uid: self.uid_or_empty().to_owned(),
            kind: TRADING_ALGO_KIND,
            app: APP,
            keeps: self.status.as_ref().and_then(|status| status.ledger.as_ref()).map(|held| held.claim_uid.clone()),
            installation: installation.map(str::to_owned),
        }
    }
}

/// Reconciles the `TradingAlgo`s of one namespace, or of all.
pub(crate) struct TradingAlgoReconciler {
    accounts: Accounts,
    /// The `Algorithm`s, found by name.
    algorithms: Store<PartialObject<Algorithm>>,
    sources: SourceCache,
    logins: BrokerLogins,
    context: Context<TradingAlgo>,
}

impl Reconciler for TradingAlgoReconciler {
    type Kind = TradingAlgo;

    fn context(&self) -> &Context<TradingAlgo> {
        &self.context
    }

    fn writer(&self) -> &Writer {
        self.accounts.cluster.writer()
    }

    async fn caches_filled(&self) {
        // An error means that a watch has ended, and with it the controller.
        drop(tokio::join!(self.accounts.cluster.caches_filled(), self.algorithms.wait_until_ready()));
    }

    async fn reconcile_object(
        &self,
        object: &PartialObject<TradingAlgo>,
        previous: Option<&TradingAlgoStatus>,
    ) -> Result<ReconcileOutcome<TradingAlgoStatus>, ReconcileError> {
        let algo = match &object.parsed {
            Ok(algo) => algo,
            Err(error) => return Ok(self.reconcile_rejected(object, Rejection::Unreadable(error), previous).await),
        };
        let stopped = self.apply_stop(object, previous).await;
        // Boxed: it is most of a pass's memory, and the other branch is small.
        let outcome = Box::pin(self.reconcile_spec(object, algo, previous)).await;
        if let (Err(_), Some(derived)) = (&outcome, stopped) {
            self.context.publish_status(self.writer(), object, previous, &derived).await?;
        }
        outcome
    }

    fn derive_refused(
        &self,
        object: &PartialObject<TradingAlgo>,
        previous: Option<&TradingAlgoStatus>,
        problems: &[FieldError],
    ) -> Derived {
        let lasting = Lasting { generation: generation(object), trading: &object.trading(), pods: None };
        self.derive(previous, object, &Outcome::Refused(problems, lasting))
    }

    fn forget_children(&self, namespace: &str, name: &str) {
        self.accounts.cluster.forget(namespace, name);
    }

    /// A stop does not wait for the long delays of passes that fail again and again.
    fn is_urgent(&self, object: &PartialObject<TradingAlgo>) -> bool {
        let shown = self.context.statuses.status_of(object).and_then(|status| status.trading);
        object.trading().is_news_to(shown.as_ref())
    }
}

/// Why a spec is not accepted.
enum Rejection<'a> {
    Unreadable(&'a str),
    Invalid(&'a [FieldError]),
}

impl TradingAlgoReconciler {
    /// Fetch, plan, build, apply, observe, derive.
    async fn reconcile_spec(
        &self,
        object: &PartialObject<TradingAlgo>,
        algo: &TradingAlgo,
        previous: Option<&TradingAlgoStatus>,
    ) -> Result<ReconcileOutcome<TradingAlgoStatus>, ReconcileError> {
        let namespace = object.namespace().unwrap_or_default();
        let broker = algo.spec.broker.as_ref();
        let (credentials, login) = self.logins.of(broker, &namespace, &self.context.settings).await?;
        let settings = &self.context.settings;
        let algorithm = self.named_algorithm(algo);
        let named = plan::sources_of(algo, &settings.topics.prefix);
        let found = self.sources.find(&named, &namespace, self.context.cache_timeout(object)).await;
        let found = found.map_err(ReconcileError::FillCaches)?;
        let inputs = Inputs {
            credentials: credentials.as_ref(),
            algorithm: algorithm.as_deref(),
            sources: found.known(),
            previous,
            stored: self.accounts.cluster.stored_settings(&self.owner(object)),
            ..Inputs::new(settings)
        };
        let plan = match broker::with_problem(plan::plan(algo, inputs), login) {
            Ok(plan) => plan,
            Err(problems) => {
                return Ok(self.reconcile_rejected(object, Rejection::Invalid(&problems), previous).await);
            }
        };
        if let (AlgorithmRef::Missing(why), true) = (&plan.live_settings.algorithm, plan.has_nothing_to_start()) {
            return Ok(ReconcileOutcome::done(self.derive(previous, object, &Outcome::WithoutAlgorithm(why))));
        }
        let (observation, error) = self.accounts.carry_out(&plan, settings).await?;
        let derived = self.derive(previous, object, &Outcome::Observed(&observation));
        Ok(ReconcileOutcome::applied(derived, error))
    }

    /// A pass over a resource without an accepted spec. Its children stay as they are, but its trading state takes effect
    /// in the runtime that still runs, and the running pods are observed.
    async fn reconcile_rejected(
        &self,
        object: &PartialObject<TradingAlgo>,
        rejection: Rejection<'_>,
        previous: Option<&TradingAlgoStatus>,
    ) -> ReconcileOutcome<TradingAlgoStatus> {
        let (owner, generation, trading) = (self.owner(object), generation(object), object.trading());
        let stored = self.accounts.cluster.stored_settings(&owner);
        let pods = self.accounts.lasting_pods(&owner, generation, &trading, &stored).await;
        let error = match with_trading_state(&owner, &stored, &trading, generation) {
            Some(settings) => self.accounts.cluster.apply_settings(&owner, &settings).await.err(),
            None => None,
        };
        let lasting = Lasting { generation, trading: &trading, pods: pods.as_ref() };
        let outcome = match rejection {
            Rejection::Unreadable(error) => Outcome::Unreadable(error, lasting),
            Rejection::Invalid(problems) => Outcome::Refused(problems, lasting),
        };
        let derived = self.derive(previous, object, &outcome);
        if let Some(error) = &error {
            // The file is for a start without an operator. The state itself took effect by the call.
            let (name, reason) = (owner.full_name(), error.reason());
            tracing::warn!(name, reason, error = with_causes(error), "cannot write the trading state's file");
        }
        ReconcileOutcome::applied(derived, error)
    }

    /// Puts a stop that the status does not show into effect, before anything else is read or written: a slow API server must
    /// not delay it. Returns the status to publish if the rest of the pass fails.
    async fn apply_stop(
        &self,
        object: &PartialObject<TradingAlgo>,
        previous: Option<&TradingAlgoStatus>,
    ) -> Option<Derived> {
        let trading = object.trading();
        if !trading.is_news_to(previous.and_then(|status| status.trading.as_ref())) {
            return None;
        }
        let (owner, generation) = (self.owner(object), generation(object));
        let stored = self.accounts.cluster.stored_settings(&owner);
        let pods = self.accounts.lasting_pods(&owner, generation, &trading, &stored).await?;
        let lasting = Lasting { generation, trading: &trading, pods: Some(&pods) };
        Some(status::derive_trading(previous, &lasting, self.context.now()))
    }

    /// The `Algorithm` that the resource names.
    fn named_algorithm(&self, algo: &TradingAlgo) -> Option<Arc<PartialObject<Algorithm>>> {
        let name = algo.spec.algorithm.name.as_ref()?;
        self.algorithms.get(&ObjectRef::new(name).within(&algo.namespace().unwrap_or_default()))
    }

    fn owner(&self, object: &PartialObject<TradingAlgo>) -> Owner {
        object.owner(self.context.settings.installation.as_deref())
    }

    fn derive(
        &self,
        previous: Option<&TradingAlgoStatus>,
        object: &PartialObject<TradingAlgo>,
        outcome: &Outcome<'_>,
    ) -> Derived {
        status::derive(previous, generation(object), outcome, self.context.now())
    }
}

fn generation(object: &PartialObject<TradingAlgo>) -> i64 {
    object.meta().generation.unwrap_or_default()
}
