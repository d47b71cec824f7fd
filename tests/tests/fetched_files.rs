//! Feeds of files on a web server: every row comes through cuts, and an answer that is no whole file is never taken for one.

use std::{collections::VecDeque, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, ensure};
use e2e::{
    feed::{self, Feed, Seen},
    mosquitto::{Config, Mosquitto},
    mqtt::Subscriber,
    seed, wait,
    web::{Asked, End, Plan, Web},
};
use rand::{RngExt as _, rngs::ChaCha8Rng};
use serde_json::{Value, json};

const QUOTES: &str = "intuition/desk/feed.test/quotes";
/// Rows of a file with about 500 KB.
const ROWS: usize = 20_000;
/// A strong tag.
const ETAG: &str = "\"v1\"";

fn rows(count: usize) -> anyhow::Result<Vec<u8>> {
    let mut text = "time,sid,price\n".to_owned();
    for row in 1..=count {
        writeln!(text, "{},ACME,{row}.5", 951_868_800 + row)?;
    }
    Ok(text.into_bytes())
}

fn spec(url: &str) -> Value {
    json!({ "source": { "file": { "url": url } } })
}

async fn broker(folder: &Path) -> anyhow::Result<Mosquitto> {
    Mosquitto::start(folder, &Config { persistence: true, ..Config::quiet() }).await
}

/// Waits until the last row has come, and checks all of them.
async fn complete(subscriber: &Subscriber, source: &str, rows: usize) -> anyhow::Result<()> {
    let last = u64::try_from(rows)?;
    let has_last = async || {
        let sources = feed::by_source(&subscriber.received("quotes"))?;
        Ok(sources.values().flatten().any(|seen: &Seen| seen.seq == last).then_some(()))
    };
    wait::until("the last row has come", has_last).await?;
    let sources = feed::by_source(&subscriber.received("quotes"))?;
    let seen = sources.get(source).with_context(|| format!("{:?} have no {source}", sources.keys()))?;
    ensure!(sources.len() == 1 && feed::check_complete(source, seen)? == last, "rows are missing or invented");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_through_cuts_and_kills() -> anyhow::Result<()> {
    let (seed, mut random) = seed::pick()?;
    for (etag, end) in [(Some(ETAG), End::Length), (Some(ETAG), End::Chunks), (None, End::Length), (None, End::Chunks)]
    {
        cut_and_kill(&mut random, etag, end)
            .await
            .with_context(|| format!("{etag:?}, {end:?}: E2E_SEED={seed} repeats this run"))?;
    }
    Ok(())
}

async fn cut_and_kill(random: &mut ChaCha8Rng, etag: Option<&str>, end: End) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, QUOTES).await?;
    let file = rows(ROWS)?;
    let cuts: VecDeque<usize> = (0..4).map(|_| random.random_range(0..file.len())).collect();
    let web = Web::start(Plan { file, etag: etag.map(str::to_owned), end, cuts, ..Plan::default() }).await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &spec(&web.url("/old/quotes.csv?key=secret")))?;
    let some = random.random_range(1..ROWS);
    wait::until("rows have come", async || Ok((subscriber.count("quotes") >= some).then_some(()))).await?;
    feed.kill()?;
    feed.start_again()?;
    complete(&subscriber, "quotes.csv", ROWS).await?;
    feed.page(200, "SourceEnded").await?;
    feed.stop().await?;
    let log = fs::read_to_string(folder.path().join("feed.log"))?;
    ensure!(!log.contains("secret"), "the query may hold a key: {log}");
    let has_ranges = web.asked().iter().any(|asked| asked.from.is_some());
    ensure!(has_ranges == etag.is_some(), "ranges are asked for with a tag alone: {:?}", web.asked());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_away_is_waited_for_and_a_changed_file_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, QUOTES).await?;
    let web = Web::start(Plan { file: rows(700)?, status: Some(503), ..Plan::default() }).await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &spec(&web.url("/quotes.csv")))?;
    let page = feed.page(503, "FileUnreachable").await?;
    ensure!(page.contains("/quotes.csv: the server answers with status 503"), "{page}");
    ensure!(subscriber.count("quotes") == 0, "there was no file");
    web.plan().status = None;
    feed.page(200, "SourceEnded").await?;
    ensure!(feed.metric("tradingalgo_feed_source_disconnections_total").await? > 0.0, "failed requests are counted");
    complete(&subscriber, "quotes.csv", 700).await?;
    feed.stop().await?;
    let changed = String::from_utf8(rows(700)?)?.replace(",650.5", ",650.6");
    web.plan().file = changed.into_bytes();
    feed.start_again()?;
    let page = feed.page(503, "SourceChanged").await?;
    ensure!(page.contains("data row 650 has changed"), "{page}");
    ensure!(subscriber.count("quotes") == 700, "nothing was published");
    feed.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn redirect_is_followed_and_names_no_source() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, QUOTES).await?;
    let location = Some("/stored/1?signature=secret".to_owned());
    let web = Web::start(Plan { file: rows(10)?, location, ..Plan::default() }).await?;
    let mut feed = Feed::start(folder.path(), &broker.url(), &spec(&web.url("/quotes.csv")))?;
    complete(&subscriber, "quotes.csv", 10).await?;
    feed.stop().await?;
    let asked = ["/quotes.csv", "/stored/1?signature=secret"].map(|target| Asked { target: target.into(), from: None });
    ensure!(web.asked() == asked, "{:?}", web.asked());
    // A start behind the last row lacks nothing.
    feed.start_again()?;
    feed.page(200, "SourceEnded").await?;
    feed.stop().await?;
    ensure!(subscriber.count("quotes") == 10, "each row was published once");
    Ok(())
}

