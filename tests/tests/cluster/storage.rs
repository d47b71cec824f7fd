//! The volume with the ledger: missing, impossible, kept or not kept.

use anyhow::{Context as _, ensure};
use e2e::cluster::{
    algo::Algo,
    in_namespace,
    market::Market,
    object::{CLAIM, text},
    pods::{self, Part, Pod},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_deleted_is_made_anew_only_when_somebody_says_so() -> anyhow::Result<()> {
    in_namespace("claim", async |namespace| {
        let algo = Algo::start(namespace, "robbed", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        let claim = namespace.object(CLAIM, "robbed-ledger");
        let lost = text(&claim.read().await?, "/metadata/uid").to_owned();
        // It goes once no pod uses it.
        claim.delete().await?;
        Pod::of(&algo, Part::Runtime).await?.object().delete().await?;
        claim.is_gone().await?;
        let message = algo.shows("Stalled", "True", "LedgerMissing").await?;
        ensure!(message.contains(&lost), "{message:?} should say which claim is lost: {lost}");
        algo.shows("RuntimeReady", "False", "LedgerMissing").await?;
        algo.shows("Ready", "False", "LedgerMissing").await?;
        ensure!(claim.look().await?.is_none(), "a new claim before anybody asked for one");
        namespace.kubectl(&format!("annotate ta robbed intuition.dev/new-ledger={lost}")).await?;
        algo.is_settled().await?;
        // The new ledger knows nothing of the old: numbers and cash begin again.
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.decisions == 5, "{books:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_storage_class_is_reported_and_the_resource_can_be_recreated() -> anyhow::Result<()> {
    in_namespace("class", async |namespace| {
        let impossible = json!({"storage": {"className": "no-such-class", "onDelete": "Delete"}});
        let algo = Algo::apply(namespace, "homeless", impossible).await?;
        algo.until("the storage is said to be missing", |algo| {
            let conditions = algo.pointer("/status/conditions")?.to_string();
            ["StoragePending", "Unschedulable"].iter().any(|reason| conditions.contains(reason)).then_some(())
        })
        .await?;
        algo.says("Ready", "False").await?;
        let refused = algo.change(json!({"storage": {"className": null}})).await;
        let refusal = refused.err().context("the class of a volume cannot change")?.to_string();
        ensure!(refusal.contains("spec.storage"), "{refusal}");
        algo.object().delete().await?;
        namespace.object(CLAIM, "homeless-ledger").is_gone().await?;
        Algo::start(namespace, "homeless", json!({})).await?.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_is_traded_on_by_nobody_and_its_runtime_says_why() -> anyhow::Result<()> {
    in_namespace("damaged", async |namespace| {
        // With the default, ReadWriteOncePod, nobody else gets at the volume.
        let shared = json!({"storage": {"accessMode": "ReadWriteOnce"}});
        let algo = Algo::start(namespace, "burnt", shared).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(10).await?;
        let before = market.settles(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        pods::meddle(&algo, "burnt-ledger", "for file in /data/*; do echo burnt > $file; done").await?;
        pod.object().kill().await?;
        let message = algo.shows("RuntimeReady", "False", "CrashLooping").await?;
        ensure!(message.contains("ledger"), "{message:?} should give the runtime's last words");
        algo.shows("Ready", "False", "CrashLooping").await?;
        algo.event("Warning", "CrashLooping").await?;
        ensure!(market.books()? == before, "traded on a damaged ledger");
        Ok(())
    })
    .await
}
