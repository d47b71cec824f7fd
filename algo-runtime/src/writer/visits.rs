//! The bridges that delivered last, with the times.

use std::time::Duration;

use tokio::time::Instant;

/// Bridges that are remembered, at most.
const MAX_BRIDGES: usize = 16;

/// See the module. The bridge that delivered last is the last one.
#[derive(Debug)]
pub(super) struct Visits {
    heard: Vec<Visit>,
}

#[derive(Debug)]
struct Visit {
    run: u64,
    /// The time of the last delivery, at the latest.
    at: Instant,
    /// This runtime took the delivery, so that the time is exact.
    is_exact: bool,
}

impl Visits {
    /// `runs`: the bridges of the ledger's last outcomes. Another runtime may have taken deliveries of theirs until `now`.
    pub(super) fn new(runs: Vec<u64>, now: Instant) -> Self {
        Self { heard: runs.into_iter().map(|run| Visit { run, at: now, is_exact: false }).collect() }
    }

    /// A bridge delivered.
    pub(super) fn delivered(&mut self, run: u64, now: Instant) {
        self.heard.retain(|visit| visit.run != run);
        self.heard.push(Visit { run, at: now, is_exact: true });
        if self.heard.len() > MAX_BRIDGES {
            self.heard.remove(0);
        }
    }

    /// Time since another bridge than `run` delivered.
    pub(super) fn since_another(&self, run: u64, now: Instant) -> Option<Duration> {
        self.last_of_another(run).map(|visit| now.saturating_duration_since(visit.at))
    }

    /// Whether this runtime took a delivery of another bridge than `run` within the time `ago`.
    pub(super) fn has_another_since(&self, ago: Duration, run: u64, now: Instant) -> bool {
        let is_since = |visit: &Visit| visit.is_exact && now.saturating_duration_since(visit.at) <= ago;
        self.last_of_another(run).is_some_and(is_since)
    }

    fn last_of_another(&self, run: u64) -> Option<&Visit> {
        self.heard.iter().rev().find(|visit| visit.run != run)
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
        assert!(
            !visits.has_another_since(Duration::from_secs(1), 8, at(1)),
            "before the start of the runtime, perhaps"
        );
        visits.delivered(8, at(2));
        visits.delivered(7, at(3));
        visits.delivered(8, at(4));
        assert_eq!(visits.since_another(7, at(10)), Some(Duration::from_secs(6)));
        assert_eq!(visits.since_another(8, at(10)), Some(Duration::from_secs(7)));
        assert!(visits.has_another_since(Duration::from_secs(7), 8, at(10)));
        assert!(!visits.has_another_since(Duration::from_secs(6), 8, at(10)));
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
