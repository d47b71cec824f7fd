//! Indicators between a feed and an algorithm: killed, changed while quotes flow, and refused.

use anyhow::{Context as _, ensure};
use e2e::{
    cluster::{
        algo::Algo,
        broker::Access,
        exchange::Exchange,
        in_namespace,
        indicator::{Stream, follower},
        namespace::Namespace,
        object::{DEPLOYMENT, number, text},
        pods::{Part, Pod},
        publication::Publication,
    },
    indicator::compute,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn values_come_once_and_are_decided_although_pods_are_killed() -> anyhow::Result<()> {
    in_namespace("indicator", async |namespace| {
        let exchange = Exchange::start(namespace).await?;
        let feed = Publication::apply(namespace, "market", &json!({"source": exchange.source()})).await?;
        let access = Access::to_default().await?;
        let stream = Stream::apply(
            namespace,
            "trend",
            &json!({"from": {"feed": "market"}, "compute": compute(3, 8, 14)}),
            &access,
        )
        .await?;
        let algo = follower(namespace, "trend").await?;
        feed.resource().shows("Connected", "True", "Connected").await?;
        exchange.make(20).await?;
        columns_tell(namespace).await?;
        for part in [Part::Runtime, Part::Bridge] {
            let pod = Pod::of(stream.resource(), part).await?;
            pod.object().kill().await?;
            exchange.make(30).await?;
            pod.is_replaced(stream.resource(), part).await?;
            exchange.make(30).await?;
        }
        stream.is_complete(&exchange).await?;
        stream.is_decided(&exchange, &algo).await?;

        // Other settings take effect while trades flow. An entry that stays goes on from its state.
        let mut changed = compute(3, 8, 14);
        changed
            .as_array_mut()
            .context("a list")?
            .push(json!({"name": "more", "type": "EMA", "parameters": {"period": 2}}));
        stream.resource().change(json!({"compute": changed})).await?;
        exchange.make(30).await?;
        stream
            .resource()
            .until("the new settings are in force", |found| {
                let generation = |pointer| found.pointer(pointer).and_then(Value::as_i64);
                (generation("/status/effectiveGeneration") == generation("/metadata/generation")).then_some(())
            })
            .await?;
        exchange.make(30).await?;
        stream.has("more").await?;
        stream.is_complete(&exchange).await?;
        stream.is_decided(&exchange, &algo).await?;
        let published = number(&stream.resource().status().await?, "/published");
        ensure!(published > 100, "{published} messages are published");

        stream.resource().object().delete().await?;
        algo.shows("InputsHealthy", "False", "SourceMissing").await?;
        for child in ["trend-indicator-runtime", "trend-indicator-bridge"] {
            namespace.object(DEPLOYMENT, child).until("is gone", |found| found.is_none().then_some(())).await?;
        }
        Ok(())
    })
    .await
}

async fn columns_tell(namespace: &Namespace) -> anyhow::Result<()> {
    let table = namespace.kubectl("get indicators trend").await?;
    let mut lines = table.lines();
    let titles = lines.next().unwrap_or_default();
    for title in ["NAME", "FROM", "READY", "REASON", "PUBLISHED", "AGE"] {
        ensure!(titles.contains(title), "{table}");
    }
    let line = lines.next().unwrap_or_default();
    ensure!(line.contains(&format!("{}/market", namespace.name())) && line.contains("True"), "{table}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_indicator_that_lacks_its_feed_or_asks_for_the_impossible() -> anyhow::Result<()> {
    in_namespace("indicator-errors", async |namespace| {
        let apply = async |name: &str, spec: Value| -> anyhow::Result<Algo<'_>> {
            e2e::cluster::indicator::apply(namespace, name, &spec).await
        };
        let missing = apply("missing", json!({"from": {"feed": "none"}, "compute": compute(3, 8, 14)})).await?;
        let message = missing.shows("InputsHealthy", "False", "SourceMissing").await?;
        ensure!(message.contains(&format!("Feed {}/none", namespace.name())), "{message}");
        let period = json!([{"name": "a", "type": "SMA", "parameters": {"period": 0}}, {"name": "b", "type": "VWAP"}]);
        let wrong = apply("wrong", json!({"from": {"topic": "quotes/#"}, "compute": period})).await?;
        let message = wrong.shows("Accepted", "False", "InvalidSpec").await?;
        ensure!(message.contains("spec.compute[0].parameters.period") && message.contains("is 0"), "{message}");
        let nested = json!({"topic": format!("intuition/{}/indicator.missing/joined", namespace.name())});
        let nested = apply("nested", json!({"from": nested, "compute": compute(3, 8, 14)})).await?;
        let message = nested.shows("Accepted", "False", "InvalidSpec").await?;
        ensure!(message.contains("an indicator of an indicator"), "{message}");
        // An account that takes quotes twice is warned.
        let quotes = format!("quotes/{}", namespace.name());
        let trend = apply("trend", json!({"from": {"topic": quotes}, "compute": compute(3, 8, 14)})).await?;
        trend.shows("InputsHealthy", "True", "Healthy").await?;
        let both = json!({"channels": {"subscribe": [quotes], "from": [{"indicator": "trend"}]}});
        let both = Algo::start(namespace, "both", both).await?;
        let message = both.shows("InputsHealthy", "False", "QuotesTwice").await?;
        ensure!(message.contains(&quotes) && text(&both.status().await?, "/trading/state") == "Active", "{message}");
        Ok(())
    })
    .await
}
