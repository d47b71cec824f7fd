//! The exchange is away for a minute, the broker is restarted, the feed's pod is killed: no trade is left out, none comes twice, and the
//! values of an indicator are right.

use e2e::{
    cluster::{
        algo::Algo,
        alone,
        broker::Access,
        exchange::Exchange,
        indicator::Stream,
        installation,
        object::{Object, POD, number, text},
        publication::Publication,
    },
    indicator::compute,
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
        let values = json!({"from": {"feed": "market"}, "compute": compute(3, 8, 14)});
        let stream = Stream::apply(namespace, "trend", &values, &access).await?;
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
        exchange.is_taken(&consumer, &algo).await?;
        stream.is_complete(&exchange).await?;
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
