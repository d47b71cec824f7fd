//! The controller of `Indicator`: its watches.

use intuition_resources::Feed;
use tokio_util::sync::CancellationToken;

use super::{IndicatorReconciler, plan::source_of};
use crate::{
    account::{
        apply::{Cluster, caches},
        ask::Asker,
        kind::AccountKind,
        pass::{Accounts, delays},
        source_cache::SourceCache,
        source_watch::takers_of_feed,
    },
    reconcile::{
        change_filter::ChangeFilter,
        context::{Context, OperatorContext},
        requeue::RequeueState,
        watch::{self, watch_others},
    },
    workload::broker_login::BrokerLogins,
};

const KIND: AccountKind = AccountKind::Indicator;

/// Reconciles every `Indicator` of one namespace, or of all, until `shutdown` is cancelled.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the delays")]
pub(crate) async fn run(operator: &OperatorContext, namespace: Option<&str>, shutdown: CancellationToken) {
    let client = &operator.client;
    let (caches, streams) = caches::watch(KIND, client, namespace, &operator.rights);
    let (feeds, feed_changes) = watch_others::<Feed>(operator, namespace);
    let reconciler = IndicatorReconciler {
        accounts: Accounts { cluster: Cluster::new(KIND, client.clone(), caches), asker: Asker::default() },
        sources: SourceCache { feeds, indicators: None, scope: namespace.map(str::to_owned) },
        logins: BrokerLogins::new(operator),
        context: Context::new(operator, RequeueState::new(delays(operator.resync), rand::random())),
    };
    watch::run(operator, namespace, reconciler, shutdown, |controller, store| {
        let topics = ChangeFilter::default();
        streams
            .wake(controller)
            .watches_stream(feed_changes, move |feed| takers_of_feed(&store, &topics, &feed, source_of))
    })
    .await;
}
