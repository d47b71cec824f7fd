//! The controller of `TradingAlgo`: its watches.

use intuition_resources::{Algorithm, ChannelSource, Feed, Indicator, TradingAlgo};
use kube::{
    Resource as _, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};
use tokio_util::sync::CancellationToken;

use super::TradingAlgoReconciler;
use crate::{
    account::{
        apply::{Cluster, caches},
        ask::Asker,
        kind::AccountKind,
        pass::{Accounts, delays},
        source_cache::SourceCache,
        source_watch::{takers_of_feed, takers_of_indicator},
    },
    kubernetes::object::PartialObject,
    reconcile::{
        change_filter::ChangeFilter,
        context::{Context, OperatorContext},
        requeue::RequeueState,
        watch::{self, watch_others},
    },
    workload::broker_login::BrokerLogins,
};

const KIND: AccountKind = AccountKind::TradingAlgo;

/// Reconciles every `TradingAlgo` of one namespace, or of all, until `shutdown` is cancelled.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the delays")]
pub(crate) async fn run(operator: &OperatorContext, namespace: Option<&str>, shutdown: CancellationToken) {
    let client = &operator.client;
    let (caches, streams) = caches::watch(KIND, client, namespace, &operator.rights);
    let (algorithms, algorithm_changes) = watch_others::<Algorithm>(operator, namespace);
    let (feeds, feed_changes) = watch_others::<Feed>(operator, namespace);
    let (indicators, indicator_changes) = watch_others::<Indicator>(operator, namespace);
    let reconciler = TradingAlgoReconciler {
        accounts: Accounts { cluster: Cluster::new(KIND, client.clone(), caches), asker: Asker::default() },
        algorithms,
        sources: SourceCache { feeds, indicators: Some(indicators), scope: namespace.map(str::to_owned) },
        logins: BrokerLogins::new(operator),
        context: Context::new(operator, RequeueState::new(delays(operator.resync), rand::random())),
    };
    watch::run(operator, namespace, reconciler, shutdown, |controller, store| {
        let (relevant, topics, inputs) = (ChangeFilter::default(), ChangeFilter::default(), ChangeFilter::default());
        let (of_feeds, of_indicators) = (store.clone(), store.clone());
        streams
            .wake(controller)
            .watches_stream(algorithm_changes, move |algorithm| users_of(&store, &relevant, &algorithm))
            .watches_stream(feed_changes, move |feed| takers_of_feed(&of_feeds, &topics, &feed, named))
            .watches_stream(indicator_changes, move |indicator| {
                takers_of_indicator(&of_indicators, &inputs, &indicator, named)
            })
    })
    .await;
}

/// The part of an `Algorithm` on which a `TradingAlgo` depends: generation, health and URL.
type RelevantFields = (Option<i64>, bool, Option<String>);

/// The resources that refer to an `Algorithm`, if its relevant fields have changed.
fn users_of(
    store: &Store<PartialObject<TradingAlgo>>,
    relevant: &ChangeFilter<RelevantFields>,
    algorithm: &PartialObject<Algorithm>,
) -> Vec<ObjectRef<PartialObject<TradingAlgo>>> {
    let (meta, status) = (algorithm.meta(), algorithm.status.as_ref());
    if meta.deletion_timestamp.is_some() {
        relevant.forget(algorithm.uid_or_empty());
    } else {
        let healthy = status.is_some_and(|status| status.healthy);
        let fields = (meta.generation, healthy, status.and_then(|status| status.address.clone()));
        if relevant.replace(algorithm.uid_or_empty(), fields.clone()) == Some(fields) {
            return Vec::new();
        }
    }
    let (name, namespace) = (algorithm.name_any(), algorithm.namespace());
    let refers = |algo: &PartialObject<TradingAlgo>| {
        algo.namespace() == namespace
            && algo.parsed.as_ref().is_ok_and(|algo| algo.spec.algorithm.name.as_deref() == Some(&name))
    };
    store.state_filter(refers).iter().map(|algo| ObjectRef::from_obj(algo.as_ref())).collect()
}

