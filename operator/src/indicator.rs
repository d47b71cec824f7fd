//! Reconciling one `Indicator`: the steps of a pass, in order. It is an account that only publishes, and its steps are those of
//! `account` but for these:
//!
//! - `plan`: from the spec to the plan of an account, or all violations; pure.
//! - `status`: from the observation to conditions and Events; pure.
//! - `controller`: the watches that trigger a pass.

pub(crate) mod controller;
pub mod plan;
pub(crate) mod status;

use intuition_api::topic::IndicatorTopics;
use intuition_resources::{INDICATOR_KIND, Indicator, IndicatorStatus, validate::FieldError};
use kube::{Resource as _, ResourceExt as _};

use self::{
    plan::{Inputs, plan},
    status::Outcome,
};
use crate::{
    account::{pass::Accounts, source_cache::SourceCache, trading_state::RequestedState},
    kubernetes::{
        object::{PartialObject, WatchedKind},
        owner::Owner,
        writer::Writer,
    },
    names::INDICATOR_APP,
    reconcile::{ReconcileOutcome, Reconciler, context::Context, derived::Derived, error::ReconcileError},
    workload::{broker, broker_login::BrokerLogins},
};

impl WatchedKind for Indicator {
    const KIND: &'static str = INDICATOR_KIND;
    const RAW_FIELDS: &'static [&'static str] = &[];
    type Status = IndicatorStatus;
}

/// Reconciles the `Indicator`s of one namespace, or of all.
pub(crate) struct IndicatorReconciler {
    accounts: Accounts,
    sources: SourceCache,
    logins: BrokerLogins,
    context: Context<Indicator>,
}

impl Reconciler for IndicatorReconciler {
    type Kind = Indicator;

    fn context(&self) -> &Context<Indicator> {
        &self.context
    }

    fn writer(&self) -> &Writer {
        self.accounts.cluster.writer()
    }

    async fn caches_filled(&self) {
        self.accounts.cluster.caches_filled().await;
    }

    /// Find the feed, plan, carry out, derive.
    async fn reconcile_object(
        &self,
        object: &PartialObject<Indicator>,
        previous: Option<&IndicatorStatus>,
    ) -> Result<ReconcileOutcome<IndicatorStatus>, ReconcileError> {
        let indicator = match &object.parsed {
            Ok(indicator) => indicator,
            Err(error) => return Ok(self.reconcile_rejected(object, previous, &Rejection::Unreadable(error)).await),
        };
        let settings = &self.context.settings;
        let namespace = object.namespace().unwrap_or_default();
        let (credentials, login) = self.logins.of(indicator.spec.broker.as_ref(), &namespace, settings).await?;
        let named = plan::source_of(indicator);
        let found = self.sources.find(&named, &namespace, self.context.cache_timeout(object)).await;
        let found = found.map_err(ReconcileError::FillCaches)?;
        let inputs = Inputs {
            settings,
            credentials: credentials.as_ref(),
            sources: found.known(),
            previous,
            stored: self.accounts.cluster.stored_settings(&self.owner(object)),
        };
        let plan = match broker::with_problem(plan(indicator, inputs), login) {
            Ok(plan) => plan,
            Err(problems) => {
                return Ok(self.reconcile_rejected(object, previous, &Rejection::Refused(&problems)).await);
            }
        };
        let (observation, error) = self.accounts.carry_out(&plan, settings).await?;
        let from = indicator.spec.from.shown(&namespace);
        let derived = self.derive(object, previous, &Outcome::Observed(&observation, &from));
        Ok(ReconcileOutcome::applied(derived, error))
    }

    fn derive_refused(
        &self,
        object: &PartialObject<Indicator>,
        previous: Option<&IndicatorStatus>,
        problems: &[FieldError],
    ) -> Derived<IndicatorStatus> {
        self.derive(object, previous, &Outcome::Refused(problems, None))
    }

    fn forget_children(&self, namespace: &str, name: &str) {
        self.accounts.cluster.forget(namespace, name);
    }
}

/// Why a spec is not accepted.
enum Rejection<'a> {
    Unreadable(&'a str),
    Refused(&'a [FieldError]),
}

impl IndicatorReconciler {
    /// A pass over a resource without an accepted spec. Its children stay as they are, and the running pods are observed.
    async fn reconcile_rejected(
        &self,
        object: &PartialObject<Indicator>,
        previous: Option<&IndicatorStatus>,
        rejection: &Rejection<'_>,
    ) -> ReconcileOutcome<IndicatorStatus> {
        let owner = self.owner(object);
        let stored = self.accounts.cluster.stored_settings(&owner);
        let active = RequestedState::default();
        let pods = self.accounts.lasting_pods(&owner, generation(object), &active, &stored).await;
        let outcome = match rejection {
            Rejection::Unreadable(error) => Outcome::Unreadable(error, pods.as_ref()),
            Rejection::Refused(problems) => Outcome::Refused(problems, pods.as_ref()),
        };
        ReconcileOutcome::done(self.derive(object, previous, &outcome))
    }

    fn owner(&self, object: &PartialObject<Indicator>) -> Owner {
        let ledger = object.status.as_ref().and_then(|status| status.ledger.as_ref());
        Owner {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid_or_empty().to_owned(),
            kind: INDICATOR_KIND,
            app: INDICATOR_APP,
            keeps: ledger.map(|held| held.claim_uid.clone()),
            installation: self.context.settings.installation.clone(),
        }
    }

    fn derive(
        &self,
        object: &PartialObject<Indicator>,
        previous: Option<&IndicatorStatus>,
        outcome: &Outcome<'_>,
    ) -> Derived<IndicatorStatus> {
        let topics = &self.context.settings.topics;
        let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        let joined = IndicatorTopics::new(&topics.prefix, &name).joined();
        status::derive(previous, (generation(object), &joined), outcome, self.context.now())
    }
}

fn generation(object: &PartialObject<Indicator>) -> i64 {
    object.meta().generation.unwrap_or_default()
}
