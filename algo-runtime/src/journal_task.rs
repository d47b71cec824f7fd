//! The parts of a task that recomputes the journal beside the writer: chunks with rests, and a finding that halts the account. An edge: it
//! waits, and reads the ledger on threads for blocking work.

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
    ledger::{
        Checkpoint,
        sqlite::{Progress, Verification, VerificationError},
    },
    metrics::{Metrics, verified},
    writer::{Command, TradingCommand},
};

/// Rest after a piece of work, in multiples of the time that it took: a task takes a twentieth of a core.
const REST: u32 = 19;
/// Pause before the writer is asked again to commit the result.
const COMMIT_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone)]
pub(crate) struct JournalTask {
    /// Of the log lines.
    pub(crate) account: String,
    /// Folder of the ledger, which is open.
    pub(crate) data_dir: PathBuf,
    /// To the writer.
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
}

impl JournalTask {
    /// Recomputes the entries up to number `through`, and returns the books at the last one. `None`: `ending` was cancelled, and nothing reads
    /// the ledger any more.
    pub(crate) async fn recompute(
        &self,
        through: u64,
        ending: &CancellationToken,
    ) -> Option<Result<Checkpoint, VerificationError>> {
        let dir = self.data_dir.clone();
        let mut verification = match blocking(move || Verification::begin_through(&dir, through)).await? {
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
                Ok(Progress::Sound { .. }) => return Some(Ok(verification.into_checkpoint())),
                Err(error) => return Some(Err(error)),
            }
            rest(began, ending).await?;
        }
    }

    /// Reports damage, and has the account halted.
    pub(crate) async fn found(&self, finding: String, ending: &CancellationToken) {
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

    /// Has the result of a verification committed, as often as it takes.
    pub(crate) async fn report(&self, finding: Option<String>, ending: &CancellationToken) {
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

/// Rests after work that began at this time. `None`: `ending` was cancelled.
pub(crate) async fn rest(began: Instant, ending: &CancellationToken) -> Option<()> {
    ending.run_until_cancelled(tokio::time::sleep(began.elapsed() * REST)).await
}

/// Runs it on a thread for blocking work. `None`: the process ends.
pub(crate) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(run).await.ok()
}
