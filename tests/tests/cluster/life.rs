//! The resource is deleted, and applied again.

use std::time::Duration;

use anyhow::ensure;
use e2e::{
    cluster::{
        algo::{Algo, manifest},
        in_namespace,
        market::Market,
        namespace::Namespace,
        object::{CLAIM, CONFIG_MAP, DEPLOYMENT, NETWORK_POLICY, POD, SECRET, SERVICE, SERVICE_ACCOUNT, text},
        shell,
    },
    mqtt::{self, Message, Subscriber},
    wait,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn deleted_and_applied_again_it_takes_up_the_same_ledger() -> anyhow::Result<()> {
    in_namespace("again", async |namespace| {
        let algo = Algo::start(namespace, "phoenix", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        let claim = namespace.object(CLAIM, "phoenix-ledger");
        let before = text(&claim.read().await?, "/metadata/uid").to_owned();
        algo.object().delete().await?;
        children_are_gone(namespace, "phoenix").await?;
        ensure!(text(&claim.read().await?, "/metadata/uid") == before, "the claim stays");
        // The numbers and the cash go on; what was paid in is not paid in again.
        let algo = Algo::start(namespace, "phoenix", json!({})).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.object().delete().await?;
        children_are_gone(namespace, "phoenix").await?;
        // Applied again with more, the difference is.
        let algo = Algo::start(namespace, "phoenix", json!({"startingCash": 10_100})).await?;
        market.deposited("100")?;
        market.publish(10).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.decisions == 30 && books.cash == "10063.10", "{books:?}");
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_and_applied_again_at_once_it_goes_on() -> anyhow::Result<()> {
    in_namespace("at-once", async |namespace| {
        let algo = Algo::start(namespace, "hasty", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.object().delete().await?;
        // Its children are still there, or on their way out.
        let algo = Algo::start(namespace, "hasty", json!({})).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_by_force_with_a_volume_that_is_not_kept_it_begins_anew() -> anyhow::Result<()> {
    in_namespace("replaced", async |namespace| {
        let spec = json!({"storage": {"onDelete": "Delete"}});
        let algo = Algo::start(namespace, "hasty", spec.clone()).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        let replace = ["--namespace", namespace.name(), "replace", "--force", "-f", "-"];
        shell::feed("kubectl", &replace, &manifest(namespace, "hasty", spec).to_string()).await?;
        algo.is_settled().await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.decisions == 5, "another ledger begins at one: {books:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_not_to_be_kept_goes_too() -> anyhow::Result<()> {
    in_namespace("on-delete", async |namespace| {
        let algo = Algo::start(namespace, "fleeting", json!({"storage": {"onDelete": "Delete"}})).await?;
        algo.object().delete().await?;
        namespace.object(CLAIM, "fleeting-ledger").is_gone().await?;
        children_are_gone(namespace, "fleeting").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_minutes_after_a_deletion_the_state_topic_is_empty() -> anyhow::Result<()> {
    in_namespace("state", async |namespace| {
        let algo = Algo::start(namespace, "mayfly", json!({})).await?;
        let market = Market::open(&algo).await?;
        ensure!(retained_state(&market, namespace).await?.is_some(), "a state while it runs");
        algo.object().delete().await?;
        children_are_gone(namespace, "mayfly").await?;
        let (each, limit) = (Duration::from_secs(5), Duration::from_mins(4));
        wait::until_every(each, limit, "the state topic is empty", async || {
            // A broker that does not answer says nothing about its topics.
            Ok(retained_state(&market, namespace).await.is_ok_and(|state| state.is_none()).then_some(()))
        })
        .await
    })
    .await
}

/// What the broker keeps on the state topic: it hands that over before anything published after the subscription.
async fn retained_state(market: &Market, namespace: &Namespace) -> anyhow::Result<Option<Vec<u8>>> {
    let (port, login) = (market.access().port(), market.access().login());
    let topics = format!("intuition/{}/mayfly", namespace.name());
    let subscriber = Subscriber::start_for_now(port, login, &format!("{topics}/+")).await?;
    mqtt::publish_all(port, login, &[Message::new(&format!("{topics}/probe"), "")]).await?;
    wait::until("the probe arrives", async || Ok((subscriber.count("probe") > 0).then_some(()))).await?;
    Ok(subscriber.received("state").into_iter().next().map(|state| state.payload))
}

async fn children_are_gone(namespace: &Namespace, name: &str) -> anyhow::Result<()> {
    let labels = format!("app.kubernetes.io/instance={name}");
    let children = [DEPLOYMENT, POD, SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, NETWORK_POLICY];
    for kind in children {
        for child in namespace.list(kind, &labels).await? {
            namespace.object(kind, text(&child, "/metadata/name")).is_gone().await?;
        }
    }
    Ok(())
}
