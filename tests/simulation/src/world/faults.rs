//! Injects faults.

mod drawn;

use std::time::Duration;

use rand::{RngExt as _, seq::IndexedRandom as _};

use self::drawn::Fault;
pub(super) use self::drawn::Faults;
use super::{Event, Sleeper, World, network::Between};
use crate::{
    broker::{Memory, Silence},
    facts::{Ending, Fact, Process, RunId, Violation},
    process::{bridge, runtime},
    storage::CommitFault,
};

impl World<'_> {
    /// The next fault.
    pub(super) fn inject(&mut self) -> Result<(), Violation> {
        let Some((_, fault)) = self.faults.times.get(self.faults.next).copied() else { return Ok(()) };
        self.faults.next += 1;
        tracing::debug!(at = ?self.now, ?fault, "fault");
        match fault {
            Fault::CrashBridge | Fault::CrashRuntime | Fault::OutageOfBridge => self.crash(fault),
            Fault::StopBridge | Fault::StopRuntime => self.stop(fault),
            Fault::SecondBridge | Fault::SecondRuntime => self.double(fault),
            Fault::FreezeBridge | Fault::FreezeRuntime => self.freeze(fault),
            Fault::ResetBroker | Fault::ResetRuntime => self.reset_connections(fault),
            Fault::PartitionBroker | Fault::PartitionRuntime | Fault::PartitionOperator => self.partition(fault),
            Fault::RestartBroker
            | Fault::SilenceBroker
            | Fault::SlowBroker
            | Fault::CutAtPublication
            | Fault::RefuseTopic => self.harm_broker(fault),
            Fault::FailCommit | Fault::SaveLedger | Fault::RestoreLedger => self.harm_ledger(fault),
            Fault::CrashAlgorithm | Fault::HangAlgorithm | Fault::RubbishOfAlgorithm => self.harm_algorithm(fault),
            Fault::JumpClock => {
                let seconds = self.faults.rng.random_range(-100_000_000..100_000_000_i64);
                self.jumped = self.jumped.saturating_add(seconds.saturating_mul(1_000_000));
                self.tell(&Fact::Injected("clock: jump"))
            }
            Fault::OtherUrl => {
                self.broker_url =
                    if self.broker_url == "mqtt://broker" { "mqtt://broker.other" } else { "mqtt://broker" };
                self.tell(&Fact::Injected("broker: another URL"))?;
                self.stop(Fault::StopBridge)
            }
            Fault::Release => self.change_release(),
        }
    }

    fn last_bridge(&self) -> Option<RunId> {
        self.bridges.keys().next_back().copied()
    }

    fn last_runtime(&self) -> Option<RunId> {
        self.runtimes.keys().next_back().copied()
    }

    /// The bridge goes, and is back when everything is published.
    pub(super) fn begin_backlog(&mut self) -> Result<(), Violation> {
        let away = self.plan.published.saturating_sub(self.now);
        self.take_bridge_away(away)
    }

    fn take_bridge_away(&mut self, away: Duration) -> Result<(), Violation> {
        let Some(run) = self.last_bridge() else { return Ok(()) };
        self.tell(&Fact::Injected("bridge: away for long"))?;
        self.bridges.remove(&run);
        self.close_connections(run);
        self.abandon_streams(run);
        self.tell(&Fact::Ended { process: Process::Bridge, run, ending: Ending::Crash("bridge: away for long") })?;
        self.queue.plan(self.now + away, Event::StartBridge);
        self.see_to_broker()
    }

    /// A process dies at one of its next steps.
    fn crash(&mut self, fault: Fault) -> Result<(), Violation> {
        let steps = self.faults.rng.random_range(0..60);
        match fault {
            Fault::OutageOfBridge => {
                let away = self.faults.seconds(10.0, 90.0);
                self.take_bridge_away(away)
            }
            Fault::CrashBridge => {
                if let Some(run) = self.last_bridge() {
                    self.begin_crash(run, steps, &bridge::STEPS);
                    self.wake_at(Sleeper::Bridge(run), self.now);
                }
                Ok(())
            }
            _ => {
                if let Some(run) = self.last_runtime() {
                    self.begin_crash(run, steps / 4, &runtime::STEPS);
                    self.wake_at(Sleeper::Runtime(run), self.now);
                }
                Ok(())
            }
        }
    }

    /// A process dies after so many steps, or at the next one of a kind: some are rare.
    fn begin_crash(&mut self, run: RunId, steps: u32, kinds: &[&'static str]) {
        let kind = if self.faults.rng.random_bool(0.5) { kinds.choose(&mut self.faults.rng) } else { None };
        let crash = self.crashes.entry(run).or_default();
        match kind {
            Some(kind) => crash.await_step(kind),
            None => crash.begin(steps),
        }
    }

    /// SIGTERM, and the next process.
    fn stop(&mut self, fault: Fault) -> Result<(), Violation> {
        let clocks = self.clocks();
        if fault == Fault::StopBridge {
            if let Some(run) = self.last_bridge()
                && let Some(bridge) = self.bridges.get_mut(&run)
            {
                bridge.stop(clocks);
                self.leaving.insert(run);
                if self.faults.rng.random_bool(0.2) {
                    self.crashes.entry(run).or_default().await_step("bridge: after its shutdown");
                }
                self.wake_at(Sleeper::Bridge(run), self.now);
                self.start_bridge_later();
            }
            return Ok(());
        }
        let Some(run) = self.last_runtime() else { return Ok(()) };
        let Some(runtime) = self.runtimes.remove(&run) else { return Ok(()) };
        let done = runtime.stop(clocks);
        self.see_to_disk()?;
        self.pass_on(run, done)?;
        self.break_streams(run);
        self.algorithms.end(run, u64::MAX);
        self.tell(&Fact::Ended { process: Process::Runtime, run, ending: Ending::Stop })?;
        self.start_runtime_later();
        Ok(())
    }

    /// A second process beside the first, which ends some time later.
    fn double(&mut self, fault: Fault) -> Result<(), Violation> {
        if fault == Fault::SecondRuntime {
            self.tell(&Fact::Injected("runtime: a second one"))?;
            return self.start_runtime();
        }
        if self.faults.has_gone_back {
            return Ok(());
        }
        self.tell(&Fact::Injected("bridge: a second one"))?;
        let older = self.last_bridge();
        self.start_bridge()?;
        if let Some(older) = older {
            let steps = self.faults.rng.random_range(50..2_000);
            self.crashes.entry(older).or_default().begin(steps);
            self.leaving.insert(older);
        }
        Ok(())
    }

    fn freeze(&mut self, fault: Fault) -> Result<(), Violation> {
        let until = self.now + self.faults.seconds(0.5, 70.0);
        let (run, name) = if fault == Fault::FreezeBridge {
            (self.last_bridge(), "bridge: stands still")
        } else {
            (self.last_runtime(), "runtime: stands still")
        };
        if let Some(run) = run {
            self.frozen.insert(run, until);
            self.tell(&Fact::Injected(name))?;
        }
        Ok(())
    }

    fn reset_connections(&mut self, fault: Fault) -> Result<(), Violation> {
        if fault == Fault::ResetRuntime {
            return self.break_runtime_connections();
        }
        for id in self.connections.all() {
            if self.network.chance(0.6) {
                self.reset(id)?;
            }
        }
        Ok(())
    }

    fn partition(&mut self, fault: Fault) -> Result<(), Violation> {
        let until = self.now + self.faults.seconds(0.2, 80.0);
        let (between, name) = match fault {
            Fault::PartitionBroker => (Between::BridgeAndBroker, "network: bridge and broker apart"),
            Fault::PartitionRuntime => (Between::BridgeAndRuntime, "network: bridge and runtime apart"),
            _ => (Between::OperatorAndRuntime, "network: operator and runtime apart"),
        };
        self.network.separate(between, until);
        self.tell(&Fact::Injected(name))
    }

    fn harm_broker(&mut self, fault: Fault) -> Result<(), Violation> {
        let (now, until) = (self.now, self.now + self.faults.seconds(0.5, 100.0));
        let name = match fault {
            Fault::RestartBroker => match self.faults.rng.random_range(0..4) {
                0 => {
                    self.broker.restart(Memory::Lost, now);
                    "broker: back without its memory"
                }
                1 => {
                    self.broker.restart(Memory::Older, now);
                    "broker: back with an older file"
                }
                _ => {
                    self.broker.restart(Memory::Kept, now);
                    "broker: back with everything"
                }
            },
            Fault::SilenceBroker => {
                let silence = if self.faults.rng.random_bool(0.5) { Silence::Frozen } else { Silence::Unanswering };
                self.broker.silence(silence, until);
                if silence == Silence::Frozen { "broker: stands still" } else { "broker: answers nothing" }
            }
            Fault::SlowBroker => {
                let delay = self.faults.seconds(0.01, 5.0);
                self.broker.slow(delay, until);
                "broker: answers late"
            }
            Fault::CutAtPublication => {
                self.broker.cut_at_publication(&format!("{}.pub", super::CLIENT_ID));
                "broker: takes a publication and ends the connection"
            }
            _ => {
                let topics = ["decisions", "dead-letter", "data/#", "state"];
                let topic = topics.choose(&mut self.faults.rng).copied().unwrap_or_default();
                let code = [0x87, 0x97, 0x80, 0x95].choose(&mut self.faults.rng).copied().unwrap_or(0x87);
                // Dead letters and an algorithm's own messages are given up after a minute.
                let is_given_up = topic == "dead-letter" || topic == "data/#";
                let until = if is_given_up { now + 3 * until.saturating_sub(now) } else { until };
                self.broker.refuse(&format!("intuition/default/simulated/{topic}"), code, until);
                // A refusal that comes late: the connection often ends while an entry is tried again.
                if self.faults.rng.random_bool(0.3) {
                    let delay = self.faults.seconds(1.0, 20.0);
                    self.broker.slow(delay, until);
                }
                "broker: refuses a topic"
            }
        };
        if self.faults.rng.random_bool(0.3) {
            self.broker.save();
        }
        self.tell(&Fact::Injected(name))?;
        self.see_to_broker()
    }

    fn harm_ledger(&mut self, fault: Fault) -> Result<(), Violation> {
        let broken = |error: std::io::Error| Violation { promise: "simulation", text: format!("no disk: {error}") };
        match fault {
            Fault::FailCommit => {
                let is_there = self.faults.rng.random_bool(0.5);
                self.disk.fail_next(if is_there { CommitFault::DurableAllTheSame } else { CommitFault::Refused });
                Ok(())
            }
            Fault::SaveLedger => {
                self.disk.save().map_err(broken)?;
                self.broker.save();
                Ok(())
            }
            _ => {
                if self.bridges.len() > 1 {
                    return Ok(());
                }
                // Before the process ends: its end writes the log into the file.
                let is_cut = self.disk.cut_log().map_err(broken)?;
                let is_older = is_cut || self.disk.put_back();
                self.faults.has_gone_back |= is_older;
                if let Some(run) = self.last_runtime().filter(|_| is_older) {
                    self.kill_runtime(run, "runtime: before its ledger is replaced")?;
                }
                if is_older {
                    self.tell(&Fact::Injected(if is_cut { "ledger: log cut" } else { "ledger: an older copy" }))?;
                }
                self.see_to_disk()
            }
        }
    }

    fn harm_algorithm(&mut self, fault: Fault) -> Result<(), Violation> {
        let (now, until) = (self.now, self.now + self.faults.seconds(0.1, 60.0));
        let server = self.faults.rng.random_range(0..2);
        let name = match fault {
            Fault::CrashAlgorithm => {
                self.algorithms.crash(server, until, now);
                "algorithm: killed"
            }
            Fault::HangAlgorithm => {
                self.algorithms.hang(server, until);
                "algorithm: hangs"
            }
            _ => {
                self.algorithms.answer_rubbish(server);
                "algorithm: answers rubbish"
            }
        };
        self.wake_algorithms();
        self.tell(&Fact::Injected(name))
    }

    /// The next processes of one side are of the other release.
    fn change_release(&mut self) -> Result<(), Violation> {
        if self.faults.rng.random_bool(0.5) {
            self.plan.bridge.is_older = !self.plan.bridge.is_older;
            self.tell(&Fact::Injected("bridge: another release"))?;
            self.stop(Fault::StopBridge)
        } else {
            self.plan.runtime.is_older = !self.plan.runtime.is_older;
            self.tell(&Fact::Injected("runtime: another release"))?;
            self.stop(Fault::StopRuntime)
        }
    }
}
