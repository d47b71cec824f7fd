//! Feeds: applied, suspended, changed and deleted, with their sources and their errors.

use anyhow::ensure;
use e2e::{
    cluster::{
        algo::Algo,
        broker::Access,
        exchange::Exchange,
        in_namespace,
        namespace::Namespace,
        object::{CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, number, text},
        publication::{Publication, seen, sources, until_seen},
    },
    feed,
};
use serde_json::{Value, json};

fn generator(interval: &str) -> Value {
    json!({"generator": {
        "model": "GeometricBrownian", "seed": 7, "startPrice": 100, "volatility": "0.3", "interval": interval, "symbols": ["ACME"],
    }})
}

/// An account that decides every quote of a feed.
async fn account<'a>(namespace: &'a Namespace, feed: &Publication<'_>) -> anyhow::Result<Algo<'a>> {
    Algo::start(namespace, "taker", json!({"channels": {"subscribe": [feed.topic()]}})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn generator_is_published_suspended_resumed_and_deleted() -> anyhow::Result<()> {
    in_namespace("generator", async |namespace| {
        let feed = Publication::apply(namespace, "demo", &json!({"source": generator("200ms")})).await?;
        let algo = account(namespace, &feed).await?;
        feed.is_publishing().await?;
        columns_tell(namespace).await?;
        let access = Access::to_default().await?;
        let consumer = feed.consumer(&access).await?;
        algo.until("it decides", |algo| (number(algo, "/status/account/decisions") > 5).then_some(())).await?;
        feed.resource().change(json!({"suspend": true})).await?;
        feed.resource().shows("Ready", "False", "Suspended").await?;
        feed.has_no_pod().await?;
        let source = sources(&consumer)?.pop().unwrap_or_default();
        let before = seen(&consumer, &source)?;
        let (first, last) = (before[0].seq, before[before.len() - 1].seq);
        feed.resource().change(json!({"suspend": false})).await?;
        feed.is_publishing().await?;
        // The next pod goes on behind the position: no number is left out, and no number begins again.
        let after = until_seen(&consumer, &source, last + 5).await?;
        feed::check_from(&source, first, &after)?;
        algo.shows("InputsHealthy", "True", "Healthy").await?;
        feed.resource().object().delete().await?;
        for kind in [CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY] {
            namespace.object(kind, "demo-feed").until("is gone", |found| found.is_none().then_some(())).await?;
        }
        feed.has_no_pod().await
    })
    .await
}

async fn columns_tell(namespace: &Namespace) -> anyhow::Result<()> {
    let table = namespace.kubectl("get feeds demo").await?;
    let mut lines = table.lines();
    let titles = lines.next().unwrap_or_default();
    for title in ["NAME", "SOURCE", "READY", "REASON", "PUBLISHED", "LAST QUOTE", "GAPS", "AGE"] {
        ensure!(titles.contains(title), "{table}");
    }
    let line: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    ensure!(line.starts_with(&["demo", "GeometricBrownian", "True", "Publishing"]), "{table}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trade_of_an_exchange_is_published_although_pods_are_killed() -> anyhow::Result<()> {
    in_namespace("exchange", async |namespace| {
        let exchange = Exchange::start(namespace).await?;
        let spec = json!({"source": exchange.source(), "staleAfter": "10s"});
        let feed = Publication::apply(namespace, "market", &spec).await?;
        let algo = account(namespace, &feed).await?;
        let access = Access::to_default().await?;
        let consumer = feed.consumer(&access).await?;
        feed.resource().shows("Connected", "True", "Connected").await?;
        exchange.make(5).await?;
        feed.is_publishing().await?;
        for _ in 0..3 {
            let pod = feed.pod().await?;
            pod.object().kill().await?;
            exchange.make(20).await?;
            feed.is_replaced(&pod).await?;
            exchange.make(20).await?;
        }
        exchange.is_taken(&consumer, &algo).await?;
        feed.resource().shows("Fresh", "False", "Stale").await?;
        feed.resource().event("Warning", "Stale").await?;
        feed.resource().shows("Ready", "True", "Publishing").await?;
        algo.shows("InputsHealthy", "True", "Healthy").await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_conditions_with_a_remedy() -> anyhow::Result<()> {
    in_namespace("feed-errors", async |namespace| {
        let file = json!({"source": {"file": {"configMap": {"name": "quotes", "key": "quotes.csv"}}}});
        let missing = Publication::apply(namespace, "missing", &file).await?;
        let nowhere = json!({"source": {"exchange": {
            "name": "Kraken", "symbols": ["BTC/USD"], "url": "ws://nowhere.invalid:9443/v2", "restUrl": "http://nowhere.invalid:9443",
        }}});
        let unreachable = Publication::apply(namespace, "unreachable", &nowhere).await?;
        let topic = json!({"source": generator("1s"), "publish": {"topic": "intuition/other/quotes"}});
        let confined = Publication::apply(namespace, "confined", &topic).await?;
        let message = confined.resource().shows("Accepted", "False", "InvalidSpec").await?;
        ensure!(message.contains("topics.publish"), "{message}");
        let message = unreachable.resource().shows("Connected", "False", "ExchangeUnreachable").await?;
        ensure!(message.contains("nowhere.invalid"), "{message}");
        let message = missing.resource().shows("Connected", "False", "FileUnusable").await?;
        ensure!(message.contains("quotes.csv"), "{message}");
        missing.resource().shows("Stalled", "True", "FileUnusable").await?;
        // The file comes later, and the feed goes on by itself.
        let rows = "time,sid,price\n2026-01-05,ACME,10.5\n2026-01-06,ACME,10.25\n";
        namespace
            .apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "quotes"}, "data": {"quotes.csv": rows}}))
            .await?;
        missing.resource().shows("Connected", "True", "SourceEnded").await?;
        let status = missing.resource().status().await?;
        ensure!(status.get("published") == Some(&json!(2)) && text(&status, "/source") == "File", "{status:#}");
        Ok(())
    })
    .await
}
