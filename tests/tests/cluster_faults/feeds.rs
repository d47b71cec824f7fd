//! The exchange is away for a minute, the broker is restarted, the feed's pod is killed: no trade is left out, none comes twice.

use anyhow::ensure;
use e2e::{
    cluster::{
        algo::Algo,
        alone,
        broker::Access,
        exchange::{Exchange, SOURCE},
        installation,
        object::{Object, POD, number, text},
        pods,
        publication::{Publication, until_seen},
    },
    wait,
};
use serde_json::{Value, json};

/// Attempts of a feed at an exchange that takes no connection. Their pauses grow, and these take about a minute.
const ATTEMPTS: i64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn every_trade_is_published_and_counted_once_through_faults() -> anyhow::Result<()> {
    alone("feed-faults", async |namespace| {
        let exchange = Exchange::start(namespace).await?;
        let feed = Publication::apply(namespace, "market", &json!({"source": exchange.source()})).await?;
        let algo = Algo::start(namespace, "taker", json!({"channels": {"subscribe": [feed.topic()]}})).await?;
        let access = Access::to_default().await?;
        let consumer = feed.consumer(&access).await?;
        feed.resource().shows("Connected", "True", "Connected").await?;
        exchange.make(10).await?;
        feed.is_publishing().await?;
        exchange.close().await?;
        feed.resource().shows("Connected", "False", "ExchangeUnreachable").await?;
        exchange.make(500).await?;
        let has_tried = |feed: &Value| (number(feed, "/status/reconnects") >= ATTEMPTS).then_some(());
        feed.resource().until("the feed has tried for about a minute", has_tried).await?;
        exchange.open().await?;
        feed.is_publishing().await?;
        exchange.make(10).await?;
        restart_broker(namespace.client()).await?;
        exchange.make(300).await?;
        let pod = feed.pod().await?;
        pod.object().kill().await?;
        exchange.make(30).await?;
        feed.is_replaced(&pod).await?;
        feed.is_publishing().await?;
        exchange.make(10).await?;
        let trades = exchange.trades().await?;
        let last = trades.last().map_or(0, |(number, _)| *number);
        let seen = until_seen(&consumer, SOURCE, last).await?;
        exchange.check(&seen).await?;
        let taken = i64::try_from(trades.iter().filter(|(number, _)| *number >= seen[0].seq).count())?;
        wait::until("the account has taken each trade once", async || {
            let ticks = pods::new_ticks(&algo).await?;
            ensure!(ticks <= taken, "{ticks} ticks of {taken} trades");
            Ok((ticks == taken).then_some(()))
        })
        .await?;
        algo.shows("InputsHealthy", "True", "Healthy").await.map(drop)
    })
    .await
}

/// Deletes the broker's pod, and waits until another one is ready.
async fn restart_broker(client: &kube::Client) -> anyhow::Result<()> {
    let broker = Object::new(client, POD, Some(installation::NAMESPACE), installation::BROKER_POD);
    let before = text(&broker.read().await?, "/metadata/uid").to_owned();
    broker.delete().await?;
    broker
        .until("another one is ready", |pod| {
            let pod = pod?;
            let is_ready = pod.pointer("/status/containerStatuses/0/ready").and_then(Value::as_bool);
            (text(pod, "/metadata/uid") != before && is_ready == Some(true)).then_some(())
        })
        .await
}
