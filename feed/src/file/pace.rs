//! The times at which the rows of a file are published. Pure.

use std::time::Duration;

use intuition_resources::Speed;
use tokio::time::Instant;

/// The pace of a replay.
#[derive(Debug)]
pub(super) struct Pace {
    speed: Speed,
    /// The first row of the run: when it was published, and its own time.
    first: Option<(Instant, i64)>,
}

impl Pace {
    pub(super) const fn new(speed: Speed) -> Self {
        Self { speed, first: None }
    }

    /// When a row with this time, in microseconds, is due; `None`: at once.
    pub(super) fn due(&mut self, time_micros: i64, now: Instant) -> Option<Instant> {
        let Speed::Times(times) = self.speed else { return None };
        let (start, first) = *self.first.get_or_insert((now, time_micros));
        let after = time_micros.saturating_sub(first).max(0).unsigned_abs() / u64::from(times.max(1));
        // A time beyond the clock is never reached.
        start.checked_add(Duration::from_micros(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_distances_divided_by_the_speed() {
        let now = Instant::now();
        let mut pace = Pace::new(Speed::Times(60));
        let micros = |seconds: i64| 951_868_800_000_000 + seconds * 1_000_000;
        assert_eq!(pace.due(micros(0), now), Some(now));
        assert_eq!(pace.due(micros(3_600), now), Some(now + Duration::from_mins(1)));
        assert_eq!(pace.due(micros(90), now), Some(now + Duration::from_millis(1_500)));
        assert_eq!(pace.due(micros(-5), now), Some(now), "a row that goes back waits for nothing");
        assert_eq!(Pace::new(Speed::Max).due(micros(3_600), now), None);
    }
}
