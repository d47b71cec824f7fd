//! The controller of `Indicator`: its watches.

use intuition_resources::Feed;
use tokio_util::sync::CancellationToken;

use super::{IndicatorReconciler, plan::source_of};
use crate::{
    account::{
        apply::{
            Cluster,
            caches::{self, Streams},
        },
        ask::Asker,
        kind::AccountKind,
        pass::Accounts,
        source_cache::SourceCache,
        source_watch::takers_of_feed,
    },
    reconcile::{
        change_filter::ChangeFilter,
        context::{Context, OperatorContext},
        requeue::{RequeuePolicy, RequeueState},
        watch::{self, labelled_for, watch_others},
    },
    workload::broker_login::BrokerLogins,
};

const KIND: AccountKind = AccountKind::Indicator;
/// Passes over a stalled object are this many times rarer than over a settled one.
const STALLED_FACTOR: u32 = 3;

/// Reconciles every `Indicator` of one namespace, or of all, until `shutdown` is cancelled.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the delays")]
pub(crate) async fn run(operator: &OperatorContext, namespace: Option<&str>, shutdown: CancellationToken) {
    let client = &operator.client;
    let (caches, streams) = caches::watch(KIND, client, namespace, &operator.rights);
    let (feeds, feed_changes) = watch_others::<Feed>(operator, namespace);
    let policy = RequeuePolicy {
        settled: operator.resync,
        degraded: operator.resync,
        stalled: operator.resync * STALLED_FACTOR,
        // The change that ends this wakes the controller: the pod becomes ready.
        polls_degraded: false,
    };
    let reconciler = IndicatorReconciler {
        accounts: Accounts { cluster: Cluster::new(KIND, client.clone(), caches), asker: Asker::default() },
        sources: SourceCache { feeds, indicators: None, scope: namespace.map(str::to_owned) },
        logins: BrokerLogins::new(operator),
        context: Context::new(operator, RequeueState::new(policy, rand::random())),
    };
    let Streams { settings, accounts, claims, services, deployments, policies, pods } = streams;
    watch::run(operator, namespace, reconciler, shutdown, |controller, store| {
        let topics = ChangeFilter::default();
        controller
            .owns_stream(settings)
            .owns_stream(accounts)
            .owns_stream(services)
            .owns_stream(deployments)
            .owns_stream(policies)
            .watches_stream(claims, |claim| labelled_for(&claim))
            .watches_stream(pods, |pod| labelled_for(&pod))
            .watches_stream(feed_changes, move |feed| takers_of_feed(&store, &topics, &feed, source_of))
    })
    .await;
}
