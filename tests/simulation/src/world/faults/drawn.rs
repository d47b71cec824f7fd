//! The faults of a run, with their times.

use std::time::Duration;

use rand::{RngExt as _, rngs::ChaCha8Rng, seq::IndexedRandom as _};

use crate::{
    facts::Time,
    plan::{Plan, Scale},
};

/// A fault that may be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    CrashBridge,
    CrashRuntime,
    StopBridge,
    StopRuntime,
    OutageOfBridge,
    SecondBridge,
    SecondRuntime,
    FreezeBridge,
    FreezeRuntime,
    ResetBroker,
    ResetRuntime,
    PartitionBroker,
    PartitionRuntime,
    PartitionOperator,
    RestartBroker,
    SilenceBroker,
    SlowBroker,
    CutAtPublication,
    RefuseTopic,
    FailCommit,
    SaveLedger,
    RestoreLedger,
    CrashAlgorithm,
    HangAlgorithm,
    RubbishOfAlgorithm,
    JumpClock,
    OtherUrl,
    Release,
}

/// Faults with how often they are drawn, beside crashes.
const WEIGHTS: &[(Fault, u32)] = &[
    (Fault::StopBridge, 4),
    (Fault::StopRuntime, 4),
    (Fault::OutageOfBridge, 3),
    (Fault::SecondBridge, 3),
    (Fault::SecondRuntime, 3),
    (Fault::FreezeBridge, 3),
    (Fault::FreezeRuntime, 3),
    (Fault::ResetBroker, 8),
    (Fault::ResetRuntime, 6),
    (Fault::PartitionBroker, 5),
    (Fault::PartitionRuntime, 5),
    (Fault::PartitionOperator, 3),
    (Fault::RestartBroker, 6),
    (Fault::SilenceBroker, 4),
    (Fault::SlowBroker, 4),
    (Fault::CutAtPublication, 4),
    (Fault::RefuseTopic, 5),
    (Fault::FailCommit, 8),
    (Fault::SaveLedger, 6),
    (Fault::RestoreLedger, 6),
    (Fault::CrashAlgorithm, 5),
    (Fault::HangAlgorithm, 4),
    (Fault::RubbishOfAlgorithm, 4),
    (Fault::JumpClock, 3),
    (Fault::OtherUrl, 3),
    (Fault::Release, 6),
];

/// See the module.
pub(in crate::world) struct Faults {
    pub(super) rng: ChaCha8Rng,
    pub(super) times: Vec<(Time, Fault)>,
    pub(super) next: usize,
    are_over: bool,
    /// The ledger went back. No second bridge starts from then on: the entries that it knows of and the ledger has lost would be
    /// taken for later ones of the same positions (ADR 0030).
    pub(super) has_gone_back: bool,
}

impl Faults {
    pub(in crate::world) fn new(mut rng: ChaCha8Rng, plan: &Plan) -> Self {
        let mut times = Vec::new();
        let span = plan.active.saturating_sub(plan.faults_from);
        let at = |rng: &mut ChaCha8Rng| plan.faults_from + span.mul_f64(rng.random_range(0.02..0.98));
        for _ in 0..plan.crashes {
            let fault = if rng.random_bool(0.5) { Fault::CrashBridge } else { Fault::CrashRuntime };
            times.push((at(&mut rng), fault));
        }
        for _ in 0..plan.faults {
            let drawn = WEIGHTS.choose_weighted(&mut rng, |(_, weight)| *weight);
            let fault = drawn.map_or(Fault::ResetBroker, |(fault, _)| *fault);
            // Ledgers of the size of production are not copied.
            let is_large = plan.scale == Scale::Real && matches!(fault, Fault::SaveLedger | Fault::RestoreLedger);
            // A bridge of v0.1.0 does not notice a ledger that went back (ADR 0030).
            let mixes = plan.mixes_releases;
            let is_left_out = is_large || fault == Fault::Release && !mixes || fault == Fault::RestoreLedger && mixes;
            if !is_left_out {
                times.push((at(&mut rng), fault));
            }
        }
        times.sort_by_key(|(at, _)| *at);
        Self { rng, times, next: 0, are_over: false, has_gone_back: false }
    }

    /// When faults happen.
    pub(in crate::world) fn times(&self) -> Vec<Time> {
        self.times.iter().map(|(at, _)| *at).collect()
    }

    pub(in crate::world) const fn are_over(&self) -> bool {
        self.are_over
    }

    pub(in crate::world) fn end(&mut self) {
        self.are_over = true;
    }

    /// How many changes of the resource the settings of the next runtime are behind.
    pub(in crate::world) fn settings_behind(&mut self) -> usize {
        if !self.are_over && self.rng.random_bool(0.15) { self.rng.random_range(1..3) } else { 0 }
    }

    pub(super) fn seconds(&mut self, from: f64, to: f64) -> Duration {
        Duration::from_secs_f64(self.rng.random_range(from..to))
    }
}
