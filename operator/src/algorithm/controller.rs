//! The controller of `Algorithm`: its watches.

use std::collections::BTreeSet;

use intuition_resources::{Algorithm, TradingAlgo};
use kube::{Resource as _, ResourceExt as _, runtime::reflector::ObjectRef};
use tokio_util::sync::CancellationToken;

use super::AlgorithmReconciler;
use crate::{
    algorithm::{
        apply::{Cluster, Streams},
        users::{AlgorithmRefs, refs},
    },
    kubernetes::object::PartialObject,
    reconcile::{
        change_filter::ChangeFilter,
        context::{Context, OperatorContext},
        requeue::{RequeuePolicy, RequeueState},
        watch::{self, labelled_for, watch_others},
    },
};

/// Reconciles every `Algorithm` of one namespace, or of all, until `shutdown` is cancelled.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the delays")]
pub(crate) async fn run(operator: &OperatorContext, namespace: Option<&str>, shutdown: CancellationToken) {
    let (cluster, streams) = Cluster::watch(&operator.client, namespace, &operator.rights);
    let (algos, algo_changes) = watch_others::<TradingAlgo>(operator, namespace);
    // A settled one is only called to see that it answers: about once a minute with the default resync, and four times as
    // often while it does not answer.
    let policy = RequeuePolicy {
        settled: operator.resync * 6,
        degraded: operator.resync * 3 / 2,
        stalled: operator.resync * 3,
        // A pod is ready a moment before its Service leads to it, and no watch shows the latter.
        polls_degraded: true,
    };
    let reconciler = AlgorithmReconciler {
        cluster,
        algos,
        context: Context::new(operator, RequeueState::new(policy, rand::random())),
    };
    let Streams { accounts, services, deployments, policies, pods } = streams;
    watch::run(operator, namespace, reconciler, shutdown, |controller, _| {
        let refs = ChangeFilter::default();
        controller
            .owns_stream(accounts)
            .owns_stream(services)
            .owns_stream(deployments)
            .owns_stream(policies)
            .watches_stream(pods, |pod| labelled_for(&pod))
            .watches_stream(algo_changes, move |algo| referred_to(&refs, &algo))
    })
    .await;
}

/// The algorithms that a `TradingAlgo` refers to and those that it referred to before, if that has changed.
fn referred_to(
    known: &ChangeFilter<AlgorithmRefs>,
    algo: &PartialObject<TradingAlgo>,
) -> Vec<ObjectRef<PartialObject<Algorithm>>> {
    let is_deleted = algo.meta().deletion_timestamp.is_some();
    let now = if is_deleted { AlgorithmRefs::default() } else { refs(algo) };
    let before =
        if is_deleted { known.forget(algo.uid_or_empty()) } else { known.replace(algo.uid_or_empty(), now.clone()) };
    let before = before.unwrap_or_default();
    if before == now {
        return Vec::new();
    }
    let namespace = algo.namespace().unwrap_or_default();
    // A host's first label is the Service, which begins with the name.
    let of = |(named, host): AlgorithmRefs| {
        let service = host.as_deref().and_then(|host| host.split('.').next()).and_then(|service| {
            let (name, _) = service.rsplit_once('-')?;
            name.strip_suffix("-algorithm").map(str::to_owned)
        });
        named.into_iter().chain(service)
    };
    let names: BTreeSet<_> = of(before).chain(of(now)).collect();
    names.iter().map(|name| ObjectRef::new(name).within(&namespace)).collect()
}

#[cfg(test)]
mod tests;
