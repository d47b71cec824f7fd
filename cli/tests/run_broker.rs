//! Runs at a broker that others use too: topics and client ids of their own, and no second session of an account.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const ACCOUNT: &str = "default/sma-crossover";

/// A mosquitto without logins, whose log names every client id.
struct Broker {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Broker {
    fn start(folder: &TempDir, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (settings, log) = (folder.path().join("settings"), folder.path().join("log"));
        // As root, mosquitto gives up its rights before it writes the log; `user root` keeps them.
        let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n{more}\nlog_type all\n");
        fs::write(&settings, format!("{text}log_dest file {}\n", log.display())).unwrap();
        let mut process = Command::new("mosquitto").arg("-c").arg(settings).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "mosquitto ended");
            std::thread::yield_now();
        }
        Self { process, port, log }
    }

    fn run(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sma-crossover.yaml");
        command.arg("run").arg("-f").arg(manifest).args(["--broker", &format!("mqtt://127.0.0.1:{}", self.port)]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn mosquitto_sub(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-V", "5", "-q", "1", "-W", "30", "-p", &self.port.to_string()]).args(arguments);
        command.stdout(Stdio::piped());
        command
    }

    /// Has the broker keep all messages from here on for [`Broker::kept`].
    fn keep(&self) {
        let watch = self.mosquitto_sub(&["-i", "watch", "-c", "-x", "600", "-t", "#", "-E"]).status();
        assert!(watch.unwrap().success());
    }

    /// The messages since [`Broker::keep`], each as topic and payload.
    fn kept(&self) -> Vec<String> {
        let mut end = Command::new("mosquitto_pub");
        end.args(["-p", &self.port.to_string(), "-q", "1", "-t", "end", "-m", "x"]);
        assert!(end.status().unwrap().success());
        let mut watch = self.mosquitto_sub(&["-i", "watch", "-c", "-x", "600", "-t", "#", "-v"]).spawn().unwrap();
        let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
        let lines = lines.take_while(|line| line != "end x").collect();
        watch.kill().unwrap();
        watch.wait().unwrap();
        lines
    }

    /// Waits until the retained state of the account is this.
    fn shows(&self, prefix: &str, state: &str) {
        let topic = format!("{prefix}/{ACCOUNT}/state");
        let expected = format!(r#""state":"{state}""#);
        let mut watch = self.mosquitto_sub(&["-t", &topic]).spawn().unwrap();
        let seen = BufReader::new(watch.stdout.take().unwrap()).lines().any(|line| line.unwrap().contains(&expected));
        watch.kill().unwrap();
        watch.wait().unwrap();
        assert!(seen, "{topic} never was {state}");
    }

    /// The client ids that connected, in order.
    fn client_ids(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap();
        let connected = log.lines().filter(|line| line.contains("New client connected"));
        connected.filter_map(|line| Some(line.split_once(" as ")?.1.split(' ').next()?.to_owned())).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A run without a feed, once its account is online.
fn online(broker: &Broker, prefix: &str, arguments: &[&str]) -> Child {
    let child = broker.run(arguments).spawn().unwrap();
    broker.shows(prefix, "online");
    child
}

fn interrupt(mut child: Child) -> Vec<String> {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect()
}

fn texts(output: &Output) -> (Option<i32>, &str) {
    (output.status.code(), std::str::from_utf8(&output.stderr).unwrap())
}

/// The first lines of the example quotes.
fn feed(folder: &TempDir) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/stocks-daily.csv");
    let path = folder.path().join("feed.csv");
    let text = fs::read_to_string(example).unwrap();
    fs::write(&path, text.lines().take(601).collect::<Vec<_>>().join("\n")).unwrap();
    path.display().to_string()
}

#[test]
fn run_keeps_its_own_topics_and_client_ids_with_its_ledgers() {
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(&folder, "");
    let ledgers = folder.path().join("ledgers").display().to_string();
    broker.keep();
    let output = broker.run(&["--data-dir", &ledgers, "--feed", &feed(&folder)]).output().unwrap();
    assert_eq!(texts(&output), (Some(0), ""));
    let kept = broker.kept();
    let begin = |text: &str| kept.iter().filter(|line| line.starts_with(text)).count();
    assert!(begin(&format!("intuition-local/{ACCOUNT}/decisions {{")) > 0, "{kept:?}");
    assert_eq!((begin("intuition/"), begin("quotes ")), (0, 600), "{kept:?}");

    let told = interrupt(online(&broker, "intuition-local", &["--data-dir", &ledgers]));
    assert!(told.contains(&format!("{ACCOUNT}: decisions go to intuition-local/{ACCOUNT}/decisions")), "{told:?}");
    let ids = broker.client_ids();
    let bridges: Vec<_> = ids.iter().filter(|id| id.ends_with(".default.sma-crossover")).collect();
    assert!(bridges.len() == 2 && bridges[0] == bridges[1] && bridges[0].starts_with("intuition-local."), "{ids:?}");
}

#[test]
fn a_run_is_refused_while_another_session_of_the_account_is_online() {
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(&folder, "");
    let feed = feed(&folder);
    let first = online(&broker, "intuition-local", &[]);
    let refused = broker.run(&["--feed", &feed]).output().unwrap();
    let (code, told) = texts(&refused);
    let expected = format!("error: {ACCOUNT}: another session is online at mqtt://127.0.0.1:{}: ", broker.port);
    assert!(told.starts_with(&expected) && told.contains("--force"), "{told}");
    assert_eq!((code, refused.stdout.len()), (Some(2), 0));

    // The topics of a cluster are others, and --force asks for no topic.
    for arguments in [["--feed", &feed, "--as-cluster"], ["--feed", &feed, "--force"]] {
        assert_eq!(texts(&broker.run(&arguments).output().unwrap()), (Some(0), ""), "{arguments:?}");
    }

    interrupt(first);
}

#[test]
fn a_run_that_was_killed_keeps_no_later_one_out() {
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(&folder, "");
    let mut killed = online(&broker, "intuition-local", &[]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // The broker sees the end of the connection, and publishes the last will.
    broker.shows("intuition-local", "offline");
    assert_eq!(texts(&broker.run(&["--feed", &feed(&folder)]).output().unwrap()), (Some(0), ""));
}

#[test]
fn a_run_that_uses_the_topics_of_a_cluster_is_refused_beside_it() {
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(&folder, "");
    let first = online(&broker, "intuition", &["--as-cluster"]);
    let refused = broker.run(&["--as-cluster"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{:?}", texts(&refused));
    let other = online(&broker, "intuition-local", &[]);
    interrupt(other);
    let told = interrupt(first);
    assert!(told.contains(&format!("{ACCOUNT}: decisions go to intuition/{ACCOUNT}/decisions")), "{told:?}");
    let ids = broker.client_ids();
    assert!(ids.iter().any(|id| id.starts_with("intuition.default.sma-crossover.")), "{ids:?}");
}

#[test]
fn a_broker_that_keeps_no_messages_asks_for_no_check() {
    let folder = TempDir::new().unwrap();
    let broker = Broker::start(&folder, "retain_available false");
    let feed = feed(&folder);
    let output = broker.run(&["--feed", &feed]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{:?}", texts(&output));
}

/// A broker that accepts connections and answers nothing else: every shutdown takes as long as it may.
fn accept_and_answer_nothing(mut connection: TcpStream) {
    let mut bytes = [0; 1024];
    if matches!(connection.read(&mut bytes), Ok(1..)) && connection.write_all(&[0x20, 3, 0, 0, 0]).is_ok() {
        while matches!(connection.read(&mut bytes), Ok(1..)) {}
    }
}

/// The time from SIGINT to the end of a run with so many accounts.
fn stop_takes(folder: &TempDir, port: u16, accounts: usize) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(["run", "--force", "--broker", &format!("mqtt://127.0.0.1:{port}")]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    for account in 0..accounts {
        let path = folder.path().join(format!("{account}.yaml"));
        let text =
            "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nspec: {algorithm: {builtin: random}}\nmetadata:";
        fs::write(&path, format!("{text} {{name: a{account}}}\n")).unwrap();
        command.arg("-f").arg(path);
    }
    let mut child = command.args(["--log", "info"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // From here on the state of each account waits for a PUBACK.
    let connected = |line: &String| line.contains("part=\"publisher\"") && line.contains("part is ready");
    assert_eq!(lines.by_ref().filter(connected).take(accounts).count(), accounts);
    let start = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(lines.by_ref().filter(|line| line.starts_with("error")).count(), 0);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    start.elapsed()
}

#[test]
fn accounts_stop_at_the_same_time_where_the_broker_answers_no_disconnect() {
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(|| accept_and_answer_nothing(connection));
        }
    });
    let (one, four) = (stop_takes(&folder, port, 1), stop_takes(&folder, port, 4));
    assert!(four < 2 * one + Duration::from_secs(1), "one account stops in {one:?}, four in {four:?}");
}

#[test]
fn payloads_are_traded_and_dead_lettered_by_the_format_of_their_input() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(&folder, "");
    let manifest = folder.path().join("described.yaml");
    let text = "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {name: described}\nspec:\n  algorithm: {builtin: random}\n  \
                threshold: 0\n  channels:\n    inputs:\n    - topic: desk/+\n      format:\n        sid: {topicLevel: 2}\n        \
                price: {pointer: /last}\n        id: {userProperty: trade}\n";
    fs::write(&manifest, text).unwrap();
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("run").arg("-f").arg(&manifest).args(["--broker", &url, "--output", "json"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The filter is subscribed to once the broker's log has it.
    let limit = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(&broker.log).unwrap_or_default().contains("desk/+ (QoS 1)") {
        assert!(Instant::now() < limit && run.try_wait().unwrap().is_none(), "the run subscribes");
        std::thread::yield_now();
    }
    let letters =
        broker.mosquitto_sub(&["-t", "intuition-local/default/described/dead-letter", "-C", "1"]).spawn().unwrap();
    let publish = |qos: &str, payload: &str, trade: &str| {
        let port = broker.port.to_string();
        let property = ["-D", "publish", "user-property", "trade", trade];
        let publish = ["-V", "5", "-p", &port, "-q", qos, "-t", "desk/GOOG", "-m", payload];
        assert!(Command::new("mosquitto_pub").args(publish).args(property).status().unwrap().success());
    };
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    publish("0", r#"{"last": 3.45}"#, "t-1");
    let first = lines.next().unwrap();
    assert!(first.contains(r#""sid":"GOOG""#) && first.contains(r#""event":"t-1""#), "{first}");
    // The same trade again at QoS 1 is a repetition, and one without its price a dead letter: the next decision is of t-3.
    publish("1", r#"{"last": "3.450"}"#, "t-1");
    publish("1", r#"{"bid": 3.45}"#, "t-2");
    publish("1", r#"{"last": 4}"#, "t-3");
    let second = lines.next().unwrap();
    assert!(second.contains(r#""event":"t-3""#), "{second}");
    let letter = letters.wait_with_output().unwrap();
    let letter = String::from_utf8(letter.stdout).unwrap();
    assert!(letter.contains("MissingField") && letter.contains("price (pointer"), "{letter}");
    let pid = run.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    run.wait().unwrap();
}
