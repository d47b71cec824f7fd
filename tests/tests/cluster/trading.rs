//! A resource is applied, prices are published, decisions come, and `kubectl get ta` says so.

use std::time::Instant;

use anyhow::ensure;
use e2e::cluster::{
    algo::{Algo, channel},
    broker::Access,
    figures, in_namespace, installation,
    market::Market,
    object::text,
    shell,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn real_quotes_become_decisions_and_the_columns_tell() -> anyhow::Result<()> {
    in_namespace("trading", async |namespace| {
        let start = Instant::now();
        // On the channel that the algorithm asks for itself.
        let algo = Algo::start(namespace, "goog-random", json!({"channels": null})).await?;
        figures::took("apply -> Ready", start.elapsed())?;
        let mut market = Market::on_channel(Access::to_default().await?, &algo, "quotes").await?;
        market.publish(500).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.decisions == 500 && books.cash == "9385.00", "{books:?}");
        columns_tell(&algo, "500", "9385.00").await?;
        status_tells(&algo).await?;
        algo.event("Normal", "Ready").await?;
        algo.is_settled().await
    })
    .await
}

async fn columns_tell(algo: &Algo<'_>, decisions: &str, cash: &str) -> anyhow::Result<()> {
    let columns = algo.columns().await?;
    let age = columns.iter().position(|(title, _)| title == "AGE");
    let expected =
        [("NAME", "goog-random"), ("ALGORITHM", "random"), ("READY", "True"), ("CASH", cash), ("DECISIONS", decisions)];
    let shown = expected.iter().all(|(title, value)| columns.contains(&((*title).to_owned(), (*value).to_owned())));
    ensure!(shown && age.is_some(), "{columns:?}");
    Ok(())
}

async fn status_tells(algo: &Algo<'_>) -> anyhow::Result<()> {
    algo.is_in_force().await?;
    let status = algo.status().await?;
    ensure!(status.pointer("/channels") == Some(&json!(["quotes"])), "{status:#}");
    ensure!(text(&status, "/backend/algorithm") == "random", "{status:#}");
    ensure!(!text(&status, "/backend/version").is_empty(), "{status:#}");
    ensure!(!text(&status, "/account/updated").is_empty(), "{status:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_published_by_hand_in_the_cluster_is_decided() -> anyhow::Result<()> {
    in_namespace("by-hand", async |namespace| {
        let algo = Algo::start(namespace, "by-hand", json!({})).await?;
        let (pod, topic) = (installation::BROKER_POD, channel(namespace));
        let publish = ["exec", pod, "--", "mosquitto_pub", "-t", &topic, "-m", r#"{"goog": 3.45}"#];
        shell::run("kubectl", &[["--namespace", installation::NAMESPACE].as_slice(), &publish].concat()).await?;
        let account = algo.account(1).await?;
        ensure!(text(&account, "/cash") == "9998.77", "{account}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_quotes_are_not_traded_and_an_input_without_quotes_is_stale() -> anyhow::Result<()> {
    in_namespace("ages", async |namespace| {
        let inputs = |max_quote_age: &str| {
            let input = json!({"topic": channel(namespace), "staleAfter": "5s", "maxQuoteAge": max_quote_age});
            json!({"channels": {"subscribe": null, "inputs": [input]}})
        };
        // The market's quotes are years old.
        let algo = Algo::start(namespace, "ages", inputs("24h")).await?;
        let message = algo.shows("InputsHealthy", "False", "Stale").await?;
        ensure!(message.contains("since the runtime started, for longer than its staleAfter of 5 s"), "{message}");
        algo.event("Warning", "Stale").await?;
        let mut market = Market::open(&algo).await?;
        market.publish_in_vain(&algo, 10).await?;
        algo.change(inputs("99999d")).await?;
        algo.is_in_force().await?;
        market.start_flow();
        algo.shows("InputsHealthy", "True", "Healthy").await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        let message = algo.shows("InputsHealthy", "False", "Stale").await?;
        ensure!(message.contains(" since 20"), "{message}");
        Ok(())
    })
    .await
}
