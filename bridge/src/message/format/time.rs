//! Times by the form that a format gives them.

use intuition_api::epoch::{self, Unit};
use intuition_common::civil::{self, Civil};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::value::RawValue;

use super::super::{
    Reason, Rejection, cut,
    fields::{self, open},
    json::Value,
};

/// The form of times.
#[derive(Debug, Clone)]
pub(super) struct TimeForm {
    /// The unit of numbers; `None`: by their magnitude.
    pub(super) unit: Option<Unit>,
    /// Of times of day without an offset.
    pub(super) zone: Option<TimeZone>,
}

impl TimeForm {
    /// A time in microseconds since the epoch.
    pub(super) fn read(&self, raw: &RawValue, path: impl FnOnce() -> String) -> Result<i64, Rejection> {
        let read = match (open(raw), self.unit) {
            (Value::Number(text), Some(unit)) => of_unit(text, unit),
            (Value::Text(text), Some(unit)) => of_unit(&text, unit),
            // Topics and user properties have numbers as text.
            (Value::Text(text), None) => match epoch::recognised(&text) {
                Some((_, micros)) => Ok(micros),
                None => match Civil::parse(&text) {
                    Some(civil) => civil.map_err(str::to_owned).and_then(|civil| self.of_civil(civil)),
                    None => return fields::time(raw, path),
                },
            },
            _ => return fields::time(raw, path),
        };
        read.map_err(|complaint| Rejection::new(Reason::BadTime, format!("{}: {} {complaint}", path(), cut(raw.get()))))
    }

    fn of_civil(&self, civil: Civil) -> Result<i64, String> {
        let zone = match (&self.zone, civil.time) {
            (Some(zone), _) => zone,
            // As in quotes of our own.
            (None, None) => const { &TimeZone::UTC },
            (None, Some(_)) => {
                return Err("has no offset from UTC; format.time.timeZone names the zone of such times".to_owned());
            }
        };
        civil::micros(civil.date_time(), zone).map_err(str::to_owned)
    }
}

fn of_unit(text: &str, unit: Unit) -> Result<i64, String> {
    let complaint = || format!("is no number of {} since 1970", unit.name());
    let micros = unit.micros(text).ok_or_else(complaint)?;
    let moment = Timestamp::from_microsecond(micros).map_err(|_| complaint())?;
    // RFC 3339 has no year before 0.
    if TimeZone::UTC.to_datetime(moment).year() < 0 { Err(complaint()) } else { Ok(micros) }
}