/// The feeds and indicators that a resource names in `spec.channels.from`.
fn named(algo: &TradingAlgo) -> Vec<ChannelSource> {
    algo.spec.channels.iter().flat_map(|channels| channels.from.iter().flatten()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use kube::runtime::{reflector, watcher};
    use serde_json::{Value, from_value, json};

    use super::*;

    fn algo(namespace: &str, name: &str, algorithm: &Value) -> PartialObject {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "algorithm": algorithm },
        }))
        .unwrap()
    }

    fn algorithm(status: &Value) -> PartialObject<Algorithm> {
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "Algorithm",
            "metadata": { "name": "mine", "namespace": "n", "uid": "u-1", "generation": 1 },
            "spec": { "address": "http://elsewhere:7" },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn those_who_refer_to_an_algorithm_are_woken_by_what_concerns_them() {
        let (store, mut writer) = reflector::store::<PartialObject>();
        let named = json!({ "name": "mine" });
        for found in [algo("n", "a", &named), algo("n", "b", &json!({ "builtin": "random" })), algo("m", "c", &named)] {
            writer.apply_watcher_event(&watcher::Event::Apply(found));
        }
        let known = ChangeFilter::default();
        let woken = |algorithm: &PartialObject<Algorithm>| {
            users_of(&store, &known, algorithm).into_iter().map(|found| found.name).collect::<Vec<_>>()
        };
        assert_eq!(woken(&algorithm(&Value::Null)), ["a"]);
        assert_eq!(woken(&algorithm(&json!({ "usedBy": 1 }))), Vec::<String>::new(), "its users are no news to them");
        assert_eq!(woken(&algorithm(&json!({ "usedBy": 1, "healthy": true }))), ["a"]);
        let mut gone = algorithm(&json!({ "usedBy": 1, "healthy": true }));
        gone.meta_mut().deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(woken(&gone), ["a"]);
        assert_eq!(woken(&algorithm(&json!({ "usedBy": 1, "healthy": true }))), ["a"], "made anew");
    }

    fn feed(namespace: &str, publish: &Value) -> PartialObject<Feed> {
        let generator =
            json!({ "model": "Sine", "startPrice": 9, "volatility": "0.1", "interval": "1s", "symbols": ["A"] });
        from_value(json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "Feed",
            "metadata": { "name": "btc", "namespace": namespace, "uid": format!("u-{namespace}") },
            "spec": { "source": { "generator": generator }, "publish": publish },
        }))
        .unwrap()
    }

    #[test]
    fn accounts_that_name_a_feed_are_woken_by_its_existence_and_topic() {
        let (store, mut writer) = reflector::store::<PartialObject>();
        for (namespace, name, from) in [
            ("n", "a", json!([{ "feed": "other" }, { "feed": "btc" }])),
            ("n", "b", json!([{ "feed": "btc", "namespace": "m" }])),
            ("m", "c", json!([{ "feed": "btc" }])),
            ("n", "d", json!([{ "feed": "other" }])),
        ] {
            let found: PartialObject = from_value(json!({
                "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
                "metadata": { "name": name, "namespace": namespace },
                "spec": { "algorithm": { "builtin": "random" }, "channels": { "from": from } },
            }))
            .unwrap();
            assert!(found.parsed.is_ok());
            writer.apply_watcher_event(&watcher::Event::Apply(found));
        }
        let known = ChangeFilter::default();
        let woken = |feed: &PartialObject<Feed>| {
            let mut names: Vec<_> =
                takers_of_feed(&store, &known, feed, named).into_iter().map(|found| found.name).collect();
            names.sort();
            names
        };
        let none = Vec::<String>::new();
        assert_eq!(woken(&feed("n", &json!({}))), ["a"]);
        assert_eq!(woken(&feed("m", &json!({}))), ["b", "c"]);
        assert_eq!(woken(&feed("n", &json!({ "backfill": true }))), none);
        assert_eq!(woken(&feed("n", &json!({ "topic": "t" }))), ["a"]);
        assert_eq!(woken(&feed("n", &json!(7))), ["a"], "it cannot be read");
        let mut gone = feed("n", &json!({}));
        gone.meta_mut().deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(woken(&gone), ["a"]);
        assert_eq!(woken(&feed("x", &json!({}))), none);
    }

    #[test]
    fn accounts_that_name_an_indicator_are_woken_by_its_existence_and_source() {
        let (store, mut writer) = reflector::store::<PartialObject>();
        for (name, from) in [("a", json!([{ "indicator": "btc" }])), ("b", json!([{ "feed": "btc" }]))] {
            let found: PartialObject = from_value(json!({
                "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo",
                "metadata": { "name": name, "namespace": "n" },
                "spec": { "algorithm": { "builtin": "random" }, "channels": { "from": from } },
            }))
            .unwrap();
            writer.apply_watcher_event(&watcher::Event::Apply(found));
        }
        let indicator = |feed: &str, name: &str| -> PartialObject<Indicator> {
            from_value(json!({
                "apiVersion": "intuition.dev/v1alpha1", "kind": "Indicator",
                "metadata": { "name": "btc", "namespace": "n", "uid": "u" },
                "spec": { "from": { "feed": feed }, "compute": [{ "name": name, "type": "VWAP" }] },
            }))
            .unwrap()
        };
        let known = ChangeFilter::default();
        let woken = |found: &PartialObject<Indicator>| {
            takers_of_indicator(&store, &known, found, named).into_iter().map(|found| found.name).collect::<Vec<_>>()
        };
        assert_eq!(woken(&indicator("btc", "vwap")), ["a"]);
        assert_eq!(woken(&indicator("btc", "other")), Vec::<String>::new(), "its values are no news to them");
        assert_eq!(woken(&indicator("eth", "other")), ["a"]);
    }
}
