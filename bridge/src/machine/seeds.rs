//! All randomness of a bridge, from one seed.

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

/// Numbers that are drawn once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds {
    /// Names the run.
    pub(super) run: u64,
    /// Part of the client id of a temporary session.
    pub(super) client: u32,
    /// Seed of the pauses between attempts to open a stream to the runtime.
    pub(super) stream: u64,
    /// Seed of the pauses between attempts at a refused decision.
    pub(super) publisher: u64,
    /// Seed of the pauses between attempts at refused subscriptions.
    pub(super) subscriber: u64,
    /// Subscription identifiers follow this number.
    pub(super) subscription_id: u32,
}

impl Seeds {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            run: random.random(),
            client: random.random(),
            stream: random.random(),
            publisher: random.random(),
            subscriber: random.random(),
            subscription_id: random.random(),
        }
    }
}
