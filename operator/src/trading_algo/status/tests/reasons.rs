//! Every reason that this operator sets has a place in docs/operations.md.

use std::{fs, path::Path};

use regex::Regex;

/// CamelCase texts there that are no reason: statuses, kinds, the prefix of a code of digits, and a code of a bridge that
/// `RuntimeUnreachable` replaces.
const NO_REASONS: [&str; 7] = ["True", "False", "Unknown", "Secret", "PersistentVolumeClaim", "Code", "Closed"];

#[test]
fn every_reason_is_in_the_operations_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../docs/operations.md")).unwrap();
    let text = Regex::new(r#""([A-Z][a-z]+(?:[A-Z][a-z]+)*)""#).unwrap();
    let in_folder = |path: &str| fs::read_dir(root.join(path)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = in_folder("src/trading_algo/status").collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.retain(|path| !path.ends_with("tests.rs"));
    files.extend(
        [
            "src/kubernetes/apply_error.rs",
            "src/reconcile/conditions.rs",
            "src/reconcile/reason.rs",
            "src/trading_algo/ask/trading.rs",
            "src/workload/pod_finding.rs",
        ]
        .map(|path| root.join(path)),
    );
    let (mut found, mut lacking) = (0, Vec::new());
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for reason in text.captures_iter(code).map(|found| found.extract::<1>().1[0]) {
            if NO_REASONS.contains(&reason) {
                continue;
            }
            found += 1;
            let is_there = page.contains(&format!("`{reason}`")) || page.contains(&format!("### {reason}:"));
            if !is_there && !page.contains(&format!("**{reason}**")) {
                lacking.push(format!("{reason} of {}", path.display()));
            }
        }
    }
    assert!(lacking.is_empty(), "without a row: {lacking:#?}");
    assert!(found > 40, "{found}");
}
