//! Verifies the journal beside the writer: once after the start, then daily. Damage halts the account. An edge: it waits, and reads the
//! ledger on threads for blocking work.

#![expect(clippy::disallowed_methods, reason = "an edge: it measures how long a chunk takes, and rests in proportion")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use intuition_api::{part, reason::LEDGER_DAMAGED};
use intuition_common::readiness::Readiness;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::sqlite::{Progress, Verification, VerificationError},
    metrics::{Metrics, verified},
    writer::{Command, TradingCommand},
};

/// Time from the end of a verification to the next one.
const INTERVAL: Duration = Duration::from_hours(24);
/// Pause after a verification that could not read the ledger.
const RETRY_PAUSE: Duration = Duration::from_mins(10);
/// Rest after each chunk, in multiples of the time that it took: the verification takes a twentieth of a core.
const REST: u32 = 19;
/// Pause before the writer is asked again to commit the result.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Verifier {
    /// Of the log lines.
    pub(crate) account: String,
    /// Folder of the ledger, which is open.
    pub(crate) data_dir: PathBuf,
    /// To the writer.
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
}

impl Verifier {
    /// Verifies until `ending` is cancelled. On return nothing of it reads the ledger.
    pub(crate) async fn run(self, ending: CancellationToken) {
        // A later one does not end a halt: the disk reads one time right, another time wrong.
        let mut is_first = true;
        loop {
            let Some(result) = self.verify(&ending).await else { return };
            let pause = match result {
                Ok(entries) => {
                    tracing::debug!(account = self.account, entries, "the journal is as it was written");
                    self.metrics.verified(verified::SOUND);
                    if is_first {
                        self.report(None, &ending).await;
                    }
                    is_first = false;
                    INTERVAL
                }
                Err(VerificationError::Damaged(finding)) => {
                    self.found(finding, &ending).await;
                    is_first = false;
                    INTERVAL
                }
                Err(VerificationError::Unreadable(error)) => {
                    let reason = error.reason();
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(account = self.account, error, reason, "the journal could not be verified");
                    self.metrics.verified(verified::UNREADABLE);
                    RETRY_PAUSE
                }
            };
            if ending.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// One verification. Returns the number of entries; `None`: `ending` was cancelled.
    async fn verify(&self, ending: &CancellationToken) -> Option<Result<u64, VerificationError>> {
        let dir = self.data_dir.clone();
        let mut verification = match blocking(move || Verification::begin(&dir)).await? {
            Ok(verification) => verification,
            Err(error) => return Some(Err(error)),
        };
        loop {
            let began = Instant::now();
            // A chunk that has begun is awaited: an orderly close of the ledger must find no reader.
            let step = move || {
                let progress = verification.step();
                (verification, progress)
            };
            let (next, progress) = blocking(step).await?;
            verification = next;
            match progress {
                Ok(Progress::UnderWay) => {}
                Ok(Progress::Sound { entries }) => return Some(Ok(entries)),
                Err(error) => return Some(Err(error)),
            }
            ending.run_until_cancelled(tokio::time::sleep(began.elapsed() * REST)).await?;
        }
    }

    async fn found(&self, finding: String, ending: &CancellationToken) {
        tracing::error!(
            account = self.account,
            reason = LEDGER_DAMAGED,
            "the ledger is damaged, and the account is halted: {finding}; restore the ledger from a copy, or salvage it"
        );
        self.metrics.verified(verified::DAMAGED);
        let message = format!("the ledger is damaged: {finding}; restore it from a copy, or salvage it");
        self.readiness.warn(part::runtime::LEDGER, LEDGER_DAMAGED, &message);
        self.report(Some(finding), ending).await;
    }

    /// Has the result committed, as often as it takes.
    async fn report(&self, finding: Option<String>, ending: &CancellationToken) {
        loop {
            let (reply, committed) = oneshot::channel();
            let command = Command::Trading(TradingCommand::Verified { finding: finding.clone(), reply });
            let sent = ending.run_until_cancelled(self.commands.send(command)).await;
            // An error: the writer has ended.
            if !matches!(sent, Some(Ok(()))) || !matches!(committed.await, Ok(Err(_))) {
                return;
            }
            if ending.run_until_cancelled(tokio::time::sleep(COMMIT_PAUSE)).await.is_none() {
                return;
            }
        }
    }
}

/// Runs it on a thread for blocking work. `None`: the process ends.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(run).await.ok()
}
