//! The chart is upgraded, wrongly and rightly, rolled back and taken away while quotes flow.

use anyhow::ensure;
use e2e::cluster::{
    algo::{Algo, channel},
    alone,
    broker::{Access, Broker},
    environment, installation,
    market::Market,
    object::{CLAIM, CRD, Object, text},
    pods,
    previous::Previous,
};
use e2e::mqtt::Subscriber;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_passes_its_own_test() -> anyhow::Result<()> {
    alone("helm-test", async |_| installation::helm(&["test", installation::RELEASE]).await.map(drop)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_is_said_until_there_is_a_right_one() -> anyhow::Result<()> {
    alone("image", async |namespace| {
        let algo = Algo::start(namespace, "unpulled", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        market.next_decision().await?;
        let wrong = ["--set=algos.imageTag=no-such-tag"];
        installation::upgrade(&installation::chart(), &[wrong.as_slice(), &installation::WAIT].concat()).await?;
        let message = algo.shows("RuntimeReady", "False", "ImagePullFailed").await?;
        ensure!(message.contains("no-such-tag"), "{message:?} should name the image");
        algo.shows("Ready", "False", "ImagePullFailed").await?;
        installation::upgrade(&installation::chart(), &installation::WAIT).await?;
        algo.is_ready().await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_from_the_previous_release_and_back_loses_no_quote() -> anyhow::Result<()> {
    alone("upgrade", async |namespace| {
        let Some(previous) = Previous::prepare().await? else { return Ok(()) };
        previous.install().await?;
        let algo = Algo::start(namespace, "veteran", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        trades_by(Previous::TAG, &algo, &market).await?;
        installation::upgrade(&installation::chart(), &installation::WAIT).await?;
        trades_by(environment::VERSION, &algo, &market).await?;
        previous.install().await?;
        trades_by(Previous::TAG, &algo, &market).await?;
        installation::upgrade(&installation::chart(), &installation::WAIT).await?;
        trades_by(environment::VERSION, &algo, &market).await?;
        market.stop_flow().await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_the_release_before_goes_on_though_its_topics_are_not_allowed() -> anyhow::Result<()> {
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

#[tokio::test(flavor = "multi_thread")]
async fn uninstalled_it_leaves_resources_and_ledgers() -> anyhow::Result<()> {
    alone("uninstall", async |namespace| {
        let broker = Broker::start(namespace).await?;
        let algo = Algo::start(namespace, "orphan", json!({"broker": {"url": broker.url()}})).await?;
        let mut market = Market::on(broker.access()?, &algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        let claim = namespace.object(CLAIM, "orphan-ledger");
        let before = text(&claim.read().await?, "/metadata/uid").to_owned();
        installation::uninstall().await?;
        Object::new(namespace.client(), CRD, None, "tradingalgos.intuition.dev").read().await?;
        ensure!(text(&claim.read().await?, "/metadata/uid") == before, "the ledger stays");
        // What runs goes on, and is taken up by the next installation.
        market.publish(10).await?;
        installation::ensure().await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}
