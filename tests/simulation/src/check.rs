//! The checker: compares the facts of a run with the promises of `docs/delivery-guarantees.md`.
//!
//! It shares no code with the processes. Money, quantities and prices are integers of its own, parsed from text by a
//! parser of its own; of the runtime it reads the rows of the ledger and nothing else. It keeps all rows of the ledger in
//! force, so that it knows outcomes that the runtime has forgotten. It goes back with the ledger.
//!
//! - `books`: the money. `rows`: outcomes, gaps, and the decisions that they name. `outbox`: publications.
//! - `arrivals`: messages from the broker to their acknowledgement. `quotes`: messages and quotes of publishers.
//! - `calls`: trading state, sales by hand, and calls that were confirmed. `causes`: changes of the trading state.
//! - `states`: those of remote algorithms. `rest`: everything else that a ledger keeps. `settled`: the end of a run.

mod amounts;
mod arrivals;
mod books;
mod calls;
mod causes;
mod limits;
mod outbox;
mod quotes;
mod rest;
mod rows;
mod settled;
mod states;
#[cfg(test)]
mod tests;

use algo_runtime::ledger::{Changes, Snapshot};

use self::{
    arrivals::Arrivals, books::Books, calls::Calls, causes::Causes, outbox::Outbox, quotes::Quotes, rest::Rest,
    rows::Rows, settled::End, states::States,
};
use crate::facts::{Fact, Process, Replaced, RunId, Time, Violation};

/// Names of the promises, as in [`Violation::promise`].
pub mod promise {
    /// Deposits + realised = cash + cost of the holdings; every rounding goes down; no numbers are left out.
    pub const BOOKS: &str = "books";
    /// One quote, one outcome.
    pub const ONE_OUTCOME: &str = "one-outcome";
    /// Quotes are decided in the order in which the broker delivered them.
    pub const ORDER: &str = "order";
    /// No message is acknowledged before its outcome is durable and published.
    pub const ACKNOWLEDGED: &str = "acknowledged";
    /// Every decision is published, in order, under one id and with one content, and nothing else is.
    pub const PUBLISHED: &str = "published";
    /// A place of a message that cannot be used is a dead letter with its reason.
    pub const DEAD_LETTERS: &str = "dead-letters";
    /// Missing numbers are gaps, and nothing else is.
    pub const GAPS: &str = "gaps";
    /// A stop stops.
    pub const STOP: &str = "stop";
    /// Nothing is traded on a quote of the past.
    pub const PAST: &str = "past";
    /// Only the runtime that opened the ledger last appends.
    pub const EPOCH: &str = "epoch";
    /// A ledger that is opened holds every commit.
    pub const DURABLE: &str = "durable";
    /// A call that was confirmed is durable.
    pub const CONFIRMED: &str = "confirmed";
    /// The state of an algorithm is saved with its decisions.
    pub const STATE: &str = "state";
    /// Nothing is dropped without an outcome and a counter.
    pub const SILENCE: &str = "silence";
    /// Memory is bounded.
    pub const BOUNDS: &str = "bounds";
    /// Without faults everything comes to rest.
    pub const SETTLED: &str = "settled";
}

/// Ends the function with a violation unless the condition holds.
macro_rules! hold {
    ($condition:expr, $promise:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::facts::Violation { promise: $promise, text: format!($($text)+) });
        }
    };
}
use hold;

/// Bounds of the processes that promises name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Outcomes of each class that the runtime keeps in memory.
    pub window: u64,
    /// A dead letter or an algorithm's own message that the broker never refused is tried at least so long before it is given
    /// up (ADR 0029).
    pub least_trial: Time,
}

impl Default for Bounds {
    /// Those of production.
    fn default() -> Self {
        Self { window: 65_536, least_trial: Time::from_secs(5) }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Checker {
    quotes: Quotes,
    books: Books,
    rows: Rows,
    outbox: Outbox,
    arrivals: Arrivals,
    calls: Calls,
    causes: Causes,
    states: States,
    rest: Rest,
    end: End,
    /// The run that opened the ledger last.
    writer: Option<RunId>,
    /// In which way the ledger was replaced since it was opened last.
    replaced: Option<Replaced>,
    now: Time,
}

impl Checker {
    /// For processes with these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            quotes: Quotes::default(),
            books: Books::default(),
            rows: Rows::new(bounds.window),
            outbox: Outbox::new(bounds.least_trial),
            arrivals: Arrivals::default(),
            calls: Calls::default(),
            causes: Causes::default(),
            states: States::default(),
            rest: Rest::default(),
            end: End::default(),
            writer: None,
            replaced: None,
            now: Time::ZERO,
        }
    }

    /// Takes a fact and its time. The error is the first promise that it breaks; no fact may follow one.
    pub fn take(&mut self, at: Time, fact: &Fact) -> Result<(), Violation> {
        self.now = at;
        self.hear(fact).map_err(|violation| self.dated(violation))
    }

    /// Hears that the run is over.
    pub fn finish(&mut self) -> Result<(), Violation> {
        self.at_the_end().map_err(|violation| self.dated(violation))
    }

    fn dated(&self, Violation { promise, text }: Violation) -> Violation {
        Violation { promise, text: format!("at {:.6} s: {text}", self.now.as_secs_f64()) }
    }

