//! The writer after a commit that failed, and when the ledger's files were taken away from it.

use std::error::Error;

use intuition_api::part;
use intuition_common::{
    clock::Now,
    exit::with_causes,
    planted::{self, Mistake},
};
use rand::RngExt as _;
use tonic::Status;

use super::{Answer, Reports, Writer, WriterError, reply::respond, take_up};
use crate::ledger::LedgerError;

impl Writer {
    /// Answers a group that was not committed, and takes up the state of the last commit.
    pub(super) fn recover(
        mut self,
        (answers, error): (Vec<Answer>, LedgerError),
        now: Now,
    ) -> Result<Self, WriterError> {
        let message = with_causes(&error);
        let status = Status::internal(format!("{}: {message}", error.reason()));
        self.metrics.commit_failed();
        self.failing = true;
        self.readiness.set_missing(part::runtime::LEDGER, error.reason(), &message);
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
        if planted::is(Mistake::EngineAfterFailedCommit) {
            return Ok(self);
        }
        // Drop the engine first, so that memory does not hold the account twice.
        let doubtful = std::mem::take(self.engine.doubtful_mut());
        drop(self.engine);
        let seed = self.rng.random();
        let mut engine = take_up(self.ledger.as_mut(), &self.settings, self.sizes.engine, seed, now)?;
        *engine.doubtful_mut() = doubtful;
        let mut recovered = Self { engine, reports: Reports::new(&self.sizes), ..self };
        // The account is that of the last commit now.
        for reply in asked {
            respond(reply, Ok(recovered.account()));
        }
        recovered.backends.begin_anew();
        recovered.update_backends();
        Ok(recovered)
    }

    /// An error when the ledger's files are no longer those that it writes. The writer has ended then.
    pub fn check_files(&mut self) -> Result<(), WriterError> {
        let Err(error) = self.ledger.check_files() else { return Ok(()) };
        let message = with_causes(&error);
        self.readiness.set_missing(part::runtime::LEDGER, error.reason(), &message);
        self.end_stream(Status::internal(format!("{}: {message}", error.reason())));
        Err(WriterError::UseLedger(error))
    }
}
