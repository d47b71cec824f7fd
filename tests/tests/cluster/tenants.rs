//! Two namespaces against each other: neither reads or forges what the other publishes.

use anyhow::ensure;
use e2e::cluster::{
    algo::{Algo, channel},
    in_namespace,
    market::Market,
    namespace::Namespace,
    object::{SECRET, text},
};
use serde_json::{Value, json};

/// Whether a resource with these channels is refused, with a message that names the topic.
async fn is_refused(namespace: &Namespace, name: &str, channels: Value, topic: &str) -> anyhow::Result<()> {
    let algo = Algo::apply(namespace, name, json!({"channels": channels})).await?;
    let message = algo.shows("Accepted", "False", "InvalidSpec").await?;
    ensure!(message.contains(topic), "{message:?} should name {topic}");
    algo.object().delete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_namespace_is_neither_read_nor_forged() -> anyhow::Result<()> {
    in_namespace("victim", async |victim| {
        let algo = Algo::start(victim, "honest", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        let intruder = Namespace::create("intruder").await?;
        let tried = intrude(&intruder, victim.name()).await;
        intruder.delete().await?;
        tried?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

async fn intrude(intruder: &Namespace, victim: &str) -> anyhow::Result<()> {
    let forged = format!("intuition/{victim}/honest/decisions");
    is_refused(intruder, "forger", json!({"publish": forged}), &forged).await?;
    let quotes = format!("quotes/{victim}");
    is_refused(intruder, "feeder", json!({"publish": quotes}), &quotes).await?;
    let filters = [
        format!("intuition/{victim}/+/decisions"),
        "intuition/+/honest/#".to_owned(),
        "intuition/#".to_owned(),
        "#".to_owned(),
        "+/+/honest/decisions".to_owned(),
        format!("$share/g/intuition/{victim}/honest/decisions"),
    ];
    for (index, filter) in filters.iter().enumerate() {
        is_refused(intruder, &format!("reader-{index}"), json!({"subscribe": [filter]}), filter).await?;
    }
    let inputs = json!({"subscribe": null, "inputs": [{"topic": format!("intuition/{victim}/honest/data/#")}]});
    is_refused(intruder, "input", inputs, victim).await?;
    // Its own topics are its own.
    let name = intruder.name();
    let own = json!({"publish": format!("intuition/{name}/desk/orders"), "subscribe": [format!("intuition/{name}/prices/#"), channel(intruder)]});
    Algo::start(intruder, "own", json!({"channels": own})).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_brokers_login_stays_out_of_namespaces_without_the_label() -> anyhow::Result<()> {
    in_namespace("unlabelled", async |namespace| {
        namespace.kubectl(&format!("label namespace {} intuition.dev/broker-", namespace.name())).await?;
        let algo = Algo::apply(namespace, "uninvited", json!({})).await?;
        let (reason, message) = algo.says("Ready", "False").await?;
        let message = match reason.as_str() {
            "BrokerNotAllowed" => message,
            _ => algo.shows("Ready", "False", "BrokerNotAllowed").await?,
        };
        ensure!(message.contains("intuition.dev/broker"), "{message:?} should name the label");
        let secrets = namespace.list(SECRET, "app.kubernetes.io/part-of=intuition").await?;
        ensure!(
            secrets.is_empty(),
            "{:?}",
            secrets.iter().map(|found| text(found, "/metadata/name")).collect::<Vec<_>>()
        );
        namespace.kubectl(&format!("label namespace {} intuition.dev/broker=default", namespace.name())).await?;
        algo.is_ready().await
    })
    .await
}
