//! The end of a run: the faults are over, and the system has to settle.

use std::time::Duration;

use intuition_api::part;
use intuition_common::readiness::Missing;

use super::{CLIENT_ID, Event, World};
use crate::{
    facts::{Fact, Process, Time, Violation},
    process::runtime::{Answer, Call, Runtime},
    publisher::Publisher,
};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Looks in a row at which everything was quiet, until the run ends.
const QUIET: u32 = 3;
/// Longest time from the end of the faults to that: longer than every pause, patience and deadline of the system together.
const LONGEST: Duration = Duration::from_mins(20);

/// How far the system has settled.
#[derive(Default)]
pub(super) struct Settling {
    since: Option<Time>,
    quiet: u32,
}

impl World<'_> {
    pub(super) fn end_faults(&mut self) -> Result<(), Violation> {
        self.faults.end();
        self.network.heal();
        self.broker.end_faults(self.now);
        self.see_to_broker()?;
        self.algorithms.recover();
        self.frozen.clear();
        self.crashes.clear();
        for run in std::mem::take(&mut self.leaving) {
            self.leaving.insert(run);
            self.kill_bridge(run, "bridge: another one is there")?;
        }
        let newest = self.runtimes.keys().next_back().copied();
        for run in self.runtimes.keys().copied().filter(|run| Some(*run) != newest).collect::<Vec<_>>() {
            self.kill_runtime(run, "runtime: another one is there")?;
        }
        for run in self.bridges.keys().copied().collect::<Vec<_>>() {
            self.wake_at(super::Sleeper::Bridge(run), self.now);
        }
        for run in self.runtimes.keys().copied().collect::<Vec<_>>() {
            self.wake_at(super::Sleeper::Runtime(run), self.now);
        }
        self.operator.finish(self.now);
        self.wake_operator();
        self.tell(&Fact::FaultsEnded)?;
        self.settling.since = Some(self.now);
        self.queue.plan(self.now + LOOK, Event::Look);
        Ok(())
    }

    /// Looks whether the system has settled.
    pub(super) fn look(&mut self) -> Result<(), Violation> {
        let (runtime_ready, bridge_ready) = (self.is_runtime_ready(), self.is_bridge_ready());
        let is_quiet = runtime_ready
            && bridge_ready
            // A bridge may not know yet that its connection is gone.
            && self.broker.is_connected(CLIENT_ID)
            && !self.broker.is_waiting(CLIENT_ID)
            && self.operator.is_idle()
            && self.publishers.iter().all(Publisher::is_finished);
        self.settling.quiet = if is_quiet { self.settling.quiet + 1 } else { 0 };
        let is_late = self.settling.since.is_some_and(|since| self.now >= since + LONGEST);
        if self.settling.quiet < QUIET && !is_late {
            self.queue.plan(self.now + LOOK, Event::Look);
            return Ok(());
        }
        self.show()?;
        let account = self.last_account()?;
        // A refused entry may wait for its next trial.
        if account.as_ref().is_none_or(|account| account.unpublished > 0) && !is_late {
            self.settling.quiet = 0;
            self.queue.plan(self.now + LOOK, Event::Look);
            return Ok(());
        }
        let waiting = self.broker.waiting(CLIENT_ID);
        let subscribed = self.broker.subscribed(CLIENT_ID);
        let settled =
            Fact::Settled { account: account.map(Box::new), runtime_ready, bridge_ready, waiting, subscribed };
        self.is_over = true;
        self.tell(&settled)
    }

    /// What each process lacks.
    fn show(&mut self) -> Result<(), Violation> {
        let runtimes = self.runtimes.values().map(|runtime| (Process::Runtime, runtime.readiness().missing()));
        let bridges = self.bridges.values().map(|bridge| (Process::Bridge, bridge.readiness().missing()));
        for (process, missing) in runtimes.chain(bridges).collect::<Vec<_>>() {
            let reasons = missing.into_iter().map(|missing| (missing.part.to_owned(), missing.reason));
            let reasons: Vec<_> = reasons.collect();
            if !reasons.is_empty() {
                self.tell(&Fact::Shown { process, reasons })?;
            }
        }
        Ok(())
    }

    fn is_runtime_ready(&self) -> bool {
        // A runtime that could not write is ready again with the next quote (docs/architecture.md), and there is none any more.
        let is_idle = |part: &Missing| part.part == part::runtime::LEDGER && part.reason == "LedgerInaccessible";
        let is_ready = |runtime: &Runtime| runtime.readiness().missing().iter().all(is_idle);
        self.runtimes.len() == 1 && self.runtimes.values().all(is_ready)
    }

    fn is_bridge_ready(&self) -> bool {
        self.bridges.len() == 1 && self.bridges.values().all(|bridge| bridge.readiness().missing().is_empty())
    }

    /// Asks the runtime for the account, past network and queue.
    fn last_account(&mut self) -> Result<Option<intuition_api::v1::AccountResponse>, Violation> {
        let clocks = self.clocks();
        let Some(runtime) = self.runtimes.values_mut().next_back() else { return Ok(None) };
        let run = runtime.run;
        runtime.call(u64::MAX, Call::Account);
        let done = runtime.work(clocks, &mut super::Crash::default());
        self.see_to_disk()?;
        let Ok(mut done) = done else { return Ok(None) };
        let asked = done.answers.extract_if(.., |(id, _)| *id == u64::MAX).next();
        self.pass_on(run, done)?;
        Ok(asked.and_then(|(_, answer)| match answer {
            Answer::Account(account) => Some(*account),
            _ => None,
        }))
    }
}
