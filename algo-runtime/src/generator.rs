//! Reproducible randomness (`ChaCha8`) that survives restarts.

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};

/// The stream that algorithms draw from.
pub const ALGORITHM_STREAM: u64 = 0;
/// The stream that portfolio policies draw from: the same seed, so that one number reproduces a run.
pub const POLICY_STREAM: u64 = 1;

/// Bits of a draw: the significand of a binary double, so that [`Generator::unit`] is what `rand` gives as `f64`.
pub const DRAW_BITS: u32 = 53;

/// A random generator with a position that can be saved.
#[derive(Debug)]
pub struct Generator {
    /// The seed of the settings; `None`: they have none, and it began by chance.
    seed: Option<u64>,
    rng: ChaCha8Rng,
}

/// The saved form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saved {
    seed: Option<u64>,
    key: String,
    stream: u64,
    word_position: String,
}

impl Generator {
    /// Goes on where `saved` was, if it was seeded the same way; else begins anew: with `seed`, or with `chance` where the
    /// settings have no seed.
    pub fn resume(seed: Option<u64>, stream: u64, saved: Option<&[u8]>, chance: u64) -> Self {
        let known = saved.and_then(Self::restore).filter(|known| known.seed == seed);
        known.unwrap_or_else(|| Self::new(seed, stream, chance))
    }

    fn new(seed: Option<u64>, stream: u64, chance: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.unwrap_or(chance));
        rng.set_stream(stream);
        Self { seed, rng }
    }

    fn restore(saved: &[u8]) -> Option<Self> {
        let saved: Saved = serde_json::from_slice(saved).ok()?;
        let key: [u8; 32] = hex::decode(saved.key).ok()?.try_into().ok()?;
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(saved.stream);
        rng.set_word_pos(saved.word_position.parse().ok()?);
        Some(Self { seed: saved.seed, rng })
    }

    /// What [`Generator::resume`] takes.
    pub fn save(&self) -> Vec<u8> {
        let saved = Saved {
            seed: self.seed,
            key: hex::encode(self.rng.get_seed()),
            stream: self.rng.get_stream(),
            word_position: self.rng.get_word_pos().to_string(),
        };
        // Strings and numbers always serialize.
        serde_json::to_vec(&saved).unwrap_or_default()
    }

    /// The seed of the settings.
    pub const fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// A draw of [`DRAW_BITS`] bits.
    pub fn draw(&mut self) -> u64 {
        self.rng.next_u64() >> (u64::BITS - DRAW_BITS)
    }

    /// A draw from 0 up to, not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "a draw has just the bits of a double's significand")]
    pub fn unit(&mut self) -> f64 {
        self.draw() as f64 / (1_u64 << DRAW_BITS) as f64
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    #[test]
    fn a_seed_gives_the_numbers_that_rand_gives_for_it() {
        let mut ours = Generator::resume(Some(42), ALGORITHM_STREAM, None, 0);
        let mut theirs = ChaCha8Rng::seed_from_u64(42);
        for _ in 0..100 {
            assert_eq!(ours.unit().to_bits(), theirs.random::<f64>().to_bits());
        }
    }

    #[test]
    fn a_saved_generator_goes_on_where_it_was() {
        for seed in [Some(7), None] {
            let mut running = Generator::resume(seed, POLICY_STREAM, None, 0);
            running.draw();
            let mut resumed = Generator::resume(seed, POLICY_STREAM, Some(&running.save()), 1);
            assert_eq!(running.draw(), resumed.draw());
        }
    }

    #[test]
    fn another_seed_or_an_unreadable_state_begins_anew() {
        let mut first = Generator::resume(Some(1), ALGORITHM_STREAM, None, 0);
        let fresh = first.draw();
        assert_eq!(Generator::resume(Some(1), ALGORITHM_STREAM, Some(b"rubbish"), 0).draw(), fresh);
        assert_ne!(Generator::resume(Some(2), ALGORITHM_STREAM, Some(&first.save()), 0).draw(), fresh);
    }

    #[test]
    fn the_two_streams_of_a_seed_differ() {
        let mut algorithm = Generator::resume(Some(1), ALGORITHM_STREAM, None, 0);
        let mut policy = Generator::resume(Some(1), POLICY_STREAM, None, 0);
        assert_ne!(algorithm.draw(), policy.draw());
    }
}
