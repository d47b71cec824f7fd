//! What a bridge says on its stream besides deliveries.

use intuition_api::{
    capability,
    topic::check_filter,
    v1::{Acknowledged, Filter, Holding, Marker, Open, Opened},
};

use super::{Engine, turn::Work};
use crate::ledger::{HeldFilter, Ledger};
use intuition_common::planted::{self, Fault};

/// Random names for a session and a ledger id that begin with a stream.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// For a broker session.
    pub session: String,
    /// For a ledger that has gone back: 8 hex digits.
    pub ledger_id: String,
}

/// A request that breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Another account is meant.
    #[error("this runtime serves the account {ours}, not {wanted}")]
    OtherAccount {
        /// The account served.
        ours: String,
        /// The account meant.
        wanted: String,
    },
    /// A message breaks its rules.
    #[error("{0}")]
    BreakContract(String),
    /// More waits than may.
    #[error("{0}")]
    Overload(String),
    /// The ledger cannot be read.
    #[error("{reason}: {message}")]
    ReadLedger {
        /// See [`LedgerError::reason`](crate::ledger::LedgerError::reason).
        reason: &'static str,
        /// The same for a person.
        message: String,
    },
}

impl Engine {
    /// Whether this is the account meant.
    pub fn check_account(&self, wanted: &str) -> Result<(), RequestError> {
        if wanted == self.account.name {
            return Ok(());
        }
        Err(RequestError::OtherAccount { ours: self.account.name.clone(), wanted: wanted.to_owned() })
    }

    /// Begins a stream, which `stream` names from here on. `fresh`: the session is used where the broker had none, or none
    /// is known for its URL; the ledger id where the ledger has gone back.
    pub fn open(
        &mut self,
        stream: u64,
        open: &Open,
        fresh: Fresh,
        ledger: &mut dyn Ledger,
    ) -> Result<Opened, RequestError> {
        self.check_account(&open.account)?;
        let restored = self.compare_ledger(open, fresh.ledger_id, ledger)?;
        // A broker that this client was never connected to has nothing to lose, such as the embedded one of each local run.
        let session_lost = !open.session_present && !self.held.is_empty() && self.sessions.had_one(open);
        let session = self.sessions.open(open, fresh.session, &mut self.pending);
        let can = |wanted: &str| open.capabilities.iter().any(|capability| capability == wanted);
        let reports = can(capability::ACKNOWLEDGED);
        self.identities.open(session, open.run, reports);
        self.bridge_capabilities.clone_from(&open.capabilities);
        if !open.session_present && !self.held.is_empty() {
            self.held.clear();
            self.pending.held = Some(Vec::new());
        }
        self.run = open.run;
        self.stream = stream;
        if !planted::is(Fault::BacklogOfEarlierBridge) {
            self.drop_backlog();
        }
        Ok(Opened {
            ledger_id: self.account.ledger_id.clone(),
            published_through: self.account.published_through,
            held: self.held.iter().map(wire_filter).collect(),
            capabilities: capability::OF_RUNTIME.map(str::to_owned).to_vec(),
            session_lost,
            restored,
            done: if can(capability::OUTBOX_QUEUES) { self.ranges_done() } else { Vec::new() },
            // Time is the writer's.
            other_bridge_ms: None,
        })
    }

    /// The bridge whose stream it is ([`Open::run`]).
    pub const fn run(&self) -> u64 {
        self.run
    }

    /// The bridges of the last outcomes.
    pub fn last_runs(&self) -> Vec<u64> {
        self.identities.last_runs()
    }

    /// Records the filters that the broker's session may hold.
    pub fn hold(&mut self, holding: &Holding) -> Result<(), RequestError> {
        for Filter { filter, subscription_id } in &holding.filters {
            check_filter(filter)
                .map_err(|error| RequestError::BreakContract(format!("Holding: {filter:?} {error}")))?;
            let same = holding.filters.iter().filter(|other| other.subscription_id == *subscription_id);
            if *subscription_id == 0 || same.count() > 1 {
                let message = format!("Holding: {filter:?} has the subscription id {subscription_id}, 0 or not unique");
                return Err(RequestError::BreakContract(message));
            }
        }
        let held: Vec<HeldFilter> = holding.filters.iter().map(held_filter).collect();
        if held != self.held {
            self.held.clone_from(&held);
            self.pending.held = Some(held);
        }
        Ok(())
    }

    /// Records which acknowledgements the broker has read. Outcomes that it cannot ask for any more leave the ledger.
    pub fn acknowledged(&mut self, report: Acknowledged) {
        self.identities.acknowledged(report);
    }

    /// Takes a marker in, behind what waits.
    pub fn mark(&mut self, Marker { channels_version }: Marker) -> Result<(), RequestError> {
        let current = self.channels.version;
        if channels_version == 0 || channels_version > current {
            let message = format!("Marker: channels version {channels_version}, and the newest is {current}");
            return Err(RequestError::BreakContract(message));
        }
        self.backlog.push_back(Work::Marker(channels_version));
        Ok(())
    }
}

fn wire_filter(held: &HeldFilter) -> Filter {
    Filter { filter: held.filter.clone(), subscription_id: held.subscription_id }
}

fn held_filter(filter: &Filter) -> HeldFilter {
    HeldFilter { filter: filter.filter.clone(), subscription_id: filter.subscription_id }
}
