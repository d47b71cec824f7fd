//! The order of rows in time, symbol by symbol, and repeated rows.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::row::{Content, Part, Row};

/// Symbols whose order is checked: as many as an account may have. Further symbols are not checked.
const MAX_SYMBOLS: usize = 10_000;
/// Times of one symbol at which its rows are compared: rows with the same time stand beside each other.
const MAX_ALIKE: usize = 64;

/// A place, for complaints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Name of the file, where there are several.
    pub(crate) file: Option<String>,
    /// The line.
    pub(crate) line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line } = self;
        match file {
            Some(file) => write!(out, "line {line} of {file}"),
            None => write!(out, "line {line}"),
        }
    }
}

/// The last rows of each symbol.
#[derive(Debug, Default)]
pub(crate) struct Order {
    symbols: HashMap<String, Last>,
}

#[derive(Debug)]
struct Last {
    micros: i64,
    /// Rows at that time.
    rows: VecDeque<(Row, Place)>,
}

/// Rows that count as repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    /// Bars: a symbol has one at a time.
    SameTime,
    /// Quotes: the same symbol, time and values.
    SameValues,
    /// Trades with their sizes, of which two may be equal: the same values in two files.
    OtherFile,
}

impl Order {
    /// The complaint about a row that goes back in time or repeats an earlier one; the row counts as the last one otherwise.
    pub(crate) fn take(&mut self, row: &Row, place: Place, alike: Alike) -> Option<Content> {
        let Some(last) = self.symbols.get_mut(&row.sid) else {
            if self.symbols.len() < MAX_SYMBOLS {
                let last = Last { micros: row.time_micros, rows: [(row.clone(), place)].into() };
                self.symbols.insert(row.sid.clone(), last);
            }
            return None;
        };
        let Row { sid, time_micros, .. } = row;
        if *time_micros < last.micros {
            let (now, before) = (moment(*time_micros), moment(last.micros));
            let earlier = last.rows.back().map(|(_, place)| place.to_string()).unwrap_or_default();
            let complaint = format!("the time {now} of {sid} is before {before} in {earlier}");
            return Some(Content::unusable(Part::Order, complaint));
        }
        if *time_micros > last.micros {
            last.micros = *time_micros;
            last.rows.clear();
        }
        let same = last.rows.iter().find(|(known, earlier)| match alike {
            Alike::SameTime => true,
            Alike::SameValues => known == row,
            Alike::OtherFile => known == row && earlier.file != place.file,
        });
        if let Some((known, earlier)) = same {
            let time = moment(*time_micros);
            let complaint = if known.price == row.price {
                format!("repeats {sid} at {time} of {earlier}")
            } else {
                format!("is another price of {sid} at {time}, {}, beside {} in {earlier}", row.price, known.price)
            };
            return Some(Content::unusable(Part::Other, complaint));
        }
        if last.rows.len() == MAX_ALIKE {
            last.rows.pop_front();
        }
        last.rows.push_back((row.clone(), place));
        None
    }
}

/// A time in microseconds since 1970 as RFC 3339 text in UTC, with no more digits than it needs.
pub fn moment(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sid: &str, day: i64, price: &str) -> Row {
        Row::new(sid.to_owned(), day * 86_400_000_000, price.parse().unwrap())
    }

    fn complaints(rows: &[Row], alike: Alike) -> Vec<Option<String>> {
        let mut order = Order::default();
        let complaint = |content| match content {
            Content::Unusable { complaint, .. } => complaint,
            other => panic!("{other:?}"),
        };
        let taken = rows.iter().zip(2..).map(|(row, line)| order.take(row, Place { file: None, line }, alike));
        taken.map(|content| content.map(complaint)).collect()
    }

    #[test]
    fn a_symbol_goes_forward_in_time_and_symbols_may_follow_each_other() {
        let rows = [row("A", 1, "1"), row("A", 2, "1"), row("B", 1, "1"), row("A", 1, "1"), row("A", 3, "1")];
        let back = "the time 1970-01-02T00:00:00Z of A is before 1970-01-03T00:00:00Z in line 3".to_owned();
        assert_eq!(complaints(&rows, Alike::SameTime), [None, None, None, Some(back), None]);
    }

    #[test]
    fn repetitions_are_found_by_the_kind_of_the_rows() {
        let rows = [row("A", 1, "1"), row("A", 1, "2"), row("A", 1, "1")];
        let other = "is another price of A at 1970-01-02T00:00:00Z, 2, beside 1 in line 2".to_owned();
        let same = "repeats A at 1970-01-02T00:00:00Z of line 2".to_owned();
        assert_eq!(complaints(&rows, Alike::SameTime), [None, Some(other), Some(same.clone())]);
        assert_eq!(complaints(&rows, Alike::SameValues), [None, None, Some(same)]);
        assert_eq!(complaints(&rows, Alike::OtherFile), [None, None, None]);
    }
}
