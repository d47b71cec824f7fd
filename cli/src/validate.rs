//! `intuition validate`, and the same checks before a run.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use algo_runtime::algorithm::{AlgorithmSettings, BUILTINS, Builtin, SavedState};
use intuition_common::exit::USAGE;
use intuition_operator::{
    resource::TradingAlgo,
    validate::{Problem, parse},
};
use serde_json::Value;

use crate::{
    args::ManifestArgs,
    manifest::{self, Place},
};

/// What the files hold.
pub(crate) struct Checked {
    /// The manifests without a problem, in order.
    pub(crate) algos: Vec<TradingAlgo>,
    /// One line for each problem.
    pub(crate) problems: Vec<String>,
}

/// Runs `intuition validate`.
pub(crate) fn command(arguments: &ManifestArgs) -> ExitCode {
    let checked = check(arguments);
    let mut stdout = io::stdout().lock();
    for algo in &checked.algos {
        // Whoever closed it has seen enough; the exit code tells the rest.
        drop(writeln!(stdout, "valid: {}", account(algo)));
    }
    drop(stdout);
    tell(&checked.problems)
}

/// Writes the problems to standard error and gives the exit code that they mean.
pub(crate) fn tell(problems: &[String]) -> ExitCode {
    let mut stderr = io::stderr().lock();
    for problem in problems {
        // Nothing is left to be done for a closed stderr.
        drop(writeln!(stderr, "{problem}"));
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
}

/// Reads and checks every document of every file.
pub(crate) fn check(arguments: &ManifestArgs) -> Checked {
    let mut checked = Checked { algos: Vec::new(), problems: Vec::new() };
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for file in &arguments.files {
        for document in manifest::read(file) {
            let document = match document {
                Ok(document) => document,
                Err(error) => {
                    checked.problems.push(with_causes(&error));
                    continue;
                }
            };
            let (place, parsed) = (document.place, parse(&document.manifest));
            let problems = problems(&document.manifest, parsed.as_ref().err());
            checked.problems.extend(problems.iter().map(|problem| format!("{place}: {problem}")));
            let Ok(algo) = parsed else { continue };
            if let Some(first) = places.get(&account(&algo)) {
                let problem = format!("{place}: metadata.name: {} is taken already by {first}", account(&algo));
                checked.problems.push(problem);
                continue;
            }
            places.insert(account(&algo), place);
            if problems.is_empty() {
                checked.algos.push(algo);
            }
        }
    }
    checked
}

/// `<namespace>/<name>`.
pub(crate) fn account(algo: &TradingAlgo) -> String {
    let metadata = &algo.metadata;
    format!("{}/{}", metadata.namespace.as_deref().unwrap_or("default"), metadata.name.as_deref().unwrap_or_default())
}

/// What the resource's own checks found, and what the algorithm says about its parameters.
fn problems(manifest: &Value, found: Option<&Vec<Problem>>) -> Vec<Problem> {
    let mut problems = found.cloned().unwrap_or_default();
    for problem in algorithm(manifest) {
        // The same field may have been found already, by its shape.
        if !problems.iter().any(|known| known.path == problem.path) {
            problems.push(problem);
        }
    }
    problems.sort();
    problems
}

fn algorithm(manifest: &Value) -> Vec<Problem> {
    let Some(name) = manifest.pointer("/spec/algorithm/builtin").and_then(Value::as_str) else { return Vec::new() };
    let Some(builtin) = Builtin::find(name) else {
        let names: Vec<_> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        let message = format!("is unknown: {name:?}; there are {}", names.join(", "));
        return vec![Problem::new("spec.algorithm.builtin", message)];
    };
    // Whatever is wrong with the threshold, or with parameters that are no object, was found by the schema.
    let parameters = manifest.pointer("/spec/algorithm/parameters").and_then(Value::as_object);
    let settings = AlgorithmSettings { threshold: 0.5, parameters: parameters.cloned().unwrap_or_default() };
    let errors = builtin.initialize(&settings, &SavedState::new()).err().into_iter().flatten();
    errors.map(|error| Problem::new(format!("spec.algorithm.{}", error.field), error.message)).collect()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
