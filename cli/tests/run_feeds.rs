//! Feeds in `intuition run` as a user calls it: a generator, a file and an exchange, each with an algorithm.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fmt::Write as _,
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use local_exchange::{Server, Settings};
use serde_json::Value;
use tempfile::TempDir;

const GENERATOR: &str = "{source: {generator: {model: RandomWalk, startPrice: 100, volatility: '0.2', interval: 10ms, symbols: [ACME, GLOBEX]}}}";
const FILE: &str = "{source: {file: {configMap: {name: quotes, key: quotes.csv}}}}";

/// A manifest in a file of this folder.
fn manifest(folder: &TempDir, kind: &str, name: &str, spec: &str) -> PathBuf {
    let path = folder.path().join(format!("{name}.yaml"));
    let head = format!("apiVersion: intuition.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n");
    fs::write(&path, format!("{head}spec: {spec}\n")).unwrap();
    path
}

/// The topic of `default/demo` in a cluster, as a channel of an account.
const BY_TOPIC: &str = "subscribe: [intuition/default/feed.demo/quotes]";

/// The feed `default/demo`, and an account that names it and decides each of its quotes.
fn command(folder: &TempDir, feed: &str) -> Command {
    with_channels(folder, feed, "from: [{feed: demo}]")
}

/// The feed `default/demo`, and an account with these channels.
fn with_channels(folder: &TempDir, feed: &str, channels: &str) -> Command {
    let algo =
        format!("{{algorithm: {{builtin: random, parameters: {{seed: 1}}}}, threshold: 0, channels: {{{channels}}}}}");
    let manifests = [manifest(folder, "Feed", "demo", feed), manifest(folder, "TradingAlgo", "trader", &algo)];
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("run").args(["--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    for manifest in manifests {
        command.arg("-f").arg(manifest);
    }
    command
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The decisions, the ticks of the account, and the quotes that the feed published.
fn outcome(output: &Output) -> (Vec<Value>, u64, u64) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let mut values: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let (feed, summary) = (values.pop().unwrap(), values.pop().unwrap());
    assert_eq!(feed.pointer("/feed/name"), Some(&"default/demo".into()));
    assert_eq!(summary.pointer("/summary/algo"), Some(&"default/trader".into()));
    let count = |value: &Value, pointer| value.pointer(pointer).and_then(Value::as_u64).unwrap();
    (values, count(&summary, "/summary/ticks"), count(&feed, "/feed/published"))
}

/// The sum of the last numbers of all sources in a position.
fn numbers(position: &Value) -> u64 {
    let numbers = position.get("numbers").and_then(Value::as_object).unwrap();
    numbers.values().map(|last| last.as_u64().unwrap()).sum()
}

/// A file of so many quotes.
fn quotes(path: &Path, rows: u32) {
    let mut text = "time,sid,price\n".to_owned();
    for row in 1..=rows {
        writeln!(text, "{},ACME,{row}.5", 951_868_800 + row).unwrap();
    }
    fs::write(path, text).unwrap();
}

/// A mosquitto without logins.
struct Broker {
    process: Child,
    port: u16,
}

impl Broker {
    fn start(folder: &TempDir) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = folder.path().join("settings");
        fs::write(&settings, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).unwrap();
        let mut process = Command::new("mosquitto").arg("-c").arg(settings).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "mosquitto ended");
            std::thread::yield_now();
        }
        Self { process, port }
    }

    /// The retained message of a topic.
    fn retained(&self, topic: &str) -> Value {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-V", "5", "-W", "30", "-C", "1", "-p", &self.port.to_string(), "-t", topic]);
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn every_quote_of_a_generator_is_decided() {
    let folder = TempDir::new().unwrap();
    let output = command(&folder, GENERATOR).args(["--for", "2s"]).output().unwrap();
    let (decisions, ticks, published) = outcome(&output);
    assert!(stderr(&output).contains("default/demo: quotes go to intuition/default/feed.demo/quotes\n"), "{output:?}");
    assert!(ticks == published && published > 20, "{ticks} of {published}: {}", stderr(&output));
    let of = |sid: &str| decisions.iter().filter(|decision| decision["sid"] == sid).count();
    assert!(of("ACME") > 0 && of("GLOBEX") > 0, "{decisions:?}");
}

#[test]
fn feed_and_its_account_share_the_topic_of_the_run_at_a_shared_broker() {
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(&folder);
    let mut command = with_channels(&folder, GENERATOR, BY_TOPIC);
    command.args(["--for", "2s", "--broker", &format!("mqtt://127.0.0.1:{}", broker.port)]);
    let output = command.output().unwrap();
    let (_, ticks, published) = outcome(&output);
    assert!(ticks == published && published > 20, "{ticks} of {published}: {}", stderr(&output));
    let note = "default/trader: the channel intuition/default/feed.demo/quotes is intuition-local/default/feed.demo/quotes in \
                this run\n";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    let position = broker.retained("intuition-local/default/feed.demo/position");
    assert_eq!(numbers(&position), published, "{position}");
    // Another run goes on behind the position.
    let (_, ticks, more) = outcome(&command.output().unwrap());
    let position = broker.retained("intuition-local/default/feed.demo/position");
    assert_eq!((ticks, numbers(&position)), (more, published + more), "{position}");
}

#[test]
fn trades_of_an_exchange_are_decided() {
    let folder = TempDir::new().unwrap();
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings { symbols: vec!["BTC/USD".to_owned()], trades_per_second: 50, ..Settings::default() };
    let server = tokio.block_on(Server::start(settings)).unwrap();
    let (url, rest) = (server.url("/v2"), server.rest_url());
    let feed =
        format!("{{source: {{exchange: {{name: Kraken, symbols: [BTC/USD], url: '{url}', restUrl: '{rest}'}}}}}}");
    let output = command(&folder, &feed).args(["--for", "3s"]).output().unwrap();
    let (decisions, ticks, published) = outcome(&output);
    assert!(ticks == published && published > 20, "{ticks} of {published}: {}", stderr(&output));
    assert!(!decisions.is_empty() && decisions.iter().all(|decision| decision["sid"] == "BTC/USD"), "{decisions:?}");
}

#[test]
fn run_ends_with_the_last_row_of_a_file() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    quotes(&folder.path().join("quotes.csv"), 700);
    quotes(&other.path().join("quotes.csv"), 30);
    let output = command(&folder, FILE).output().unwrap();
    let (decisions, ticks, published) = outcome(&output);
    assert_eq!((ticks, published), (700, 700), "{}", stderr(&output));
    assert!(!decisions.is_empty());
    let output = command(&folder, FILE).arg("--files-dir").arg(other.path()).output().unwrap();
    assert_eq!(outcome(&output).1, 30);
}

