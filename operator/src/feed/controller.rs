//! The controller of `Feed`: its watches.

use tokio_util::sync::CancellationToken;

use super::FeedReconciler;
use crate::{
    feed::apply::{Cluster, Streams},
    reconcile::{
        context::{Context, OperatorContext},
        requeue::{RequeuePolicy, RequeueState},
        watch::{self, labelled_for},
    },
    workload::{broker_login::BrokerLogins, pages::PageReader},
};

/// Passes over a stalled object are this many times rarer than over a settled one.
const STALLED_FACTOR: u32 = 3;

/// Reconciles every `Feed` of one namespace, or of all, until `shutdown` is cancelled.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the delays")]
pub(crate) async fn run(operator: &OperatorContext, namespace: Option<&str>, shutdown: CancellationToken) {
    let (cluster, streams) = Cluster::watch(&operator.client, namespace, &operator.rights);
    let policy = RequeuePolicy {
        settled: operator.resync,
        degraded: operator.resync,
        stalled: operator.resync * STALLED_FACTOR,
        // The change that ends this wakes the controller: the pod becomes ready.
        polls_degraded: false,
    };
    let reconciler = FeedReconciler {
        cluster,
        logins: BrokerLogins::new(operator),
        pages: PageReader::default(),
        context: Context::new(operator, RequeueState::new(policy, rand::random())),
    };
    let Streams { settings, accounts, deployments, policies, pods } = streams;
    watch::run(operator, namespace, reconciler, shutdown, |controller, _| {
        controller
            .owns_stream(settings)
            .owns_stream(accounts)
            .owns_stream(deployments)
            .owns_stream(policies)
            .watches_stream(pods, |pod| labelled_for(&pod))
    })
    .await;
}
