//! What a failed test shows of its namespace and of the operator.

use std::io::Write as _;

use super::{installation, shell};

/// Prints the error and everything that helps to understand it. What cannot be read is said, never an error of its own.
pub async fn show(namespace: &str, error: &anyhow::Error) {
    let mut report = format!("\n=== {namespace}: {error:?}\n");
    for arguments in [
        "get tradingalgos --output=yaml",
        "get pods,deployments,services,persistentvolumeclaims --output=wide",
        "describe pods",
        "get events --sort-by=.lastTimestamp",
        "logs --selector=app.kubernetes.io/part-of=intuition --all-containers --prefix --tail=60",
        "logs --selector=app.kubernetes.io/part-of=intuition --all-containers --prefix --tail=40 --previous",
        "logs --selector=app=broker --prefix --tail=40",
    ] {
        section(&mut report, namespace, arguments).await;
    }
    let operator = "logs --selector=app.kubernetes.io/component=operator --prefix --tail=150";
    section(&mut report, installation::NAMESPACE, "get pods --output=wide").await;
    section(&mut report, installation::NAMESPACE, operator).await;
    // At once, so that tests beside it do not come in between; and past the capture, so that it shows while others run.
    drop(std::io::stderr().write_all(report.as_bytes()));
}

async fn section(report: &mut String, namespace: &str, arguments: &str) {
    let line: Vec<_> = ["--namespace", namespace].into_iter().chain(arguments.split_whitespace()).collect();
    let said = shell::run("kubectl", &line).await.unwrap_or_else(|error| error.to_string());
    report.extend(["--- ", namespace, ": kubectl ", arguments, "\n", said.as_str(), "\n"]);
}
