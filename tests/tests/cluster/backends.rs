//! Algorithms out of process in the cluster: run from an image or at an address, swapped while quotes flow, rolled, lost.

use std::time::Instant;

use anyhow::ensure;
use e2e::{
    cluster::{
        algo::Algo,
        algorithm::{Algorithm, IMAGES},
        figures,
        forward::Forward,
        in_namespace,
        installation::{NAMESPACE, OPERATOR},
        market::Market,
        object::{POD, number, text},
        pods::{Part, Pod},
    },
    command, wait,
};
use serde_json::{Value, json};

/// A choice in place of the one that [`e2e::cluster::algo::manifest`] makes.
fn choice(choice: Value) -> Value {
    let mut algorithm = json!({"builtin": null, "name": null, "address": null});
    if let (Some(all), Value::Object(choice)) = (algorithm.as_object_mut(), choice) {
        all.extend(choice);
    }
    json!({"algorithm": algorithm})
}

fn named(name: &str) -> Value {
    choice(json!({"name": name}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_run_listed_and_swapped_in_and_out_while_quotes_flow() -> anyhow::Result<()> {
    in_namespace("image", async |namespace| {
        let algo = Algo::start(namespace, "trader", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let (runtime, bridge) = (Pod::of(&algo, Part::Runtime).await?, Pod::of(&algo, Part::Bridge).await?);
        let start = Instant::now();
        let algorithm = Algorithm::run(namespace, "coin", IMAGES[0]).await?;
        figures::took("Algorithm applied -> healthy", start.elapsed())?;
        market.start_flow();
        market.next_decision().await?;
        let start = Instant::now();
        algo.change(named("coin")).await?;
        algo.is_in_force().await?;
        figures::took("algorithm changed to a backend -> in force", start.elapsed())?;
        market.next_decision().await?;
        let status = algo.status().await?;
        ensure!(text(&status, "/backend/algorithm") == "random-python", "{status:#}");
        let address = text(&status, "/backend/address").to_owned();
        algorithm.until("it is used by one", |found| (number(found, "/status/usedBy") == 1).then_some(())).await?;
        let line = algorithm.line().await?;
        for part in ["coin", "random-python", "1.0.0", &address, "true", " 1 "] {
            ensure!(line.contains(part), "{line:?} should have {part:?}");
        }
        // Parameters reach the backend that decides; those that it does not know are refused by their path.
        algo.change(json!({"algorithm": {"parameters": {"seed": null, "sead": 1}}})).await?;
        let message = algo.shows("Configured", "False", "InvalidSettings").await?;
        ensure!(message.contains("parameters.sead"), "{message}");
        algo.change(json!({"algorithm": {"parameters": {"seed": 8, "sead": null}}})).await?;
        algo.is_in_force().await?;
        algo.change(choice(json!({"builtin": "random"}))).await?;
        algo.is_in_force().await?;
        market.next_decision().await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        runtime.is_untouched(&algo, Part::Runtime).await?;
        bridge.is_untouched(&algo, Part::Bridge).await?;
        algorithm.until("nobody uses it", |found| (number(found, "/status/usedBy") == 0).then_some(())).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_image_is_rolled_out_and_the_old_one_goes_with_its_last_user() -> anyhow::Result<()> {
    in_namespace("roll", async |namespace| {
        let algorithm = Algorithm::run(namespace, "coin", IMAGES[0]).await?;
        let algo = Algo::start(namespace, "trader", named("coin")).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        let before = text(&algo.status().await?, "/backend/address").to_owned();
        market.start_flow();
        market.next_decision().await?;
        let start = Instant::now();
        algorithm.object().merge(&json!({"spec": {"image": IMAGES[1]}})).await?;
        algo.until("it is decided by the new image", |found| {
            let address = text(found, "/status/backend/address");
            (!address.is_empty() && address != before).then_some(())
        })
        .await?;
        figures::took("image of an Algorithm changed -> its user decided by the new one", start.elapsed())?;
        wait::until_within(e2e::cluster::PATIENCE, "only the new image runs", async || {
            Ok((algorithm.images().await? == [IMAGES[1]]).then_some(()))
        })
        .await?;
        market.next_decision().await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        pod.is_untouched(&algo, Part::Runtime).await?;
        // An image that cannot be had leaves the one before deciding.
        algorithm.object().merge(&json!({"spec": {"image": "localhost/intuition-examples/none:v1"}})).await?;
        algo.says("Configured", "False").await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        algorithm.object().merge(&json!({"spec": {"image": IMAGES[1]}})).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_dies_loses_no_quote_and_one_that_is_deleted_is_named() -> anyhow::Result<()> {
    in_namespace("backend-dies", async |namespace| {
        let algorithm = Algorithm::run(namespace, "coin", IMAGES[0]).await?;
        let algo = Algo::start(namespace, "trader", named("coin")).await?;
        let mut market = Market::open(&algo).await?;
        market.start_flow();
        for _ in 0..2 {
            market.next_decision().await?;
            for pod in namespace.list(POD, "app.kubernetes.io/component=algorithm").await? {
                namespace.object(POD, text(&pod, "/metadata/name")).kill().await?;
            }
        }
        market.next_decision().await?;
        market.stop_flow().await?;
        market.settles(&algo).await?;
        // Gone with its pods: quotes wait, and the resource says for what.
        algorithm.object().delete().await?;
        algo.shows("Configured", "False", "AlgorithmNotFound").await?;
        algo.says("Ready", "False").await?;
        market.publish(5).await?;
        let _again = Algorithm::run(namespace, "coin", IMAGES[0]).await?;
        market.settles(&algo).await?;
        algo.is_settled().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_that_does_not_come_up_leaves_the_old_one_deciding() -> anyhow::Result<()> {
    in_namespace("no-backend", async |namespace| {
        let algo = Algo::start(namespace, "trader", json!({})).await?;
        let mut market = Market::open(&algo).await?;
        let pod = Pod::of(&algo, Part::Runtime).await?;
        for (bad, reason) in [
            (json!({"name": "nobody"}), "AlgorithmNotFound"),
            (json!({"address": "http://nobody.invalid:50051"}), "BackendUnreachable"),
            // The bridge serves pages there, and no algorithm.
            (
                json!({"address": format!("http://trader-runtime.{}.svc:50051", namespace.name())}),
                "ContractUnsupported",
            ),
        ] {
            algo.change(choice(bad)).await?;
            algo.shows("Configured", "False", reason).await?;
            market.publish(5).await?;
            market.settles(&algo).await?;
        }
        algo.change(choice(json!({"builtin": "random"}))).await?;
        algo.is_settled().await?;
        pod.is_untouched(&algo, Part::Runtime).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_tells_programs_what_there_is_at_an_address_too() -> anyhow::Result<()> {
    in_namespace("directory", async |namespace| {
        let coin = Algorithm::run(namespace, "coin", IMAGES[0]).await?;
        let address = text(&coin.is_healthy().await?, "/address").to_owned();
        let elsewhere = Algorithm::apply(namespace, "elsewhere", json!({"address": address})).await?;
        elsewhere.is_healthy().await?;
        let algo = Algo::start(namespace, "trader", named("elsewhere")).await?;
        elsewhere.until("it is used by one", |found| (number(found, "/status/usedBy") == 1).then_some(())).await?;
        let mut market = Market::open(&algo).await?;
        market.publish(5).await?;
        market.settles(&algo).await?;
        let forward = Forward::start(NAMESPACE, &format!("service/{OPERATOR}"), 50052)?;
        let arguments = format!(
            "backends --directory http://127.0.0.1:{} --namespace {} --output json",
            forward.port(),
            namespace.name()
        );
        let folder = tempfile::tempdir()?;
        let listed = wait::until_within(e2e::cluster::PATIENCE, "the directory lists both", async || {
            let ended = command::run("intuition", &arguments, folder.path()).await?;
            Ok((ended.code == Some(0) && ended.stdout.contains("elsewhere")).then_some(ended.stdout))
        })
        .await?;
        for part in ["coin", "random-python", &address, "trader", "seed"] {
            ensure!(listed.contains(part), "{listed} should have {part:?}");
        }
        // One whose server goes away is shown as gone.
        coin.object().delete().await?;
        let reason = elsewhere
            .until("it is not healthy", |found| {
                let unhealthy = found.pointer("/status/healthy") == Some(&json!(false));
                unhealthy.then(|| found.pointer("/status/conditions").map(Value::to_string))?
            })
            .await?;
        ensure!(reason.contains("BackendUnreachable"), "{reason}");
        Ok(())
    })
    .await
}
