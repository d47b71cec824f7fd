//! The spec is changed while the algorithm trades.

use anyhow::ensure;
use e2e::cluster::{
    algo::Algo,
    in_namespace,
    market::Market,
    object::text,
    pods::{Part, Pod},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn threshold_and_parameters_change_without_a_restart() -> anyhow::Result<()> {
    in_namespace("threshold", async |namespace| {
        let algo = Algo::start(namespace, "live", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        // No random number is above 1.
        algo.change(json!({"threshold": 1})).await?;
        algo.is_in_force().await?;
        market.publish_in_vain(&algo, 10).await?;
        algo.change(json!({"threshold": 0, "algorithm": {"parameters": {"seed": 8}}})).await?;
        algo.is_in_force().await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        pod.is_untouched(&algo, Part::Runtime).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_cash_is_what_was_paid_in_and_too_little_is_refused() -> anyhow::Result<()> {
    in_namespace("cash", async |namespace| {
        let algo = Algo::start(namespace, "rich", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.change(json!({"startingCash": "10500.50"})).await?;
        algo.is_in_force().await?;
        market.deposited("500.50")?;
        market.publish(10).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.cash == "10475.90", "{books:?}");
        // 24.60 are spent: less than that cannot be left.
        algo.change(json!({"startingCash": 20})).await?;
        algo.shows("Configured", "False", "InsufficientCash").await?;
        algo.shows("Stalled", "True", "InsufficientCash").await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.change(json!({"startingCash": "10500.50"})).await?;
        algo.is_settled().await?;
        pod.is_untouched(&algo, Part::Runtime).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_algorithm_goes_on_with_the_same_cash() -> anyhow::Result<()> {
    in_namespace("algorithm", async |namespace| {
        let algo = Algo::start(namespace, "swapped", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        market.publish(20).await?;
        let before = market.settles(&algo).await?;
        let crossover = json!({"builtin": "sma-crossover", "parameters": {"fast": 1, "slow": 2, "seed": null}});
        algo.change(json!({"algorithm": crossover})).await?;
        algo.is_in_force().await?;
        let status = algo.status().await?;
        ensure!(text(&status, "/backend/algorithm") == "sma-crossover", "{status:#}");
        ensure!(text(&status, "/account/cash") == before.cash, "{status:#}");
        market.publish_to_chance(100).await?;
        market.decided_more(&before).await?;
        algo.change(json!({"algorithm": {"builtin": "random", "parameters": null}})).await?;
        algo.is_in_force().await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        pod.is_untouched(&algo, Part::Runtime).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_it_takes_quotes_and_trades_none() -> anyhow::Result<()> {
    in_namespace("suspend", async |namespace| {
        let algo = Algo::start(namespace, "paused", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        algo.change(json!({"suspend": true})).await?;
        algo.shows("Ready", "True", "Halted").await?;
        algo.shows("Trading", "False", "Halted").await?;
        market.publish_in_vain(&algo, 10).await?;
        algo.change(json!({"suspend": false})).await?;
        algo.is_ready().await?;
        algo.shows("Trading", "True", "Active").await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        pod.is_untouched(&algo, Part::Runtime).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_leaves_the_old_settings_in_force() -> anyhow::Result<()> {
    in_namespace("refused", async |namespace| {
        let algo = Algo::start(namespace, "stubborn", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        for (bad, named) in [(json!({"seed": "seven"}), "seed"), (json!({"sead": 7}), "sead")] {
            refused(&algo, &mut market, json!({"parameters": bad}), named).await?;
        }
        pod.is_untouched(&algo, Part::Runtime).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_an_algorithm_that_is_not_there_leaves_the_old_one_trading() -> anyhow::Result<()> {
    in_namespace("not-there", async |namespace| {
        let algo = Algo::start(namespace, "stubborn", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        refused(&algo, &mut market, json!({"builtin": "no-such-algorithm"}), "no-such-algorithm").await
    })
    .await
}

/// What `spec.algorithm` is changed to is refused, with a message that has `named`; trading goes on until it is put right.
async fn refused(algo: &Algo<'_>, market: &mut Market, change: Value, named: &str) -> anyhow::Result<()> {
    algo.change(json!({"algorithm": change})).await?;
    let message = algo.shows("Configured", "False", "InvalidSettings").await?;
    ensure!(message.contains(named), "{message:?} should say what is wrong with {named}");
    algo.shows("Stalled", "True", "InvalidSettings").await?;
    market.publish(5).await?;
    market.settles(algo).await?;
    let good = json!({"builtin": "random", "parameters": {"seed": 7}});
    algo.object().patch(&json!([{"op": "replace", "path": "/spec/algorithm", "value": good}])).await?;
    algo.is_settled().await?;
    market.publish(5).await?;
    market.settles(algo).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_that_is_not_there_is_named_from_the_start() -> anyhow::Result<()> {
    in_namespace("unknown", async |namespace| {
        let algo = Algo::apply(namespace, "lost", json!({"algorithm": {"builtin": "no-such-algorithm"}})).await?;
        let (_, message) = algo.says("Ready", "False").await?;
        let named = algo
            .until("a condition names the algorithm", |algo| {
                let conditions = algo.pointer("/status/conditions")?.to_string();
                conditions.contains("no-such-algorithm").then_some(())
            })
            .await;
        named.map_err(|error| error.context(message))?;
        algo.change(json!({"algorithm": {"builtin": "random"}})).await?;
        algo.is_ready().await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}
