//! Reports denied signals: a metric for all of them, and a limited number of log lines.

use std::collections::BTreeMap;

use super::Writer;

/// Time between two lines about one reason.
const LOG_PAUSE_MICROS: i64 = 60_000_000;

/// Limits the lines: the first denial of each reason has one at once, later ones share a line a minute. Pure.
#[derive(Debug, Default)]
pub(super) struct DenialLog {
    reasons: BTreeMap<&'static str, LogState>,
}

#[derive(Debug)]
struct LogState {
    /// Time of the last line, microseconds since the epoch.
    last_micros: i64,
    /// Signals without a line since then.
    unlogged: u64,
}

impl DenialLog {
    /// Takes signals denied at a time; `Some`: a line is due, about so many signals.
    fn admit(&mut self, reason: &'static str, signals: u64, now_micros: i64) -> Option<u64> {
        let Some(state) = self.reasons.get_mut(reason) else {
            self.reasons.insert(reason, LogState { last_micros: now_micros, unlogged: 0 });
            return Some(signals);
        };
        state.unlogged = state.unlogged.saturating_add(signals);
        // A clock that goes back must not silence the log for long.
        if (state.last_micros..state.last_micros.saturating_add(LOG_PAUSE_MICROS)).contains(&now_micros) {
            return None;
        }
        state.last_micros = now_micros;
        Some(std::mem::take(&mut state.unlogged))
    }
}

impl Writer {
    /// Counts and logs the denials of the last commit.
    pub(super) fn log_denials(&mut self, now_micros: i64) {
        for (reason, denied) in self.engine.take_denials() {
            self.metrics.denied(reason, denied.signals);
            if let Some(signals) = self.denial_log.admit(reason, denied.signals, now_micros) {
                tracing::info!(reason, signals, sid = denied.sid, "signals denied");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_denial_of_a_reason_has_a_line_and_later_ones_share_one() {
        let mut log = DenialLog::default();
        assert_eq!(log.admit("NothingHeld", 2, 0), Some(2));
        assert_eq!(log.admit("NothingHeld", 3, 1), None);
        assert_eq!(log.admit("TooSmall", 1, 1), Some(1));
        assert_eq!(log.admit("NothingHeld", 4, LOG_PAUSE_MICROS - 1), None);
        assert_eq!(log.admit("NothingHeld", 1, LOG_PAUSE_MICROS), Some(8));
        assert_eq!(log.admit("NothingHeld", 1, LOG_PAUSE_MICROS + 1), None);
        assert_eq!(log.admit("NothingHeld", 1, 5), Some(2), "the clock went back");
    }
}
