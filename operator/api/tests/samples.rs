//! Every sample manifest: the valid ones are taken, each invalid one is refused for the one reason in its first line.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use intuition_api::topic::PREFIX;
use intuition_resources::{
    Algorithm, Feed, Indicator, TradingAlgo,
    validate::{
        FieldError, check, check_algorithm, check_feed, check_indicator, is_algorithm, is_feed, is_indicator, parse,
        parse_algorithm, parse_feed, parse_indicator,
    },
};
use kube::{CustomResourceExt as _, core::cel::Validator};
use serde_json::{Value, json};

fn samples(kind: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/samples").join(kind);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are {kind} samples");
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_valid_sample_is_taken() {
    for (path, text) in samples("valid") {
        let manifest: Value = serde_saphyr::from_str(&text).unwrap();
        let told = |problems: &[FieldError]| format!("{}: {problems:?}", path.display());
        // What is read and written again is as valid.
        if is_algorithm(&manifest) {
            let algorithm = parse_algorithm(&manifest).unwrap_or_else(|problems| panic!("{}", told(&problems)));
            assert_eq!(parse_algorithm(&json!(algorithm)), Ok(algorithm), "{}", path.display());
        } else if is_feed(&manifest) {
            let feed = parse_feed(&manifest).unwrap_or_else(|problems| panic!("{}", told(&problems)));
            assert_eq!(parse_feed(&json!(feed)), Ok(feed), "{}", path.display());
        } else if is_indicator(&manifest) {
            let indicator = parse_indicator(&manifest).unwrap_or_else(|problems| panic!("{}", told(&problems)));
            assert_eq!(parse_indicator(&json!(indicator)), Ok(indicator), "{}", path.display());
        } else {
            let algo = parse(&manifest).unwrap_or_else(|problems| panic!("{}", told(&problems)));
            assert_eq!(parse(&json!(algo)), Ok(algo), "{}", path.display());
        }
    }
}

#[test]
fn every_invalid_sample_is_refused_for_the_reason_in_its_first_line() {
    for (path, text) in samples("invalid") {
        let manifest: Value = serde_saphyr::from_str(&text).unwrap();
        let found = if is_algorithm(&manifest) {
            check_algorithm(&manifest)
        } else if is_feed(&manifest) {
            check_feed(&manifest, PREFIX)
        } else if is_indicator(&manifest) {
            check_indicator(&manifest, PREFIX)
        } else {
            check(&manifest)
        };
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        assert_eq!(found, [expected], "{}", path.display());
    }
}

#[test]
fn every_invalid_update_is_refused_for_the_reason_in_its_first_line() {
    let root = json!(TradingAlgo::crd().spec.versions.remove(0).schema.unwrap().open_api_v3_schema.unwrap());
    for (path, text) in samples("invalid-updates") {
        let (before, after) = text.split_once("\n---\n").unwrap();
        let [before, after] = [before, after].map(|text| {
            let manifest: Value = serde_saphyr::from_str(text).unwrap();
            // With the defaults in place, as the API server compares them.
            json!(parse(&manifest).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display())))
        });
        let errors = Validator::new().validate(&root, &after, Some(&before)).unwrap_err().into_vec();
        let found: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.field_path, error.message)).collect();
        let expected = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        assert_eq!(found, [expected], "{}", path.display());
    }
}

