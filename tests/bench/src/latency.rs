//! Latencies from the scheduled publication of a quote to the arrival of a message about it.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::rate::float;

/// The scheduled times of quotes. A quote never waits for messages about earlier quotes (an open loop).
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Time of the first quote.
    pub start: Instant,
    /// Quotes a second.
    pub rate: u32,
    /// Quotes at the start. Their latencies do not count.
    pub warm_up: u64,
}

impl Schedule {
    /// Time of the quote with this number, from 1.
    pub fn due(&self, number: u64) -> Instant {
        let nanos = number.saturating_sub(1).saturating_mul(1_000_000_000) / u64::from(self.rate.max(1));
        self.start + Duration::from_nanos(nanos)
    }
}

/// A histogram of latencies in microseconds, with three significant digits.
#[derive(Debug)]
pub struct Latency {
    schedule: Schedule,
    histogram: Histogram<u64>,
}

impl Latency {
    /// Of no message yet.
    pub fn new(schedule: Schedule) -> anyhow::Result<Self> {
        Ok(Self { schedule, histogram: micros()? })
    }

    /// A message about the quote with this number came then.
    pub fn record(&mut self, number: u64, at: Instant) {
        if number > self.schedule.warm_up {
            record(&mut self.histogram, at.saturating_duration_since(self.schedule.due(number)));
        }
    }

    /// The latency that so many of a hundred messages do not exceed, microseconds.
    pub fn percentile(&self, percent: f64) -> f64 {
        percentile(&self.histogram, percent)
    }

    /// The longest one, microseconds.
    pub fn max(&self) -> f64 {
        float(self.histogram.max())
    }
}

/// An empty histogram of microseconds, up to an hour.
pub fn micros() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 3_600_000_000, 3)?)
}

/// Takes a duration into a histogram of microseconds.
pub fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}

/// A percentile of a histogram of microseconds.
pub fn percentile(histogram: &Histogram<u64>, percent: f64) -> f64 {
    float(histogram.value_at_quantile(percent / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_the_scheduled_time_without_the_warm_up() {
        let schedule = Schedule { start: Instant::now(), rate: 1_000, warm_up: 10 };
        assert_eq!(schedule.due(1), schedule.start);
        assert_eq!(schedule.due(2_001), schedule.start + Duration::from_secs(2));
        let mut latency = Latency::new(schedule).unwrap();
        latency.record(10, schedule.due(10) + Duration::from_secs(9));
        // Quotes 11 to 110 come together: those that were due earlier waited longer.
        for number in 11..=110 {
            latency.record(number, schedule.due(110));
        }
        assert!((latency.max() - 99_000.0).abs() < 100.0, "{}", latency.max());
        assert!((latency.percentile(50.0) - 49_000.0).abs() < 100.0, "{}", latency.percentile(50.0));
    }
}
