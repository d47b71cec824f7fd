//! The release before is installed, upgraded while quotes flow, and rolled back. Building its images and rolling every pod
//! several times takes minutes; `tests/tests/mixed_releases.rs` mixes the processes of both releases without a cluster.

use anyhow::ensure;
use e2e::cluster::{
    algo::{Algo, channel},
    alone,
    broker::Access,
    environment, installation,
    market::Market,
    pods,
    previous::Previous,
};
use e2e::mqtt::Subscriber;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_loses_no_quote_and_a_rollback_decides_none() -> anyhow::Result<()> {
    alone("upgrade", async |namespace| {
        let Some(previous) = Previous::prepare().await? else { return Ok(()) };
        previous.install().await?;
        let algo = Algo::start(namespace, "veteran", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        trades_by(Previous::TAG, &algo, &market).await?;
        installation::upgrade(&installation::chart(), &installation::WAIT).await?;
        trades_by(environment::VERSION, &algo, &market).await?;
        // The release before cannot read the ledger any more: it refuses it, and decides nothing.
        previous.install().await?;
        let message = algo.shows("RuntimeReady", "False", "CrashLooping").await?;
        ensure!(message.contains("needs a reader of version 6"), "{message:?}");
        installation::upgrade(&installation::chart(), &installation::WAIT).await?;
        trades_by(environment::VERSION, &algo, &market).await?;
        market.stop_flow().await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn account_of_the_previous_release_goes_on_with_topics_not_allowed_now() -> anyhow::Result<()> {
    alone("warn", async |namespace| {
        let Some(previous) = Previous::prepare().await? else { return Ok(()) };
        previous.install().await?;
        let foreign = "intuition/another-namespace/+/decisions";
        let channels =
            json!({"subscribe": [channel(namespace), foreign], "publish": format!("desk/{}", namespace.name())});
        let algo = Algo::start(namespace, "veteran", json!({"channels": channels})).await?;
        let access = Access::to_default().await?;
        let desk = Subscriber::start(access.port(), access.login(), &format!("desk/{}", namespace.name())).await?;
        let market = Market::open(&algo).await?;
        market.publish_to_chance(5).await?;
        algo.account(5).await?;
        installation::upgrade(&installation::chart(), &installation::WAIT).await?;
        pods::run_tag(&algo, environment::VERSION).await?;
        let message = algo.shows("Accepted", "True", "TopicNotAllowed").await?;
        ensure!(message.contains(foreign) && message.contains("spec.channels.publish"), "{message:?}");
        algo.is_ready().await?;
        market.publish_to_chance(5).await?;
        algo.account(10).await?;
        ensure!(
            desk.count(namespace.name()) == 10,
            "{} decisions on the topic of the desk",
            desk.count(namespace.name())
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_a_runtime_of_the_release_before() -> anyhow::Result<()> {
    alone("old-runtime", async |namespace| {
        if Previous::prepare().await?.is_none() {
            return Ok(());
        }
        let old = format!("--set=algos.imageTag={}", Previous::TAG);
        installation::upgrade(&installation::chart(), &[[old.as_str()].as_slice(), &installation::WAIT].concat())
            .await?;
        let algo = Algo::start(namespace, "old", json!({})).await?;
        pods::run_tag(&algo, Previous::TAG).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        algo.change(json!({"tradingState": "Halted"})).await?;
        algo.shows("Trading", "False", "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        algo.change(json!({"tradingState": "Active"})).await?;
        algo.is_ready().await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        // It cannot reduce: it is halted, and the message names the release.
        algo.change(json!({"tradingState": "Reducing"})).await?;
        let message = algo.shows("Trading", "False", "Halted").await?;
        ensure!(message.contains("RuntimeTooOld"), "{message:?}");
        market.publish_in_vain(&algo, 5).await?;
        algo.change(json!({"tradingState": "Active"})).await?;
        algo.is_ready().await?;
        // The spec is refused: the stop reaches it with the settings that are in the cluster.
        algo.change(json!({"tradingState": "Halted", "channels": {"subscribe": ["a/#/b"]}})).await?;
        algo.shows("Accepted", "False", "InvalidSpec").await?;
        algo.shows("Trading", "False", "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        market.settles(&algo).await?;
        installation::forget().await;
        Ok(())
    })
    .await
}

/// Waits until it trades with the images of a release.
async fn trades_by(tag: &str, algo: &Algo<'_>, market: &Market) -> anyhow::Result<()> {
    pods::run_tag(algo, tag).await?;
    algo.is_settled().await?;
    market.next_decision().await
}