    fn hear(&mut self, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Taken { message, body } => self.quotes.taken(*message, body),
            Fact::Lost { message, loss, .. } => self.quotes.lost(*message, *loss),
            Fact::BrokerWentBack => {
                self.quotes.broker_went_back();
                self.end.broker_went_back();
            }
            Fact::Delivered { message, connection, packet_id, subscription_ids, .. } => {
                self.arrivals.delivered((*message, *connection), *packet_id, subscription_ids, &mut self.quotes);
            }
            Fact::Sent { bridge, delivery } => {
                self.rows.sent(*bridge, delivery);
                self.arrivals.sent(*bridge, delivery, &self.quotes)?;
            }
            Fact::Outcome { bridge, outcome } => {
                self.arrivals.outcome(*bridge, outcome, &self.quotes, &self.rows, &self.outbox)?;
            }
            Fact::Acknowledged { message, connection } => {
                let (quotes, outbox) = (&mut self.quotes, &self.outbox);
                self.arrivals.acknowledged((*message, *connection), quotes, outbox, self.now)?;
            }
            Fact::Publication { topic, payload, .. } => self.outbox.publication(topic, payload)?,
            Fact::Refused { topic, .. } => self.outbox.refused(topic),
            Fact::Publishing { bridge, topic, payload } => self.outbox.publishing(*bridge, topic, payload)?,
            Fact::RefusedTo { bridge, topic, payload } => self.outbox.refused_to(*bridge, topic, payload),
            Fact::Consumed { topic, payload } => self.outbox.consumed(topic, payload)?,
            Fact::LedgerReplaced { replaced } => {
                self.replaced = Some(replaced.clone());
                self.outbox.ledger_replaced();
                self.end.ledger_replaced();
            }
            Fact::LedgerOpened { run, snapshot } => self.opened(*run, snapshot)?,
            Fact::Committed { run, changes } => self.committed(*run, changes)?,
            Fact::Opening { bridge, open } => {
                self.rows.opening(*bridge, open);
                self.note_release(&open.capabilities);
            }
            Fact::Opened { bridge, opened } => {
                self.note_release(&opened.capabilities);
                self.outbox.opened(*bridge, opened)?;
            }
            Fact::TradingAsked { request } => self.causes.asked(request, self.now),
            Fact::ConfigureAsked { request } => self.causes.configured(request, self.now),
            Fact::TradingConfirmed { request, response } => self.calls.trading_confirmed(request, response)?,
            Fact::CloseConfirmed { request, response } => self.calls.close_confirmed(request, response)?,
            Fact::ConfigureConfirmed { request, response } => {
                self.calls.configure_confirmed(response)?;
                self.end.configured(request, response);
            }
            Fact::ResetConfirmed { request, response } => self.calls.reset_confirmed(request, response)?,
            Fact::Started { process: Process::Bridge, run } => self.quotes.bridge_started(*run),
            Fact::Started { .. } | Fact::Injected(_) => {}
            Fact::Shown { process, reasons } => self.end.shown(*process, reasons),
            Fact::Ended { process, run, .. } => {
                self.quotes.bridge_ended(*run);
                self.end.ended(*process);
            }
            Fact::Measured { what, value, bound } => {
                hold!(value <= bound, promise::BOUNDS, "{what} is {value}, and at most {bound} is promised");
            }
            Fact::RefusedForEver { topic } => self.end.refused_for_ever(topic),
            Fact::FaultsEnded => self.end.faults_ended(),
            Fact::Settled { account, runtime_ready, bridge_ready, waiting, subscribed } => {
                self.end.settled(account.as_deref(), (*runtime_ready, *bridge_ready), waiting, subscribed);
            }
        }
        Ok(())
    }

    /// A bridge or a runtime has these capabilities.
    fn note_release(&mut self, capabilities: &[String]) {
        self.outbox.note_release(capabilities);
        self.quotes.note_release(capabilities);
    }

    /// A runtime opened the ledger: it holds all commits, unless it was replaced.
    fn opened(&mut self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        self.writer = Some(run);
        self.causes.opened(snapshot);
        if let Some(replaced) = self.replaced.take() {
            let account = &snapshot.account;
            if replaced == Replaced::New {
                let is_empty = account.entries == 0 && account.position == 0 && snapshot.window.is_empty();
                hold!(is_empty, promise::DURABLE, "run {run} opened a new ledger, which has entries: {account:?}");
            }
            self.books.go_back(account)?;
            self.rows.go_back(snapshot)?;
            self.outbox.go_back(snapshot)?;
            self.calls.go_back(snapshot);
            self.states.go_back(snapshot);
            self.rest.go_back(snapshot);
            return Ok(());
        }
        self.books.compare(run, snapshot)?;
        self.rows.compare(run, snapshot)?;
        self.outbox.compare(run, snapshot)?;
        self.calls.compare(run, snapshot)?;
        self.rest.compare(run, snapshot)
    }

    fn committed(&mut self, run: RunId, changes: &Changes) -> Result<(), Violation> {
        let writer = self.writer.unwrap_or_default();
        hold!(
            self.writer == Some(run),
            promise::EPOCH,
            "run {run} appended to the ledger, which run {writer} has opened since"
        );
        self.calls.judge(changes)?;
        self.books.commit(changes)?;
        self.outbox.commit(changes, self.now)?;
        self.rows.commit(changes, &self.quotes, &self.outbox)?;
        self.calls.commit(changes)?;
        self.causes.commit(changes)?;
        self.states.commit(changes)?;
        self.rest.commit(changes);
        Ok(())
    }

    fn at_the_end(&self) -> Result<(), Violation> {
        self.quotes.check_end(self.end.waiting())?;
        self.end.check(&self.books, self.rest.held())?;
        self.rows.check_end(&self.quotes, self.arrivals.forgotten(), (self.end.account(), self.end.waiting()))?;
        let given_up = self.rows.counted("undeliverable");
        self.outbox.check_end(self.end.allows_unpublished(), self.end.is_broker_whole(), given_up)
    }
}
