//! The trading session of a day. `VWAP` begins anew at its start.

use std::fmt;

use intuition_common::civil;
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

/// Sessions that begin each day when clocks of a zone show a time. A session ends where the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    name: String,
    zone: TimeZone,
    start: Time,
}

impl Session {
    /// A session from 00:00 UTC.
    pub fn utc_day() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC, start: Time::midnight() }
    }

    /// Sessions of a zone of the IANA database. `None`: no zone of that name.
    pub(crate) fn new(zone: &str, start: Time) -> Option<Self> {
        Some(Self { name: zone.to_owned(), zone: civil::zone(zone)?, start })
    }

    /// The start of the session at a moment, and the start of the next one. Microseconds since 1970.
    pub(crate) fn around(&self, micros: i64) -> Option<(i64, i64)> {
        let date = Timestamp::from_microsecond(micros).ok()?.to_zoned(self.zone.clone()).date();
        // Clocks that change may move a start past midnight, so that the days beside this one are looked at too.
        let days = [date.yesterday().ok()?.yesterday().ok()?, date.yesterday().ok()?, date, date.tomorrow().ok()?];
        let starts: Vec<i64> = days.into_iter().filter_map(|day| self.start_of(day)).collect();
        let start = starts.iter().copied().filter(|start| *start <= micros).max()?;
        let next = starts.into_iter().filter(|next| *next > micros).min();
        Some((start, next.unwrap_or_else(|| start.saturating_add(day_micros()))))
    }

    fn start_of(&self, day: Date) -> Option<i64> {
        civil::micros(day.to_datetime(self.start), &self.zone).ok()
    }
}

fn day_micros() -> i64 {
    i64::try_from(SignedDuration::from_hours(24).as_micros()).unwrap_or(i64::MAX)
}

/// The zone's name and the time of day, as in `America/New_York 09:30`.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}", self.name, self.start.hour(), self.start.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(session: &Session, moment: &str) -> (String, String) {
        let micros = moment.parse::<Timestamp>().unwrap().as_microsecond();
        let (start, next) = session.around(micros).unwrap();
        let text = |micros: i64| Timestamp::from_microsecond(micros).unwrap().to_string();
        (text(start), text(next))
    }

    fn check(session: &Session, rows: &[(&str, &str, &str)]) {
        for (moment, start, next) in rows {
            assert_eq!(around(session, moment), ((*start).to_owned(), (*next).to_owned()), "{moment}");
        }
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        check(
            &Session::utc_day(),
            &[
                ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
                ("2026-02-28T23:59:59.999999Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"),
            ],
        );
    }

    #[test]
    fn sessions_follow_the_clocks_of_their_zone() {
        let new_york = Session::new("America/New_York", Time::constant(9, 30, 0, 0)).unwrap();
        assert_eq!(new_york.to_string(), "America/New_York 09:30");
        check(
            &new_york,
            &[
                ("2026-01-05T14:29:59Z", "2026-01-04T14:30:00Z", "2026-01-05T14:30:00Z"),
                ("2026-01-05T14:30:00Z", "2026-01-05T14:30:00Z", "2026-01-06T14:30:00Z"),
                // Clocks go forward on March 8 and back on November 1.
                ("2026-03-08T12:00:00Z", "2026-03-07T14:30:00Z", "2026-03-08T13:30:00Z"),
                ("2026-03-08T13:30:00Z", "2026-03-08T13:30:00Z", "2026-03-09T13:30:00Z"),
                ("2026-10-31T14:00:00Z", "2026-10-31T13:30:00Z", "2026-11-01T14:30:00Z"),
            ],
        );
        assert_eq!(Session::new("Mars/Olympus", Time::midnight()), None);
    }

    #[test]
    fn start_that_clocks_show_twice_or_never_begins_one_session() {
        let late = Session::new("America/New_York", Time::constant(1, 30, 0, 0)).unwrap();
        check(
            &late,
            &[
                ("2026-11-01T05:29:59Z", "2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z"),
                ("2026-11-01T06:45:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
            ],
        );
        let left_out = Session::new("America/New_York", Time::constant(2, 30, 0, 0)).unwrap();
        check(&left_out, &[("2026-03-08T07:30:00Z", "2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z")]);
        // Samoa left out December 30 of 2011.
        let samoa = Session::new("Pacific/Apia", Time::constant(9, 0, 0, 0)).unwrap();
        check(
            &samoa,
            &[
                ("2011-12-30T18:59:59Z", "2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z"),
                ("2011-12-30T19:00:00Z", "2011-12-30T19:00:00Z", "2011-12-31T19:00:00Z"),
            ],
        );
    }
}
