//! Reasons in docs/operations.md: each reason of this operator has a place there, and each reason there is one of a process.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use documents::{Table, codes, is_reason, reasons, section};

/// CamelCase texts of the sources that are no reason: statuses, kinds, and the prefix of a code of digits.
const NO_REASONS: [&str; 6] = ["True", "False", "Unknown", "Secret", "PersistentVolumeClaim", "Code"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs")
}

/// Every source below a folder, without the folders of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if is_source(&path) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_reason_is_in_the_operations_page() {
    let page = documents::page("docs/operations.md").unwrap();
    let folders = ["operator/src/account/status", "operator/src/trading_algo/status"].map(|path| root().join(path));
    let mut files: Vec<_> = folders.iter().flat_map(|folder| sources(folder)).collect();
    files.extend(
        [
            "algo-runtime/api/src/reason.rs",
            "operator/src/kubernetes/apply_error.rs",
            "operator/src/kubernetes/rights.rs",
            "operator/src/reconcile/conditions.rs",
            "operator/src/reconcile/finding.rs",
            "operator/src/reconcile/reason.rs",
            "operator/src/account/ask/trading.rs",
            "operator/src/feed/status/findings.rs",
            "operator/src/indicator/status.rs",
            "operator/src/workload/broker.rs",
            "operator/src/workload/pod_finding.rs",
        ]
        .map(|path| root().join(path)),
    );
    let (mut found, mut lacking) = (0, Vec::new());
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        for reason in reasons(&source).filter(|reason| !NO_REASONS.contains(reason)) {
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

#[test]
fn every_row_of_the_operations_page_has_a_reason_of_a_process() {
    let page = documents::page("docs/operations.md").unwrap();
    let tables = ["## Conditions", "## An Algorithm of your own", "## A Feed", "## An Indicator"]
        .map(|heading| Table::all(section(&page, heading)));
    let columns = tables.iter().flatten().filter_map(|table| table.column("Reason")).flatten();
    let documented: BTreeSet<_> = columns.flat_map(codes).filter(|code| is_reason(code)).collect();
    let folders = [
        "operator/src",
        "operator/api/src",
        "algo-runtime/src",
        "algo-runtime/api/src",
        "bridge/src",
        "mqtt/src",
        "feed/src",
        "common/src",
    ];
    let sources: Vec<_> = folders.iter().flat_map(|folder| sources(&root().join(folder))).collect();
    let sources: Vec<_> = sources.into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let set: BTreeSet<_> = sources.iter().flat_map(|source| reasons(source)).collect();
    let without: Vec<_> = documented.difference(&set).collect();
    assert!(without.is_empty(), "no process has the reason: {without:?}");
    assert!(documented.len() > 80, "{documented:?}");
}
