//! The chart is upgraded to an image that is missing, put right, and uninstalled while quotes flow. The tests that install
//! the release before are in `cluster_nightly`.

use anyhow::ensure;
use e2e::cluster::{
    algo::Algo,
    alone,
    broker::Broker,
    installation,
    market::Market,
    object::{CLAIM, CRD, Object, text},
};
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
