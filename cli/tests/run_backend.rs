//! `intuition run` with an algorithm out of process, as a user calls it: the real binary, and a server of `Algorithm`.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::disallowed_methods, reason = "the backend's runtime ends with its tasks")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use intuition_api::v1::Quote;
use serde_json::Value;
use support::{Backend, Rule, free_port};
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

fn run() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("run").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn example(name: &str) -> Command {
    let mut command = run();
    command.arg("-f").arg(repository("examples").join(name));
    command
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The lines' objects, decisions apart from summaries.
fn json(stdout: &[u8]) -> (Vec<Value>, Vec<Value>) {
    let lines = std::str::from_utf8(stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).partition(|value| value.get("summary").is_none())
}

/// What a decision says, but for the ledger that it is in.
fn decided(stdout: &[u8]) -> Vec<Value> {
    let mut decisions = json(stdout).0;
    for decision in &mut decisions {
        decision.as_object_mut().unwrap().remove("id").unwrap();
    }
    decisions
}

/// Money and counts of the only summary: what two runs over the same quotes have in common.
fn books(stdout: &[u8]) -> Value {
    let mut summary = json(stdout).1.remove(0).get_mut("summary").unwrap().take();
    for member in ["algorithm", "algorithmVersion", "seconds"] {
        summary.as_object_mut().unwrap().remove(member).unwrap();
    }
    summary
}

/// What the algorithm in process decides over the same quotes.
fn in_process(manifest: &str, feed: &Path) -> Output {
    let output = example(manifest).arg("--feed").arg(feed).args(["--output", "json"]).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    output
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Reads a run's standard error up to a line that has `text` in it.
fn read_until(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) {
    assert!(lines.map_while(Result::ok).any(|line| line.contains(text)), "no line has {text:?} in it");
}

#[test]
fn an_algorithm_out_of_process_decides_what_the_same_one_in_process_does() {
    let folder = TempDir::new().unwrap();
    let feed = feed(&folder, 2_000);
    for (manifest, builtin) in [("random.yaml", "random"), ("sma-crossover.yaml", "sma-crossover")] {
        let socket = folder.path().join(builtin);
        for backend in [Backend::tcp(0, Rule::of(builtin)), Backend::unix(&socket, Rule::of(builtin))] {
            let mut command = example(manifest);
            command.arg("--feed").arg(&feed).args(["--output", "json", "--algorithm-address", &backend.address]);
            let (outside, inside) = (command.output().unwrap(), in_process(manifest, &feed));
            assert_eq!((outside.status.code(), stderr(&outside)), (Some(0), ""), "{}", backend.address);
            assert!(!decided(&inside.stdout).is_empty());
            assert_eq!(decided(&outside.stdout), decided(&inside.stdout), "{}", backend.address);
            assert_eq!(books(&outside.stdout), books(&inside.stdout), "{}", backend.address);
            let summary = &json(&outside.stdout).1[0]["summary"];
            assert_eq!(summary["algorithm"], format!("{builtin}-outside"));
            assert_eq!(summary["algorithmVersion"], "7.8.9");
        }
    }
}

#[test]
fn an_algorithm_sees_the_columns_of_a_file() {
    let folder = TempDir::new().unwrap();
    let feed = folder.path().join("bars.csv");
    let rows = "time,sid,open,high,low,close,volume,bid,ask,size\n\
                2024-01-02,GOOG,3.10,4,3,3.5,1200,,,\n\
                2024-01-03,GOOG,,,,3.6,,3.7,3.50,0\n\
                2024-01-04,GOOG,,,,3.7,-,n/a,,\n";
    fs::write(&feed, rows).unwrap();
    let backend = Backend::tcp(0, Rule::of("random"));
    let output = example("random.yaml")
        .arg("--feed")
        .arg(&feed)
        .args(["--algorithm-address", &backend.address])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let shown = |quote: Quote| {
        let details = quote.details.unwrap_or_default();
        let values = details.decimals().into_iter().filter_map(|(name, text)| Some(format!(" {name} {}", text?)));
        format!("{}{}", quote.price, values.collect::<String>())
    };
    let seen: Vec<_> = backend.quotes().into_iter().map(shown).collect();
    assert_eq!(seen, ["3.5 open 3.1 high 4 low 3 volume 1200", "3.6 size 0 bid 3.7 ask 3.5", "3.7"]);
}

/// A `TradingAlgo` of the name `a`.
fn algo(algorithm: &str) -> String {
    format!(
        "---\napiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {{name: a}}\n\
         spec: {{algorithm: {{{algorithm}}}}}\n"
    )
}

/// An `Algorithm` of the name `outside`.
fn algorithm(namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: intuition.dev/v1alpha1\nkind: Algorithm\nmetadata: {{name: outside, namespace: {namespace}}}\n\
         spec: {{{spec}}}\n"
    )
}

#[test]
fn an_address_in_the_manifest_a_name_and_the_flag_lead_to_the_algorithm() {
    let folder = TempDir::new().unwrap();
    let (feed, manifest) = (feed(&folder, 50), folder.path().join("a.yaml"));
    let backend = Backend::tcp(0, Rule::of("random"));
    let (address, flag) = (format!("address: '{}'", backend.address), ["--algorithm-address", &backend.address]);
    let elsewhere = algorithm("other", &format!("address: 'http://127.0.0.1:{}'", free_port()));
    let image = algorithm("default", "image: 'example/outside:1'");
    for (text, arguments) in [
        (algo(&address), &[] as &[&str]),
        (elsewhere + &algo("name: outside") + &algorithm("default", &address), &[]),
        (image + &algo("name: outside"), &flag),
        (algo("name: outside"), &flag),
        (algo("builtin: sma-crossover"), &flag),
    ] {
        fs::write(&manifest, &text).unwrap();
        let mut command = run();
        command.arg("-f").arg(&manifest).arg("--feed").arg(&feed).args(["--output", "json"]).args(arguments);
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{text}");
        let summary = &json(&output.stdout).1[0]["summary"];
        assert_eq!((&summary["algorithm"], &summary["ticks"]), (&"random-outside".into(), &50.into()), "{text}");
    }
}

#[test]
fn cluster_name_without_an_address_here_is_refused_with_advice() {
    let folder = TempDir::new().unwrap();
    let manifest = folder.path().join("a.yaml");
    let of_other = algorithm("other", "address: 'http://127.0.0.1:50051'");
    for (text, complaint) in [
        (
            algo("name: outside") + &of_other,
            "document 1 (a): spec.algorithm.name: there is no Algorithm default/outside in the files given: ",
        ),
        (
            algo("name: outside") + &algorithm("default", "image: 'example/outside:1'"),
            "document 1 (a): spec.algorithm.name: the Algorithm default/outside has an image, which needs a cluster: ",
        ),
        (of_other.clone(), "nothing to run: none of the manifests is a TradingAlgo"),
        (algo("address: 'http://localhost:99999'"), "document 1 (a): spec.algorithm.address: "),
    ] {
        fs::write(&manifest, &text).unwrap();
        let output = run().arg("-f").arg(&manifest).output().unwrap();
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
        assert_eq!((output.status.code(), stderr(&output).lines().count()), (Some(2), 1), "{}", stderr(&output));
    }
    let output = example("random.yaml").args(["--algorithm-address", "https://localhost:50051"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("; TLS is not supported"), "{}", stderr(&output));
}

#[test]
fn backend_killed_in_a_batch_costs_no_line_and_changes_no_decision() {
    let folder = TempDir::new().unwrap();
    let feed = feed(&folder, 3_000);
    let backend = Backend::tcp(0, Rule { hangs_at: Some(1_500), ..Rule::of("random") });
    let port = backend.port();
    let mut command = example("random.yaml");
    command.arg("--feed").arg(&feed).args(["--output", "json", "--algorithm-address", &backend.address]);
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).unwrap();
        text
    });
    backend.wait_until_it_hangs();
    drop(backend);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = format!("default/goog-random: waits for the algorithm at http://127.0.0.1:{port}: ");
    read_until(&mut lines, &waits);
    let _backend = Backend::tcp(port, Rule::of("random"));
    let there = format!("the algorithm at http://127.0.0.1:{port} is ready: random-outside 7.8.9");
    read_until(&mut lines, &there);
    let outside = reading.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let inside = in_process("random.yaml", &feed);
    assert_eq!(decided(&outside), decided(&inside.stdout));
    assert_eq!(books(&outside), books(&inside.stdout));
    assert_eq!(books(&outside)["ticks"], 3_000);
}

