//! The checks, each on streams and accounts of its own. One that depends on what failed before is left out.

mod life;
mod state;
mod stream;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::{
    client::{CallError, Target},
    judge,
    parameters::{Parameters, Schema},
    report::Report,
    row::{ROWS, Row},
};

/// What everything rests on: while one of these fails, the rows that compare runs say nothing.
const BASIS: [Row; 6] = [Row::Initialize, Row::Order, Row::Batches, Row::Deadline, Row::StateSize, Row::Signals];

/// What the checks work with.
pub(crate) struct Kit {
    pub(crate) target: Target,
    /// Parameters and threshold, JSON.
    pub(crate) parameters: String,
    pub(crate) given: Parameters,
    pub(crate) threshold: f64,
    pub(crate) schema: Schema,
    /// Process of the server, to be ended last.
    pub(crate) pid: Option<u32>,
    /// Tells the accounts of this run from those of another.
    pub(crate) tag: u32,
    pub(crate) accounts: AtomicU32,
}

impl Kit {
    /// An account that nobody had before.
    fn account(&self) -> String {
        format!("conform/{:08x}-{}", self.tag, self.accounts.fetch_add(1, Ordering::Relaxed))
    }
}

/// Parameters and threshold as `parameters_json` has them.
pub(crate) fn json(parameters: &Parameters, threshold: f64) -> String {
    let mut all = parameters.clone();
    all.insert("threshold".to_owned(), threshold.into());
    Value::Object(all).to_string()
}

/// Everything.
pub(crate) async fn all(kit: &Kit) -> Report {
    let mut report = Report::default();
    describe(kit, &mut report).await;
    let alone = stream::exchange(kit, &mut report).await;
    if report.has_failed(Row::Initialize) {
        for row in ROWS.iter().filter(|row| **row != Row::Initialize) {
            report.skip(*row, "nothing can be asked before initialize is answered by channels");
        }
        return report;
    }
    stream::parameters(kit, &mut report).await;
    stream::unknown_kinds(kit, &mut report).await;
    stream::message_size(kit, &mut report).await;
    stream::details(kit, &mut report).await;
    stream::indicators(kit, &mut report).await;
    stream::reconfigure(kit, &mut report).await;
    life::misuse(kit, &mut report).await;
    life::cancel(kit, &mut report).await;
    life::half_close(kit, &mut report).await;
    life::describe_busy(kit, &mut report).await;
    if let (None, Some(alone)) = (report.first_failed(&BASIS), alone) {
        state::all(kit, &alone, &mut report).await;
    } else {
        // A run that ended for the size of a batch fails `MessageSize` alone.
        let failed = report.first_failed(&BASIS).unwrap_or(Row::MessageSize).name();
        for row in [Row::Accounts, Row::StateRestored, Row::StateUnchanged, Row::StateOverMemory, Row::Unary] {
            report.skip(row, &format!("mend {failed} first"));
        }
    }
    for row in [Row::Deadline, Row::StateSize] {
        report.pass(row);
    }
    life::shutdown(kit, &mut report).await;
    report
}

async fn describe(kit: &Kit, report: &mut Report) {
    match kit.target.describe().await {
        Ok(response) => {
            report.pass(Row::Describe);
            report.violations(judge::description(&response));
            match kit.target.describe().await {
                Ok(again) => report.violations(judge::descriptions(&response, &again)),
                Err(error) => report.fail(Row::Describe, format!("the second time, {error}")),
            }
            match Schema::compile(&response.parameters_schema_json) {
                Ok(_) => report.pass(Row::Schema),
                Err(error) => report.fail(Row::Schema, format!("DescribeResponse.parameters_schema_json: {error}")),
            }
        }
        Err(error) => report.fail(Row::Describe, error.to_string()),
    }
}

/// Whether the server still answers, in the check of `row`.
async fn lives(kit: &Kit, row: Row, after: &str, report: &mut Report) {
    if let Err(error) = kit.target.describe().await {
        report.fail(row, format!("after {after}: {error}"));
    }
}

/// Notes how an exchange ended that should have gone well.
fn note(report: &mut Report, row: Row, error: &CallError) {
    report.fail(error.row(row), error.to_string());
    report.skip(row, "it was not answered as it should be");
}
