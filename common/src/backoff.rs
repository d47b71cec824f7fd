//! Pauses between attempts: exponential, capped, with full jitter, so that many clients of one broker that went away do
//! not come back in step (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

/// A growing pause.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
    jitter: ChaCha8Rng,
}

impl Backoff {
    /// Pauses of up to `first`, then up to twice that, and so on up to `longest`. Two with one seed draw the same pauses.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, attempts: 0, jitter: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The next pause: at least half the first one, so that a failing attempt never spins.
    pub fn pause(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.attempts = self.attempts.saturating_add(1);
        let floor = (self.first / 2).min(ceiling);
        floor + ceiling.saturating_sub(floor).mul_f64(self.jitter.random::<f64>())
    }

    /// Starts over after a success.
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }

    fn ceiling(&self) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(self.attempts)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_start_over_after_a_success() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, longest, 1);
        assert!((first / 2..=first).contains(&backoff.pause()));
        for _ in 0..100 {
            assert!((first / 2..=longest).contains(&backoff.pause()));
        }
        assert_eq!(backoff.ceiling(), longest);
        backoff.reset();
        assert_eq!(backoff.ceiling(), first);
    }

    #[test]
    fn pauses_of_one_seed_are_the_same() {
        let drawn = |seed| {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), seed);
            (0..20).map(|_| backoff.pause()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
