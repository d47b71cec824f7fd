//! `intuition validate` as a user calls it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const HEAD: &str = "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\n";

fn validate(files: &[&Path], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
    command.arg("validate").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for file in files {
        command.arg("-f").arg(file);
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_examples_are_valid() {
    let examples =
        ["random.yaml", "sma-crossover.yaml", "market/feed.yaml", "market/random.yaml", "market/sma-crossover.yaml"];
    let paths = examples.map(|example| repository("examples").join(example));
    let output = validate(&paths.each_ref().map(PathBuf::as_path), "");
    let expected = concat!(
        "valid: default/goog-random\nvalid: default/sma-crossover\nvalid: default/market (Feed)\n",
        "valid: default/market-random\nvalid: default/market-sma-crossover\n"
    );
    assert_eq!(text(&output.stdout), expected);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
}

#[test]
fn every_invalid_sample_is_one_line_with_its_path_and_exit_code_2() {
    for entry in fs::read_dir(repository("crds/samples/invalid")).unwrap() {
        let path = entry.unwrap().path();
        let sample = fs::read_to_string(&path).unwrap();
        let expected = sample.lines().next().unwrap().strip_prefix("# ").unwrap();
        let output = validate(&[&path], "");
        let stderr = text(&output.stderr);
        assert!(stderr.ends_with(&format!(": {expected}\n")) && stderr.lines().count() == 1, "{expected}: {stderr}");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{expected}");
    }
}

#[test]
fn every_problem_of_every_document_is_said_at_once() {
    let documents = format!(
        "{HEAD}metadata: {{name: one}}\nspec: {{algorithm: {{builtin: sma-crossover, parameters: {{fast: 50, slow: 20, x: 1}}}}, \
         threshold: 2}}\n---\n{HEAD}metadata: {{name: two}}\nspec: {{algorithm: {{builtin: random}}}}\n---\n{HEAD}metadata: \
         {{name: two, namespace: default}}\nspec: {{algorithm: {{builtin: crystal-ball}}}}\n---\nkind: Service\n---\n\
         {HEAD}metadata: {{name: two}}\nspec: {{algorithm: {{builtin: random}}}}\n"
    );
    let output = validate(&[Path::new("-")], &documents);
    let places: Vec<_> =
        text(&output.stderr).lines().map(|line| line.splitn(5, ": ").take(3).collect::<Vec<_>>().join(": ")).collect();
    let expected = [
        "-: document 1 (one): spec.algorithm.parameters.fast",
        "-: document 1 (one): spec.algorithm.parameters.x",
        "-: document 1 (one): spec.threshold",
        "-: document 3 (two): spec.algorithm.builtin",
        "-: document 3 (two): metadata.name",
        "-: document 4: kind",
        "-: document 5 (two): metadata.name",
    ];
    assert_eq!(places, expected, "{}", text(&output.stderr));
    assert_eq!((text(&output.stdout), output.status.code()), ("valid: default/two\n", Some(2)));
}

#[test]
fn algorithm_of_indicators_is_refused_for_a_trading_account() {
    let document = format!(
        "{HEAD}metadata: {{name: one}}\nspec: {{algorithm: {{builtin: indicators, parameters: {{compute: []}}}}}}\n"
    );
    let output = validate(&[Path::new("-")], &document);
    let expected =
        "-: document 1 (one): spec.algorithm.builtin: `indicators` is the algorithm of the resource `Indicator`\n";
    assert_eq!((text(&output.stderr), output.status.code()), (expected, Some(2)));
}

#[test]
fn a_broken_document_hides_nothing_about_the_others() {
    let documents = format!(
        "{HEAD}metadata: {{name: one}}\nspec: {{algorithm: {{builtin: sma-crossover, parameters: {{fast: 0, slow: \
         100000000}}}}}}\n---\nkind: [\n---\n[]\n---\n{HEAD}metadata: {{name: four}}\nspec: {{algorithm: {{builtin: random}}}}\n"
    );
    let output = validate(&[Path::new("-")], &documents);
    let lines: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("-: document 1 (one): spec.algorithm.parameters.fast: "), "{lines:?}");
    assert!(lines[1].starts_with("-: document 1 (one): spec.algorithm.parameters.slow: "), "{lines:?}");
    assert!(lines[2].starts_with("-: ") && lines[2].contains("line 6"), "{lines:?}");
    assert_eq!(lines[3], "-: document 3: must be an object, is a list");
    assert_eq!((text(&output.stdout), output.status.code()), ("valid: default/four\n", Some(2)));
}

#[test]
fn what_cannot_be_read_is_told_beside_what_can() {
    let output = validate(&[Path::new("/nonexistent.yaml"), Path::new("-")], "kind: [\nname: x: y\n");
    let lines: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("cannot read /nonexistent.yaml: "), "{lines:?}");
    assert!(lines[1].starts_with("-: ") && lines[1].contains("line 2, column"), "{lines:?}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn algorithms_are_validated_with_their_users_and_named_by_kind() {
    let kind = "apiVersion: intuition.dev/v1alpha1\nkind: Algorithm\n";
    let documents = format!(
        "{HEAD}metadata: {{name: one}}\nspec: {{algorithm: {{name: not-given}}}}\n---\n{kind}metadata: {{name: one}}\nspec: \
         {{address: 'http://localhost:50051'}}\n---\n{kind}metadata: {{name: two}}\nspec: {{image: 'a:1', address: \
         'http://localhost:50051'}}\n---\n{kind}metadata: {{name: one}}\nspec: {{image: 'a:1'}}\n---\n{kind}metadata: {{name: \
         three}}\nspec: {{address: 'http://localhost:99999'}}\n"
    );
    let output = validate(&[Path::new("-")], &documents);
    let lines: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], "-: document 3 (two): spec: must have exactly one of image and address");
    let taken = "-: document 4 (one): metadata.name: default/one is taken already by -: document 2 (one)";
    assert_eq!(lines[1], taken);
    assert!(lines[2].starts_with("-: document 5 (three): spec.address: must be http://"), "{lines:?}");
    let valid = "valid: default/one\nvalid: default/one (Algorithm)\n";
    assert_eq!((text(&output.stdout), output.status.code()), (valid, Some(2)));
}

