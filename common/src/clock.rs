//! The wall clock, as an argument.

use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};
use tokio::time::Instant;

/// A clock. Code that depends on the time takes one as an argument, so that tests can set the time.
pub trait Clock: Send + Sync {
    /// Microseconds since the Unix epoch.
    fn now_micros(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the wall clock")]
    fn now_micros(&self) -> i64 {
        micros(SystemTime::now())
    }
}

/// One reading of both clocks, as an argument of code that depends on the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time of the monotonic clock: for deadlines and pauses.
    pub instant: Instant,
    /// Time of the wall clock, microseconds since the Unix epoch: for records and displays. It may jump.
    pub micros: i64,
}

impl Now {
    /// Reads both clocks.
    #[expect(clippy::disallowed_methods, reason = "the only reading of the clock")]
    pub fn read(clock: &dyn Clock) -> Self {
        Self { instant: Instant::now(), micros: clock.now_micros() }
    }
}

/// Microseconds since the Unix epoch. A time outside the years -9999 to 9999 becomes the nearest one inside, since no calendar
/// format can write it.
fn micros(time: SystemTime) -> i64 {
    let nearest = if time < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(time).unwrap_or(nearest).as_microsecond()
}

/// RFC 3339 in UTC with milliseconds, as `2026-01-02T03:04:05.678Z`; finer digits are cut. A time outside the years that
/// RFC 3339 can write is shown as the nearest one.
pub fn rfc3339_millis(micros: i64) -> String {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let time = Timestamp::from_microsecond(micros).unwrap_or(nearest);
    // Flooring, so that a time before 1970 is not moved towards it.
    let millis = time.as_microsecond().rem_euclid(1_000_000) / 1_000;
    let at = TimeZone::UTC.to_datetime(time);
    let (Ok(year), Ok(millis)) = (u32::try_from(at.year()), u32::try_from(millis)) else {
        return format!("{}.{millis:03}Z", at.strftime("%Y-%m-%dT%H:%M:%S"));
    };
    // Every decision has such a time, and the machinery of formats takes most of writing it.
    let parts = [
        (year, 4, '-'),
        (at.month().unsigned_abs().into(), 2, '-'),
        (at.day().unsigned_abs().into(), 2, 'T'),
        (at.hour().unsigned_abs().into(), 2, ':'),
        (at.minute().unsigned_abs().into(), 2, ':'),
        (at.second().unsigned_abs().into(), 2, '.'),
        (millis, 3, 'Z'),
    ];
    let mut text = String::with_capacity("2026-01-02T03:04:05.678Z".len());
    for (number, digits, behind) in parts {
        for place in (0..digits).rev() {
            text.extend(char::from_digit(number / 10_u32.pow(place) % 10, 10));
        }
        text.push(behind);
    }
    text
}

/// The same with microseconds, as `2026-01-02T03:04:05.678901Z`.
pub fn rfc3339_micros(micros: i64) -> String {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let micros = Timestamp::from_microsecond(micros).unwrap_or(nearest).as_microsecond();
    let millis = rfc3339_millis(micros);
    format!("{}{:03}Z", millis.trim_end_matches('Z'), micros.rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_beyond_the_calendar_shows_its_last_day() {
        use std::time::Duration;
        let years = |years: u64| Duration::from_secs(years * 366 * 86_400);
        for far in [8_100, 20_000] {
            assert_eq!(micros(SystemTime::UNIX_EPOCH + years(far)), Timestamp::MAX.as_microsecond());
        }
        assert_eq!(micros(SystemTime::UNIX_EPOCH - years(20_000)), Timestamp::MIN.as_microsecond());
        assert_eq!(micros(SystemTime::UNIX_EPOCH + Duration::from_micros(7)), 7);
    }

    #[test]
    fn a_time_has_the_digits_that_the_calendar_formats() {
        let first_of_year_0 = -62_167_219_200_000_000;
        for micros in [i64::MIN, first_of_year_0 - 1, first_of_year_0, -1, 0, 951_782_400_123_456, i64::MAX] {
            let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
            let time = Timestamp::from_microsecond(micros).unwrap_or(nearest);
            let millis = time.as_microsecond().rem_euclid(1_000_000) / 1_000;
            let formatted = time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string();
            assert_eq!(rfc3339_millis(micros), format!("{formatted}.{millis:03}Z"), "{micros}");
        }
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339_millis(1_767_323_045_678_999), "2026-01-02T03:04:05.678Z");
        assert_eq!(rfc3339_millis(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339_millis(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339_millis(i64::MAX), "9999-12-30T22:00:00.999Z");
        assert_eq!(rfc3339_micros(1_767_323_045_678_009), "2026-01-02T03:04:05.678009Z");
        assert_eq!(rfc3339_micros(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(rfc3339_micros(i64::MAX), "9999-12-30T22:00:00.999999Z");
    }
}
