//! Times as files write them: one way in all rows of a file, which the first row shows.

use intuition_api::epoch;
pub use intuition_api::epoch::Unit;
use intuition_common::civil::{self, Civil};
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

/// The way in which times are written, as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// Numbers since 1970, of any magnitude.
    Epoch(Unit),
    /// A pattern such as `%d/%m/%Y %H:%M`.
    Pattern(String),
}

impl std::str::FromStr for TimeFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(unit) = Unit::ALL.into_iter().find(|unit| unit.name() == text) {
            return Ok(Self::Epoch(unit));
        }
        if text.contains('%') {
            Ok(Self::Pattern(text.to_owned()))
        } else {
            Err("must be seconds, milliseconds, microseconds, nanoseconds, or a pattern such as %d/%m/%Y %H:%M")
        }
    }
}

/// The way in which a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A number since 1970.
    Epoch(Unit),
    /// A date alone; with its separator, if it has one.
    Date(Option<char>),
    /// A date and a time of day without a zone.
    Local(Option<char>),
    /// A date and a time of day with a zone or an offset.
    Zoned,
    /// By the pattern of a user; whether it has a time of day without a zone.
    Pattern,
}

impl Written {
    /// For a person.
    pub fn describe(self) -> String {
        match self {
            Self::Epoch(unit) => format!("{} since 1970", unit.name()),
            Self::Date(Some(separator)) => format!("a date as in 2026{separator}01{separator}02"),
            Self::Date(None) => "a date as in 20260102".to_owned(),
            Self::Local(Some(separator)) => format!("2026{separator}01{separator}02 09:30:00, without a zone"),
            Self::Local(None) => "20260102 093000, without a zone".to_owned(),
            Self::Zoned => "a time with its zone, as in 2026-01-02T09:30:00Z".to_owned(),
            Self::Pattern => "the pattern of --time-format".to_owned(),
        }
    }
}

/// Reads the times of one file.
#[derive(Debug)]
pub(crate) struct Times {
    format: Option<TimeFormat>,
    zone: Option<TimeZone>,
    /// The way of the first time, and its line.
    first: Option<(Written, u64)>,
}

impl Times {
    pub(crate) const fn new(format: Option<TimeFormat>, zone: Option<TimeZone>) -> Self {
        Self { format, zone, first: None }
    }

    /// The way in which the file writes times; `None` before the first.
    pub(crate) fn written(&self) -> Option<Written> {
        self.first.map(|(written, _)| written)
    }

    /// Whether times of day were read as UTC because neither they nor the options name a zone.
    pub(crate) fn is_zone_assumed(&self) -> bool {
        let by_pattern = matches!(&self.format, Some(TimeFormat::Pattern(pattern)) if !has_zone(pattern) && has_time_of_day(pattern));
        let is_local = matches!(self.written(), Some(Written::Local(_))) || (by_pattern && self.first.is_some());
        is_local && self.zone.is_none()
    }

    /// Microseconds since 1970, or the complaint about the value.
    pub(crate) fn read(&mut self, text: &str, line: u64) -> Result<i64, String> {
        let zone = self.zone.as_ref().unwrap_or(const { &TimeZone::UTC });
        let (written, micros) = match &self.format {
            Some(TimeFormat::Epoch(unit)) => (Written::Epoch(*unit), fixed_epoch(text, *unit)?),
            Some(TimeFormat::Pattern(pattern)) => (Written::Pattern, by_pattern(text, pattern, zone)?),
            None => recognised(text, zone)?,
        };
        let (first, of) = *self.first.get_or_insert((written, line));
        if first != written {
            return Err(format!(
                "is {}, and line {of} has {}: a file writes its times one way",
                written.describe(),
                first.describe()
            ));
        }
        Ok(micros)
    }
}

/// Whether text is a time that is recognised by itself.
pub(crate) fn is_time(text: &str) -> bool {
    recognised(text, const { &TimeZone::UTC }).is_ok()
}