#[test]
fn the_items_of_a_list_are_checked_each() {
    let algo = |name: &str, threshold: f64| {
        let head = HEAD.lines().collect::<Vec<_>>().join("\n  ");
        let spec = format!("{{algorithm: {{builtin: random}}, threshold: {threshold}}}");
        format!("- {head}\n  metadata: {{name: {name}}}\n  spec: {spec}\n")
    };
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", algo("one", 0.5), algo("two", 2.0));
    let output = validate(&[Path::new("-")], &list);
    assert_eq!(text(&output.stdout), "valid: default/one\n");
    assert!(text(&output.stderr).starts_with("-: document 1, item 2 (two): spec.threshold: "), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn kinds_and_numbers_are_named_for_what_they_are() {
    let random = |seed: &str| {
        format!("metadata: {{name: a}}\nspec: {{algorithm: {{builtin: random, parameters: {{seed: {seed}}}}}}}\n")
    };
    for (manifest, expected) in [
        ("kind: Service\n".to_owned(), "-: document 1: kind: must be TradingAlgo or Algorithm, is \"Service\"\n"),
        (
            format!("{HEAD}{}", random("18446744073709551616")),
            "-: document 1 (a): spec.algorithm.parameters.seed: must be a whole number from 0 to 18446744073709551615, is out of this range\n",
        ),
        (
            format!("{HEAD}{}", random("1.0")),
            "-: document 1 (a): spec.algorithm.parameters.seed: must be a whole number from 0 to 18446744073709551615, is written with a leading zero, a point or an exponent\n",
        ),
        (
            format!("{HEAD}metadata: {{name: 007}}\nspec: {{algorithm: {{builtin: random}}}}\n"),
            "-: document 1: metadata.name: must be a string, is a number; in quotes it is a string\n",
        ),
        ("a: 1\na: 1\n".to_owned(), "-: duplicate member \"a\" at line 2, column 1\n"),
    ] {
        let output = validate(&[Path::new("-")], &manifest);
        assert_eq!((text(&output.stderr), output.status.code()), (expected, Some(2)));
    }
}

#[test]
fn a_sample_shows_the_quotes_and_the_dead_letters_of_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let manifest = write(
        "algo.yaml",
        &format!(
            "{HEAD}metadata: {{name: a}}\nspec:\n  algorithm: {{builtin: random}}\n  channels:\n    inputs:\n    - topic: desk/+\n      \
             symbols: [GOOG]\n      format:\n        each: /data\n        sid: {{topicLevel: 2}}\n        price: {{pointer: /last}}\n        \
             seq: {{userProperty: number}}\n    - {{topic: joined, symbols: [GOOG]}}\n"
        ),
    );
    let (good, bad) =
        (write("good.json", r#"{"data":[{"last":3.45}]}"#), write("bad.json", r#"{"data":[{"last":1},{}]}"#));
    let read = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_intuition"));
        let output =
            command.args(["validate", "-f", &manifest, "--sample-property", "number=7"]).args(arguments).output();
        let output = output.unwrap();
        (text(&output.stdout).to_owned(), text(&output.stderr).to_owned(), output.status.code().unwrap())
    };
    let valid = "valid: default/a\n";
    let quote = format!("{valid}default/a: desk/GOOG: GOOG 3.45, seq 7\n");
    assert_eq!(read(&["--sample", &format!("desk/GOOG={good}")]), (quote, String::new(), 0));
    let other = format!("{valid}default/a: desk/AAPL: AAPL 3.45, seq 7, which the input does not list\n");
    assert_eq!(read(&["--sample", &format!("desk/AAPL={good}")]), (other, String::new(), 1));
    let letter = format!(
        "{valid}default/a: desk/GOOG: GOOG 1, seq 7\ndefault/a: desk/GOOG: dead letter MissingField: [1].price (pointer \"/last\"): \
         there is nothing; the value is {{}}\n"
    );
    assert_eq!(read(&["--sample", &format!("desk/GOOG={bad}")]), (letter, String::new(), 1));
    let values = |sid: &str| format!(r#"{{"indicator":"sma-20","sid":"{sid}","value":44.1}}"#);
    let joined =
        format!(r#"[{},{},{{"sid":"GOOG","quote":44.2,"seq":7,"source":"s"}}]"#, values("GOOG"), values("AAPL"));
    let joined = write("joined.json", &joined);
    let lines = [
        "values of sma-20: GOOG value 44.1",
        "values of sma-20: AAPL value 44.1, which the input does not list",
        "GOOG 44.2, source s, seq 7",
    ];
    let lines: String = lines.map(|line| format!("default/a: joined: {line}\n")).concat();
    assert_eq!(read(&["--sample", &format!("joined={joined}")]), (format!("{valid}{lines}"), String::new(), 0));
    let (_, stderr, code) = read(&["--sample", &format!("other={good}"), "--sample", "desk/GOOG=/nowhere"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--sample other: no channel of a manifest selects this topic"), "{stderr}");
    assert!(stderr.contains("cannot read the sample /nowhere"), "{stderr}");
    assert_eq!(read(&["--sample", "desk/+=x"]).2, 2);
}
