//! `intuition` and text from outside: symbols, files, arguments, signals, streams that fail.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Every kind of character that is escaped, and a line that looks like another decision.
const EVIL: &str = "A\u{1b}[31m\0\r\nerror: forged\u{202e}\u{2028}\u{9b}\u{7f}";
/// The escaped form of it.
const SHOWN: &str = r"A\u{1b}[31m\u{0}\r\nerror: forged\u{202e}\u{2028}\u{9b}\u{7f}";

fn example(manifest: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(manifest)
}

fn intuition(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run of one example over a feed with this text.
fn run(folder: &TempDir, manifest: &str, text: &str) -> Command {
    let path = folder.path().join("q.csv");
    fs::write(&path, text).unwrap();
    let mut command = intuition(&["run", "-f"]);
    command.arg(example(manifest)).arg("--feed").arg(path);
    command
}

fn texts(output: &Output) -> (&str, &str) {
    (std::str::from_utf8(&output.stdout).unwrap(), std::str::from_utf8(&output.stderr).unwrap())
}

fn assert_printable(text: &str) {
    let raw = |character: char| character != '\n' && character.is_control();
    assert!(!text.contains(raw) && !text.contains(['\u{202e}', '\u{2028}']), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{text}");
}

fn quoted(cell: &str) -> String {
    format!("\"{cell}\"")
}

/// Many quotes of one symbol: the run lasts until a signal ends it.
fn long_feed() -> String {
    let row = |minute| format!("{},AAPL,130.31\n", 951_868_800 + minute * 60);
    std::iter::once("time,sid,close\n".to_owned()).chain((0..5_000).map(row)).collect()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn symbols_of_a_feed_reach_no_terminal_raw() {
    let folder = TempDir::new().unwrap();
    let manifest = folder.path().join("busy.yaml");
    let text = "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {name: busy}\nspec: {algorithm: {builtin: \
                random}, threshold: 0, portfolio: {policy: fixed-amount, amount: 100}}\n";
    fs::write(&manifest, text).unwrap();
    // A row with a NUL is refused.
    let (evil, shown) = (EVIL.replace('\0', ""), SHOWN.replace(r"\u{0}", ""));
    let text = format!("time,sid,close\n2000-03-01,{},10\n2000-03-02,{},10\n", quoted(&evil), quoted(&evil.repeat(5)));
    let feed = folder.path().join("q.csv");
    fs::write(&feed, text).unwrap();
    let run = |format: &str| {
        let mut command = intuition(&["run", "--output", format, "-f"]);
        command.arg(&manifest).arg("--feed").arg(&feed).arg("--allow-bad-lines").output().unwrap()
    };
    let output = run("text");
    let (stdout, stderr) = texts(&output);
    assert_printable(stdout);
    assert_printable(stderr);
    assert!(stdout.contains(&format!("  buy  10 {shown} at 10 = 100.00  ")), "{stdout}");
    assert!(
        stderr.contains(&format!("q.csv: line 4: sid: \"{shown}A")) && stderr.contains(" is no symbol"),
        "{stderr}"
    );
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(0), 2), "{stderr}");
    // JSON holds the symbols as they are.
    let output = run("json");
    let decision: Value = serde_json::from_str(texts(&output).0.lines().next().unwrap()).unwrap();
    assert_eq!(decision["sid"], evil);
}

#[test]
fn arguments_and_names_of_files_reach_no_terminal_raw() {
    let arguments = EVIL.replace('\0', "");
    let shown = SHOWN.replace(r"\u{0}", "");
    for (given, code) in [
        (vec!["run", "-f", "x", "--rate", &arguments, "--feed", "x"], 2),
        (vec!["run", "-f", "x", "--broker", &arguments], 2),
        (vec!["backends", "--address", &arguments], 2),
        (vec!["sources", "list", "--runtime", &arguments, "--account", "a/b"], 2),
        (vec!["conform", "--address", &arguments], 2),
        (vec!["validate", "-f", &arguments], 2),
        (vec!["validate", "-f", "x", &arguments], 2),
        (vec![&arguments], 2),
        (vec!["run", &format!("--{arguments}")], 2),
    ] {
        let output = intuition(&given).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert_eq!((output.status.code(), stdout), (Some(code), ""), "{given:?}: {stderr}");
        assert_printable(stderr);
        assert!(stderr.contains(&shown), "{given:?}: {stderr}");
    }
}

#[test]
fn a_manifest_reaches_no_terminal_raw() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("evil.yaml");
    let evil = r#""A\e[31m\0\r\nerror: forged\u202e\u2028\x9b\x7f""#;
    for spec in [
        format!("kind: TradingAlgo\nmetadata: {{name: {evil}}}\nspec: {{algorithm: {{builtin: {evil}}}}}\n"),
        format!("kind: {evil}\n"),
        format!("kind: TradingAlgo\nmetadata: {{name: a}}\nspec: {{{evil}: 1, algorithm: {{builtin: random}}}}\n"),
    ] {
        fs::write(&path, format!("apiVersion: intuition.dev/v1alpha1\n{spec}")).unwrap();
        let output = intuition(&["validate", "-f"]).arg(&path).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert_printable(stdout);
        assert_printable(stderr);
        assert!(!stderr.is_empty());
    }
}

