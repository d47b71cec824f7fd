//! Stops of a local run: by its manifest, and by `intuition halt` while it runs.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: TempDir::new().unwrap() };
        let lines = (1..=20).map(|day| format!("2000-03-{day:02},GOOG,{}", 100 + day));
        let lines: Vec<_> = std::iter::once("time,sid,close".to_owned()).chain(lines).collect();
        fs::write(bench.path("quotes.csv"), lines.join("\n")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run of a manifest with these lines in its spec and these annotations.
    fn run(&self, spec: &str, annotations: &str) -> Command {
        let manifest = format!(
            "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata:\n  name: a\n  annotations: {{{annotations}}}\n\
             spec:\n  algorithm: {{builtin: random, parameters: {{seed: 1}}}}\n  threshold: 0\n{spec}"
        );
        fs::write(self.path("a.yaml"), manifest).unwrap();
        let mut command = intuition(&["run"]);
        command.arg("-f").arg(self.path("a.yaml")).arg("--data-dir").arg(self.path("data"));
        command
    }

    /// The summary of a run over the feed under another name, so that its lines are new.
    fn feed(&self, mut run: Command, name: &str) -> Value {
        fs::copy(self.path("quotes.csv"), self.path(name)).unwrap();
        let output = run.arg("--feed").arg(self.path(name)).args(["--output", "json"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let last = std::str::from_utf8(&output.stdout).unwrap().lines().last().unwrap();
        serde_json::from_str::<Value>(last).unwrap().get("summary").unwrap().clone()
    }
}

fn intuition(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(arguments).env("USER", "bob").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reads the address that a run without a feed prints.
fn address(run: &mut Child) -> String {
    let mut stderr = BufReader::new(run.stderr.take().unwrap()).lines();
    let line =
        stderr.find_map(|line| line.unwrap().split_once("intuition halt --runtime ").map(|(_, rest)| rest.to_owned()));
    let address = line.unwrap().split(' ').next().unwrap().to_owned();
    // The rest is read, so that the run can write it.
    std::thread::spawn(move || stderr.for_each(drop));
    address
}

fn stop(mut run: Child) {
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

fn change(address: &str, verb: &str) -> Output {
    intuition(&[verb, "--runtime", address, "--account", "default/a"]).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_halt_of_a_run_outlasts_it_until_it_is_resumed() {
    let bench = Bench::new();
    let mut run = bench.run("", "").spawn().unwrap();
    let halted = change(&address(&mut run), "halt");
    assert_eq!(text(&halted.stdout), "default/a: Halted by Halt (bob)\n", "{halted:?}");
    stop(run);
    let summary = bench.feed(bench.run("", ""), "one.csv");
    assert_eq!((&summary["ticks"], &summary["decisions"], &summary["denied"]), (&20.into(), &0.into(), &20.into()));
    let mut run = bench.run("", "").args(["--runtime-addr", "127.0.0.1:0"]).spawn().unwrap();
    assert_eq!(text(&change(&address(&mut run), "resume").stdout), "default/a: Active\n");
    stop(run);
    let summary = bench.feed(bench.run("", ""), "two.csv");
    assert_ne!(summary["decisions"], 0, "{summary}");
}

#[test]
fn halt_by_manifest_field_or_annotation_outlasts_a_resume() {
    let bench = Bench::new();
    for (name, spec, annotations) in [
        ("one.csv", "  tradingState: Halted\n", ""),
        ("two.csv", "  suspend: true\n  tradingState: Active\n", ""),
        ("three.csv", "  tradingState: Reducing\n", "intuition.dev/halt: alice"),
    ] {
        let summary = bench.feed(bench.run(spec, annotations), name);
        assert_eq!((&summary["decisions"], &summary["denied"]), (&0.into(), &20.into()), "{name}");
    }
    let mut run = bench.run("  suspend: true\n", "").spawn().unwrap();
    let resumed = change(&address(&mut run), "resume");
    assert!(text(&resumed.stdout).starts_with("default/a: Halted by User"), "{resumed:?}");
    assert_eq!(resumed.status.code(), Some(1));
    stop(run);
    assert_ne!(bench.feed(bench.run("", ""), "four.csv")["decisions"], 0);
}

#[test]
fn a_manifest_without_starting_cash_leaves_the_deposits_as_they_are() {
    let bench = Bench::new();
    let cash = |spec: &str, name: &str| bench.feed(bench.run(spec, ""), name)["startingCash"].clone();
    assert_eq!(cash("  startingCash: 500\n", "one.csv"), "500.00");
    assert_eq!(cash("", "two.csv"), "500.00");
    assert_eq!(cash("  startingCash: 700\n", "three.csv"), "700.00");
    let first = Bench::new();
    assert_eq!(first.feed(first.run("", ""), "one.csv")["startingCash"], "10000.00");
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_flag() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let output = bench.run("", "").args(["--runtime-addr", &addr]).output().unwrap();
    let expected = format!("error: default/a: the runtime cannot listen on {addr} (--runtime-addr): ");
    assert!(text(&output.stderr).starts_with(&expected), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1));
}