#[test]
fn all_problems_are_found_at_once() {
    let manifest = json!({
        "apiVersion": "intuition.dev/v1alpha1",
        "kind": "TradingAlgo",
        "metadata": { "name": "Bad" },
        "spec": {
            "algorithm": {},
            "threshold": 1.5,
            "startingCash": -1,
            "portfolio": { "policy": "fixed-fraction" },
            "channels": { "subscribe": ["a#", 7] },
            "broker": { "url": "mqtt://user@host" },
            "colour": "red",
        },
    });
    let paths: Vec<_> = check(&manifest).into_iter().map(|problem| problem.path).collect();
    let expected = [
        "metadata.name",
        "spec.algorithm",
        "spec.broker",
        "spec.channels.subscribe[0]",
        "spec.channels.subscribe[1]",
        "spec.colour",
        "spec.portfolio",
        "spec.startingCash",
        "spec.threshold",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn all_symbols_of_all_inputs_have_a_bound() {
    let found = |counts: &[usize]| {
        let inputs: Vec<_> = (0..)
            .zip(counts)
            .map(|(input, count)| {
                let symbols: Vec<_> = (0..*count).map(|number| format!("S{number}")).collect();
                json!({ "topic": format!("quotes/{input}"), "symbols": symbols })
            })
            .collect();
        let manifest = json!({
            "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo", "metadata": { "name": "sample" },
            "spec": { "algorithm": { "builtin": "random" }, "channels": { "inputs": inputs } },
        });
        check(&manifest).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found(&[1_000, 1_000]), Vec::<String>::new());
    assert_eq!(found(&[1_000, 1_000, 1]), ["spec.channels.inputs: must have at most 2000 symbols in all, has 2001"]);
    assert_eq!(found(&[1_001]), ["spec.channels.inputs[0].symbols: must have 1 to 1000 items, has 1001"]);
    assert_eq!(found(&[0; 1])[0], "spec.channels.inputs[0].symbols: must have 1 to 1000 items, has 0");
    assert_eq!(found(&[1; 65]), ["spec.channels.inputs: must have 1 to 64 items, has 65"]);
    let names: Vec<_> = (0..1_000).map(|number| format!("S{number}")).collect();
    let listed = |feed: &str| json!({ "feed": feed, "symbols": names });
    let manifest = json!({
        "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo", "metadata": { "name": "sample" },
        "spec": { "algorithm": { "builtin": "random" }, "channels": {
            "from": [listed("a"), listed("b")], "inputs": [{ "topic": "quotes", "symbols": ["A"] }],
        } },
    });
    let problems: Vec<_> = check(&manifest).iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["spec.channels: must have at most 2000 symbols in all, has 2001"]);
}

#[test]
fn no_problem_hides_another() {
    let sound = json!({
        "apiVersion": "intuition.dev/v1alpha1", "kind": "TradingAlgo", "metadata": { "name": "sample" },
        "spec": { "algorithm": { "builtin": "random" } },
    });
    let paths = |changes: &[(&str, Value)]| {
        let mut manifest = sound.clone();
        for (place, value) in changes {
            let (parent, member) = place.rsplit_once('/').unwrap();
            let members = manifest.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match value {
                Value::Null => drop(members.remove(member)),
                value => drop(members.insert(member.to_owned(), value.clone())),
            }
        }
        check(&manifest).into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    let bad = ("/spec/threshold", json!(2));
    for (changes, expected) in [
        // What is meant is checked whole, whatever is wrong with its kind or version.
        (vec![("/apiVersion", json!("intuition.dev/v2")), bad.clone()], vec!["apiVersion", "spec.threshold"]),
        (vec![("/apiVersion", json!("v1")), bad.clone()], vec!["apiVersion", "spec.threshold"]),
        (vec![("/apiVersion", Value::Null), bad.clone()], vec!["apiVersion", "spec.threshold"]),
        (vec![("/kind", json!("TradngAlgo")), bad.clone()], vec!["kind", "spec.threshold"]),
        (vec![("/kind", json!("tradingalgos")), bad.clone()], vec!["kind", "spec.threshold"]),
        (vec![("/kind", json!(7)), bad.clone()], vec!["kind", "spec.threshold"]),
        (vec![("/kind", Value::Null), bad.clone()], vec!["kind", "spec.threshold"]),
        (
            vec![("/kind", Value::Null), ("/apiVersion", Value::Null), bad.clone()],
            vec!["apiVersion", "kind", "spec.threshold"],
        ),
        (
            vec![("/kind", Value::Null), ("/apiVersion", Value::Null), ("/spec", Value::Null)],
            vec!["apiVersion", "kind", "spec"],
        ),
        // What is clearly something else is not.
        (
            vec![("/kind", json!("Deployment")), ("/apiVersion", json!("apps/v1")), ("/spec", json!({"replicas": 1}))],
            vec!["kind"],
        ),
        (vec![("/kind", json!("Algorithm")), bad.clone()], vec!["kind"]),
        // One field does not hide another, whose name it begins with, or that stands above it.
        (
            vec![("/metadata/namespace", json!("../up")), ("/metadata/name", json!("Bad"))],
            vec!["metadata.name", "metadata.namespace"],
        ),
        (
            vec![("/spec/broker", json!({"url": "mqtt://me@host", "secretRef": {}}))],
            vec!["spec.broker", "spec.broker.secretRef.name"],
        ),
        (
            vec![("/spec/portfolio", json!({"policy": "fixed-fraction", "x": 1, "amount": 1.5}))],
            vec!["spec.portfolio", "spec.portfolio.amount", "spec.portfolio.x"],
        ),
        (
            vec![("/spec/algorithm", json!({"parameters": [], "x": 1}))],
            vec!["spec.algorithm", "spec.algorithm.parameters", "spec.algorithm.x"],
        ),
        // But one mistake is one line.
        (vec![("/spec/portfolio", json!({"policy": "all-in", "fraction": 0.5}))], vec!["spec.portfolio.policy"]),
        (vec![("/spec/broker", json!({"secretRef": {"name": "a"}}))], vec!["spec.broker.url"]),
        (vec![("/metadata/name", json!(7))], vec!["metadata.name"]),
    ] {
        assert_eq!(paths(&changes), expected, "{changes:?}");
    }
}

#[test]
fn messages_about_non_objects_and_inexact_numbers_fit() {
    for document in [json!([]), json!("text"), json!(7)] {
        let text = check(&document).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.starts_with("must be an object, is "), "{text}");
    }
    for cash in ["010000", "1e4", "10000.0"] {
        let head = "apiVersion: intuition.dev/v1alpha1\nkind: TradingAlgo\nmetadata: {name: a}";
        let text = format!("{head}\nspec: {{algorithm: {{builtin: random}}, startingCash: {cash}}}");
        let found = check(&serde_saphyr::from_str(&text).unwrap());
        assert_eq!(found.len(), 1, "{found:?}");
        let message = &found[0].message;
        assert!(message.ends_with("2 after it, is written with a leading zero, a point or an exponent"), "{message}");
    }
}

#[test]
fn the_crds_in_the_repository_are_those_the_types_give() {
    for (name, crd) in [
        ("tradingalgo", TradingAlgo::crd()),
        ("algorithm", Algorithm::crd()),
        ("feed", Feed::crd()),
        ("indicator", Indicator::crd()),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../crds/{name}.yaml"));
        let committed: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(committed, json!(crd), "run `make generate`");
    }
}

#[test]
fn what_a_manifest_is_meant_to_be_is_told_by_its_kind_or_by_what_it_has() {
    for (manifest, expected) in [
        (json!({ "kind": "Algorithm" }), true),
        (json!({ "kind": "algorithms", "spec": {} }), true),
        (json!({ "apiVersion": "intuition.dev/v1alpha1", "kind": "Algoritm", "spec": { "image": "a" } }), true),
        (json!({ "spec": { "address": "http://h:1" } }), true),
        (json!({ "kind": "TradingAlgo", "spec": { "image": "a" } }), false),
        (json!({ "apiVersion": "v1", "kind": "Thing", "spec": { "image": "a" } }), false),
        (json!({ "spec": { "algorithm": { "builtin": "random" } } }), false),
        (json!("text"), false),
    ] {
        assert_eq!(is_algorithm(&manifest), expected, "{manifest}");
    }
    let mistyped = json!({ "apiVersion": "intuition.dev/v1", "kind": "Algoritm", "metadata": {}, "spec": { "port": 0, "image": "a" } });
    let paths: Vec<_> = check_algorithm(&mistyped).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["apiVersion", "kind", "metadata.name", "spec.port"]);
}

#[test]
fn every_pattern_of_the_schema_compiles() {
    fn patterns<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(members) => {
                found.extend(members.get("pattern").and_then(Value::as_str));
                members.values().for_each(|member| patterns(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, found)),
            _ => {}
        }
    }
    let crds = json!([TradingAlgo::crd(), Algorithm::crd(), Feed::crd(), Indicator::crd()]);
    let mut found = Vec::new();
    patterns(&crds, &mut found);
    assert!(found.len() >= 14);
    for pattern in found {
        assert!(regex::Regex::new(pattern).is_ok(), "{pattern}");
    }
}