#[test]
fn a_password_in_a_url_is_never_shown_and_a_huge_value_in_part() {
    // A value without end is shown in part, in clap's words and in ours.
    let output = intuition(&["run", "-f", "x", "--broker", &"x".repeat(100_000)]).output().unwrap();
    assert!(texts(&output).1.len() < 1_000, "{}", texts(&output).1);
    for broker in
        ["mqtt://me:hunter2@host", "mqtt://me:hunter2@[host", "me:hunter2@host:1883", "mqtt://me:hun/ter2@host"]
    {
        for flag in ["--broker", "--brokr", "--algorithm-address"] {
            for given in [vec![flag.to_owned(), broker.to_owned()], vec![format!("{flag}={broker}")]] {
                let output = intuition(&["run", "-f", "x"]).args(&given).output().unwrap();
                let (_, stderr) = texts(&output);
                assert_eq!(output.status.code(), Some(2), "{given:?}: {stderr}");
                assert!(!stderr.contains("ter2"), "{given:?}: {stderr}");
            }
        }
    }
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let folder = TempDir::new().unwrap();
    let binary = env!("CARGO_BIN_EXE_intuition");
    // The log and a usage error, on a terminal that `script` makes.
    let feed = folder.path().join("q.csv");
    fs::write(&feed, "time,sid,close\n2000-03-01,AAPL,10\n").unwrap();
    let log = format!("{binary} run -f {} --feed {} --log info", example("random.yaml").display(), feed.display());
    let usage = format!("{binary} run --rate x");
    for (command, mark) in [(&log, "embedded broker"), (&usage, "error")] {
        for (no_color, colored) in [(None, true), (Some(""), true), (Some("1"), false)] {
            let mut script = Command::new("script");
            script
                .args(["-qec", command, "/dev/null"])
                .stdin(Stdio::null())
                .env_remove("NO_COLOR")
                .env("TERM", "xterm");
            let output = script.envs(no_color.map(|value| ("NO_COLOR", value))).output().unwrap();
            let (stdout, _) = texts(&output);
            let lines: Vec<_> = stdout.lines().filter(|line| line.contains(mark)).collect();
            assert!(!lines.is_empty(), "{command}: {stdout}");
            // Colours are SGR sequences; the progress bar moves the cursor by others.
            let is_colored = lines.iter().any(|line| line.contains("\u{1b}[") && line.contains('m') && has_sgr(line));
            assert_eq!(is_colored, colored, "{command} {no_color:?}: {stdout:?}");
        }
    }
    // Without a terminal there are none.
    let output = run(&folder, "random.yaml", "time,sid,close\n2000-03-01,AAPL,10\n").args(["--log", "info"]).output();
    let output = output.unwrap();
    assert!(texts(&output).1.contains("embedded broker") && !texts(&output).1.contains('\u{1b}'));
}

/// Whether a text has a sequence that sets colours.
fn has_sgr(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        rest.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';').starts_with('m')
    })
}

#[test]
fn validate_reports_a_standard_output_that_cannot_be_written() {
    let mut command = intuition(&["validate", "-f"]);
    let output = command.arg(example("random.yaml")).stdout(File::create("/dev/full").unwrap()).output().unwrap();
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.starts_with("error: cannot write to standard output: No space left on device"), "{stderr}");
}

