//! What `bridge` says about arguments that it cannot use, before it opens a socket.

#![expect(clippy::unwrap_used, reason = "tests may panic, and so may their helpers")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

/// Runs `bridge` and gives its exit code and what it said.
fn bridge(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bridge")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn arguments_that_cannot_be_used_end_it_with_code_2_and_say_why() {
    let good = ["-m", "mqtt://127.0.0.1:1", "-r", "http://127.0.0.1:1", "--algo", "default/a"];
    let with = |index: usize, value: &'static str| {
        let mut arguments = good;
        arguments[index] = value;
        arguments.to_vec()
    };
    let and = |more: &[&'static str]| [&good[..], more].concat();
    for (arguments, complaint) in [
        (vec!["-m", "mqtt://127.0.0.1:1"], "--rpc"),
        (with(1, "mqtt://me:hunter2@broker"), "use --mqtt-username and --mqtt-password-file"),
        (with(1, "tcp://broker"), "must be mqtt or mqtts"),
        (with(3, "no url"), "is no address of a runtime"),
        (
            with(3, "https://127.0.0.1:1"),
            "\"https://127.0.0.1:1\" is no address of a runtime: use http://HOST:PORT or unix:/PATH",
        ),
        (with(3, "127.0.0.1:1"), "is no address of a runtime"),
        (with(3, "mqtt://127.0.0.1:1"), "is no address of a runtime"),
        (with(3, "unix:"), "is no address of a runtime"),
        (with(5, "goog-random"), "an account is `<namespace>/<name>`"),
        (with(5, "a/b/c"), "an account is `<namespace>/<name>`"),
        (and(&["--decisions-topic", "a/#"]), "is no topic to publish decisions to"),
        (and(&["--topic-prefix", "a/"]), "the topic prefix \"a/\" must have no empty level"),
        (and(&["--topic-prefix", "a/#"]), "the topic prefix \"a/#\" must have neither wildcards"),
        (and(&["--mqtt-credentials-dir", "/nowhere", "--mqtt-username", "me"]), "cannot be used with '--mqtt-username"),
        (and(&["--mqtt-password-file", "/nowhere/password"]), "cannot read the password file /nowhere/password"),
        (with(1, "mqtts://broker").into_iter().chain(["--mqtt-ca-file", "/nowhere/ca"]).collect(), "/nowhere/ca"),
    ] {
        let (code, said) = bridge(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(complaint), "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments =
        ["-m", "mqtt://127.0.0.1:1", "-r", "http://127.0.0.1:1", "--algo", "default/a", "--http-addr", &address];
    let (code, said) = bridge(&arguments);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address} for --http-addr")), "{said}");
}

/// A broker that accepts connections and answers nothing else.
fn accept_and_answer_nothing(mut connection: TcpStream) {
    let mut bytes = [0; 1024];
    if matches!(connection.read(&mut bytes), Ok(1..)) && connection.write_all(&[0x20, 3, 0, 0, 0]).is_ok() {
        while matches!(connection.read(&mut bytes), Ok(1..)) {}
    }
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
}

#[test]
fn second_signal_ends_a_shutdown_that_the_broker_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = format!("mqtt://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(|| accept_and_answer_nothing(connection));
        }
    });
    let arguments = ["-m", &broker, "-r", "http://127.0.0.1:1", "--algo", "default/a"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_bridge"));
    let mut child = command.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    // Its state waits for a PUBACK from here on.
    assert!(lines.any(|line| line.contains("part=\"publisher\"") && line.contains("part is ready")));
    terminate(&child);
    assert!(lines.any(|line| line.contains("shutting down")));
    terminate(&child);
    assert!(lines.any(|line| line.contains("second signal")));
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
