//! Delays and partitions. A connection keeps the order of its packets (TCP), and loses packets only when it ends.

use std::time::Duration;

use rand::{RngExt as _, rngs::ChaCha8Rng, seq::IndexedRandom as _};

use crate::{facts::Time, plan::Scale};

/// Two ends that can be separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    BridgeAndBroker,
    BridgeAndRuntime,
    OperatorAndRuntime,
}

/// What becomes of a publication and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Both arrive.
    Arrives,
    /// The publication does not.
    Lost,
    /// The answer does not.
    AnswerLost,
}

/// One direction of a connection: the time of the last arrival.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pipe(Time);

/// See the module.
pub(super) struct Network {
    rng: ChaCha8Rng,
    /// Typical delay of one way.
    delay: Duration,
    /// Share of publications of publishers that are lost, and of answers.
    losses: f64,
    partitions: [Time; 3],
}

impl Network {
    pub(super) fn new(mut rng: ChaCha8Rng, scale: Scale) -> Self {
        let delay = Duration::from_micros([50, 300, 2_000, 20_000].choose(&mut rng).copied().unwrap_or(300));
        // A large backlog would take hours at a broker with a window of 2.
        let delay = if scale == Scale::Real { delay.min(Duration::from_micros(50)) } else { delay };
        let losses = if rng.random_bool(0.5) { 0.0 } else { rng.random_range(0.0..0.1) };
        Self { rng, delay, losses, partitions: [Time::ZERO; 3] }
    }

    /// Separates two ends until then: what is sent waits.
    pub(super) fn separate(&mut self, between: Between, until: Time) {
        let slot = self.slot(between);
        *slot = (*slot).max(until);
    }

    /// All partitions and losses end.
    pub(super) fn heal(&mut self) {
        self.partitions = [Time::ZERO; 3];
        self.losses = 0.0;
    }

    /// Until when two ends are separated.
    pub(super) fn separated_until(&mut self, between: Between) -> Time {
        *self.slot(between)
    }

    /// When something that is sent now arrives.
    pub(super) fn arrival(&mut self, between: Between, pipe: &mut Pipe, now: Time) -> Time {
        let from = now.max(self.separated_until(between));
        pipe.0 = pipe.0.max(from + self.one_way());
        pipe.0
    }

    /// When a call that keeps no order arrives.
    pub(super) fn call_arrival(&mut self, now: Time) -> Time {
        let from = now.max(self.separated_until(Between::OperatorAndRuntime));
        from + self.one_way()
    }

    pub(super) fn one_way(&mut self) -> Duration {
        let factor = if self.rng.random_bool(0.01) { 50.0 } else { self.rng.random_range(0.5..3.0) };
        self.delay.mul_f64(factor)
    }

    pub(super) fn round_trip(&mut self) -> Duration {
        self.one_way() + self.one_way()
    }

    pub(super) fn fate_of_publication(&mut self) -> Fate {
        if !self.rng.random_bool(self.losses) {
            return Fate::Arrives;
        }
        if self.rng.random_bool(0.5) { Fate::Lost } else { Fate::AnswerLost }
    }

    /// A draw for the rest of the network.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// A time to wait.
    pub(super) fn within(&mut self, from: Duration, to: Duration) -> Duration {
        from + to.saturating_sub(from).mul_f64(self.rng.random::<f64>())
    }

    /// Packets that a socket takes at once.
    pub(super) fn burst(&mut self) -> usize {
        if self.rng.random_bool(0.2) { self.rng.random_range(1..4) } else { 64 }
    }

    fn slot(&mut self, between: Between) -> &mut Time {
        let [first, second, third] = &mut self.partitions;
        match between {
            Between::BridgeAndBroker => first,
            Between::BridgeAndRuntime => second,
            Between::OperatorAndRuntime => third,
        }
    }
}
