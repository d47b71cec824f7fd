//! Accounts that name feeds in `spec.channels.from`.

use anyhow::ensure;
use e2e::cluster::{
    algo::Algo, in_namespace, market::Market, namespace::Namespace, object::number, publication::Publication,
};
use serde_json::{Value, json};

/// Name of the feed.
const FEED: &str = "numbers";

/// Applies a feed that publishes ten quotes a second.
async fn apply<'a>(namespace: &'a Namespace, publish: &Value) -> anyhow::Result<Publication<'a>> {
    let generator = json!({
        "model": "RandomWalk", "startPrice": 100, "volatility": "0.2", "interval": "100ms", "symbols": ["ACME"],
    });
    Publication::apply(namespace, FEED, &json!({"source": {"generator": generator}, "publish": publish})).await
}

/// Waits until the account has more decisions than `before`.
async fn decides_more(algo: &Algo<'_>, before: i64) -> anyhow::Result<i64> {
    let what = format!("its account shows more than {before} decisions");
    algo.until(&what, |algo| {
        let decisions = number(algo.pointer("/status/account")?, "/decisions");
        (decisions > before).then_some(decisions)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_the_quotes_of_a_feed_that_comes_later() -> anyhow::Result<()> {
    in_namespace("from", async |namespace| {
        let from = json!({"channels": {"from": [{"feed": FEED, "symbols": ["ACME"], "staleAfter": "1h"}]}});
        let algo = Algo::start(namespace, "fed", from).await?;
        let message = algo.shows("InputsHealthy", "False", "SourceMissing").await?;
        let missing = format!("spec.channels.from[0]: there is no Feed {}/{FEED}", namespace.name());
        ensure!(message.contains(&missing), "{message}");
        algo.event("Warning", "SourceMissing").await?;
        // The other channel goes on.
        let mut market = Market::open(&algo).await?;
        market.publish(100).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.decisions == 100, "{books:?}");

        apply(namespace, &json!({})).await?;
        algo.shows("InputsHealthy", "True", "Healthy").await?;
        decides_more(&algo, 110).await?;

        // Another topic replaces the runtime's pod, and quotes go on.
        let topic = |symbol: &str| format!("intuition/{}/prices/{symbol}", namespace.name());
        let feed = apply(namespace, &json!({"topic": topic("{sid}")})).await?;
        let filter = topic("+");
        let decisions = algo
            .until("its channels have the feed's new topic", |algo| {
                let channels = algo.pointer("/status/channels")?.as_array()?;
                let has_it = channels.iter().any(|channel| channel.as_str() == Some(&filter));
                has_it.then(|| number(algo, "/status/account/decisions"))
            })
            .await?;
        decides_more(&algo, decisions + 20).await?;

        feed.resource().object().delete().await?;
        algo.shows("InputsHealthy", "False", "SourceMissing").await?;
        algo.is_ready().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_another_namespace_needs_to_be_allowed() -> anyhow::Result<()> {
    in_namespace("from-other", async |namespace| {
        let other = json!([{"feed": FEED, "namespace": "kube-public"}]);
        // Beside another channel it is left out.
        let algo = Algo::start(namespace, "fed", json!({"channels": {"from": other}})).await?;
        let message = algo.shows("InputsHealthy", "False", "TopicNotAllowed").await?;
        ensure!(
            message.contains("kube-public/feed.numbers/quotes") && message.contains("topics.subscribe"),
            "{message}"
        );
        let status = algo.status().await?;
        let channels = status.pointer("/channels").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(channels == 1, "{status:#}");
        // Alone it leaves the account without a channel.
        let alone = Algo::apply(namespace, "alone", json!({"channels": {"subscribe": null, "from": other}})).await?;
        let message = alone.shows("Accepted", "False", "TopicNotAllowed").await?;
        ensure!(message.starts_with("spec.channels.from[0]: the topic"), "{message}");
        ensure!(alone.status().await?.get("account").is_none(), "nothing is made");
        Ok(())
    })
    .await
}
