//! Releases mix: the bridge of one with the algo-runtime of the other, and a ledger that goes over to this one.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};
use e2e::{
    broker::{Broker, Kind},
    checker, command, mqtt,
    mqtt::Subscriber,
    process,
    quotes::{Quote, Shape},
    system::{Process, Settings, System},
};

const V0_1_0: Option<&str> = Some("v0.1.0");
const THIS: Option<&str> = None;
/// Quotes of one step.
const STEP: i64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_of_v0_1_0_works_with_this_runtime() -> anyhow::Result<()> {
    if !process::is_released_here("v0.1.0")? {
        return Ok(());
    }
    for shape in Shape::ALL {
        kills_repeat_nothing(shape, THIS, V0_1_0).await.with_context(|| format!("{shape:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn this_bridge_works_with_the_runtime_of_v0_1_0() -> anyhow::Result<()> {
    if !process::is_released_here("v0.1.0")? {
        return Ok(());
    }
    for shape in Shape::ALL {
        kills_repeat_nothing(shape, V0_1_0, THIS).await.with_context(|| format!("{shape:?}"))?;
    }
    Ok(())
}

/// Both processes are killed with quotes on their way.
async fn kills_repeat_nothing(
    shape: Shape,
    runtime: Option<&'static str>,
    bridge: Option<&'static str>,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let settings = Settings::busy("default/mixed", &broker.url()).of_releases(runtime, bridge);
    let mut system = System::start(folder.path(), settings).await?;
    for (step, victim) in (0..).zip([Process::Bridge, Process::Runtime, Process::Bridge]) {
        publish_half_before_a_standstill(&mut system, &broker, shape, step, victim).await?;
        system.kill(victim)?;
        system.restart(victim).await?;
    }
    check(&mut system, &consumer, shape, 3 * STEP).await?;
    system.stop().await
}

/// A prefix of topics is a flag of the bridge alone. The runtime of v0.1.0 works with it; the bridge of v0.1.0 ends at the
/// flag, instead of publishing on the topics of another installation.
#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_of_topics_goes_with_the_runtime_of_v0_1_0_and_ends_its_bridge() -> anyhow::Result<()> {
    if !process::is_released_here("v0.1.0")? {
        return Ok(());
    }
    let prefix = "--topic-prefix=trading/staging";
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let mut former = Command::new(process::released("v0.1.0", "bridge")?);
    former.args(["-m", &broker.url(), "-r", "http://127.0.0.1:1", "--algo", "default/prefixed", prefix]);
    let ended = former.output()?;
    let told = String::from_utf8(ended.stderr)?;
    ensure!(ended.status.code() == Some(2) && told.contains("--topic-prefix"), "{:?}: {told}", ended.status);

    let consumer = Subscriber::start(broker.port(), &None, "trading/staging/#").await?;
    let others = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let mut settings = Settings::busy("default/prefixed", &broker.url()).of_releases(V0_1_0, THIS);
    settings.bridge_args.push(prefix.to_owned());
    let mut system = System::start(folder.path(), settings).await?;
    let messages: Vec<_> = Quote::range(Shape::Numbered, 1, STEP).iter().map(Quote::message).collect();
    mqtt::publish_all(broker.port(), &None, &messages).await?;
    check(&mut system, &consumer, Shape::Numbered, STEP).await?;
    system.stop().await?;
    ensure!(others.count("decisions") == 0 && others.count("state") == 0, "published on the topics of another prefix");
    Ok(())
}

/// Every part changes its release in turn, the bridge also back, with quotes on their way each time. The ledger does not go back: the
/// runtime of v0.1.0 refuses it and decides nothing meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_goes_to_this_release_and_repeats_nothing() -> anyhow::Result<()> {
    if !process::is_released_here("v0.1.0")? {
        return Ok(());
    }
    for shape in Shape::ALL {
        change_releases(shape).await.with_context(|| format!("{shape:?}"))?;
    }
    Ok(())
}

async fn change_releases(shape: Shape) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(Kind::Mosquitto, folder.path()).await?;
    let consumer = Subscriber::start(broker.port(), &None, "intuition/#").await?;
    let settings = Settings::busy("default/mixed", &broker.url()).of_releases(V0_1_0, V0_1_0);
    let mut system = System::start(folder.path(), settings).await?;
    let changes = [
        (Process::Runtime, THIS),
        (Process::Bridge, THIS),
        (Process::Bridge, V0_1_0),
        (Process::Runtime, THIS),
        (Process::Bridge, THIS),
    ];
    for (step, (part, release)) in (0..).zip(changes) {
        publish_half_before_a_standstill(&mut system, &broker, shape, step, part).await?;
        system.kill(part)?;
        let settings = system.settings_mut();
        match part {
            Process::Runtime => settings.runtime_release = release,
            Process::Bridge => settings.bridge_release = release,
        }
        system.restart(part).await?;
    }
    refuse_the_former_runtime(&mut system, folder.path())?;
    system.restart(Process::Runtime).await?;
    check(&mut system, &consumer, shape, 5 * STEP).await?;
    system.stop().await?;
    let verified = command::run("algo-runtime", "verify --data-dir data", folder.path()).await?;
    ensure!(verified.code == Some(0), "{verified:?}");
    Ok(())
}

/// The runtime of v0.1.0 ends at the ledger of this release, leaves every byte of it, and names the way on.
fn refuse_the_former_runtime(system: &mut System, folder: &Path) -> anyhow::Result<()> {
    system.kill(Process::Runtime)?;
    let decisions = system.ledger()?.journal()?;
    let mut former = Command::new(process::released("v0.1.0", "algo-runtime")?);
    former.args(["--account", "default/mixed", "--algorithm", "random", "--addr", "127.0.0.1:0", "--data-dir", "data"]);
    let ended = former.current_dir(folder).output()?;
    let errors = String::from_utf8(ended.stderr)?;
    let refused = "needs a reader of version 6, this release reads up to 1; nothing was changed: use the newer release";
    ensure!(!ended.status.success() && errors.contains(refused), "{:?}: {errors}", ended.status);
    ensure!(system.ledger()?.journal()? == decisions, "v0.1.0 wrote to it");
    ensure!(folder.join("data/ledger.db.format-1").is_file(), "the ledger from before is kept");
    Ok(())
}

/// Publishes the quotes of a step, the second half while `part` stands still, so that some are on their way through it.
async fn publish_half_before_a_standstill(
    system: &mut System,
    broker: &Broker,
    shape: Shape,
    step: i64,
    part: Process,
) -> anyhow::Result<()> {
    let quotes = Quote::range(shape, step * STEP + 1, (step + 1) * STEP);
    let messages: Vec<_> = quotes.iter().map(Quote::message).collect();
    let (first, second) = messages.split_at(messages.len() / 2);
    mqtt::publish_all(broker.port(), &None, first).await?;
    system.freeze(part)?;
    mqtt::publish_all(broker.port(), &None, second).await
}

async fn check(system: &mut System, consumer: &Subscriber, shape: Shape, published: i64) -> anyhow::Result<()> {
    system.settled(published).await?;
    let ledger = system.ledger()?;
    let quotes = Quote::range(shape, 1, published);
    checker::check_outcomes(&ledger, &quotes)?;
    checker::check_decided_once(&ledger, &quotes)?;
    let decisions = checker::audit(&ledger)?;
    checker::check_published(&decisions, &consumer.decisions(decisions.len()).await?)
}
