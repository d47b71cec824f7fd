//! Indicators in `intuition run`: the accounts behind one decide as they would by averages of their own, also in two runs.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const INDICATOR: &str = "{from: {topic: quotes}, compute: [{name: a, type: SMA, parameters: {period: 3}}, {name: b, type: SMA, parameters: {period: 8}}]}";
const BEHIND: &str = "{algorithm: {builtin: indicator-cross, parameters: {fast: a, slow: b}}, portfolio: {policy: fixed-fraction, fraction: 0.5}, channels: {from: [{indicator: trend}]}}";
const ALONE: &str = "{algorithm: {builtin: sma-crossover, parameters: {fast: 3, slow: 8}}, portfolio: {policy: fixed-fraction, fraction: 0.5}}";

/// A manifest in a file of this folder.
fn manifest(folder: &TempDir, kind: &str, name: &str, spec: &str) -> PathBuf {
    let path = folder.path().join(format!("{name}.yaml"));
    let head = format!("apiVersion: intuition.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n");
    fs::write(&path, format!("{head}spec: {spec}\n")).unwrap();
    path
}

/// A file with so many quotes of two symbols, a quarter of a minute from each to the next.
fn quotes(folder: &TempDir, rows: u32) -> PathBuf {
    let mut text = "time,sid,price\n".to_owned();
    for row in 0..rows {
        let price = 1_000 + row * 7_919 % 1_009;
        let sid = if row % 2 == 0 { "ACME" } else { "GLOBEX" };
        writeln!(text, "{},{sid},{}.{:02}", 951_868_800 + row * 15, price / 100, price % 100).unwrap();
    }
    let path = folder.path().join("quotes.csv");
    fs::write(&path, text).unwrap();
    path
}

fn run(manifests: &[&Path], feed: &Path, more: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(["run", "--output", "json", "--feed"]).arg(feed).args(more);
    for manifest in manifests {
        command.arg("-f").arg(manifest);
    }
    command.output().unwrap()
}

/// The lines of a run that succeeded.
fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The decisions of one account, without the members that name the account and its quote.
fn trades(lines: &[Value], algo: &str) -> Vec<String> {
    let of_account = lines.iter().filter(|line| line.get("algo").and_then(Value::as_str) == Some(algo));
    let trade = |decision: &Value| {
        ["seq", "sid", "side", "amount", "quantity", "price", "cash", "time"]
            .map(|name| decision[name].to_string())
            .join(" ")
    };
    of_account.map(trade).collect()
}

#[test]
fn accounts_behind_an_indicator_decide_as_by_averages_of_their_own() {
    let folder = TempDir::new().unwrap();
    let feed = quotes(&folder, 600);
    let alone = manifest(&folder, "TradingAlgo", "alone", ALONE);
    let expected = trades(&lines(&run(&[&alone], &feed, &[])), "default/alone");
    assert!(expected.len() > 50, "{expected:?}");
    let indicator = manifest(&folder, "Indicator", "trend", INDICATOR);
    let behind: Vec<_> = (0..4).map(|place| manifest(&folder, "TradingAlgo", &format!("b{place}"), BEHIND)).collect();
    let manifests: Vec<_> = behind.iter().chain([&indicator]).map(PathBuf::as_path).collect();
    let lines = lines(&run(&manifests, &feed, &[]));
    for place in 0..4 {
        assert_eq!(trades(&lines, &format!("default/b{place}")), expected);
    }
    let summary = lines.last().unwrap().get("indicator").unwrap();
    let shown = ["account", "ticks", "joined", "deadLettered", "notListed"].map(|name| summary[name].to_string());
    assert_eq!(shown, ["\"default/indicator.trend\"", "600", "600", "0", "0"], "{summary}");
}

#[test]
fn a_second_run_goes_on_with_the_averages_of_the_first() {
    let folder = TempDir::new().unwrap();
    let alone = manifest(&folder, "TradingAlgo", "alone", ALONE);
    let expected = trades(&lines(&run(&[&alone], &quotes(&folder, 400), &[])), "default/alone");
    let manifests = [manifest(&folder, "Indicator", "trend", INDICATOR), manifest(&folder, "TradingAlgo", "b", BEHIND)];
    let manifests = manifests.each_ref().map(PathBuf::as_path);
    let data = folder.path().join("data");
    let more = [Path::new("--data-dir"), &data];
    let mut found = Vec::new();
    for rows in [157, 400] {
        found.extend(trades(&lines(&run(&manifests, &quotes(&folder, rows), &more)), "default/b"));
    }
    assert_eq!(found, expected);
}

