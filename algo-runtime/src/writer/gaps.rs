//! Reports gaps: a metric for all of them, and a limited number of log lines.

use super::Writer;
use crate::ledger::Gap;

/// Lines of a minute, at most. A feed that numbers sparsely leaves a gap before each of its quotes.
const MAX_LINES: u32 = 10;
const MINUTE_MICROS: i64 = 60_000_000;

/// Limits the lines. Pure.
#[derive(Debug, Default)]
pub(super) struct GapLog {
    /// Start of the minute that lines are counted in, microseconds since the epoch.
    minute: i64,
    lines: u32,
    /// Gaps without a line since the last line.
    untold: u64,
}

impl GapLog {
    /// Whether a gap seen now gets a line; then how many gaps before it had none.
    fn admit(&mut self, now_micros: i64) -> Option<u64> {
        // A clock that goes back must not silence the log for long.
        if !(self.minute..self.minute.saturating_add(MINUTE_MICROS)).contains(&now_micros) {
            (self.minute, self.lines) = (now_micros, 0);
        }
        if self.lines >= MAX_LINES {
            self.untold += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

impl Writer {
    /// Counts and logs gaps that were committed.
    pub(super) fn log_gaps(&mut self, gaps: &[Gap]) {
        for Gap { channel, source, first, last, seen_micros } in gaps {
            let missing = last.abs_diff(*first).saturating_add(1);
            self.metrics.missed(channel, missing);
            if let Some(untold) = self.gap_log.admit(*seen_micros) {
                tracing::warn!(channel, source, first, last, missing, untold, "sequence numbers are missing");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_ten_lines_and_the_next_one_counts_what_had_none() {
        let mut log = GapLog::default();
        let told = (0..25).filter(|second| log.admit(MINUTE_MICROS + second * 1_000_000).is_some()).count();
        assert_eq!(told, 10);
        assert_eq!(log.admit(2 * MINUTE_MICROS), Some(15));
        assert_eq!(log.admit(0), Some(0), "the clock went back");
    }
}
