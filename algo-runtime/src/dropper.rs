//! Drops entries of the journal that the limits of the account let go, beside the writer. For each checkpoint that may become the base it
//! recomputes the entries up to it, and asks the writer to begin the journal there. An edge: it waits and reads clocks.

#![expect(clippy::disallowed_methods, reason = "an edge: it reads the time, and rests in proportion to its work")]

use std::{
    error::Error,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use intuition_common::clock::{Clock, Now};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    journal_task::{JournalTask, blocking, rest},
    ledger::{
        Checkpoint, LedgerError, Retention,
        sqlite::{Droppable, VerificationError, droppable},
    },
    writer::{Command, JournalCommand},
};

/// Time between two looks at the journal.
const INTERVAL: Duration = Duration::from_secs(10);
/// Entries that one commit drops, at most: quotes wait meanwhile.
const MOST_ENTRIES: u64 = 2_000;

/// See the module.
pub(crate) struct Dropper {
    pub(crate) task: JournalTask,
    pub(crate) clock: Arc<dyn Clock>,
}

/// `Break`: the process ends, or there is nothing more to do before the next look.
type Next = ControlFlow<()>;

impl Dropper {
    /// Looks and drops until `ending` is cancelled. On return nothing of it reads the ledger.
    pub(crate) async fn run(self, ending: CancellationToken) {
        loop {
            while self.step(&ending).await == Next::Continue(()) {}
            if ending.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    /// Drops the entries up to the next checkpoint, if the limits let them go.
    async fn step(&self, ending: &CancellationToken) -> Next {
        let Some(Ok(Some(limits))) = self.ask(|reply| JournalCommand::Limits { reply }, ending).await else {
            return Next::Break(());
        };
        let (dir, now) = (self.task.data_dir.clone(), Now::read(self.clock.as_ref()).micros);
        let base = match blocking(move || droppable(&dir, &limits, now)).await {
            None | Some(Ok(Droppable::Nothing)) => return Next::Break(()),
            Some(Ok(Droppable::Rest)) => None,
            Some(Ok(Droppable::Through(number))) => match self.task.recompute(number, ending).await {
                None => return Next::Break(()),
                Some(Ok(checkpoint)) => Some(Box::new(checkpoint)),
                Some(Err(VerificationError::Damaged(finding))) => {
                    self.task.found(finding, ending).await;
                    return Next::Break(());
                }
                Some(Err(VerificationError::Unreadable(error))) => return self.unread(&error),
            },
            Some(Err(error)) => return self.unread(&error),
        };
        self.drop_through(limits, base, ending).await
    }

    /// Has the entries dropped, in commits of a bounded size.
    async fn drop_through(
        &self,
        limits: Retention,
        mut base: Option<Box<Checkpoint>>,
        ending: &CancellationToken,
    ) -> Next {
        loop {
            let began = Instant::now();
            let base = base.take();
            let drop = |reply| JournalCommand::Drop { limits, base, most: MOST_ENTRIES, reply };
            // An error was logged by the writer, and the next look tries again.
            let Some(Ok(dropped)) = self.ask(drop, ending).await else { return Next::Break(()) };
            tracing::debug!(account = self.task.account, entries = dropped.entries, "dropped entries of the journal");
            if rest(began, ending).await.is_none() || dropped.entries == 0 {
                return Next::Break(());
            }
            if !dropped.has_rest {
                return Next::Continue(());
            }
        }
    }

    fn unread(&self, error: &LedgerError) -> Next {
        let reason = error.reason();
        let error = error as &dyn Error;
        tracing::warn!(account = self.task.account, error, reason, "the journal could not be read to drop entries");
        Next::Break(())
    }

    /// Asks the writer. `None`: the process ends.
    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Status>>) -> JournalCommand,
        ending: &CancellationToken,
    ) -> Option<Result<T, Status>> {
        let (reply, answer) = oneshot::channel();
        let sent = ending.run_until_cancelled(self.task.commands.send(Command::Journal(command(reply)))).await;
        sent?.ok()?;
        answer.await.ok()
    }
}