#[test]
fn file_that_is_missing_ends_the_run_with_its_path() {
    let folder = TempDir::new().unwrap();
    let output = command(&folder, FILE).output().unwrap();
    let last = stderr(&output).lines().last().unwrap();
    let path = folder.path().join("quotes.csv").display().to_string();
    assert!(last.starts_with("error: default/demo: ") && last.contains(&path), "{}", stderr(&output));
    assert!(last.ends_with(" (FileUnusable)"), "{last}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn wrong_feed_is_refused_with_all_paths_before_the_run() {
    let folder = TempDir::new().unwrap();
    let wrong =
        "{source: {generator: {model: Cosine, startPrice: 0, volatility: '0.2', interval: 1s, symbols: [A, A]}}}";
    let run = command(&folder, wrong).output().unwrap();
    let mut validate = Command::new(env!("CARGO_BIN_EXE_intuition"));
    let validate = validate.args(["validate", "-f"]).arg(folder.path().join("demo.yaml")).output().unwrap();
    for output in [run, validate] {
        let place = format!("{}: document 1 (demo): ", folder.path().join("demo.yaml").display());
        let paths: Vec<_> = stderr(&output)
            .lines()
            .map(|line| line.strip_prefix(&place).unwrap().split_once(": ").unwrap().0.to_owned())
            .collect();
        let generator = "spec.source.generator";
        let expected = ["model", "startPrice", "symbols[1]"].map(|field| format!("{generator}.{field}"));
        assert_eq!((paths.as_slice(), output.status.code()), (expected.as_slice(), Some(2)), "{output:?}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn feed_that_no_account_takes_is_noted() {
    let folder = TempDir::new().unwrap();
    quotes(&folder.path().join("quotes.csv"), 3);
    let feed = "{source: {file: {claim: {name: a, path: quotes.csv}}}, publish: {topic: elsewhere}}";
    let output = with_channels(&folder, feed, BY_TOPIC).output().unwrap();
    let (_, ticks, published) = outcome(&output);
    assert_eq!((ticks, published), (0, 3));
    let note = "default/demo: no algorithm of this run takes its topic elsewhere: default/trader takes \
                intuition/default/feed.demo/quotes\n";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
}

#[test]
fn a_named_feed_needs_no_topic_at_a_shared_broker() {
    let folder = TempDir::new().unwrap();
    quotes(&folder.path().join("quotes.csv"), 50);
    let broker = Broker::start(&folder);
    let feed = "{source: {file: {claim: {name: a, path: quotes.csv}}}, publish: {topic: 'market/{sid}/trades'}}";
    let mut command = command(&folder, feed);
    let output = command.args(["--broker", &format!("mqtt://127.0.0.1:{}", broker.port)]).output().unwrap();
    assert_eq!((outcome(&output).1, outcome(&output).2), (50, 50), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("quotes go to intuition-local/market/+/trades") && !text.contains("in this run"), "{text}");
}

#[test]
fn a_feed_is_read_as_quotes_of_our_own_before_inputs_and_by_its_symbols() {
    let folder = TempDir::new().unwrap();
    let channels = "inputs: [{topic: 'intuition/+/+/quotes', format: {sid: {pointer: /none}, price: {pointer: /none}}}], \
                    from: [{feed: demo, symbols: [ACME]}]";
    let output = with_channels(&folder, GENERATOR, channels).args(["--for", "2s"]).output().unwrap();
    let (decisions, ticks, published) = outcome(&output);
    assert!(ticks == published && published > 20, "{ticks} of {published}: {}", stderr(&output));
    assert!(!decisions.is_empty() && decisions.iter().all(|decision| decision["sid"] == "ACME"), "{decisions:?}");
}

#[test]
fn a_feed_that_is_not_in_the_run_is_named() {
    let folder = TempDir::new().unwrap();
    let mut command = with_channels(
        &folder,
        GENERATOR,
        "subscribe: [quotes], from: [{feed: demo}, {feed: other, namespace: market}]",
    );
    let output = command.output().unwrap();
    let last = stderr(&output).lines().last().unwrap();
    assert!(last.starts_with("error: default/trader: spec.channels.from names Feed market/other, "), "{last}");
    assert_eq!(output.status.code(), Some(2));
    // At a broker that others use, it may be one of a cluster.
    let broker = Broker::start(&folder);
    command.args(["--for", "2s", "--broker", &format!("mqtt://127.0.0.1:{}", broker.port)]);
    let output = command.output().unwrap();
    let (_, ticks, published) = outcome(&output);
    assert!(ticks == published && published > 20, "{ticks} of {published}: {}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("default/trader: Feed market/other is in none of the manifests"), "{text}");
    assert!(text.contains("intuition/market/feed.other/quotes"), "{text}");
}

#[test]
fn validation_notes_a_feed_that_is_in_none_of_the_files() {
    let folder = TempDir::new().unwrap();
    drop(with_channels(&folder, FILE, "from: [{feed: demo}]"));
    let validate = |files: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        command.arg("validate");
        for file in files {
            command.arg("-f").arg(folder.path().join(file));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(validate(&["trader.yaml", "demo.yaml"]), "valid: default/trader\nvalid: default/demo (Feed)\n");
    let note = "note: default/trader: spec.channels.from names Feed default/demo, which is in none of these files\n";
    assert_eq!(validate(&["trader.yaml"]), format!("valid: default/trader\n{note}"));
}