#[test]
fn bars_of_an_indicator_are_decided_in_place_of_the_quotes() {
    let folder = TempDir::new().unwrap();
    // Each minute has two quotes of each symbol, and the last bars stay open.
    let feed = quotes(&folder, 400);
    let spec = INDICATOR.replacen('{', "{bars: {interval: 1m}, symbols: [ACME], ", 1);
    let manifests = [manifest(&folder, "Indicator", "trend", &spec), manifest(&folder, "TradingAlgo", "b", BEHIND)];
    let lines = lines(&run(&manifests.each_ref().map(PathBuf::as_path), &feed, &[]));
    let indicator = lines.last().unwrap().get("indicator").unwrap();
    assert_eq!((&indicator["joined"], &indicator["notListed"]), (&99.into(), &200.into()), "{indicator}");
    let summary = lines.iter().find_map(|line| line.get("summary")).unwrap();
    assert_eq!((&summary["ticks"], &summary["deadLettered"]), (&99.into(), &0.into()), "{summary}");
    assert!(trades(&lines, "default/b").iter().all(|trade| trade.contains("ACME") && trade.ends_with(":00.000Z\"")));
}

#[test]
fn an_indicator_runs_without_an_algorithm() {
    let folder = TempDir::new().unwrap();
    let indicator = manifest(&folder, "Indicator", "trend", INDICATOR);
    let lines = lines(&run(&[&indicator], &quotes(&folder, 10), &[]));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let shown = ["ticks", "joined", "late"].map(|name| line["indicator"][name].as_u64().unwrap());
    assert_eq!(shown, [10, 10, 0], "{line}");
}

#[test]
fn a_source_that_is_in_no_manifest_is_named() {
    let folder = TempDir::new().unwrap();
    let feed = quotes(&folder, 10);
    let behind = manifest(&folder, "TradingAlgo", "b", BEHIND);
    let unfed = manifest(&folder, "Indicator", "fed", &INDICATOR.replace("topic: quotes", "feed: market"));
    for (manifests, complaint) in [
        (
            vec![behind.as_path()],
            "default/b: spec.channels.from names Indicator default/trend, which is in none of the manifests",
        ),
        (
            vec![unfed.as_path(), behind.as_path()],
            "default/indicator.fed: spec.from.feed names Feed default/market, which is in none",
        ),
    ] {
        let output = run(&manifests, &feed, &[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(complaint), "{stderr}");
    }
}

#[test]
fn quotes_that_come_beside_their_joined_topic_are_noted() {
    let folder = TempDir::new().unwrap();
    let both = BEHIND.replace("channels: {", "channels: {subscribe: [quotes], ");
    let manifests = [manifest(&folder, "Indicator", "trend", INDICATOR), manifest(&folder, "TradingAlgo", "b", &both)];
    let output = run(&manifests.each_ref().map(PathBuf::as_path), &quotes(&folder, 10), &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let note = "default/b: quotes and intuition/default/indicator.trend/joined both have the quotes, so that each is decided twice: leave quotes out";
    assert!(stderr.contains(note), "{stderr}");
    let lines = lines(&output);
    let summary = lines.iter().find_map(|line| line.get("summary")).unwrap();
    assert_eq!(summary["ticks"], 20, "{summary}");
}

#[test]
fn an_account_that_comes_later_is_told_which_quotes_it_lacks() {
    let folder = TempDir::new().unwrap();
    let indicator = manifest(&folder, "Indicator", "trend", INDICATOR);
    let behind = manifest(&folder, "TradingAlgo", "b", BEHIND);
    let data = folder.path().join("data");
    let more = [Path::new("--data-dir"), &data];
    let first = run(&[&indicator], &quotes(&folder, 20), &more);
    assert_eq!((lines(&first).len(), String::from_utf8_lossy(&first.stderr).contains("is lost")), (1, false));
    let output = run(&[&indicator, &behind], &quotes(&folder, 30), &more);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let note = "up to 0, and default/indicator.trend had published them up to 20: the rest is lost with the broker of that run";
    assert!(stderr.contains("default/b: an earlier run decided") && stderr.contains(note), "{stderr}");
    let lines = lines(&output);
    let summary = lines.iter().find_map(|line| line.get("summary")).unwrap();
    assert_eq!(summary["ticks"], 10, "{summary}");
}
