//! The pause before the next attempt to connect, by the error of the last connection.

use std::time::Duration;

use intuition_common::backoff::Backoff;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use super::LinkError;

/// The pause after another client took the session: two clients that compete for it must not reconnect at full speed.
const TAKEN_OVER_PAUSE: Duration = Duration::from_secs(30);
/// The first and the longest pause if the broker may be back at any time.
const QUICK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The first and the longest pause if attempts count against the client: a refused login may lock the user out, and a
/// broker with too many connections needs no more of them.
const SLOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));

/// Growing pauses.
#[derive(Debug)]
pub struct Pauses {
    quick: Backoff,
    slow: Backoff,
    jitter: ChaCha8Rng,
}

impl Pauses {
    /// Pauses with jitter from a seed: two with one seed draw the same pauses for the same errors.
    pub fn seeded(seed: u64) -> Self {
        let mut jitter = ChaCha8Rng::seed_from_u64(seed);
        Self {
            quick: Backoff::new(QUICK.0, QUICK.1, jitter.random()),
            slow: Backoff::new(SLOW.0, SLOW.1, jitter.random()),
            jitter,
        }
    }

    /// The pause after a connection that ended, or could not be made, by this error.
    pub fn after(&mut self, error: &LinkError) -> Duration {
        if error.is_taken_over() {
            // Between 75 % and 125 %: two clients that took the session from each other would try in step.
            return TAKEN_OVER_PAUSE.mul_f64(0.75 + 0.5 * self.jitter.random::<f64>());
        }
        if error.is_refused_client() || error.is_overload() { self.slow.pause() } else { self.quick.pause() }
    }

    /// Starts over after a connection that lasted.
    pub const fn reset(&mut self) {
        self.quick.reset();
        self.slow.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    fn longest(error: &LinkError) -> Duration {
        let mut pauses = Pauses::seeded(1);
        (0..200).map(|_| pauses.after(error)).max().unwrap()
    }

    #[test]
    fn refused_login_and_too_many_clients_pause_for_minutes() {
        for code in [0x86, 0x87, 0x89, 0x8a, 0x8c, 0x97, 0x9f] {
            let pause = longest(&LinkError::Refuse(codes::code(code)));
            assert!(pause > Duration::from_mins(1) && pause <= Duration::from_mins(2), "{code:x}: {pause:?}");
        }
        for error in [LinkError::Reach("gone".into()), LinkError::Refuse(codes::code(0x88))] {
            assert!(longest(&error) <= Duration::from_secs(5), "{error}");
        }
    }

    #[test]
    fn pauses_after_a_takeover_differ() {
        let mut pauses = Pauses::seeded(1);
        let mut drawn = Vec::new();
        for _ in 0..20 {
            let pause = pauses.after(&LinkError::StandDown);
            assert!((Duration::from_millis(22_500)..=Duration::from_millis(37_500)).contains(&pause), "{pause:?}");
            drawn.push(pause);
        }
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 10, "{drawn:?}");
    }
}
