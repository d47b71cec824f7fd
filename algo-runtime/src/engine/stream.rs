//! The bridge's messages on its stream besides deliveries.

use intuition_api::{
    capability,
    topic::{check_filter, is_indicator_account},
    v1::{Acknowledged, Delivery, Filter, Holding, Marker, Open, Opened, Published},
};
use intuition_common::planted::{self, Mistake};

use super::{Engine, outbox::highest, request_error::RequestError, sessions::Doubtful};
use crate::ledger::{HeldFilter, Known, Ledger};

/// A bridge without the capability `joined`.
const NO_JOINED: &str = "the account is an indicator's, and the bridge is of an earlier release, which does not publish quotes with \
                         indicators: upgrade its image";

/// Random names for a session and a ledger id that begin with a stream.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// For a broker session.
    pub session: String,
    /// For a ledger that has gone back: 8 hex digits.
    pub ledger_id: String,
}

impl Engine {
    /// Whether the account is an indicator's.
    fn is_indicator(&self) -> bool {
        is_indicator_account(self.accounting.name())
    }

    /// Refuses a request for another account.
    pub fn check_account(&self, wanted: &str) -> Result<(), RequestError> {
        let ours = self.accounting.name();
        if wanted == ours {
            return Ok(());
        }
        Err(RequestError::OtherAccount { ours: ours.to_owned(), wanted: wanted.to_owned() })
    }

    /// Begins a stream, which has the number `stream` from here on. `fresh`: its session is used if the broker had none,
    /// or none is known for its URL; its ledger id if the ledger has gone back.
    pub fn open(
        &mut self,
        stream: u64,
        open: &Open,
        fresh: Fresh,
        ledger: &mut dyn Ledger,
    ) -> Result<Opened, RequestError> {
        self.check_account(&open.account)?;
        let can = |wanted: &str| open.capabilities.iter().any(|capability| capability == wanted);
        if self.is_indicator() && !can(capability::JOINED) {
            return Err(RequestError::UnfitBridge(NO_JOINED));
        }
        let restored = self.compare_ledger(open, fresh.ledger_id, ledger)?;
        // A broker that this client was never connected to has nothing to lose, such as the embedded one of each local run.
        let holds_none = self.channels.held().is_empty();
        let session_lost = !open.session_present && !holds_none && self.had_session(open);
        self.recogniser.open(open, fresh.session, can(capability::ACKNOWLEDGED));
        self.bridge_capabilities.clone_from(&open.capabilities);
        if !open.session_present {
            self.channels.hold(Vec::new());
        }
        self.backlog.begin_stream(stream);
        if !planted::is(Mistake::BacklogOfEarlierBridge) {
            self.drop_backlog();
        }
        Ok(Opened {
            ledger_id: self.accounting.ledger_id().to_owned(),
            published_through: self.outbox.published_through(),
            held: self.channels.held().iter().map(wire_filter).collect(),
            capabilities: capability::OF_RUNTIME.map(str::to_owned).to_vec(),
            session_lost,
            restored,
            done: if can(capability::OUTBOX_QUEUES) { self.outbox.ranges_done() } else { Vec::new() },
            // Time is the writer's, and so are other bridges.
            other_bridge_ms: None,
            confirm_loss: None,
        })
    }

    /// Whether the broker had a session for this client id at this URL, as far as the ledger knows.
    pub fn had_session(&self, open: &Open) -> bool {
        self.recogniser.had_session(open)
    }

    /// The loss of the session that this bridge reports is in doubt. Before [`Engine::open`]: the session gets a new name, and redeliveries
    /// are looked up under the last one too. After a restart only the new one counts.
    pub fn doubt_loss(&mut self, open: &Open) {
        self.recogniser.doubt_loss(open);
    }

    /// The sessions with a doubtful loss. The ledger does not have them: they pass from this engine to its successor.
    pub const fn doubtful_mut(&mut self) -> &mut Doubtful {
        self.recogniser.doubtful_mut()
    }

    /// The bridge whose stream it is ([`Open::run`]).
    pub const fn run(&self) -> u64 {
        self.recogniser.run()
    }

    /// The bridges of the last outcomes.
    pub fn last_runs(&self) -> Vec<u64> {
        self.recogniser.last_runs()
    }