#[test]
fn a_closed_terminal_ends_a_run_with_its_summary_and_leaves_no_folder() {
    // With 128 and the number of the signal, as shells show it.
    for (name, code) in [("-HUP", 129), ("-QUIT", 131), ("-TERM", 143)] {
        let (folder, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let run = run(&folder, "random.yaml", &long_feed());
        // Where the tests run in the background of a shell, these signals are ignored, and a child inherits that.
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,QUIT").arg(run.get_program()).args(run.get_args()).args(["--rate", "100"]);
        let mut child = command.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        stdout.read_line(&mut text).unwrap();
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
        signal(&child, name);
        stdout.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        assert!(text.contains("\nalgorithm ") && text.contains("\ndefault/goog-random "), "{name}: {text}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_run_that_was_started_with_hangups_ignored_goes_on() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("q.csv"), long_feed()).unwrap();
    let line = format!(
        "trap '' HUP; exec {} run -f {} --feed {} --rate 100",
        env!("CARGO_BIN_EXE_intuition"),
        example("random.yaml").display(),
        folder.path().join("q.csv").display()
    );
    let mut child = Command::new("sh").args(["-c", &line]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    stdout.read_line(&mut text).unwrap();
    signal(&child, "-HUP");
    // Later decisions come after the signal.
    for _ in 0..3 {
        text.clear();
        stdout.read_line(&mut text).unwrap();
        assert!(text.contains("default/goog-random #"), "{text}");
    }
    assert!(child.try_wait().unwrap().is_none(), "it ended");
    signal(&child, "-TERM");
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn huge_cells_refuse_their_lines_and_no_others() {
    let folder = TempDir::new().unwrap();
    let huge = "9".repeat(5_000_000);
    let text = format!(
        "time,sid,close\n2000-03-01,{huge},10\n2000-03-01,AAPL,10\n2000-03-02,AAPL,{huge}\n{huge},AAPL,10\n2000-03-03,AAPL,10\n"
    );
    let mut run = run(&folder, "random.yaml", &text);
    let output = run.args(["--output", "json", "--allow-bad-lines"]).output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{stderr}");
    for (line, number) in lines.iter().zip([2, 4, 5]) {
        assert!(line.contains(&format!("q.csv: line {number}: has more than 65536 bytes: ")), "{line}");
        assert!(line.len() < 1_000, "{}", line.len());
    }
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["summary"]["ticks"], &summary["summary"]["deadLettered"]), (&2.into(), &0.into()));
}

#[test]
fn a_huge_header_is_shown_in_part() {
    let folder = TempDir::new().unwrap();
    let output = run(&folder, "random.yaml", &format!("{}\n1\n", "x".repeat(3_000_000))).output().unwrap();
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("line 1: has more than 65536 bytes: \"xxx") && stderr.len() < 1_000, "{stderr}");
}

#[test]
fn a_feed_without_a_good_row_starts_no_run() {
    let folder = TempDir::new().unwrap();
    let rows: Vec<_> = (1..=9).map(|day| format!("2000-03-0{day},S{day},\"1,029.27\"\n")).collect();
    let rows = rows.concat();
    let mut command = run(&folder, "random.yaml", &format!("time,sid,close\n{rows}"));
    let output = command.arg("-f").arg(example("sma-crossover.yaml")).output().unwrap();
    let (stdout, stderr) = texts(&output);
    let expected = format!(
        "error: {}: line 2: close: \"1,029.27\" is not a decimal number: numbers have a decimal point and no other marks; none of the \
         first 9 rows can be used: --price-column names another column\n",
        folder.path().join("q.csv").display()
    );
    assert_eq!((output.status.code(), stdout, stderr), (Some(2), "", expected.as_str()));
    let help = intuition(&["run", "--help"]).output().unwrap();
    assert!(texts(&help).0.contains("The exit code is 1 if no row could be used"));
}

#[test]
fn denied_signals_are_summed_up_by_reason() {
    let folder = TempDir::new().unwrap();
    let manifest = folder.path().join("poor.yaml");
    let text = "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {name: poor}\nspec: {algorithm: {builtin: \
                random}, threshold: 0, startingCash: 150, portfolio: {policy: fixed-amount, amount: 100}}\n";
    fs::write(&manifest, text).unwrap();
    let feed = folder.path().join("q.csv");
    fs::write(&feed, "time,sid,close\n2000-03-01,A,10\n2000-03-02,A,10\n2000-03-03,A,10\n").unwrap();
    let run = |format: &str| {
        let mut command = intuition(&["run", "--output", format, "-f"]);
        command.arg(&manifest).arg("--feed").arg(&feed).output().unwrap()
    };
    let (text, json) = (run("text"), run("json"));
    assert!(texts(&text).0.ends_with("\ndefault/poor: signals denied: 2 InsufficientCash\n"), "{text:?}");
    let summary: Value = serde_json::from_str(texts(&json).0.lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["signalsDenied"], serde_json::json!({"InsufficientCash": 2}));
    assert_eq!(summary["summary"]["denied"], 2);
}

#[test]
fn a_feed_may_come_on_standard_input() {
    let run = |manifest: &Path, text: &str| {
        let mut command = intuition(&["run", "--feed", "-", "--output", "json", "-f"]);
        let mut child = command.arg(manifest).stdin(Stdio::piped()).spawn().unwrap();
        // It may have ended before it read anything.
        drop(child.stdin.take().unwrap().write_all(text.as_bytes()));
        child.wait_with_output().unwrap()
    };
    let output = run(&example("random.yaml"), "time,sid,close\n2000-03-01,A,10\n2000-03-02,A,x\n");
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("error: standard input: line 3: close: \"x\" is not a decimal number"), "{stderr}");
    assert_eq!(stdout, "");
    let output = run(&example("random.yaml"), "time,sid,close\n2000-03-01,A,10\n2000-03-02,A,11\n");
    let (stdout, stderr) = texts(&output);
    assert_eq!((output.status.code(), stderr), (Some(0), ""));
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["ticks"], 2);
    let both = run(Path::new("-"), "");
    assert_eq!(both.status.code(), Some(2));
    assert_eq!(texts(&both).1, "error: --filename and --feed cannot both read standard input\n");
}
