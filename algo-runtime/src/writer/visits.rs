//! The bridges that delivered last, with the times.

use std::time::Duration;

use tokio::time::Instant;

/// Bridges that are remembered, at most.
const MAX_BRIDGES: usize = 16;

/// The last delivery of another bridge, against a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Another {
    /// There is none.
    Never,
    /// It was earlier. Its name.
    Before(u64),
    /// It was at that time or later.
    Since,
    /// It was before the start of the runtime, which is later than that time.
    Unknown,
}

/// See the module. The bridge that delivered last is the last one.
#[derive(Debug)]
pub(super) struct Visits {
    heard: Vec<Visit>,
    /// The name of the last delivery. Each one has another.
    last: u64,
}

#[derive(Debug)]
struct Visit {
    run: u64,
    /// The name of the last delivery.
    name: u64,
    /// The time of the last delivery, at the latest.
    at: Instant,
    /// This runtime took the delivery, so that the time is exact.
    is_exact: bool,
}

impl Visits {
    /// `runs`: the bridges of the ledger's last outcomes. Another runtime may have taken deliveries of theirs until `now`.
    /// `name`: a random number, so that names of an earlier runtime mean nothing to this one.
    pub(super) fn new(runs: Vec<u64>, name: u64, now: Instant) -> Self {
        Self { heard: runs.into_iter().map(|run| Visit { run, name, at: now, is_exact: false }).collect(), last: name }
    }

    /// A bridge delivered.
    pub(super) fn delivered(&mut self, run: u64, now: Instant) {
        self.heard.retain(|visit| visit.run != run);
        self.last = self.last.wrapping_add(1);
        self.heard.push(Visit { run, name: self.last, at: now, is_exact: true });
        if self.heard.len() > MAX_BRIDGES {
            self.heard.remove(0);
        }
    }

    /// Time since another bridge than `run` delivered.
    pub(super) fn since_another(&self, run: u64, now: Instant) -> Option<Duration> {
        self.last_of_another(run).map(|visit| now.saturating_duration_since(visit.at))
    }

    /// The last delivery of another bridge than `run`, against the time `ago`.
    pub(super) fn another(&self, ago: Duration, run: u64, now: Instant) -> Another {
        match self.last_of_another(run) {
            None => Another::Never,
            Some(visit) if now.saturating_duration_since(visit.at) > ago => Another::Before(visit.name),
            Some(visit) if visit.is_exact => Another::Since,
            Some(_) => Another::Unknown,
        }
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
        let mut visits = Visits::new(vec![7], u64::MAX, start);
        assert_eq!(visits.since_another(7, at(1)), None);
        assert_eq!(visits.since_another(8, at(1)), Some(Duration::from_secs(1)), "up to the start of the runtime");
        let another = |visits: &Visits, ago, run, seconds| visits.another(Duration::from_secs(ago), run, at(seconds));
        assert_eq!(another(&visits, 1, 8, 1), Another::Unknown);
        assert_eq!(another(&visits, 1, 8, 2), Another::Before(u64::MAX));
        assert_eq!(another(&visits, 1, 7, 1), Another::Never);
        visits.delivered(8, at(2));
        visits.delivered(7, at(3));
        visits.delivered(8, at(4));
        assert_eq!(visits.since_another(7, at(10)), Some(Duration::from_secs(6)));
        assert_eq!(visits.since_another(8, at(10)), Some(Duration::from_secs(7)));
        assert_eq!(another(&visits, 7, 8, 10), Another::Since);
        assert_eq!(another(&visits, 6, 8, 10), Another::Before(1));
        visits.delivered(8, at(11));
        assert_eq!(another(&visits, 6, 8, 11), Another::Before(1), "the same one");
        visits.delivered(7, at(11));
        assert_eq!(another(&visits, 6, 8, 20), Another::Before(4));
    }

    #[test]
    fn bridges_are_forgotten_beyond_a_bound() {
        let now = Instant::now();
        let mut visits = Visits::new(Vec::new(), 0, now);
        for run in 0..1_000 {
            visits.delivered(run, now);
        }
        assert_eq!(visits.heard.len(), MAX_BRIDGES);
    }
}