/// The error of a feed without pages, which ends with its source.
async fn failure(folder: &Path, broker: &Mosquitto, url: &str) -> anyhow::Result<String> {
    fs::write(folder.join("feed.json"), spec(url).to_string())?;
    let mut command = tokio::process::Command::from(feed::command(folder, &broker.url())?);
    let output = tokio::time::timeout(wait::PATIENCE, command.kill_on_drop(true).output()).await??;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(2) && told.contains("(FileUnusable)"), "{}: {told}", output.status);
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_no_whole_file_end_the_source() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, QUOTES).await?;
    let page = b"<!doctype html><title>Log in</title>".to_vec();
    for (plan, part) in [
        (Plan { status: Some(404), ..Plan::default() }, "the server answers with status 404"),
        (Plan { file: page, ..Plan::default() }, "is a web page"),
        (Plan { file: rows(10)?, end: End::Connection, ..Plan::default() }, "has neither a length nor chunks"),
        (Plan { location: Some("/a?next=".into()), status: Some(302), ..Plan::default() }, "more than 5 times"),
        (Plan { location: Some("file:///etc/hosts".into()), ..Plan::default() }, "is no http:// or https:// URL"),
    ] {
        let web = Web::start(plan).await?;
        let told = failure(folder.path(), &broker, &web.url("/quotes.csv")).await?;
        ensure!(told.contains(part), "{told}");
    }
    ensure!(subscriber.count("quotes") == 0, "nothing was published");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_changes_behind_a_cut_is_not_mixed_with_the_other_one() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path()).await?;
    let subscriber = Subscriber::start(broker.port(), &None, QUOTES).await?;
    let file = rows(ROWS)?;
    // The first row changes, so that a mixture would have all of its rows.
    let changed = String::from_utf8(file.clone())?.replacen(",1.5", ",9.5", 1).into_bytes();
    let cuts = [file.len() - 100].into();
    let web = Web::start(Plan { file, etag: Some(ETAG.into()), cuts, ..Plan::default() }).await?;
    let url = web.url("/quotes.csv");
    let change = async {
        wait::until("the first request has come", async || Ok((!web.asked().is_empty()).then_some(()))).await?;
        let mut plan = web.plan();
        plan.file = changed;
        plan.etag = Some("\"v2\"".into());
        anyhow::Ok(())
    };
    let (told, changed) = tokio::join!(failure(folder.path(), &broker, &url), change);
    changed?;
    let told = told?;
    ensure!(told.contains("the file has changed while it was read"), "{told}");
    ensure!(subscriber.count("quotes") < ROWS, "the rest of the file is another file's");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_never_without_tls() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path()).await?;
    let web = Web::start(Plan { file: rows(10)?, ..Plan::default() }).await?;
    let url = web.url("/quotes.csv").replace("http://", "https://");
    let mut feed = Feed::start(folder.path(), &broker.url(), &spec(&url))?;
    let page = feed.page(503, "FileUnreachable").await?;
    ensure!(page.contains("TLS with 127.0.0.1"), "{page}");
    feed.stop().await?;
    ensure!(web.asked().is_empty(), "{:?}", web.asked());
    Ok(())
}
