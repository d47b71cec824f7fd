//! The rate of publishing after a broker that left publications without an answer. Pure.
//!
//! A broker that throttles a client stops to read from it. At full speed the client would fill its window again and lose the
//! next connection too. So the rate is halved, and grows again by the same amount each second in which PUBACKs come.

use std::time::Duration;

use tokio::time::Instant;

/// The rate is measured over the PUBACKs of this time.
const RATE_WINDOW: Duration = Duration::from_secs(1);
/// No limit is below this, messages per second: an account of few decisions has a low rate by nature.
const LOWEST: f64 = 10.0;
/// Seconds with PUBACKs until the rate before is reached again.
const SECONDS_TO_GROW: f64 = 30.0;
/// The limit is dropped at this multiple of the previous rate.
const VOID: f64 = 8.0;
/// Messages that may go at once, as a part of those of a second.
const BURST: f64 = 0.1;

/// See the module.
#[derive(Debug)]
pub(super) struct Rate {
    /// PUBACKs since the window began.
    counted: u32,
    since: Option<Instant>,
    /// PUBACKs per second in the last window.
    measured: f64,
    limit: Option<Limit>,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Messages per second.
    per_second: f64,
    /// Added to the limit in each window with PUBACKs.
    step: f64,
    void_above: f64,
    tokens: f64,
    refilled: Instant,
}

impl Limit {
    fn refill(&mut self, now: Instant) {
        let earned = now.saturating_duration_since(self.refilled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + earned).min((self.per_second * BURST).max(1.0));
        self.refilled = now;
    }
}

impl Rate {
    /// No limit.
    pub(super) const fn new() -> Self {
        Self { counted: 0, since: None, measured: 0.0, limit: None }
    }

    /// The broker has answered a publication.
    pub(super) fn answered(&mut self, now: Instant) {
        self.counted = self.counted.saturating_add(1);
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed < RATE_WINDOW {
            return;
        }
        self.measured = f64::from(self.counted) / elapsed.as_secs_f64();
        (self.counted, self.since) = (0, Some(now));
        if let Some(limit) = &mut self.limit {
            limit.refill(now);
            limit.per_second += limit.step;
        }
        self.limit.take_if(|limit| limit.per_second > limit.void_above);
    }

    /// A connection ended because the broker did not answer in time.
    pub(super) fn halve(&mut self, now: Instant) {
        let before = self.limit.map_or(self.measured, |limit| limit.per_second.min(self.measured));
        let before = before.max(2.0 * LOWEST);
        let limit = Limit {
            per_second: before / 2.0,
            step: before / 2.0 / SECONDS_TO_GROW,
            void_above: before * VOID,
            tokens: 1.0,
            refilled: now,
        };
        tracing::warn!(
            messages_per_second = limit.per_second,
            "the broker did not answer publications in time; the bridge sends at half the rate from now on"
        );
        self.limit = Some(limit);
        (self.counted, self.since) = (0, None);
    }

    /// Whether a message may be sent now.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        self.limit.as_mut().is_none_or(|limit| {
            limit.refill(now);
            limit.tokens >= 1.0
        })
    }

    /// A message was sent.
    pub(super) fn sent(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.tokens -= 1.0;
        }
    }

    /// When the next message may be sent. `None`: now.
    pub(super) fn next(&self) -> Option<Instant> {
        let limit = self.limit.filter(|limit| limit.tokens < 1.0)?;
        // A little later, so that rounding does not wake too early.
        let pause = Duration::from_secs_f64((1.0 - limit.tokens) / limit.per_second) + Duration::from_millis(1);
        Some(limit.refilled + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends and answers as many messages as the rate allows, of at most `offered` per second. Returns how many in each second.
    fn run(rate: &mut Rate, from: Instant, seconds: u64, offered: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        for second in 0..seconds {
            let mut count = 0;
            for message in 0..offered {
                let now = from + Duration::from_secs(second) + Duration::from_micros(message * 1_000_000 / offered);
                if rate.allows(now) {
                    rate.sent();
                    rate.answered(now);
                    count += 1;
                }
            }
            sent.push(count);
        }
        sent
    }

    #[test]
    fn rate_is_halved_and_grows_slowly_until_it_is_unlimited() {
        let (mut rate, start) = (Rate::new(), Instant::now());
        assert_eq!(run(&mut rate, start, 3, 1_000), [1_000; 3], "no limit at first");
        let later = start + Duration::from_secs(40);
        rate.halve(later);
        let sent = run(&mut rate, later, 500, 10_000);
        assert!((490..=560).contains(&sent[0]), "{sent:?}");
        assert!(sent.is_sorted_by(|one, next| *next + 2 >= *one), "{sent:?}");
        assert!((950..=1_100).contains(&sent[30]), "{sent:?}");
        assert!(sent[200] < 5_000 && sent.last() == Some(&10_000), "{sent:?}");
    }

    #[test]
    fn further_silence_halves_again_down_to_the_lowest_rate() {
        let (mut rate, start) = (Rate::new(), Instant::now());
        run(&mut rate, start, 3, 1_000);
        for attempt in 1..10 {
            rate.halve(start + Duration::from_secs(40 * attempt));
        }
        let from = start + Duration::from_secs(500);
        assert!(rate.allows(from));
        let sent = run(&mut rate, from, 1, 1_000)[0];
        assert!((9..=25).contains(&sent), "{sent}");
    }

    #[test]
    fn next_message_may_be_sent_at_the_time_that_is_given() {
        let (mut rate, start) = (Rate::new(), Instant::now());
        rate.halve(start);
        assert_eq!(rate.next(), None);
        assert!(rate.allows(start));
        rate.sent();
        assert!(!rate.allows(start));
        let next = rate.next().unwrap();
        assert!(next > start + Duration::from_millis(90) && rate.allows(next));
    }
}
