//! How often each fault and each outcome occurred, over all runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use intuition_api::v1::tick_outcome::Kind;

use crate::facts::{Ending, Fact, MessageId, Process, Replaced};

/// Names with fewer occurrences than this are marked in the table.
pub const ENOUGH: u64 = 100;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
    runs: u64,
    quotes: u64,
    crashes: u64,
    faults: u64,
}

/// The counts of one run, while it runs.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    coverage: Coverage,
    /// Messages that a bridge got on an earlier connection.
    delivered: BTreeSet<MessageId>,
}

impl Recorder {
    /// Counts a fact.
    pub fn take(&mut self, fact: &Fact) {
        let Self { coverage, delivered } = self;
        match fact {
            Fact::Taken { body, .. } => coverage.quotes += body.places.len() as u64,
            Fact::Lost { loss, .. } => coverage.fault(&format!("lost at the broker: {loss:?}")),
            Fact::BrokerWentBack => coverage.fault("the broker went back to an older file"),
            Fact::Delivered { message, duplicate, .. } => {
                if !delivered.insert(*message) {
                    coverage.count("delivered again");
                }
                if *duplicate {
                    coverage.count("delivered with DUP");
                }
            }
            Fact::Refused { code, .. } => coverage.fault(&format!("publication refused: 0x{code:02X}")),
            Fact::Committed { changes, .. } => {
                for row in &changes.window {
                    coverage.outcome(row.outcome.kind, &row.outcome.reason);
                }
                let by_hand =
                    changes.journal.iter().filter_map(|entry| entry.trade.as_ref()).filter(|trade| trade.manual);
                coverage.add("sold by hand", by_hand.count() as u64);
                coverage.add("gaps", changes.gaps.len() as u64);
            }
            Fact::Outcome { outcome, .. } => {
                for tick in &outcome.ticks {
                    coverage.count(&format!("outcome, {}", tick.seen_by().as_str_name()));
                }
            }
            Fact::LedgerReplaced { replaced: Replaced::Older } => coverage.fault("the ledger went back"),
            Fact::LedgerReplaced { replaced: Replaced::New } => coverage.fault("the ledger is new"),
            Fact::Opened { opened, .. } if opened.restored => {
                coverage.count("a bridge is told that the ledger went back");
            }
            Fact::TradingConfirmed { response, .. } => {
                let state = response.trading.as_ref().map_or("", |trading| trading.state().as_str_name());
                coverage.count(&format!("confirmed: {state}"));
            }
            Fact::CloseConfirmed { .. } => coverage.count("confirmed: Close"),
            Fact::ConfigureConfirmed { .. } => coverage.count("confirmed: Configure"),
            Fact::ResetConfirmed { .. } => coverage.count("confirmed: ResetSource"),
            Fact::Ended { process, ending, .. } => coverage.ended(*process, *ending),
            Fact::Injected(name) => coverage.fault(name),
            Fact::RefusedForEver { .. } => coverage.fault("a topic is refused to the end"),
            Fact::Opening { .. }
            | Fact::Shown { .. }
            | Fact::Opened { .. }
            | Fact::Acknowledged { .. }
            | Fact::Publication { .. }
            | Fact::Consumed { .. }
            | Fact::Publishing { .. }
            | Fact::RefusedTo { .. }
            | Fact::LedgerOpened { .. }
            | Fact::TradingAsked { .. }
            | Fact::ConfigureAsked { .. }
            | Fact::Sent { .. }
            | Fact::Started { .. }
            | Fact::Measured { .. }
            | Fact::FaultsEnded
            | Fact::Settled { .. } => {}
        }
    }

    /// The counts of the run, which has ended.
    pub fn finish(self) -> Coverage {
        Coverage { runs: 1, ..self.coverage }
    }
}

impl Coverage {
    fn add(&mut self, name: &str, by: u64) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += by;
        } else {
            self.counts.insert(name.to_owned(), by);
        }
    }

    fn count(&mut self, name: &str) {
        self.add(name, 1);
    }

    fn fault(&mut self, name: &str) {
        self.faults += 1;
        self.count(&format!("fault: {name}"));
    }

    fn ended(&mut self, process: Process, ending: Ending) {
        match ending {
            Ending::Crash(point) => {
                self.crashes += 1;
                self.count(&format!("crash: {process:?}, {point}"));
            }
            Ending::Stop => self.count(&format!("stop: {process:?}")),
            Ending::Exit => self.count(&format!("exit: {process:?}")),
        }
    }

    fn outcome(&mut self, kind: Kind, reason: &str) {
        let name = kind.as_str_name();
        self.count(&if reason.is_empty() { format!("row, {name}") } else { format!("row, {name}, {reason}") });
    }

    /// Adds the counts of other runs.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            self.add(name, *count);
        }
        self.runs += other.runs;
        self.quotes += other.quotes;
        self.crashes += other.crashes;
        self.faults += other.faults;
    }

    /// How often something occurred.
    pub fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Runs that were counted.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// Writes the table: name, count, and a mark where it occurred fewer than [`ENOUGH`] times.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let width = self.counts.keys().map(|name| name.chars().count()).max().unwrap_or_default();
        for (name, count) in &self.counts {
            let mark = if *count < ENOUGH { "  rare" } else { "" };
            writeln!(to, "{name:width$} {count:>10}{mark}")?;
        }
        let average = |sum: u64| {
            let tenths = sum.saturating_mul(10).checked_div(self.runs).unwrap_or_default();
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        writeln!(
            to,
            "{} runs; average of a run: {} places of messages, {} crashes, {} other faults",
            self.runs,
            average(self.quotes),
            average(self.crashes),
            average(self.faults)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_several_runs_add_up_and_rare_ones_are_marked() {
        let mut all = Coverage::default();
        for _ in 0..2 {
            let mut run = Recorder::default();
            for _ in 0..50 {
                run.take(&Fact::Injected("reset"));
            }
            let ending = Ending::Crash("before the commit");
            run.take(&Fact::Ended { process: Process::Runtime, run: 1, ending });
            all.merge(&run.finish());
        }
        assert_eq!((all.runs(), all.of("fault: reset")), (2, 100));
        let mut table = Vec::new();
        all.write(&mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "crash: Runtime, before the commit          2  rare");
        assert_eq!(lines[1], "fault: reset                             100");
        assert_eq!(lines[2], "2 runs; average of a run: 0.0 places of messages, 1.0 crashes, 50.0 other faults");
    }
}
