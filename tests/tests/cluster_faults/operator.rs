//! The operator is away for a while, or its leader dies: trading goes on, and what was asked for meanwhile is done.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use e2e::{
    cluster::{
        algo::Algo,
        alone, environment, figures, installation,
        market::Market,
        node::Node,
        object::{CONFIG_MAP, number, text},
        pods::{self, Part, Pod},
    },
    wait,
};
use serde_json::json;

/// Longer than two of the operator's looks at a settled resource.
const QUIET: Duration = Duration::from_secs(25);
const WINDOWS: u32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn without_an_operator_trading_goes_on_and_changes_wait() -> anyhow::Result<()> {
    alone("away", async |namespace| {
        let client = namespace.client();
        let algo = Algo::start(namespace, "alone", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let runtime = Pod::of(&algo, Part::Runtime).await?;
        market.start_flow();
        installation::scale_operator(client, 0).await?;
        market.next_decision().await?;
        algo.change(json!({"algorithm": {"parameters": {"seed": 8}}})).await?;
        market.next_decision().await?;
        ensure!(number(&algo.status().await?, "/effectiveGeneration") == 1, "nobody is there to put it in force");
        let late = Algo::apply(namespace, "late", json!({})).await?;
        namespace.object(CONFIG_MAP, "alone-runtime").delete().await?;
        installation::scale_operator(client, 2).await?;
        algo.is_in_force().await?;
        algo.is_settled().await?;
        late.is_settled().await?;
        runtime.is_untouched(&algo, Part::Runtime).await?;
        market.next_decision().await?;
        market.stop_flow().await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_outlives_every_restart_while_the_operator_is_away() -> anyhow::Result<()> {
    alone("halted-alone", async |namespace| {
        let client = namespace.client();
        let algo = Algo::start(namespace, "held", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        algo.object().merge(&json!({"metadata": {"annotations": {"intuition.dev/halt": "the desk, by hand"}}})).await?;
        algo.shows("Trading", "False", "Halted").await?;
        installation::scale_operator(client, 0).await?;
        for part in [Part::Runtime, Part::Bridge, Part::Runtime] {
            let pod = Pod::of(&algo, part).await?;
            pod.object().kill().await?;
            pod.is_replaced(&algo, part).await?;
            pods::run_tag(&algo, environment::VERSION).await?;
            market.publish_in_vain(&algo, 5).await?;
        }
        // A halt that is set meanwhile waits for the operator, and one that is lifted too.
        algo.object().merge(&json!({"metadata": {"annotations": {"intuition.dev/halt": null}}})).await?;
        algo.change(json!({"tradingState": "Reducing"})).await?;
        market.publish_in_vain(&algo, 5).await?;
        installation::scale_operator(client, installation::REPLICAS).await?;
        algo.shows("Trading", "False", "Reducing").await?;
        market.publish_in_vain(&algo, 5).await?;
        algo.change(json!({"tradingState": null})).await?;
        algo.is_settled().await?;
        market.publish(5).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operator_takes_over_when_the_leader_is_killed() -> anyhow::Result<()> {
    alone("leader", async |namespace| {
        let client = namespace.client();
        let algo = Algo::start(namespace, "led", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        let leader = installation::leader(client).await?;
        let start = Instant::now();
        leader.kill().await?;
        let follower = installation::lease(client)
            .until("another leads", |lease| installation::holder(lease?).filter(|holder| holder != leader.name()))
            .await?;
        figures::took("leader killed -> takeover", start.elapsed())?;
        ensure!(follower != leader.name(), "{follower}");
        algo.change(json!({"algorithm": {"parameters": {"seed": 8}}})).await?;
        algo.is_in_force().await?;
        figures::took("leader killed -> a change in force", start.elapsed())?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_process_dies_is_followed_by_another_process() -> anyhow::Result<()> {
    alone("leader-process", async |namespace| {
        let client = namespace.client();
        let algo = Algo::start(namespace, "led", json!({})).await?;
        let pod = Pod::named(installation::leader(client).await?).await?;
        let Some(node) = Node::named(client, pod.node()) else { return figures::skipped("a killed leader") };
        let before = installation::leading_process(client).await?;
        let start = Instant::now();
        node.kill_container(&pod).await?;
        installation::lease(client)
            .until("another process leads", |lease| {
                let holder = text(lease?, "/spec/holderIdentity");
                (!holder.is_empty() && holder != before).then_some(())
            })
            .await?;
        figures::took("leader's process killed -> takeover", start.elapsed())?;
        algo.change(json!({"algorithm": {"parameters": {"seed": 8}}})).await?;
        algo.is_in_force().await?;
        figures::took("leader's process killed -> a change in force", start.elapsed())?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_operator_at_a_time_leads_and_its_memory_is_small() -> anyhow::Result<()> {
    alone("memory", async |namespace| {
        let client = namespace.client();
        let lease = installation::lease(client).read().await?;
        ensure!(!text(&lease, "/spec/holderIdentity").is_empty(), "nobody leads: {lease:#}");
        // The kubelet counts a pod only some time after it has started.
        let (each, limit) = (Duration::from_secs(3), Duration::from_mins(1));
        let memory = wait::until_every(each, limit, "the kubelets know", async || {
            Ok(installation::operator_memory(client).await.ok())
        });
        let memory = memory.await.map_or("unknown".to_owned(), |operators| operators.join("; "));
        figures::record("operators' resident memory", &memory)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_at_rest_is_left_alone() -> anyhow::Result<()> {
    alone("rest", async |namespace| {
        let algo = Algo::start(namespace, "still", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.is_settled().await?;
        // Something may still be settling in the first of them.
        for _ in 0..WINDOWS {
            let before = algo.object().read().await?;
            let version = text(&before, "/metadata/resourceVersion");
            let written = algo.object().until_within(QUIET, "is written again", |now| {
                (text(now?, "/metadata/resourceVersion") != version).then_some(())
            });
            if written.await.is_err() {
                return Ok(());
            }
        }
        bail!("written again and again at rest: {:#}", algo.object().read().await?)
    })
    .await
}