/// Whether text is a number since 1970 in one of the units.
pub(crate) fn is_epoch(text: &str) -> bool {
    epoch(text).is_some()
}

const UNKNOWN: &str = "is neither a date, nor a time, nor a number since 1970 between 1990 and 2100: --time-format names its form, \
                       --time-column another column";

fn recognised(text: &str, zone: &TimeZone) -> Result<(Written, i64), String> {
    if let Some((unit, micros)) = epoch(text) {
        return Ok((Written::Epoch(unit), micros));
    }
    if let Some(civil) = Civil::parse(text) {
        let civil = civil?;
        let separator = civil.separator;
        let written = if civil.time.is_some() { Written::Local(separator) } else { Written::Date(separator) };
        return Ok((written, civil::micros(civil.date_time(), zone)?));
    }
    let standard = text.strip_suffix(" UTC").map(|text| format!("{text}Z"));
    let moment: Timestamp = standard.as_deref().unwrap_or(text).parse().map_err(|_| UNKNOWN.to_owned())?;
    Ok((Written::Zoned, moment.as_microsecond()))
}

/// A number since 1970. Of the notations of numbers, files have digits and a point alone.
fn epoch(text: &str) -> Option<(Unit, i64)> {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.').then(|| epoch::recognised(text)).flatten()
}

fn fixed_epoch(text: &str, unit: Unit) -> Result<i64, String> {
    let micros = unit.micros(text).filter(|micros| Timestamp::from_microsecond(*micros).is_ok());
    micros.ok_or_else(|| format!("is no number of {} since 1970", unit.name()))
}

fn by_pattern(text: &str, pattern: &str, zone: &TimeZone) -> Result<i64, String> {
    let refused = |error: jiff::Error| format!("does not fit --time-format {pattern:?}: {error}");
    let parsed = strtime::parse(pattern, text).map_err(refused)?;
    if has_zone(pattern) {
        return parsed.to_timestamp().map(Timestamp::as_microsecond).map_err(refused);
    }
    let date = parsed.to_date().map_err(refused)?;
    let moment = parsed.to_datetime().unwrap_or_else(|_| date.at(0, 0, 0, 0));
    civil::micros(moment, zone).map_err(str::to_owned)
}

fn has_zone(pattern: &str) -> bool {
    ["%z", "%:z", "%Q", "%Z", "%s"].iter().any(|directive| pattern.contains(directive))
}