#[test]
fn a_run_waits_for_an_algorithm_that_comes_late_and_says_so_once() {
    let folder = TempDir::new().unwrap();
    let port = free_port();
    let address = format!("http://127.0.0.1:{port}");
    let mut command = example("sma-crossover.yaml");
    command.arg("--feed").arg(feed(&folder, 100)).args(["--output", "json", "--algorithm-address", &address]);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let expected = format!("default/sma-crossover: waits for the algorithm at {address}: no server answers");
    assert!(first.starts_with(&expected), "{first}");
    let _backend = Backend::tcp(port, Rule::of("sma-crossover"));
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    let there = format!("default/sma-crossover: the algorithm at {address} is ready: sma-crossover-outside 7.8.9");
    assert_eq!(rest, [there]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(books(&output.stdout)["ticks"], 100);
}

#[test]
fn an_algorithm_that_does_not_fit_ends_the_run_at_once_and_says_why() {
    let folder = TempDir::new().unwrap();
    let (feed, manifest) = (feed(&folder, 10), folder.path().join("a.yaml"));
    for (rule, parameters, code, complaints) in [
        // Which parameters the built-in algorithm has does not matter: another one decides.
        (Rule::of("sma-crossover"), "fast: 9, slow: 3", 2, ["parameters.fast: ", " (ParametersRefused)"]),
        (Rule { contract: "intuition.v9", ..Rule::of("random") }, "", 1, ["intuition.v9", " (ContractUnsupported)"]),
        (Rule { channels: Some(Vec::new()), ..Rule::of("random") }, "", 1, ["channels", " (ContractBroken)"]),
    ] {
        fs::write(&manifest, algo(&format!("builtin: random, parameters: {{{parameters}}}"))).unwrap();
        let backend = Backend::tcp(0, rule);
        let began = Instant::now();
        let mut command = run();
        command.arg("-f").arg(&manifest).arg("--feed").arg(&feed).args(["--algorithm-address", &backend.address]);
        let output = command.output().unwrap();
        let expected = format!("error: default/a: the algorithm at {}: ", backend.address);
        assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
        assert!(complaints.iter().all(|text| stderr(&output).contains(text)), "{}", stderr(&output));
        assert_eq!((output.status.code(), stderr(&output).lines().count(), output.stdout.len()), (Some(code), 1, 0));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

#[test]
fn rejected_quotes_are_dead_letters_and_the_first_show_their_lines() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quotes.csv");
    let quotes = "2000-03-01,AAPL,130\n2000-03-01,GOOG,345\n2000-03-02,AAPL,131\n2000-03-02,GOOG,346\n";
    fs::write(&path, format!("time,sid,close\n{quotes}")).unwrap();
    let backend = Backend::tcp(0, Rule { rejects: Some("AAPL"), ..Rule::of("random") });
    let mut command = example("random.yaml");
    command.arg("--feed").arg(&path).args(["--output", "json", "--algorithm-address", &backend.address]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let books = books(&output.stdout);
    assert_eq!((&books["ticks"], &books["deadLettered"]), (&4.into(), &2.into()));
    let said: Vec<_> = stderr(&output).lines().collect();
    let expected = [2, 4].map(|line| format!("{}: line {line}: AAPL: Rejected: AAPL is not for me", path.display()));
    assert_eq!(said, expected);
}

#[test]
fn a_feed_of_which_every_row_is_rejected_ends_with_1() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quotes.csv");
    fs::write(&path, "time,sid,close\n2000-03-01,AAPL,130\n2000-03-02,AAPL,131\n").unwrap();
    let backend = Backend::tcp(0, Rule { rejects: Some("AAPL"), ..Rule::of("random") });
    let mut command = example("random.yaml");
    command.arg("--feed").arg(&path).args(["--output", "json", "--algorithm-address", &backend.address]);
    let output = command.output().unwrap();
    let last = stderr(&output).lines().last().unwrap();
    assert_eq!(
        (output.status.code(), last),
        (Some(1), format!("error: {}: no row could be used", path.display()).as_str())
    );
    // The summary comes all the same.
    assert_eq!(books(&output.stdout)["deadLettered"], 2);
}

#[test]
fn the_text_of_a_rejection_reaches_no_terminal_raw() {
    const EVIL: &str = "A\u{1b}[31m\nERROR forged\u{202e}";
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quotes.csv");
    fs::write(&path, format!("time,sid,close\n2000-03-01,GOOG,345\n2000-03-01,\"{EVIL}\",130\n")).unwrap();
    let backend = Backend::tcp(0, Rule { rejects: Some(EVIL), ..Rule::of("random") });
    let mut command = example("random.yaml");
    command.arg("--feed").arg(&path).args(["--log", "debug", "--algorithm-address", &backend.address]);
    let output = command.output().unwrap();
    let shown = r"A\u{1b}[31m\nERROR forged\u{202e}";
    let expected = format!("{}: line 3: {shown}: Rejected: {shown} is not for me", path.display());
    assert!(stderr(&output).lines().any(|line| line == expected), "{}", stderr(&output));
    assert!(!stderr(&output).contains(['\u{1b}', '\u{202e}']), "{}", stderr(&output));
    assert!(!stderr(&output).lines().any(|line| line.starts_with("ERROR forged")), "{}", stderr(&output));
}

#[test]
fn a_quote_that_the_algorithm_always_fails_at_costs_itself_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quotes.csv");
    let quote = |number| format!("2000-03-01,{},{}\n", if number == 100 { "BAD" } else { "GOOG" }, 300 + number);
    fs::write(&path, "time,sid,close\n".to_owned() + &(1..=200).map(quote).collect::<String>()).unwrap();
    let backend = Backend::tcp(0, Rule { fails_at: Some("BAD"), ..Rule::of("random") });
    let mut command = example("random.yaml");
    command.arg("--feed").arg(&path).args(["--output", "json", "--algorithm-address", &backend.address]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let books = books(&output.stdout);
    assert_eq!((&books["ticks"], &books["deadLettered"]), (&200.into(), &1.into()));
    let expected = format!("{}: line 101: BAD: Rejected: random-outside: failed ", path.display());
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}

#[test]
fn a_feed_that_the_algorithm_does_not_want_is_refused_once_it_is_known() {
    let folder = TempDir::new().unwrap();
    let rule = Rule { channels: Some(vec!["trades".to_owned(), "fx/+".to_owned()]), ..Rule::of("random") };
    let backend = Backend::tcp(0, rule);
    let mut command = example("random.yaml");
    command.arg("--feed").arg(feed(&folder, 10)).args(["--algorithm-address", &backend.address]);
    let output = command.output().unwrap();
    let expected = "error: no algorithm takes the topic quotes: default/goog-random takes trades, fx/+\n";
    assert_eq!((output.status.code(), stderr(&output)), (Some(2), expected));
}

#[test]
fn returned_algorithm_with_other_channels_ends_the_feed() {
    let folder = TempDir::new().unwrap();
    let backend = Backend::tcp(0, Rule { hangs_at: Some(300), ..Rule::of("random") });
    let port = backend.port();
    let mut command = example("random.yaml");
    command.arg("--feed").arg(feed(&folder, 3_000)).args(["--output", "json"]);
    let mut child = command.args(["--algorithm-address", &backend.address]).stdout(Stdio::null()).spawn().unwrap();
    backend.wait_until_it_hangs();
    drop(backend);
    let _backend = Backend::tcp(port, Rule { channels: Some(vec!["trades".to_owned()]), ..Rule::of("random") });
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let last = said.lines().last().unwrap();
    assert_eq!(last, "error: no algorithm takes the topic quotes any more: default/goog-random takes trades");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn ctrl_c_ends_a_run_that_waits_and_one_whose_algorithm_hangs() {
    let folder = TempDir::new().unwrap();
    let feed = feed(&folder, 1_000);
    let address = format!("http://127.0.0.1:{}", free_port());
    for (arguments, code) in [(vec!["--feed", feed.to_str().unwrap()], 130), (Vec::new(), 0)] {
        let mut command = example("random.yaml");
        let mut child = command.args(arguments).args(["--algorithm-address", &address]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("waits for the algorithm"), "{line}");
        let told = Instant::now();
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    }

    let backend = Backend::tcp(0, Rule { hangs_at: Some(500), ..Rule::of("random") });
    let mut command = example("random.yaml");
    command.arg("--feed").arg(&feed).args(["--output", "json", "--algorithm-address", &backend.address]);
    let child = command.spawn().unwrap();
    backend.wait_until_it_hangs();
    let told = Instant::now();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    // Well before the deadline of an answer, 10 s, would have let it go on.
    assert!(told.elapsed() < Duration::from_secs(9), "{:?}", told.elapsed());
    assert_eq!((output.status.code(), stderr(&output)), (Some(130), ""));
    assert!(books(&output.stdout)["ticks"].as_u64().unwrap() < 500);
}
