//! The node of an algorithm is lost and comes back: nothing moves meanwhile, the conditions say why, and the cash is exact.

use anyhow::ensure;
use e2e::{
    cluster::{
        algo::Algo,
        alone,
        broker::Broker,
        environment,
        exchange::{Exchange, SOURCE},
        figures,
        indicator::Stream,
        market::Market,
        namespace::Namespace,
        node::Node,
        pods::{self, Part, Pod},
        publication::{Publication, until_seen},
    },
    indicator::compute,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_freezes_and_thaws() -> anyhow::Result<()> {
    alone("frozen", async |namespace| {
        let workers = Node::two_workers(namespace.client()).await?;
        let Some((node, other)) = workers else { return figures::skipped("a lost node") };
        let broker = node.cordoned(async || Broker::start(namespace).await).await?;
        let (algo, mut market) = other.cordoned(async || trading(namespace, &broker).await).await?;
        node.paused(async || is_lost_and_said(&node, &algo).await).await?;
        goes_on(&algo, &mut market).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_loses_power_and_is_started_again() -> anyhow::Result<()> {
    alone("power", async |namespace| {
        let workers = Node::two_workers(namespace.client()).await?;
        let Some((node, other)) = workers else { return figures::skipped("a lost node") };
        let broker = node.cordoned(async || Broker::start(namespace).await).await?;
        let (algo, mut market) = other.cordoned(async || trading(namespace, &broker).await).await?;
        node.killed(async || is_lost_and_said(&node, &algo).await).await?;
        goes_on(&algo, &mut market).await
    })
    .await
}

async fn trading<'a>(namespace: &'a Namespace, broker: &Broker<'_>) -> anyhow::Result<(Algo<'a>, Market)> {
    let algo = Algo::start(namespace, "stranded", json!({"broker": {"url": broker.url()}})).await?;
    let mut market = Market::on(broker.access()?, &algo).await?;
    market.start_flow();
    market.next_decision().await?;
    // What the control plane never heard to be ready, it does not call lost.
    pods::run_tag(&algo, environment::VERSION).await?;
    Ok((algo, market))
}

async fn is_lost_and_said(node: &Node, algo: &Algo<'_>) -> anyhow::Result<()> {
    let pod = Pod::of(algo, Part::Runtime).await?;
    ensure!(pod.node() == node.name(), "the runtime is on {}, not on {}", pod.node(), node.name());
    node.is_lost().await?;
    let message = algo.shows("RuntimeReady", "False", "NodeLost").await?;
    ensure!(message.contains(node.name()), "{message:?} should name {}", node.name());
    algo.shows("BridgeConnected", "False", "NodeLost").await?;
    algo.shows("Ready", "False", "NodeLost").await?;
    // A second writer elsewhere would be worse than none.
    pod.is_untouched(algo, Part::Runtime).await
}

async fn goes_on(algo: &Algo<'_>, market: &mut Market) -> anyhow::Result<()> {
    algo.is_settled().await?;
    market.next_decision().await?;
    market.stop_flow().await?;
    market.settles(algo).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn feed_on_a_node_that_loses_power_goes_on_behind_its_position() -> anyhow::Result<()> {
    alone("feed-node", async |namespace| {
        let workers = Node::two_workers(namespace.client()).await?;
        let Some((node, other)) = workers else { return figures::skipped("a lost node") };
        let (broker, exchange) = node
            .cordoned(async || anyhow::Ok((Broker::start(namespace).await?, Exchange::start(namespace).await?)))
            .await?;
        let spec = json!({"source": exchange.source(), "broker": {"url": broker.url()}});
        let access = broker.access()?;
        let (feed, consumer) = other
            .cordoned(async || {
                let feed = Publication::apply(namespace, "market", &spec).await?;
                let consumer = feed.consumer(&access).await?;
                feed.resource().shows("Connected", "True", "Connected").await?;
                exchange.make(10).await?;
                feed.is_publishing().await?;
                anyhow::Ok((feed, consumer))
            })
            .await?;
        node.killed(async || {
            node.is_lost().await?;
            exchange.make(200).await?;
            let message = feed.resource().shows("Connected", "False", "NodeLost").await?;
            ensure!(message.contains(node.name()), "{message:?} should name {}", node.name());
            Ok(())
        })
        .await?;
        feed.is_publishing().await?;
        exchange.make(10).await?;
        let last = exchange.trades().await?.last().map_or(0, |(number, _)| *number);
        exchange.check(&until_seen(&consumer, SOURCE, last).await?).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn indicator_on_a_node_that_loses_power_leaves_out_no_value() -> anyhow::Result<()> {
    alone("indicator-node", async |namespace| {
        let workers = Node::two_workers(namespace.client()).await?;
        let Some((node, other)) = workers else { return figures::skipped("a lost node") };
        let (broker, exchange, access) = node
            .cordoned(async || {
                let (broker, exchange) = (Broker::start(namespace).await?, Exchange::start(namespace).await?);
                let access = broker.access()?;
                let spec = json!({"source": exchange.source(), "broker": {"url": broker.url()}});
                let feed = Publication::apply(namespace, "market", &spec).await?;
                feed.resource().shows("Connected", "True", "Connected").await?;
                anyhow::Ok((broker, exchange, access))
            })
            .await?;
        let spec = json!({
            "from": {"feed": "market"}, "compute": compute(3, 8, 14), "broker": {"url": broker.url()},
        });
        let stream = other
            .cordoned(async || {
                let stream = Stream::apply(namespace, "trend", &spec, &access).await?;
                exchange.make(20).await?;
                stream.is_complete(&exchange).await?;
                anyhow::Ok(stream)
            })
            .await?;
        node.killed(async || {
            node.is_lost().await?;
            exchange.make(200).await?;
            let message = stream.resource().shows("Ready", "False", "NodeLost").await?;
            ensure!(message.contains(node.name()), "{message:?} should name {}", node.name());
            Ok(())
        })
        .await?;
        exchange.make(10).await?;
        stream.is_complete(&exchange).await
    })
    .await
}