    /// Records the filters that the broker's session may hold.
    pub fn hold(&mut self, holding: &Holding) -> Result<(), RequestError> {
        for Filter { filter, subscription_id } in &holding.filters {
            check_filter(filter).map_err(|error| RequestError::contract(format!("Holding: {filter:?} {error}")))?;
            let same = holding.filters.iter().filter(|other| other.subscription_id == *subscription_id);
            if *subscription_id == 0 || same.count() > 1 {
                let message = format!("Holding: {filter:?} has the subscription id {subscription_id}, 0 or not unique");
                return Err(RequestError::contract(message));
            }
        }
        self.channels.hold(holding.filters.iter().map(held_filter).collect());
        Ok(())
    }

    /// Records which acknowledgements the broker has read. Outcomes that it cannot ask for any more leave the ledger.
    pub fn acknowledged(&mut self, report: Acknowledged) {
        self.recogniser.acknowledged(report);
    }

    /// Adds deliveries to the backlog.
    pub fn take(&mut self, deliveries: Vec<Delivery>) -> Result<(), RequestError> {
        self.silence.note(&deliveries);
        self.backlog.take(deliveries)
    }

    /// Whether anything waits for its outcome.
    pub fn has_work(&self) -> bool {
        self.backlog.has_work()
    }

    /// Drops the deliveries that wait: their stream has ended, and the bridge sends them again on the next. Ticks that were
    /// asked about or recognised already are settled all the same.
    pub fn drop_backlog(&mut self) {
        self.backlog.drop_deliveries();
    }

    /// Takes a report about the outbox. `sent`: the last position that the bridge can know of. Returns how many positions
    /// beyond it were reported; those are passed over and counted.
    pub fn published(&mut self, report: &Published, sent: u64, ledger: &mut dyn Ledger) -> Result<u64, RequestError> {
        self.outbox.check(report)?;
        let beyond = self.outbox.take_report(report, sent, &mut self.counters, ledger)?;
        self.outbox.count_beyond(beyond, &mut self.counters);
        Ok(beyond)
    }

    /// Entries that are done by reports which are in no commit yet; `None`: there is no such report.
    pub fn unsaved_reports(&self) -> Option<u64> {
        self.outbox.unsaved_reports()
    }

    /// Compares the ledger with the bridge's knowledge of it, before a stream begins, and takes the bridge's report. True: the
    /// ledger has gone back. `new_id`: the id that decisions from now on have then.
    fn compare_ledger(&mut self, open: &Open, new_id: String, ledger: &mut dyn Ledger) -> Result<bool, RequestError> {
        let nothing = Published::default();
        let report = open.published.as_ref().unwrap_or(&nothing);
        self.outbox.check(report)?;
        if open.ledger_id.is_empty() {
            return Ok(false);
        }
        let last = self.outbox.committed_position();
        let has_gone_back = match self.accounting.ledger_ids().known(&open.ledger_id) {
            Known::Newest => {
                self.outbox.take_report(report, last, &mut self.counters, ledger)?;
                let known = if planted::is(Mistake::LastPositionLeftOut) { 0 } else { open.last_position };
                let is_behind = highest(report).max(known) > last && !planted::is(Mistake::LedgerThatWentBack);
                if is_behind {
                    self.accounting.take_ledger_id(new_id, last);
                }
                is_behind
            }
            // The id was replaced for this loss already, and the bridge has not heard of it.
            Known::Earlier { last_position } => {
                self.outbox.take_report(report, last_position.min(last), &mut self.counters, ledger)?;
                true
            }
            // A copy from before that id was taken, or a ledger that is new to the bridge. Only the copy can have lost
            // decisions. A new ledger has none. An indicator has none either, but may have lost messages that the id names.
            Known::Other if self.accounting.decisions() > 0 || self.is_indicator() && last > 0 => {
                self.accounting.take_ledger_id(new_id, last);
                true
            }
            Known::Other => false,
        };
        Ok(has_gone_back)
    }

    /// Adds a marker to the backlog.
    pub fn mark(&mut self, Marker { channels_version }: Marker) -> Result<(), RequestError> {
        let current = self.channels.version();
        if channels_version == 0 || channels_version > current {
            let message = format!("Marker: channels version {channels_version}, and the newest is {current}");
            return Err(RequestError::contract(message));
        }
        self.backlog.take_marker(channels_version);
        Ok(())
    }
}

fn wire_filter(held: &HeldFilter) -> Filter {
    Filter { filter: held.filter.clone(), subscription_id: held.subscription_id }
}

fn held_filter(filter: &Filter) -> HeldFilter {
    HeldFilter { filter: filter.filter.clone(), subscription_id: filter.subscription_id }
}
