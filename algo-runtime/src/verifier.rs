//! Verifies the journal beside the writer: once after the start, then daily. Damage halts the account. An edge: it waits.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{journal_task::JournalTask, ledger::sqlite::VerificationError, metrics::verified};

/// Time from the end of a verification to the next one.
const INTERVAL: Duration = Duration::from_hours(24);
/// Pause after a verification that could not read the ledger.
const RETRY_PAUSE: Duration = Duration::from_mins(10);

/// See the module.
pub(crate) struct Verifier {
    pub(crate) task: JournalTask,
}

impl Verifier {
    /// Verifies until `ending` is cancelled. On return nothing of it reads the ledger.
    pub(crate) async fn run(self, ending: CancellationToken) {
        let Self { task } = self;
        // A later one does not end a halt: the disk reads one time right, another time wrong.
        let mut is_first = true;
        loop {
            let Some(result) = task.recompute(u64::MAX, &ending).await else { return };
            let pause = match result {
                Ok(checkpoint) => {
                    let entries = checkpoint.number();
                    tracing::debug!(account = task.account, entries, "the journal is as it was written");
                    task.metrics.verified(verified::SOUND);
                    if is_first {
                        task.report(None, &ending).await;
                    }
                    is_first = false;
                    INTERVAL
                }
                Err(VerificationError::Damaged(finding)) => {
                    task.found(finding, &ending).await;
                    is_first = false;
                    INTERVAL
                }
                Err(VerificationError::Unreadable(error)) => {
                    let reason = error.reason();
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(account = task.account, error, reason, "the journal could not be verified");
                    task.metrics.verified(verified::UNREADABLE);
                    RETRY_PAUSE
                }
            };
            if ending.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }
}
