//! `intuition run` as a user calls it, with the embedded broker and with a real one.

#![expect(clippy::disallowed_methods, reason = "a test waits by the monotonic clock")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The first lines of the example quotes, in a file of the same name.
fn feed(folder: &TempDir, lines: usize) -> PathBuf {
    let text = fs::read_to_string(repository("examples/data/stocks-daily.csv")).unwrap();
    let path = folder.path().join("stocks-daily.csv");
    fs::write(&path, text.lines().take(lines + 1).collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn command(manifests: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("run").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for manifest in manifests {
        command.arg("-f").arg(repository("examples").join(manifest));
    }
    command
}

fn both() -> Command {
    command(&["random.yaml", "sma-crossover.yaml"])
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn lines(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stdout).unwrap().lines().collect()
}

/// The lines' objects, decisions apart from summaries.
fn json(output: &Output) -> (Vec<Value>, Vec<Value>) {
    let values = lines(output).into_iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.partition(|value| value.get("summary").is_none())
}

fn cents(value: &Value) -> i64 {
    value.as_str().unwrap().replace('.', "").parse().unwrap()
}

#[test]
fn every_decision_is_a_line_and_every_algorithm_a_summary_that_adds_up() {
    let folder = TempDir::new().unwrap();
    let output = both().arg("--feed").arg(feed(&folder, 300)).args(["--output", "json"]).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let (decisions, summaries) = json(&output);
    let first = *lines(&output).first().unwrap();
    let members = ["id", "seq", "algo", "event", "sid", "side", "amount", "quantity", "price", "cash", "time"];
    let places: Vec<_> = members.iter().map(|member| first.find(&format!("\"{member}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{first}");
    assert_eq!(summaries.len(), 2);
    for (summary, name) in summaries.iter().zip(["default/goog-random", "default/sma-crossover"]) {
        let summary = &summary["summary"];
        let own: Vec<_> = decisions.iter().filter(|decision| decision["algo"] == name).collect();
        assert_eq!(summary["algo"], name);
        assert_eq!((&summary["ticks"], &summary["deadLettered"]), (&300.into(), &0.into()));
        assert_eq!(summary["decisions"], own.len());
        let moved = own.iter().map(|decision| {
            let amount = cents(&decision["amount"]);
            if decision["side"] == "buy" { -amount } else { amount }
        });
        assert_eq!(1_000_000 + moved.sum::<i64>(), cents(&summary["cash"]), "{summary}");
        let (deposits, realised) = (cents(&summary["startingCash"]), cents(&summary["realised"]));
        assert_eq!(deposits + realised, cents(&summary["cash"]) + cents(&summary["invested"]), "{summary}");
        assert!(own.iter().enumerate().all(|(index, decision)| decision["seq"] == index + 1));
    }
    let members =
        ["algo", "ticks", "decisions", "denied", "deadLettered", "startingCash", "cash", "invested", "realised"];
    let last = *lines(&output).last().unwrap();
    assert!(members.iter().map(|member| last.find(&format!("\"{member}\":")).unwrap()).is_sorted(), "{last}");
    assert!(last.starts_with("{\"summary\":{") && last.contains("\"seconds\":"), "{last}");
}

#[test]
fn a_second_run_takes_up_the_first_and_tells_only_what_is_new() {
    let (folder, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let run = |lines: usize, data: &Path| {
        let mut command = both();
        command.arg("--feed").arg(feed(&folder, lines)).args(["--output", "json", "--data-dir"]).arg(data);
        command.output().unwrap()
    };
    let (first, second) = (run(150, data.path()), run(300, data.path()));
    let expected = "default/goog-random: 150 rows of the feed were decided earlier\n\
                    default/sma-crossover: 150 rows of the feed were decided earlier\n";
    assert_eq!((stderr(&first), stderr(&second)), ("", expected));
    let ((before, _), (after, summaries)) = (json(&first), json(&second));
    assert!(summaries.iter().all(|summary| summary["summary"]["ticks"] == 150), "{summaries:?}");
    // Both together decide what one run over all lines decides.
    let whole = TempDir::new().unwrap();
    let (all, _) = json(&run(300, whole.path()));
    let shown = |decisions: &[Value], algo: &str| -> Vec<(Value, Value, Value)> {
        let own = decisions.iter().filter(|decision| decision["algo"] == algo);
        own.map(|decision| (decision["seq"].clone(), decision["event"].clone(), decision["cash"].clone())).collect()
    };
    for algo in ["default/goog-random", "default/sma-crossover"] {
        assert_eq!([shown(&before, algo), shown(&after, algo)].concat(), shown(&all, algo));
    }
}

#[test]
fn a_rate_is_kept_up_to_the_last_line() {
    let folder = TempDir::new().unwrap();
    let began = Instant::now();
    let mut command = command(&["random.yaml"]);
    let output = command.arg("--feed").arg(feed(&folder, 2_000)).args(["--rate", "1000", "--output", "json"]).output();
    let output = output.unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    assert_eq!(json(&output).1[0]["summary"]["ticks"], 2_000);
    assert!(began.elapsed() >= Duration::from_millis(1_999), "{:?}", began.elapsed());
}

#[test]
fn run_whose_time_is_over_ends_in_order() {
    let folder = TempDir::new().unwrap();
    let began = Instant::now();
    let mut command = command(&["random.yaml"]);
    command.arg("--feed").arg(feed(&folder, 5_000)).args(["--rate", "100", "--for", "1s", "--output", "json"]);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let ticks = json(&output).1[0]["summary"]["ticks"].as_u64().unwrap();
    assert!((1..1_000).contains(&ticks), "{ticks} ticks in {:?}", began.elapsed());
}

#[test]
fn unwanted_or_broken_feed_is_refused_before_publishing() {
    let folder = TempDir::new().unwrap();
    let path = feed(&folder, 10);
    let output = both().arg("--feed").arg(&path).args(["--topic", "prices"]).output().unwrap();
    let expected = "error: no algorithm takes the topic prices: default/goog-random takes quotes; default/sma-crossover takes \
                    quotes\n";
    assert_eq!((output.status.code(), stderr(&output), lines(&output).len()), (Some(2), expected, 0));
    fs::write(&path, "time,sid,close\n2000-03-01,AAPL,130.31\n2000-03-02,AAPL\n").unwrap();
    let output = both().arg("--feed").arg(&path).output().unwrap();
    let expected = format!(
        "error: {}: line 3: has 2 columns, the header 3: \"2000-03-02,AAPL\"; --allow-bad-lines passes over such rows and lists \
         them\n",
        path.display()
    );
    assert_eq!((output.status.code(), stderr(&output), lines(&output).len()), (Some(2), expected.as_str(), 0));
}

#[test]
fn arguments_that_cannot_be_used_end_it_with_code_2_and_say_why() {
    let folder = TempDir::new().unwrap();
    let (path, empty) = (feed(&folder, 10), folder.path().join("empty.csv"));
    fs::write(&empty, "").unwrap();
    for (feed, arguments, complaint) in [
        (&path, ["--topic", "qu/+"], "must be a topic without wildcards"),
        (&path, ["--topic", "#"], "must be a topic without wildcards"),
        (&path, ["--topic", ""], "must be a topic without wildcards"),
        (&path, ["--topic", "$SYS/quotes"], "does not begin with $"),
        (&path, ["--rate", "-1"], "must be max, or a whole number of lines a second from 1 on"),
        (&empty, ["--column", "close"], "is empty"),
    ] {
        let output = both().arg("--feed").arg(feed).args(arguments).output().unwrap();
        assert!(stderr(&output).contains(complaint), "{arguments:?}: {}", stderr(&output));
        assert_eq!((output.status.code(), lines(&output).len()), (Some(2), 0), "{arguments:?}");
    }
}

#[test]
fn a_run_whose_ledger_another_run_took_over_ends_at_once_and_says_so() {
    let (folder, data) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut first = command(&["random.yaml"]);
    first.arg("--feed").arg(feed(&folder, 5_000)).args(["--rate", "100", "--data-dir"]).arg(data.path());
    let mut first = first.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(first.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let (elsewhere, mut second) = (TempDir::new().unwrap(), command(&["random.yaml"]));
    second.arg("--feed").arg(feed(&elsewhere, 1)).args(["--source", "other", "--data-dir"]).arg(data.path());
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    let taken_over = Instant::now();
    stdout.read_to_string(&mut line).unwrap();
    let first = first.wait_with_output().unwrap();
    assert!(taken_over.elapsed() < Duration::from_secs(30), "{:?}", taken_over.elapsed());
    let last = stderr(&first).lines().last().unwrap();
    assert!(last.starts_with("error: default/goog-random: the runtime failed: "), "{last}");
    assert!(!last.contains("unexpectedly"), "{last}");
    assert_eq!(first.status.code(), Some(1));
}

#[test]
fn a_row_without_a_usable_price_is_passed_over_where_that_is_allowed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quotes.csv");
    fs::write(&path, "time,sid,close\n2000-03-01,AAPL,130.31\n2000-03-02,AAPL,n/a\n2000-03-03,AAPL,128\n").unwrap();
    let mut run = command(&["sma-crossover.yaml"]);
    run.arg("--feed").arg(&path).args(["--output", "json"]);
    let refused = run.output().unwrap();
    let expected = format!("error: {}: line 3: close: \"n/a\" is not a decimal number", path.display());
    assert!(stderr(&refused).starts_with(&expected), "{}", stderr(&refused));
    assert_eq!((refused.status.code(), lines(&refused).len()), (Some(2), 0));
    let output = run.arg("--allow-bad-lines").output().unwrap();
    let (decisions, summaries) = json(&output);
    assert_eq!((output.status.code(), decisions.len()), (Some(0), 0));
    let summary = &summaries[0]["summary"];
    assert_eq!(
        (&summary["ticks"], &summary["deadLettered"], &summary["gaps"]),
        (&2.into(), &0.into(), &0.into()),
        "{summary}"
    );
    assert!(
        stderr(&output).contains("line 3: close: \"n/a\" is not a decimal number: passed over\n"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).ends_with(": rows that cannot be used, which were passed over: 1\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_same_algorithm_twice_and_a_folder_that_is_none_are_refused() {
    let output = command(&["random.yaml", "random.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("metadata.name: default/goog-random is taken already"), "{}", stderr(&output));
    let folder = TempDir::new().unwrap();
    let path = feed(&folder, 10);
    let output = both().arg("--feed").arg(&path).arg("--data-dir").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "error: default/goog-random: the runtime failed: cannot open the ledger: cannot create the folder {}",
        path.display()
    );
    assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
}

#[test]
fn ctrl_c_ends_a_feed_with_its_summary_and_a_run_without_one_quietly() {
    let folder = TempDir::new().unwrap();
    let mut child =
        command(&["random.yaml"]).arg("--feed").arg(feed(&folder, 5_000)).args(["--rate", "100"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    interrupt(&child);
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(text.contains("\nalgorithm ") && text.contains("\ndefault/goog-random "), "{text}");

    let mut child = both().spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("default/goog-random: waiting for quotes on quotes at mqtt://127.0.0.1:"), "{ready}");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_the_run_without_a_word() {
    let folder = TempDir::new().unwrap();
    let mut child = both().arg("--feed").arg(feed(&folder, 5_000)).args(["--rate", "500"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn a_wrong_password_ends_the_run_at_once_and_the_right_one_runs_it() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let passwords = file("passwords", "");
    let made = Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args(["trader", "right"]).status();
    assert!(made.unwrap().success());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // As root, mosquitto gives up its rights before it reads the file; `user root` keeps them.
    let settings =
        format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\n", passwords.display());
    let mut broker =
        Command::new("mosquitto").arg("-c").arg(file("settings", &settings)).stderr(Stdio::null()).spawn().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(broker.try_wait().unwrap().is_none(), "mosquitto ended");
        std::thread::yield_now();
    }
    let run = |password: &Path| {
        let mut command = command(&["sma-crossover.yaml"]);
        command.arg("--broker").arg(format!("mqtt://127.0.0.1:{port}")).args(["--mqtt-username", "trader"]);
        command.arg("--mqtt-password-file").arg(password).arg("--feed").arg(feed(&folder, 100));
        command.output().unwrap()
    };
    let (refused, taken) = (run(&file("wrong", "wrong")), run(&file("right", "right\n")));
    broker.kill().unwrap();
    broker.wait().unwrap();
    let last = stderr(&refused).lines().last().unwrap();
    assert!(last.starts_with("error: broker mqtt://127.0.0.1:") && last.contains("NotAuthorized (0x87)"), "{last}");
    assert_eq!((refused.status.code(), lines(&refused).len()), (Some(1), 0));
    assert_eq!((taken.status.code(), stderr(&taken)), (Some(0), ""));
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn quotes_of_symbols_that_no_input_lists_are_counted_and_not_decided() {
    let folder = TempDir::new().unwrap();
    let manifest = folder.path().join("inputs.yaml");
    let text = concat!(
        "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {name: listed}\nspec:\n",
        "  algorithm: {builtin: random, parameters: {seed: 1}}\n  threshold: 0\n",
        "  channels: {inputs: [{topic: quotes/none, symbols: [MSFT]}, {topic: quotes, symbols: [GOOG, goog]}]}\n"
    );
    fs::write(&manifest, text).unwrap();
    let feed = feed(&folder, 300);
    let quotes = fs::read_to_string(&feed).unwrap();
    let sid = |line: usize| if line.is_multiple_of(3) { ",GOOG," } else { ",AAPL," };
    let quotes: Vec<_> = (0..).zip(quotes.lines()).map(|(line, quote)| quote.replace(",AAPL,", sid(line))).collect();
    fs::write(&feed, quotes.join("\n")).unwrap();
    let mut command = command(&[]);
    command.arg("-f").arg(&manifest).arg("--feed").arg(&feed).args(["--output", "json"]);
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let (decisions, summaries) = json(&output);
    assert!(!decisions.is_empty() && decisions.iter().all(|decision| decision["sid"] == "GOOG"), "{decisions:?}");
    let summary = &summaries[0]["summary"];
    assert_eq!((&summary["ticks"], &summary["notListed"]), (&300.into(), &200.into()), "{summary}");
}
