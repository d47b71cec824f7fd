//! `intuition halt`, `reduce`, `resume` and `close` with `--runtime`, against a real runtime and against v0.1.0.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod old_runtime;
mod runtime;

use std::process::{Command, Output, Stdio};

use intuition_api::v1::{Committed, Decision, outbox_entry::Content};
use serde_json::{Value, json};

use self::{
    old_runtime::OldRuntime,
    runtime::{ACCOUNT, Numbered, Runtime},
};

fn quote(seq: i64, sid: &'static str) -> Numbered {
    Numbered { source: "nyse", seq, sid }
}

fn intuition(runtime: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.args(arguments).args(["--runtime", runtime, "--account", ACCOUNT]).env("USER", "bob");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(runtime: &str, arguments: &[&str]) -> Output {
    intuition(runtime, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Output and exit code of a command.
fn told(output: &Output) -> (&str, &str, Option<i32>) {
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Reasons of the quotes that were denied; empty for those that were decided.
fn reasons(committed: &Committed) -> Vec<&str> {
    let ticks = committed.outcomes.iter().flat_map(|outcome| &outcome.ticks);
    ticks.map(|tick| tick.reason.as_str()).collect()
}

fn decisions(committed: &Committed) -> Vec<&Decision> {
    let contents = committed.entries.iter().filter_map(|entry| entry.content.as_ref());
    contents
        .filter_map(|content| if let Content::Decision(decision) = content { Some(decision) } else { None })
        .collect()
}

#[test]
fn a_halt_denies_every_signal_until_it_is_resumed() {
    let mut runtime = Runtime::start(None);
    assert_eq!(reasons(&runtime.decide(&[quote(1, "A")])), [""]);
    let output = run(&runtime.address, &["halt", "--reason", "broker is wrong"]);
    assert_eq!(told(&output), ("default/goog: Halted by Halt (bob: broker is wrong)\n", "", Some(0)));
    assert_eq!(reasons(&runtime.decide(&[quote(2, "A")])), ["Halted"]);
    let output = run(&runtime.address, &["reduce", "--by", "desk"]);
    let both = "default/goog: Halted by Halt (bob: broker is wrong), Reduce (desk)\n";
    assert_eq!(told(&output), (both, "", Some(0)));
    let output = run(&runtime.address, &["resume"]);
    assert_eq!(told(&output), ("default/goog: Active\n", "", Some(0)));
    assert_eq!(reasons(&runtime.decide(&[quote(3, "A")])), [""]);
}

#[test]
fn a_runtime_of_a_resource_is_changed_under_its_uid_alone() {
    let runtime = Runtime::start(Some("u-1"));
    let output = run(&runtime.address, &["halt", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.starts_with("error: default/goog: OtherUid: ") && error.contains("kubectl get ta NAME"), "{error}");
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = listing["accounts"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("OtherUid: "), "{listing}");
    let output = run(&runtime.address, &["halt", "--uid", "u-1", "--output", "json"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    let account = &listing["accounts"][0];
    assert_eq!((&account["account"], &account["state"]), (&json!(ACCOUNT), &json!("Halted")), "{listing}");
    assert_eq!(account["causes"][0], json!({ "cause": "Halt", "state": "Halted", "message": "bob" }));
}

#[test]
fn callers_at_once_do_not_undo_each_other() {
    let runtime = Runtime::start(None);
    let callers: Vec<_> = ["halt", "reduce", "halt", "reduce", "halt", "reduce"]
        .map(|verb| intuition(&runtime.address, &[verb, "--by", verb]).spawn().unwrap())
        .into();
    for caller in callers {
        let output = caller.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let output = run(&runtime.address, &["halt", "--by", "last"]);
    assert_eq!(told(&output), ("default/goog: Halted by Halt (last), Reduce (reduce)\n", "", Some(0)));
}

#[test]
fn a_close_sells_at_the_next_quote_of_each_symbol_and_waits_for_it() {
    let mut runtime = Runtime::start(None);
    runtime.decide(&[quote(1, "A"), quote(2, "B"), quote(3, "C")]);
    let output = run(&runtime.address, &["close", "--all-holdings"]);
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
    let halt = format!("`intuition halt --runtime {} --account default/goog`", runtime.address);
    assert!(text(&output.stderr).contains(&halt), "{}", text(&output.stderr));

    assert_eq!(run(&runtime.address, &["reduce"]).status.code(), Some(0));
    let output = run(&runtime.address, &["close", "--symbol", "A", "--symbol", "X", "--output", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["closing"], &answer["notHeld"]), (&json!(["A"]), &json!(["X"])), "{answer}");
    let sold = runtime.decide(&[quote(4, "B"), quote(5, "A")]);
    let sold: Vec<_> =
        decisions(&sold).into_iter().map(|decision| (decision.sid.as_str(), decision.origin.as_str())).collect();
    assert_eq!(sold, [("A", "manual")]);

    let mut closing = intuition(&runtime.address, &["close", "--all-holdings", "--wait"]).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(closing.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "default/goog: sold at the next quote: B, C\n");
    assert_eq!(decisions(&runtime.decide(&[quote(6, "B"), quote(7, "C")])).len(), 2);
    line.clear();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "default/goog: all sold\n");
    assert_eq!(closing.wait().unwrap().code(), Some(0));
}

#[test]
fn a_close_that_nothing_sells_ends_with_its_time_and_is_cancelled() {
    let mut runtime = Runtime::start(None);
    runtime.decide(&[quote(1, "A")]);
    assert_eq!(run(&runtime.address, &["halt"]).status.code(), Some(0));
    let output = run(&runtime.address, &["close", "--symbol", "A", "--wait", "--timeout", "1s"]);
    assert_eq!(
        told(&output),
        (
            "default/goog: sold at the next quote: A\n",
            "error: 1 symbol still waits for the next quote after 1 s: A\n",
            Some(1),
        )
    );
    let output = run(&runtime.address, &["close", "--cancel"]);
    assert_eq!(told(&output), ("default/goog: no symbol waits for a sale\n", "", Some(0)));
    assert!(decisions(&runtime.decide(&[quote(2, "A")])).is_empty());
}

#[test]
fn a_runtime_of_an_earlier_release_is_an_error_with_a_way_out() {
    let old = OldRuntime::start();
    for arguments in [&["halt"][..], &["reduce"], &["resume"], &["close", "--all-holdings"]] {
        let output = run(&old.address, arguments);
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)), "{arguments:?}");
        assert!(text(&output.stderr).contains("has to be upgraded"), "{}", text(&output.stderr));
    }
}
