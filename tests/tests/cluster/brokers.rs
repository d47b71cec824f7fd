//! Brokers that cannot be reached, do not let the bridge in, or go away.

use anyhow::ensure;
use e2e::cluster::{
    algo::{Algo, channel},
    broker::{Broker, USER},
    in_namespace,
    market::Market,
    namespace::Namespace,
    pods::{Part, Pod},
};
use e2e::mqtt::{self, Message};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_reached_is_said_until_the_right_one_is_named() -> anyhow::Result<()> {
    in_namespace("wrong-url", async |namespace| {
        let algo = Algo::start(namespace, "misled", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let runtime = Pod::of(&algo, Part::Runtime).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.change(json!({"broker": {"url": "mqtt://no-such-broker.default.svc:1883"}})).await?;
        let message = algo.shows("BridgeConnected", "False", "BrokerUnreachable").await?;
        ensure!(message.starts_with("broker: "), "{message:?}");
        algo.shows("Ready", "False", "BrokerUnreachable").await?;
        algo.event("Warning", "BrokerUnreachable").await?;
        let ready = ("READY".to_owned(), "False".to_owned());
        ensure!(algo.columns().await?.contains(&ready), "{:?}", algo.columns().await?);
        algo.change(json!({"broker": null})).await?;
        algo.is_settled().await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        runtime.is_untouched(&algo, Part::Runtime).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_wrong_until_its_secret_is_corrected() -> anyhow::Result<()> {
    in_namespace("password", async |namespace| {
        let broker = Broker::start_with_password(namespace, "right").await?;
        secret(namespace, "wrong").await?;
        let given = json!({"url": broker.url(), "secretRef": {"name": "login"}});
        let algo = Algo::apply(namespace, "guest", json!({"broker": given})).await?;
        let refused = algo.until("the broker refuses the bridge", |algo| {
            let said = algo.pointer("/status/conditions")?.to_string();
            ["NotAuthorized", "BadUserNameOrPassword"].iter().any(|reason| said.contains(reason)).then_some(said)
        });
        let said = refused.await?;
        ensure!(!said.contains("wrong"), "the password is in the status: {said}");
        algo.says("BridgeConnected", "False").await?;
        // Nothing but the Secret is touched.
        secret(namespace, "right").await?;
        algo.is_ready().await?;
        let mut market = Market::on(broker.access()?, &algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        // A connection that stands is not asked again; the next one is refused.
        secret(namespace, "wrong").await?;
        Pod::of(&algo, Part::Bridge).await?.object().delete().await?;
        algo.says("BridgeConnected", "False").await?;
        secret(namespace, "right").await?;
        algo.is_settled().await?;
        market.publish(10).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

async fn secret(namespace: &Namespace, password: &str) -> anyhow::Result<()> {
    let login = json!({"mqtt-username": USER, "mqtt-password": password});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": login});
    namespace.apply(&secret).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_yet_is_waited_for() -> anyhow::Result<()> {
    in_namespace("no-secret", async |namespace| {
        let broker = Broker::start_with_password(namespace, "right").await?;
        let given = json!({"url": broker.url(), "secretRef": {"name": "login"}});
        let algo = Algo::apply(namespace, "early", json!({"broker": given})).await?;
        algo.shows("RuntimeReady", "True", "Serving").await?;
        algo.says("BridgeConnected", "False").await?;
        secret(namespace, "right").await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_and_comes_back_is_used_again() -> anyhow::Result<()> {
    in_namespace("broker-gone", async |namespace| {
        let broker = Broker::start(namespace).await?;
        let algo = Algo::start(namespace, "loyal", json!({"broker": {"url": broker.url()}})).await?;
        let mut market = Market::on(broker.access()?, &algo).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        broker.scale(0).await?;
        algo.shows("BridgeConnected", "False", "BrokerUnreachable").await?;
        algo.shows("RuntimeReady", "True", "Serving").await?;
        let subscriptions = market.consumer().subscriptions();
        broker.scale(1).await?;
        broker.is_ready().await?;
        algo.is_settled().await?;
        market.consumer().subscribed(subscriptions + 1).await?;
        market.publish(10).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_dead_letter_topic_is_shown_and_stops_no_trading() -> anyhow::Result<()> {
    in_namespace("denied-letters", async |namespace| {
        let topic = format!("intuition/{}/strict/dead-letter", namespace.name());
        let broker = Broker::start_with_rules(namespace, &format!("topic readwrite #\ntopic deny {topic}\n")).await?;
        let algo = Algo::start(namespace, "strict", json!({"broker": {"url": broker.url()}})).await?;
        let mut market = Market::on(broker.access()?, &algo).await?;
        let unusable = [Message::new(&channel(namespace), "no quote")];
        mqtt::publish_all(market.access().port(), market.access().login(), &unusable).await?;
        // Quotes behind the dead letter are decided and published before it is given up.
        market.publish(10).await?;
        market.settles(&algo).await?;

        let message = algo.shows("OutputsHealthy", "False", "Undeliverable").await?;
        ensure!(message.contains(&topic) && message.contains("NotAuthorized"), "{message:?}");
        let note = algo.event("Warning", "Undeliverable").await?;
        ensure!(note.contains(&topic), "{note:?}");
        algo.shows("BridgeConnected", "True", "Connected").await?;
        algo.is_ready().await?;
        market.publish(10).await?;
        market.settles(&algo).await?;

        broker.change_rules("topic readwrite #\n").await?;
        mqtt::publish_all(market.access().port(), market.access().login(), &unusable).await?;
        algo.is_settled().await?;
        market.publish(10).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}
