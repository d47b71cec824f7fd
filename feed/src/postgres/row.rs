//! A row of a table as a quote. Pure.

use std::sync::Arc;

use intuition_api::{
    decimal::Price,
    epoch,
    quote::{Details, Member},
};

use super::table::{MOST_DIGITS, MOST_SYMBOL};
use crate::quote::Quote;

/// 2000-01-01T00:00:00Z in microseconds since 1970, the first time of the server's form.
const SERVER_EPOCH: i64 = 946_684_800_000_000;
const MICROS_OF_DAY: i64 = 86_400_000_000;
/// The years 0 to 9999, which RFC 3339 can write.
const TIMES: std::ops::Range<i64> = -62_167_219_200_000_000..253_402_300_800_000_000;

/// A time of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Time {
    /// Microseconds since 2000. The least and the largest number stand for infinite times.
    Moment(i64),
    /// Days since 2000. The least and the largest number stand for infinite times.
    Day(i32),
    /// The text of a number since 1970.
    Number(String),
    /// NULL.
    Null,
}

/// The values of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) number: u64,
    pub(super) sid: Option<String>,
    pub(super) price: Option<String>,
    /// `None`: the table has no such column.
    pub(super) time: Option<Time>,
    pub(super) details: Vec<(Member, Option<String>)>,
}

impl Values {
    /// The quote of the row; `None`: its price is NULL, so that it is left out. `now`: the time of a row without one. An error is a
    /// complaint about the row.
    pub(super) fn quote(self, source: &Arc<str>, now: i64) -> Result<Option<Quote>, String> {
        let Some(price) = self.price else { return Ok(None) };
        let price = bounded(&price).and_then(|price| Price::rounded(price).map_err(|error| error.to_string()));
        let (price, _) = price.map_err(|complaint| format!("its price {complaint}"))?;
        let sid = self.sid.ok_or("its symbol is NULL")?;
        if sid.is_empty() || sid.chars().count() > MOST_SYMBOL {
            return Err(format!("its symbol does not have 1 to {MOST_SYMBOL} characters"));
        }
        let time_micros = self.time.map_or(Ok(now), micros)?;
        let mut details = Details::default();
        for (member, text) in self.details {
            let Some(text) = text else { continue };
            let set = bounded(&text).and_then(|text| details.set(member, text).map_err(|error| error.to_string()));
            set.map_err(|complaint| format!("its {member:?} {complaint}").to_lowercase())?;
        }
        details.check(price).map_err(|contradiction| contradiction.to_string())?;
        Ok(Some(Quote {
            source: Arc::clone(source),
            seq: self.number,
            sid: sid.into(),
            price,
            details,
            time_micros,
            line: None,
            // Rolled back transactions leave numbers out.
            is_sparse: true,
            is_backfill: false,
            is_new: false,
        }))
    }
}

fn bounded(text: &str) -> Result<&str, String> {
    let text = text.trim();
    if text.len() > MOST_DIGITS { Err(format!("has more than {MOST_DIGITS} characters")) } else { Ok(text) }
}

fn micros(time: Time) -> Result<i64, String> {
    let micros = match time {
        Time::Moment(micros) => micros.checked_add(SERVER_EPOCH).filter(|_| micros != i64::MIN),
        Time::Day(days) => {
            i64::from(days).checked_mul(MICROS_OF_DAY).and_then(|micros| micros.checked_add(SERVER_EPOCH))
        }
        Time::Number(text) => match bounded(&text).ok().and_then(epoch::recognised) {
            Some((_, micros)) => Some(micros),
            None => return Err("its time is no number of a time between 1990 and 2100".to_owned()),
        },
        Time::Null => return Err("its time is NULL".to_owned()),
    };
    micros.filter(|micros| TIMES.contains(micros)).ok_or_else(|| "its time is not in the years 0 to 9999".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            number: 7,
            sid: Some("ACME".to_owned()),
            price: Some("101.2500".to_owned()),
            time: Some(Time::Moment(0)),
            details: vec![(Member::Size, None), (Member::Ask, Some("1.02e2".to_owned()))],
        }
    }

    fn complaint(change: impl FnOnce(&mut Values)) -> String {
        let mut values = values();
        change(&mut values);
        values.quote(&"s".into(), 0).unwrap_err()
    }

    #[test]
    fn values_are_exact_and_null_is_left_out() {
        let quote = values().quote(&"postgres:m.public.t".into(), 0).unwrap().unwrap();
        let expected = r#"{"sid":"ACME","quote":"101.25","time":"2000-01-01T00:00:00Z","source":"postgres:m.public.t","seq":7,"ask":"102"}"#;
        assert_eq!(quote.payload().unwrap(), expected);
        assert!(quote.is_sparse);
        assert_eq!(Values { price: None, sid: None, ..values() }.quote(&"s".into(), 0), Ok(None));
        let without_time = Values { time: None, ..values() }.quote(&"s".into(), 5).unwrap().unwrap();
        assert_eq!(without_time.time_micros, 5);
    }

    #[test]
    fn every_form_of_a_time_is_read() {
        for (time, expected) in [
            (Time::Moment(-946_684_800_000_000), 0),
            (Time::Moment(1), 946_684_800_000_001),
            (Time::Day(1), 946_771_200_000_000),
            (Time::Number("1741064760".to_owned()), 1_741_064_760_000_000),
            (Time::Number("1741064760123.5".to_owned()), 1_741_064_760_123_500),
        ] {
            assert_eq!(micros(time.clone()), Ok(expected), "{time:?}");
        }
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        for (complaint, part) in [
            (complaint(|values| values.price = Some("-1".to_owned())), "its price must be more than 0"),
            (complaint(|values| values.price = Some("NaN".to_owned())), "its price is not a decimal number"),
            (complaint(|values| values.price = Some("1".repeat(401))), "its price has more than 400 characters"),
            (complaint(|values| values.sid = None), "its symbol is NULL"),
            (complaint(|values| values.sid = Some("x".repeat(65))), "1 to 64 characters"),
            (complaint(|values| values.time = Some(Time::Null)), "its time is NULL"),
            (complaint(|values| values.time = Some(Time::Moment(i64::MAX))), "its time is not in the years"),
            (complaint(|values| values.time = Some(Time::Moment(i64::MIN))), "its time is not in the years"),
            (complaint(|values| values.time = Some(Time::Day(i32::MAX))), "its time is not in the years"),
            (complaint(|values| values.time = Some(Time::Number("5".to_owned()))), "between 1990 and 2100"),
            (complaint(|values| values.details[0].1 = Some("-1".to_owned())), "its size must not be below 0"),
        ] {
            assert!(complaint.contains(part), "{complaint}, not {part}");
        }
    }
}