fn has_time_of_day(pattern: &str) -> bool {
    ["%H", "%I", "%k", "%l", "%T", "%R", "%c", "%r", "%X"].iter().any(|directive| pattern.contains(directive))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let micros = Times::new(None, None).read(text, 1)?;
        Ok(Timestamp::from_microsecond(micros).unwrap().to_string())
    }

    #[test]
    fn dates_times_and_numbers_are_recognised() {
        for (text, expected) in [
            ("2024-05-06", "2024-05-06T00:00:00Z"),
            ("2024/05/06", "2024-05-06T00:00:00Z"),
            ("2024.05.06", "2024-05-06T00:00:00Z"),
            ("20240506", "2024-05-06T00:00:00Z"),
            ("1928-01-03", "1928-01-03T00:00:00Z"),
            ("2024-05-06 09:30", "2024-05-06T09:30:00Z"),
            ("2024-05-06 09:30:00", "2024-05-06T09:30:00Z"),
            ("2024-05-06T09:30:00.125", "2024-05-06T09:30:00.125Z"),
            ("2024.05.06 09:30", "2024-05-06T09:30:00Z"),
            ("20240506 093000", "2024-05-06T09:30:00Z"),
            ("20240506093000", "2024-05-06T09:30:00Z"),
            ("202405060930", "2024-05-06T09:30:00Z"),
            ("2024-05-06T09:30:60", "2024-05-06T09:30:59Z"),
            ("2024-05-06T09:30:00Z", "2024-05-06T09:30:00Z"),
            ("2024-05-06 09:30:00 UTC", "2024-05-06T09:30:00Z"),
            ("2024-05-06 09:30:00-04:00", "2024-05-06T13:30:00Z"),
            ("2024-05-06T09:30:00-04:00[America/New_York]", "2024-05-06T13:30:00Z"),
            ("1741064760", "2025-03-04T05:06:00Z"),
            ("1741064760.5", "2025-03-04T05:06:00.5Z"),
            ("1741064760000", "2025-03-04T05:06:00Z"),
            ("1741064760000001", "2025-03-04T05:06:00.000001Z"),
            ("1741064760000001999", "2025-03-04T05:06:00.000001Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused_with_the_options_that_help() {
        for text in [
            "",
            "06/05/2024",
            "5",
            "1.74E+12",
            "-1741064760",
            "2024-13-01",
            "2024-05-06x",
            "May 6 2024",
            "09:30",
            "2024",
        ] {
            assert!(read(text).unwrap_err().contains("--time-format"), "{text}");
        }
        assert_eq!(read("2024-05-06 25:00").unwrap_err(), "has a time of day that does not exist");
    }

    #[test]
    fn a_file_writes_its_times_one_way() {
        for (first, second) in [
            ("2024-05-06", "2024-05-06 09:30"),
            ("2024-05-06", "20240507"),
            ("1741064760", "1741064760000"),
            ("2024-05-06 09:30", "2024-05-06 09:30:00Z"),
            ("2024-05-06 09:30", "2024/05/06 09:30"),
        ] {
            let mut times = Times::new(None, None);
            times.read(first, 2).unwrap();
            let complaint = times.read(second, 7).unwrap_err();
            assert!(complaint.contains("and line 2 has"), "{complaint}");
        }
        let mut times = Times::new(None, None);
        for text in ["2024-05-06 09:30", "2024-05-06 09:30:01", "2024-05-06 09:30:01.5"] {
            times.read(text, 1).unwrap();
        }
    }

    #[test]
    fn a_zone_counts_for_times_without_one_and_is_otherwise_assumed() {
        let new_york = TimeZone::get("America/New_York").unwrap();
        let mut times = Times::new(None, Some(new_york));
        assert_eq!(times.read("2024-05-06 09:30:00", 1), Ok(1_715_002_200_000_000));
        assert!(!times.is_zone_assumed());
        let mut times = Times::new(None, None);
        assert!(!times.is_zone_assumed());
        times.read("2024-05-06 09:30:00", 1).unwrap();
        assert!(times.is_zone_assumed());
        let mut dates = Times::new(None, None);
        dates.read("2024-05-06", 1).unwrap();
        assert!(!dates.is_zone_assumed());
    }

    #[test]
    fn a_format_is_a_unit_or_a_pattern() {
        let read = |format: &str, text: &str| Times::new(Some(format.parse().unwrap()), None).read(text, 1);
        assert_eq!(read("%d/%m/%Y", "06/05/2024"), Ok(1_714_953_600_000_000));
        assert_eq!(read("%d/%m/%Y %H:%M", "06/05/2024 09:30"), Ok(1_714_987_800_000_000));
        assert_eq!(read("%Y-%m-%dT%H:%M:%S%:z", "2024-05-06T09:30:00-04:00"), Ok(1_715_002_200_000_000));
        for (pattern, text, assumed) in
            [("%d/%m/%Y", "06/05/2024", false), ("%d/%m/%Y %H:%M", "06/05/2024 09:30", true)]
        {
            let mut times = Times::new(Some(pattern.parse().unwrap()), None);
            times.read(text, 1).unwrap();
            assert_eq!(times.is_zone_assumed(), assumed, "{pattern}");
        }
        assert_eq!(read("seconds", "86400"), Ok(86_400_000_000));
        assert!(read("%d/%m/%Y", "2024-05-06").unwrap_err().starts_with("does not fit --time-format"));
        assert!("day/month".parse::<TimeFormat>().is_err());
    }
}
