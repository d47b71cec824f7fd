//! Randomness of the tests: another seed at each run, named by the failure, and given back through `E2E_SEED`.

use rand::{SeedableRng as _, rngs::ChaCha8Rng};

/// A seed and its generator.
#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
pub fn pick() -> anyhow::Result<(u64, ChaCha8Rng)> {
    let seed = match std::env::var("E2E_SEED") {
        Ok(text) => text.parse()?,
        Err(_) => rand::random(),
    };
    Ok((seed, ChaCha8Rng::seed_from_u64(seed)))
}
