//! The commands of the task that drops entries of the journal. They are no calls, and are carried out at once: a drop depends on nothing
//! in the group.

use std::error::Error;

use intuition_common::exit::with_causes;
use tonic::Status;

use super::{
    Writer,
    reply::{Reply, respond},
};
use crate::ledger::{Checkpoint, Dropped, LedgerError, Retention};

/// See the module.
pub enum Command {
    /// The limits in force.
    Limits {
        /// `None`: nothing may be dropped.
        reply: Reply<Option<Retention>>,
    },
    /// Drops entries, see [`Ledger::drop_entries`](crate::ledger::Ledger::drop_entries).
    Drop {
        /// The limits by which the entries may go. Nothing is dropped if others are in force by now.
        limits: Retention,
        /// The checkpoint where the journal begins from then on; `None`: where it begins already.
        base: Option<Box<Checkpoint>>,
        /// Bound on the number of entries.
        most: u64,
        /// The entries that were dropped, after the commit.
        reply: Reply<Dropped>,
    },
}

impl Writer {
    /// Carries the command out.
    pub(super) fn journal(&mut self, command: Command) {
        match command {
            Command::Limits { reply } => respond(reply, Ok(self.engine.retention())),
            Command::Drop { limits, reply, .. } if self.engine.retention() != Some(limits) => {
                respond(reply, Ok(Dropped::default()));
            }
            Command::Drop { base, most, reply, .. } => {
                let began = (self.stopwatch)();
                let dropped = self.ledger.drop_entries(base.as_deref(), most);
                if let Ok(Dropped { entries, .. }) = dropped {
                    self.metrics.committed((self.stopwatch)().saturating_sub(began));
                    self.metrics.dropped(entries, self.ledger.first_entry());
                }
                respond(reply, dropped.map_err(|error| self.not_dropped(error)));
            }
        }
    }

    /// Nothing has changed, and the next look at the journal tries again.
    fn not_dropped(&mut self, error: LedgerError) -> Status {
        let status = Status::internal(format!("{}: {}", error.reason(), with_causes(&error)));
        if matches!(error, LedgerError::TakenOver { .. }) {
            self.taken_over = Some(error);
        } else {
            let reason = error.reason();
            tracing::warn!(error = &error as &dyn Error, reason, "entries of the journal could not be dropped");
        }
        status
    }
}
