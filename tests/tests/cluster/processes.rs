//! Pods and processes of an algorithm die while quotes flow.

use std::time::Instant;

use anyhow::ensure;
use e2e::cluster::{
    algo::Algo,
    figures, in_namespace,
    market::Market,
    node::Node,
    pods::{Part, Pod},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_killed_is_replaced_and_no_quote_is_lost() -> anyhow::Result<()> {
    in_namespace("pod-killed", async |namespace| {
        let algo = Algo::start(namespace, "mortal", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        for part in [Part::Runtime, Part::Bridge, Part::Runtime] {
            market.next_decision().await?;
            let pod = Pod::of(&algo, part).await?;
            let start = Instant::now();
            pod.object().kill().await?;
            pod.is_replaced(&algo, part).await?;
            market.next_decision().await?;
            figures::took(&format!("pod of {} killed -> next decision", part.container()), start.elapsed())?;
        }
        market.stop_flow().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_is_started_again_and_no_quote_is_lost() -> anyhow::Result<()> {
    in_namespace("process-killed", async |namespace| {
        let algo = Algo::start(namespace, "mortal", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        for part in [Part::Runtime, Part::Bridge] {
            market.next_decision().await?;
            let pod = Pod::of(&algo, part).await?;
            let Some(node) = Node::named(namespace.client(), pod.node()) else {
                return figures::skipped("a killed process");
            };
            let start = Instant::now();
            node.kill_container(&pod).await?;
            pod.is_restarted().await?;
            market.next_decision().await?;
            figures::took(&format!("process {} killed -> next decision", part.container()), start.elapsed())?;
            ensure!(Pod::of(&algo, part).await?.uid() == pod.uid(), "the pod stays");
        }
        market.stop_flow().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}
