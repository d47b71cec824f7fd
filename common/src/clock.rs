//! The wall clock, as an argument.

use jiff::{Timestamp, tz::TimeZone};

/// Tells the time. Everything that depends on the time takes one of these, so that tests can say what time it is.
pub trait Clock: Send + Sync {
    /// Microseconds since the Unix epoch.
    fn now_micros(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now_micros(&self) -> i64 {
        Timestamp::now().as_microsecond()
    }
}

/// RFC 3339 in UTC with milliseconds, as `2026-01-02T03:04:05.678Z`; finer digits are cut. A time outside the years that
/// RFC 3339 can write is shown as the nearest one.
pub fn rfc3339_millis(micros: i64) -> String {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let time = Timestamp::from_microsecond(micros).unwrap_or(nearest);
    // Flooring, so that a time before 1970 is not moved towards it.
    let millis = time.as_microsecond().rem_euclid(1_000_000) / 1_000;
    format!("{}.{millis:03}Z", time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339_millis(1_767_323_045_678_999), "2026-01-02T03:04:05.678Z");
        assert_eq!(rfc3339_millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339_millis(-1), "1969-12-31T23:59:59.999Z");
    }
}
