//! What stops a process at the start: one clear error, the right exit code, and nothing changed.

use std::{fs, net::TcpListener, path::Path};

use anyhow::{Context as _, ensure};
use e2e::{
    broker::{Broker, Kind},
    command, ledger,
    mosquitto::{Config, Mosquitto},
    mqtt, ports,
    quotes::{Quote, Shape},
    system::{Process, Settings, System},
    wait,
};

fn runtime_arguments(port: u16, data: &str) -> String {
    format!("--addr 127.0.0.1:{port} --algorithm random --account default/goog-random --data-dir {data}")
}

/// It ends with an error that says all of `words`, on one line.
async fn fails(binary: &str, arguments: &str, folder: &Path, words: &[&str]) -> anyhow::Result<command::Ended> {
    let ended = command::run(binary, arguments, folder).await?;
    ensure!(ended.code.is_some_and(|code| code != 0), "it should fail: {ended:?}");
    let line = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    for word in words {
        ensure!(line.contains(word), "the error should say {word:?}:\n{}", ended.stderr);
    }
    ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    Ok(ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let port = ports::free()?;
    let _taken = TcpListener::bind(("127.0.0.1", port))?;
    let address = format!("127.0.0.1:{port}");
    fails("algo-runtime", &runtime_arguments(port, "data"), folder.path(), &[&address, "in use"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_cannot_be_written_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Root may write everywhere, but not below a file.
    fs::write(folder.path().join("file"), "")?;
    fails("algo-runtime", &runtime_arguments(ports::free()?, "file/data"), folder.path(), &["file/data"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_shows_until_it_is_right() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let login = Some(("bridge".to_owned(), "right".to_owned()));
    let config = Config { login, ..Config::default() };
    let broker = Mosquitto::start(&folder.path().join("mosquitto"), &config).await?;
    let password = folder.path().join("password");
    fs::write(&password, "wrong\n")?;
    let mut settings = Settings::busy("default/login", &format!("mqtt://127.0.0.1:{}", broker.port()));
    settings.bridge_args =
        ["--mqtt-username", "bridge", "--mqtt-password-file"].map(str::to_owned).into_iter().collect();
    settings.bridge_args.push(password.display().to_string());
    let mut system = System::prepare(folder.path(), settings)?;
    system.start_runtime().await?;
    system.start_bridge()?;
    wait::until("the bridge says that it may not come in", async || {
        let lacks = system.bridge_lacks().await?;
        Ok(lacks.iter().any(|(part, reason)| part == "broker" && reason == "NotAuthorized").then_some(()))
    })
    .await?;
    let log = system.bridge_log()?;
    ensure!(!log.contains("wrong"), "the password is in the log: {log}");
    fs::write(&password, "right\n")?;
    system.kill(Process::Bridge)?;
    system.start_bridge()?;
    system.bridge_ready().await?;
    system.stop().await
}

/// A ledger with some decisions, closed in order.
async fn a_ledger(folder: &Path) -> anyhow::Result<()> {
    let broker = Broker::start(Kind::Mosquitto, folder).await?;
    let mut system = System::start(folder, Settings::busy("default/goog-random", &broker.url())).await?;
    let messages: Vec<_> = Quote::range(Shape::Numbered, 1, 100).iter().map(Quote::message).collect();
    mqtt::publish_all(broker.port(), &None, &messages).await?;
    system.settled(100).await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_prints_the_account_of_a_sound_ledger() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    a_ledger(folder.path()).await?;
    let ended = command::run("algo-runtime", "verify --data-dir data", folder.path()).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let cash = ledger::Ledger::open(&folder.path().join("data"))?.account()?.cash;
    ensure!(ended.stdout.contains(&cash) && ended.stdout.contains("default/goog-random"), "{ended:?}");
    Ok(())
}

/// Spoils a sound ledger and checks that runtime and verify refuse it and leave it as it is.
async fn refused_when(
    spoil: impl Fn(&Path) -> anyhow::Result<()>,
    says: &str,
    verify_says: &str,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    a_ledger(folder.path()).await?;
    let file = ledger::file(&folder.path().join("data"));
    spoil(&file)?;
    let spoiled = fs::read(&file)?;
    let arguments = runtime_arguments(ports::free()?, "data");
    fails("algo-runtime", &arguments, folder.path(), &[says, "nothing was changed"]).await?;
    ensure!(fs::read(&file)? == spoiled, "the file was changed");
    fails("algo-runtime", "verify --data-dir data", folder.path(), &[verify_says]).await?;
    ensure!(fs::read(&file)? == spoiled, "the file was changed by verify");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_with_a_flipped_byte_is_refused() -> anyhow::Result<()> {
    let flip = |file: &Path| {
        let mut bytes = fs::read(file)?;
        // The starting deposit is certainly alive.
        let place = bytes.windows(9).position(|window| window == b"100000.00").context("no deposit in the file")?;
        *bytes.get_mut(place).context("just found")? = b'9';
        Ok(fs::write(file, bytes)?)
    };
    refused_when(flip, "damaged", "900000.00").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_cut_short_is_refused() -> anyhow::Result<()> {
    let cut = |file: &Path| {
        let bytes = fs::read(file)?;
        Ok(fs::write(file, bytes.get(..bytes.len() / 2).context("half of it")?)?)
    };
    refused_when(cut, "damaged", "damaged").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_a_later_release_is_refused() -> anyhow::Result<()> {
    let age = |file: &Path| {
        let connection = rusqlite::Connection::open(file)?;
        connection.execute("UPDATE seal SET min_reader = 9999", [])?;
        Ok(connection.pragma_update(None, "user_version", 9999)?)
    };
    refused_when(age, "needs a reader of version 9999", "9999").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_manifest_is_refused_with_the_path_of_each_problem() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (spec, path) in [
        ("algorithm: {builtin: random}, treshold: 0.5", "treshold"),
        ("algorithm: {builtin: random}, threshold: 1.5", "spec.threshold"),
        ("algorithm: {builtin: random}, startingCash: -1", "spec.startingCash"),
        ("algorithm: {builtin: random}, startingCash: 10000.555", "spec.startingCash"),
    ] {
        let manifest = format!(
            "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {{name: bad}}\nspec: {{{spec}}}\n"
        );
        fs::write(folder.path().join("bad.yaml"), manifest)?;
        for arguments in ["validate -f bad.yaml", "run -f bad.yaml"] {
            let ended = command::run("intuition", arguments, folder.path()).await?;
            ensure!(ended.code == Some(2), "{arguments}: {spec}: {ended:?}");
            ensure!(ended.stderr.contains(path) && ended.stderr.contains("bad.yaml"), "{arguments}: {spec}: {ended:?}");
        }
    }
    Ok(())
}
