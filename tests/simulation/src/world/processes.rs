//! How processes start, work and end.

use std::{sync::Arc, time::Duration};

use intuition_common::clock::Clock;

use super::{SOON, Sleeper, World};
use crate::{
    facts::{Ending, Fact, Process, RunId, Violation},
    process::{bridge::Bridge, runtime::Runtime},
};

impl World<'_> {
    pub(super) fn start_bridge(&mut self) -> Result<(), Violation> {
        let (run, seed) = (self.run(), self.seed());
        let clock: Arc<dyn Clock> = Arc::clone(&self.wall) as Arc<dyn Clock>;
        let bridge = Bridge::start(&self.plan, self.broker_url, run, seed, clock, self.clocks());
        let bridge =
            bridge.map_err(|error| Violation { promise: "simulation", text: format!("no bridge: {error}") })?;
        self.bridges.insert(run, bridge);
        self.tell(&Fact::Started { process: Process::Bridge, run })?;
        self.wake_at(Sleeper::Bridge(run), self.now);
        Ok(())
    }

    pub(super) fn start_runtime(&mut self) -> Result<(), Violation> {
        let (run, seed) = (self.run(), self.seed());
        let clock: Arc<dyn Clock> = Arc::clone(&self.wall) as Arc<dyn Clock>;
        let behind = self.faults.settings_behind();
        let settings = self.operator.settings(behind);
        let started = Runtime::start(&self.plan, settings, &self.disk, (run, seed), clock, self.clocks());
        self.tell(&Fact::Started { process: Process::Runtime, run })?;
        self.see_to_disk()?;
        match started {
            Ok(runtime) => {
                self.runtimes.insert(run, runtime);
                self.wake_at(Sleeper::Runtime(run), self.now);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(run, "the runtime does not start: {error}");
                self.exited(Process::Runtime, run)
            }
        }
    }

    pub(super) fn work_bridge(&mut self, run: RunId) -> Result<(), Violation> {
        if let Some(until) = self.is_frozen(run) {
            self.wake_at(Sleeper::Bridge(run), until);
            return Ok(());
        }
        let (clocks, packets) = (self.clocks(), self.network.burst());
        let Some(bridge) = self.bridges.get_mut(&run) else { return Ok(()) };
        let crash = self.crashes.entry(run).or_default();
        let done = bridge.work(clocks, packets, crash);
        let (wake, is_gone) = (bridge.wake(clocks), bridge.is_gone());
        let has_more = bridge.has_more();
        let crashed = crash.take();
        for fact in done.facts {
            self.tell(&fact)?;
        }
        for (connection, acknowledgements) in done.confirmed {
            self.confirm(connection, acknowledgements)?;
        }
        self.send_to_runtime(run, done.to_runtime);
        self.carry_out(run, done.network_requests)?;
        if let Some(step) = crashed {
            return self.kill_bridge(run, step);
        }
        if is_gone {
            self.bridges.remove(&run);
            self.leaving.remove(&run);
            self.abandon_streams(run);
            return self.tell(&Fact::Ended { process: Process::Bridge, run, ending: Ending::Stop });
        }
        let at = if has_more { self.now + SOON } else { self.time_of(wake) };
        // A time that has come already and changed nothing would come again at once.
        self.wake_at(Sleeper::Bridge(run), at.max(self.now + SOON));
        Ok(())
    }

    pub(super) fn work_runtime(&mut self, run: RunId) -> Result<(), Violation> {
        if let Some(until) = self.is_frozen(run) {
            self.wake_at(Sleeper::Runtime(run), until);
            return Ok(());
        }
        let clocks = self.clocks();
        let Some(runtime) = self.runtimes.get_mut(&run) else { return Ok(()) };
        let crash = self.crashes.entry(run).or_default();
        let done = runtime.work(clocks, crash);
        let (wake, waiting) = (runtime.wake(), runtime.waiting());
        let crashed = crash.take();
        // Before anything of it is seen outside.
        self.see_to_disk()?;
        match done {
            Ok(done) => self.pass_on(run, done)?,
            Err(error) => {
                tracing::debug!(run, "the runtime ends: {error}");
                self.runtimes.remove(&run);
                self.break_streams(run);
                return self.exited(Process::Runtime, run);
            }
        }
        if let Some(step) = crashed {
            return self.kill_runtime(run, step);
        }
        let at = if waiting > 0 { self.now + SOON } else { self.time_of(wake).max(self.now + SOON) };
        self.wake_at(Sleeper::Runtime(run), at);
        Ok(())
    }

    /// A bridge dies at a step; another is started after a while.
    pub(super) fn kill_bridge(&mut self, run: RunId, step: &'static str) -> Result<(), Violation> {
        if self.bridges.remove(&run).is_none() {
            return Ok(());
        }
        self.close_connections(run);
        self.abandon_streams(run);
        self.tell(&Fact::Ended { process: Process::Bridge, run, ending: Ending::Crash(step) })?;
        self.see_to_broker()?;
        if !self.leaving.remove(&run) {
            self.start_bridge_later();
        }
        Ok(())
    }

    /// A runtime dies at a step; another is started after a while.
    pub(super) fn kill_runtime(&mut self, run: RunId, step: &'static str) -> Result<(), Violation> {
        if self.runtimes.remove(&run).is_none() {
            return Ok(());
        }
        self.algorithms.end(run, u64::MAX);
        self.break_streams(run);
        self.tell(&Fact::Ended { process: Process::Runtime, run, ending: Ending::Crash(step) })?;
        self.start_runtime_later();
        Ok(())
    }

    /// A runtime ended by itself.
    fn exited(&mut self, process: Process, run: RunId) -> Result<(), Violation> {
        self.algorithms.end(run, u64::MAX);
        self.tell(&Fact::Ended { process, run, ending: Ending::Exit })?;
        if self.runtimes.is_empty() {
            self.start_runtime_later();
        }
        Ok(())
    }

    pub(super) fn start_bridge_later(&mut self) {
        let later = self.network.within(Duration::from_millis(50), Duration::from_secs(5));
        self.queue.plan(self.now + later, super::Event::StartBridge);
    }

    pub(super) fn start_runtime_later(&mut self) {
        let later = self.network.within(Duration::from_millis(50), Duration::from_secs(5));
        self.queue.plan(self.now + later, super::Event::StartRuntime);
    }
}
