//! The writer after a commit that failed, and when the ledger's files were taken away from it.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use intuition_common::exit::with_causes;
use tonic::Status;

use super::{Answer, READY_PART, Reports, Writer, WriterError, respond, take_up};
use crate::ledger::LedgerError;

/// Time between two looks at the ledger's files. A tick comes every 10 s.
const FILES_CHECK: Duration = Duration::from_secs(5);

impl Writer {
    /// Answers a group that was not committed, and takes up the state of the last commit.
    pub(super) fn recover(mut self, (answers, error): (Vec<Answer>, LedgerError)) -> Result<Self, WriterError> {
        let message = with_causes(&error);
        let status = Status::internal(format!("{}: {message}", error.reason()));
        self.metrics.commit_failed();
        self.failing = true;
        self.readiness.lack(READY_PART, error.reason(), &message);
        let mut asked = Vec::new();
        for answer in answers {
            match answer {
                Answer::Configure(reply, _) => respond(reply, Err(status.clone())),
                Answer::Sources(answer) => answer.fail(status.clone()),
                Answer::Trading(answer) => answer.fail(status.clone()),
                Answer::Account(reply) => asked.push(reply),
                Answer::Stream { .. } | Answer::Outbox => {}
            }
        }
        self.end_stream(status);
        if matches!(error, LedgerError::TakenOver { .. }) {
            return Err(WriterError::UseLedger(error));
        }
        tracing::error!(error = &error as &dyn Error, reason = error.reason(), "nothing of this group is kept");
        // First: memory need not hold an account twice.
        drop(self.engine);
        let engine = take_up(self.ledger.as_mut(), &self.settings, self.clock.as_ref())?;
        let mut recovered = Self { engine, reports: Reports::default(), ..self };
        // The account is that of the last commit now.
        for reply in asked {
            respond(reply, Ok(recovered.account()));
        }
        recovered.backends.begin_anew();
        recovered.see_to_backends();
        Ok(recovered)
    }

    /// Ends the writer when the ledger's files are no longer those that it writes.
    pub(super) fn check_files(&mut self) -> Result<(), WriterError> {
        if self.files_checked.elapsed() < FILES_CHECK {
            return Ok(());
        }
        self.files_checked = Instant::now();
        let Err(error) = self.ledger.check_files() else { return Ok(()) };
        let message = with_causes(&error);
        self.readiness.lack(READY_PART, error.reason(), &message);
        self.end_stream(Status::internal(format!("{}: {message}", error.reason())));
        Err(WriterError::UseLedger(error))
    }
}
