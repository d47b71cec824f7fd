//! The end of a run: without faults everything comes to rest.

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::HeldFilter;
use intuition_api::v1::{AccountResponse, ConfigureRequest, ConfigureResponse};

use super::{
    amounts::{MONEY_PLACES, money, units},
    books::Books,
    hold, promise,
};
use crate::facts::{MessageId, Process, Violation};

/// The net deposits that are asked for.
#[derive(Debug, Default)]
enum Deposits {
    /// Those of the first start.
    #[default]
    First,
    /// By the last call in force.
    Asked(String),
    /// The last call was refused, and a later start may take its starting cash.
    Refused,
}

/// The worst that happened to the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Broker {
    #[default]
    Whole,
    Ended,
    /// It came back with an older file, and perhaps with a subscription that had ended since.
    WentBack,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct End {
    account: Option<AccountResponse>,
    /// Of runtime and bridge; `None` before the end.
    ready: Option<(bool, bool)>,
    waiting: BTreeSet<MessageId>,
    /// Filters of the session at the broker.
    subscribed: BTreeSet<String>,
    faults_ended: bool,
    /// Topics that are refused to the end.
    refused: BTreeSet<String>,
    broker: Broker,
    /// Part and reason on the `/readyz` of each process, as shown last.
    shown: BTreeMap<Process, Vec<(String, String)>>,
    deposits: Deposits,
    /// An older ledger has older deposits, until the settings come again.
    ledger_replaced: bool,
}

impl End {
    pub(super) fn ended(&mut self, process: Process) {
        if process == Process::Broker {
            self.broker = self.broker.max(Broker::Ended);
        }
    }

    pub(super) fn broker_went_back(&mut self) {
        self.broker = Broker::WentBack;
    }

    pub(super) fn shown(&mut self, process: Process, reasons: &[(String, String)]) {
        self.shown.insert(process, reasons.to_vec());
    }

    pub(super) fn ledger_replaced(&mut self) {
        self.ledger_replaced = true;
    }

    pub(super) fn refused_for_ever(&mut self, topic: &str) {
        self.refused.insert(topic.to_owned());
    }

    pub(super) fn faults_ended(&mut self) {
        self.faults_ended = true;
    }

    /// Settings were confirmed.
    pub(super) fn configured(&mut self, request: &ConfigureRequest, response: &ConfigureResponse) {
        let Some(settings) = &request.settings else { return };
        if response.cash_generation != request.generation {
            self.deposits = Deposits::Refused;
        } else if !request.starting_cash_unchanged {
            self.deposits = Deposits::Asked(settings.starting_cash.clone());
        }
    }

    pub(super) fn settled(
        &mut self,
        account: Option<&AccountResponse>,
        ready: (bool, bool),
        waiting: &[MessageId],
        subscribed: &[String],
    ) {
        self.account = account.cloned();
        self.ready = Some(ready);
        self.waiting = waiting.iter().copied().collect();
        self.subscribed = subscribed.iter().cloned().collect();
    }

    pub(super) const fn account(&self) -> Option<&AccountResponse> {
        self.account.as_ref()
    }

    pub(super) const fn waiting(&self) -> &BTreeSet<MessageId> {
        &self.waiting
    }

    /// Whether decisions may wait at the end, since the broker refuses their topic.
    pub(super) fn allows_unpublished(&self) -> bool {
        self.refused.iter().any(|topic| !topic.ends_with("/dead-letter") && !topic.contains("/data/"))
    }

    /// Whether the broker kept all that it took.
    pub(super) const fn is_broker_whole(&self) -> bool {
        matches!(self.broker, Broker::Whole)
    }

    pub(super) fn check(&self, books: &Books, held: &[HeldFilter]) -> Result<(), Violation> {
        let Some((runtime, bridge)) = self.ready else {
            hold!(false, promise::SETTLED, "the run ended before it came to rest");
            return Ok(());
        };
        hold!(self.faults_ended, promise::SETTLED, "the run ended before its faults did");
        let Some(account) = &self.account else {
            hold!(false, promise::SETTLED, "the account does not answer at the end");
            return Ok(());
        };
        self.check_account(account, books)?;
        if self.allows_unpublished() {
            return Ok(());
        }
        for (name, process, is_ready) in [("runtime", Process::Runtime, runtime), ("bridge", Process::Bridge, bridge)] {
            let shown = self.shown.get(&process);
            hold!(is_ready, promise::SETTLED, "the {name} is not ready at the end; shown last: {shown:?}");
        }
        hold!(
            self.waiting.is_empty(),
            promise::SETTLED,
            "{} messages still wait at the broker, from message {}",
            self.waiting.len(),
            self.waiting.first().copied().unwrap_or_default()
        );
        self.check_filters(account, held)?;
        hold!(account.unpublished == 0, promise::SETTLED, "{} entries of the outbox still wait", account.unpublished);
        Ok(())
    }

    /// The session has the filters of the channels and no others, and the ledger knows that: a filter that it takes for held would
    /// make copies of messages that no other filter brings.
    fn check_filters(&self, account: &AccountResponse, held: &[HeldFilter]) -> Result<(), Violation> {
        let held: BTreeSet<String> = held.iter().map(|held| held.filter.clone()).collect();
        if self.broker == Broker::WentBack {
            return Ok(());
        }
        // An older copy of the ledger may not know of a filter that the session has. Its messages are no copies.
        let is_known = held == self.subscribed || (self.ledger_replaced && held.is_subset(&self.subscribed));
        hold!(
            is_known,
            promise::SETTLED,
            "the session is subscribed to {:?}, and the ledger has {held:?} for it",
            self.subscribed
        );
        let Some(channels) = &account.channels else { return Ok(()) };
        let asked: BTreeSet<String> = channels.filters.iter().cloned().collect();
        hold!(
            asked == held,
            promise::SETTLED,
            "the ledger has {held:?} for the session, and the channels are {asked:?}"
        );
        Ok(())
    }

    fn check_account(&self, account: &AccountResponse, books: &Books) -> Result<(), Violation> {
        let sums = books.sums();
        let (found, expected) = (account.decisions, sums.decisions);
        hold!(found == expected, promise::SETTLED, "the account answers {found} decisions, the journal has {expected}");
        let shown = [
            ("cash", &account.cash, sums.cash),
            ("invested", &account.invested, sums.invested),
            ("realised", &account.realised, sums.realised),
            ("deposits", &account.deposits, sums.deposits),
        ];
        for (name, found, expected) in shown {
            hold!(
                units(found, MONEY_PLACES) == Some(expected),
                promise::SETTLED,
                "the account answers {name} {found}, the journal adds up to {}",
                money(expected)
            );
        }
        let positions: Vec<_> = account
            .positions
            .iter()
            .map(|position| (position.sid.clone(), position.quantity.clone(), position.cost.clone()))
            .collect();
        sums.check_positions(&positions)?;
        let deposits = match &self.deposits {
            Deposits::First => books.first_deposit(),
            Deposits::Asked(text) => units(text, MONEY_PLACES),
            Deposits::Refused => None,
        };
        let Some(deposits) = deposits else { return Ok(()) };
        hold!(
            deposits == sums.deposits || self.ledger_replaced,
            promise::SETTLED,
            "the starting cash is {}, and the net deposits are {}",
            money(deposits),
            money(sums.deposits)
        );
        Ok(())
    }
}
