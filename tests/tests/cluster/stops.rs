//! A stop stops, whatever else is wrong with the resource. Quotes flow through each test, and none that was published after
//! the stop was confirmed may be traded.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, ensure};
use e2e::{
    cluster::{
        algo::{Algo, manifest},
        algorithm::{Algorithm, IMAGES},
        environment, figures, in_namespace,
        market::Market,
        object::text,
        pods::{self, Part, Pod},
        shell,
    },
    process,
};
use serde_json::{Value, json};

/// Waits until the condition `Trading` is False because of `reason`, and returns its message.
async fn stopped(algo: &Algo<'_>, reason: &str) -> anyhow::Result<String> {
    algo.shows("Trading", "False", reason).await
}

/// Kills a pod of the account and waits until both pods are ready again.
async fn replace(algo: &Algo<'_>, part: Part) -> anyhow::Result<()> {
    let pod = Pod::of(algo, part).await?;
    pod.object().kill().await?;
    pod.is_replaced(algo, part).await?;
    pods::run_tag(algo, environment::VERSION).await
}

/// Runs `intuition` on the resource and returns its standard output.
async fn intuition(algo: &Algo<'_>, verb: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let binary = process::binary("intuition")?;
    let target = [verb, algo.name(), "--namespace", algo.namespace().name()];
    shell::run(path(&binary)?, &[target.as_slice(), arguments].concat()).await
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn halted_reducing_and_active_again_by_the_spec() -> anyhow::Result<()> {
    in_namespace("state", async |namespace| {
        let algo = Algo::start(namespace, "steady", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        for state in ["Halted", "Reducing"] {
            let start = Instant::now();
            algo.change(json!({"tradingState": state})).await?;
            let message = stopped(&algo, state).await?;
            figures::took(&format!("tradingState: {state} -> confirmed"), start.elapsed())?;
            ensure!(message.contains("spec.tradingState"), "{message:?} should name the field");
            let columns = algo.columns().await?;
            ensure!(columns.contains(&("STATE".to_owned(), state.to_owned())), "{columns:?}");
            // `random` only buys, so that a reducing account trades nothing either.
            market.publish_in_vain(&algo, 10).await?;
            // People wait for readiness, which is no statement about trading.
            algo.shows("Ready", "True", state).await?;
        }
        algo.change(json!({"tradingState": "Active"})).await?;
        algo.is_settled().await?;
        market.publish(10).await?;
        market.settles(&algo).await?;
        pod.is_untouched(&algo, Part::Runtime).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_beside_a_refused_parameter_stops() -> anyhow::Result<()> {
    in_namespace("refused-stop", async |namespace| {
        let algo = Algo::start(namespace, "typo", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        algo.change(json!({"algorithm": {"parameters": {"sead": 7}}})).await?;
        algo.shows("Configured", "False", "InvalidSettings").await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        // The old field, and together with another change that is refused.
        algo.change(json!({"suspend": true, "algorithm": {"parameters": {"sead": 8}}})).await?;
        stopped(&algo, "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        replace(&algo, Part::Runtime).await?;
        stopped(&algo, "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_a_spec_that_is_not_accepted_stops() -> anyhow::Result<()> {
    in_namespace("not-accepted", async |namespace| {
        let algo = Algo::start(namespace, "bad-filter", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        algo.change(json!({"channels": {"subscribe": ["a/#/b"]}})).await?;
        algo.shows("Accepted", "False", "InvalidSpec").await?;
        algo.shows("Trading", "True", "Active").await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        namespace.kubectl("annotate ta bad-filter intuition.dev/halt=the-desk").await?;
        stopped(&algo, "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        // The field as well, which the operator reads although it does not accept the spec.
        algo.change(json!({"tradingState": "Halted"})).await?;
        namespace.kubectl("annotate ta bad-filter intuition.dev/halt-").await?;
        algo.until("halted by the field", |algo| {
            let conditions = algo.pointer("/status/conditions")?.as_array()?;
            let trading = conditions.iter().find(|found| text(found, "/type") == "Trading")?;
            (text(trading, "/status") == "False" && !text(trading, "/message").contains("the-desk")).then_some(())
        })
        .await?;
        market.publish_in_vain(&algo, 5).await?;
        // The runtime starts from its files and its ledger alone.
        replace(&algo, Part::Runtime).await?;
        market.publish_in_vain(&algo, 5).await?;
        stopped(&algo, "Halted").await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_the_algorithm_stops() -> anyhow::Result<()> {
    in_namespace("no-algorithm", async |namespace| {
        let algorithm = Algorithm::run(namespace, "coin", IMAGES[0]).await?;
        let choice = json!({"algorithm": {"builtin": null, "name": "coin"}});
        let algo = Algo::start(namespace, "orphan", choice).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        algorithm.object().delete().await?;
        algo.says("Configured", "False").await?;
        algo.change(json!({"tradingState": "Halted"})).await?;
        stopped(&algo, "Halted").await?;
        market.publish_to_chance(5).await?;
        // Another algorithm takes over: it finds the account halted, and gets the quotes that waited.
        algo.change(json!({"algorithm": {"name": null, "builtin": "random"}})).await?;
        algo.is_in_force().await?;
        stopped(&algo, "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        let books = market.settles(&algo).await?;
        ensure!(books.decisions == 5, "{books:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_pending_swap_outlives_the_runtime() -> anyhow::Result<()> {
    in_namespace("swap-stop", async |namespace| {
        let algo = Algo::start(namespace, "swapping", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        // Nothing answers there, so that the swap waits for ever.
        let elsewhere = json!({"builtin": null, "address": "http://127.0.0.1:9", "parameters": null});
        algo.change(json!({"algorithm": elsewhere, "tradingState": "Halted"})).await?;
        stopped(&algo, "Halted").await?;
        market.publish_in_vain(&algo, 5).await?;
        for part in [Part::Runtime, Part::Bridge] {
            replace(&algo, part).await?;
        }
        market.publish_in_vain(&algo, 5).await?;
        stopped(&algo, "Halted").await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_neither_lifts_a_halt_nor_a_suspension_of_another_manager() -> anyhow::Result<()> {
    in_namespace("gitops", async |namespace| {
        let algo = Algo::start(namespace, "synced", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        let start = Instant::now();
        let said = intuition(&algo, "halt", &["--reason", "prices look wrong"]).await?;
        figures::took("intuition halt, confirmed", start.elapsed())?;
        ensure!(said.contains("Halted"), "{said:?}");
        market.publish_in_vain(&algo, 5).await?;
        // The manifest of v0.1.0, with its default written out, under another field manager.
        for changes in [json!({}), json!({"suspend": false}), json!({"tradingState": "Active"})] {
            let again = manifest(namespace, "synced", changes);
            namespace.apply_with(&again, &["--server-side", "--force-conflicts", "--field-manager=gitops"]).await?;
            let message = stopped(&algo, "Halted").await?;
            ensure!(message.contains("prices look wrong"), "{message:?}");
            market.publish_in_vain(&algo, 5).await?;
        }
        // A person's `suspend` stays beside the `tradingState` of the manifest: the stricter holds.
        algo.change(json!({"suspend": true})).await?;
        let refused = intuition(&algo, "resume", &[]).await;
        ensure!(format!("{refused:?}").contains("spec.suspend"), "{refused:?} should name the cause that remains");
        let message = stopped(&algo, "Halted").await?;
        ensure!(message.contains("spec.suspend") && !message.contains("prices look wrong"), "{message:?}");
        market.publish_in_vain(&algo, 5).await?;
        algo.change(json!({"suspend": null})).await?;
        algo.is_settled().await?;
        market.publish(5).await?;
        market.settles(&algo).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn holdings_are_closed_by_hand_while_halted() -> anyhow::Result<()> {
    in_namespace("close", async |namespace| {
        let algo = Algo::start(namespace, "closing", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(20).await?;
        let before = market.settles(&algo).await?;
        let refused = intuition(&algo, "close", &["--all-holdings"]).await;
        ensure!(format!("{refused:?}").contains("NotHalted"), "{refused:?}");
        intuition(&algo, "halt", &[]).await?;
        intuition(&algo, "close", &["--all-holdings"]).await?;
        market.publish_to_chance(40).await?;
        market.decided_more(&before).await?;
        let sold = market.consumer().json("decisions")?;
        let manual: Vec<&Value> = sold.iter().filter(|decision| text(decision, "/origin") == "manual").collect();
        ensure!(!manual.is_empty() && manual.iter().all(|sale| text(sale, "/side") == "sell"), "{manual:?}");
        let later = sold.iter().skip(usize::try_from(before.decisions)?);
        ensure!(
            later.clone().all(|decision| text(decision, "/origin") == "manual"),
            "an algorithm's decision: {sold:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn cash_that_a_later_manifest_leaves_open_stays() -> anyhow::Result<()> {
    in_namespace("open-cash", async |namespace| {
        let algo = Algo::start(namespace, "frugal", json!({"startingCash": 500})).await?;
        algo.until("500 are deposited", |algo| (text(algo, "/status/account/cash") == "500.00").then_some(())).await?;
        algo.change(json!({"startingCash": null, "threshold": 1})).await?;
        algo.is_in_force().await?;
        Pod::of(&algo, Part::Runtime).await?.object().kill().await?;
        algo.is_settled().await?;
        let status = algo.status().await?;
        ensure!(text(&status, "/account/cash") == "500.00", "{status:#}");
        algo.change(json!({"startingCash": 600})).await?;
        algo.until("100 more are deposited", |algo| (text(algo, "/status/account/cash") == "600.00").then_some(()))
            .await
    })
    .await
}
