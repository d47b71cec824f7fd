//! `intuition sources` as a user calls it, with a real runtime, and with one of v0.1.0.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod old_runtime;
mod runtime;

use std::{
    net::{SocketAddr, TcpListener},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use self::{
    old_runtime::OldRuntime,
    runtime::{ACCOUNT, Numbered, Runtime},
};

const UID: &str = "u-1";

fn quote(source: &'static str, seq: i64) -> Numbered {
    Numbered { source, seq, sid: "GOOG" }
}

/// An account with two sources: `lse` is in conflict, `nyse` stands at 17.
fn two_sources() -> Runtime {
    let mut runtime = Runtime::start(Some(UID));
    runtime.decide(&[quote("lse", 20), quote("nyse", 17)]);
    let late: Vec<_> = (0..12).map(|seq| quote("lse", seq)).collect();
    runtime.decide(&late);
    runtime
}

fn sources(runtime: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("sources").args(arguments).args(["--runtime", runtime]);
    if !arguments.contains(&"--account") {
        command.args(["--account", ACCOUNT]);
    }
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn reset(runtime: &str, uid: &str, last: &str) -> Output {
    let which = ["--uid", uid, "--channel", "quotes", "--source", "nyse", "--era", "0", "--last", last];
    sources(runtime, &[&["reset"], which.as_slice()].concat())
}

#[test]
fn sources_are_listed_as_a_table_and_as_json() {
    let mut runtime = two_sources();
    assert_eq!(reset(&runtime.address, UID, "17").status.code(), Some(0));
    runtime.decide(&[quote("nyse", 17)]);
    let output = sources(&runtime.address, &["list"]);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[1].starts_with("quotes    lse"), "{lines:#?}");
    assert!(lines[2].contains("2026-01-02T03:04:05.678Z"), "{lines:#?}");
    assert!(
        lines[4].starts_with("lse on quotes: SequenceWentBack: the source \"lse\" on quotes stands at 20"),
        "{lines:#?}"
    );
    let output = sources(&runtime.address, &["list", "--output", "json"]);
    let listing: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "channel": "quotes", "source": "nyse", "era": 1, "last": 17, "lastTime": "2026-01-02T03:04:05.678Z",
        "conflicts": 0, "conflictReason": "", "conflictMessage": "",
    });
    assert_eq!(listing["sources"][1], expected);
    assert_eq!(listing["sources"][0]["conflicts"], 12);
}

#[test]
fn a_reset_says_what_came_of_it() {
    let runtime = two_sources();
    let refused = reset(&runtime.address, "u-2", "17");
    assert_eq!((text(&refused.stdout), refused.status.code()), ("", Some(1)));
    assert!(text(&refused.stderr).starts_with("error: OtherUid: "), "{}", text(&refused.stderr));
    let refused = reset(&runtime.address, UID, "-17");
    assert_eq!((text(&refused.stdout), refused.status.code()), ("", Some(1)));
    assert!(text(&refused.stderr).starts_with("error: OtherLast: "), "{}", text(&refused.stderr));
    let again = "nyse on quotes was reset by an earlier call and is in era 1\n";
    for expected in ["nyse on quotes is reset and is in era 1\n", again] {
        let output = reset(&runtime.address, UID, "17");
        assert_eq!((text(&output.stderr), text(&output.stdout)), ("", expected));
    }
}

#[test]
fn sources_are_forgotten_by_name_or_by_age() {
    let runtime = two_sources();
    let forget = |arguments: &[&str]| sources(&runtime.address, &[&["forget", "--uid", UID], arguments].concat());
    assert_eq!(text(&forget(&["nyse"]).stdout), "1 source forgotten\n");
    let output = forget(&["--idle-for", "90d", "--output", "json"]);
    assert_eq!(text(&output.stdout), "{\"forgotten\":0}\n");
    for wrong in [&[][..], &["nyse", "--idle-for", "90d"], &["--idle-for", "90"]] {
        let output = forget(wrong);
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{wrong:?}");
    }
}

#[test]
fn a_runtime_that_cannot_answer_is_an_error_with_a_way_out() {
    let (runtime, old) = (Runtime::start(None), OldRuntime::start());
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for (runtime, arguments, part) in [
        (&nobody, &["list"][..], "kubectl port-forward"),
        (&old.address, &["list"], "has to be upgraded"),
        (&runtime.address, &["list", "--account", "default/other"], "default/goog"),
    ] {
        let output = sources(runtime, arguments);
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
        assert!(text(&output.stderr).contains(part), "{}", text(&output.stderr));
    }
}
