//! The bridges that delivered last, with the times.

use std::time::Duration;

use tokio::time::Instant;

/// Bridges that are remembered, at most.
const MAX_BRIDGES: usize = 16;

/// See the module. The bridge that delivered last is the last one.
#[derive(Debug)]
pub(super) struct Visits {
    heard: Vec<(u64, Instant)>,
}

impl Visits {
    /// `runs`: the bridges of the ledger's last outcomes. Another runtime may have taken deliveries of theirs until `now`.
    pub(super) fn new(runs: Vec<u64>, now: Instant) -> Self {
        Self { heard: runs.into_iter().map(|run| (run, now)).collect() }
    }

    /// A bridge delivered.
    pub(super) fn delivered(&mut self, run: u64, now: Instant) {
        self.heard.retain(|(known, _)| *known != run);
        self.heard.push((run, now));
        if self.heard.len() > MAX_BRIDGES {
            self.heard.remove(0);
        }
    }

    /// Time since another bridge than `run` delivered.
    pub(super) fn since_another(&self, run: u64, now: Instant) -> Option<Duration> {
        let mut others = self.heard.iter().rev().filter(|(known, _)| *known != run);
        others.next().map(|(_, at)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_delivery_of_another_bridge_counts() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut visits = Visits::new(vec![7], start);
        assert_eq!(visits.since_another(7, at(1)), None);
        assert_eq!(visits.since_another(8, at(1)), Some(Duration::from_secs(1)), "up to the start of the runtime");
        visits.delivered(8, at(2));
        visits.delivered(7, at(3));
        visits.delivered(8, at(4));
        assert_eq!(visits.since_another(7, at(10)), Some(Duration::from_secs(6)));
        assert_eq!(visits.since_another(8, at(10)), Some(Duration::from_secs(7)));
    }

    #[test]
    fn bridges_are_forgotten_beyond_a_bound() {
        let now = Instant::now();
        let mut visits = Visits::new(Vec::new(), now);
        for run in 0..1_000 {
            visits.delivered(run, now);
        }
        assert_eq!(visits.heard.len(), MAX_BRIDGES);
    }
}
