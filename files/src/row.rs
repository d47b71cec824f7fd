//! A row as a quote.

use intuition_api::{
    decimal::{Price, Quantity},
    quote::Details,
};

use crate::{cells::Cells, columns::Columns, error::shown, layout::Role, time::Times};

/// Bound on the characters of a symbol, that of the contract.
const MAX_SYMBOL_CHARS: usize = 64;
/// The largest 64-bit integer: Databento's mark for an absent price.
const UNDEFINED: &str = "9223372036854775807";

/// A quote of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Symbol, 1 to 64 characters.
    pub sid: String,
    /// Microseconds since 1970.
    pub time_micros: i64,
    /// The price; of a bar, its close.
    pub price: Price,
    /// Whether digits of the price were rounded off.
    pub is_rounded: bool,
    /// The values of the other columns. One is `None` where the file has no such column, or its cell no such value. The interval is
    /// not known.
    pub details: Details,
}

impl Row {
    /// A row with a price alone.
    pub fn new(sid: String, time_micros: i64, price: Price) -> Self {
        Self { sid, time_micros, price, is_rounded: false, details: Details::default() }
    }
}

/// The content of a data row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A quote.
    Quote(Box<Row>),
    /// A row whose price is empty or `null`: there is no price at that time.
    NoPrice,
    /// A row that cannot be used.
    Unusable {
        /// Column, value and reason.
        complaint: String,
        /// The part that cannot be read, if it is one.
        part: Part,
    },
}

/// The part of a row that a complaint is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The time cannot be read.
    Time,
    /// The price cannot be read.
    Price,
    /// The time is before that of an earlier row.
    Order,
    /// Another part, or the whole row.
    Other,
}

impl Content {
    pub(crate) fn unusable(part: Part, complaint: impl Into<String>) -> Self {
        Self::Unusable { complaint: complaint.into(), part }
    }
}

/// Reads rows of one file.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) columns: Columns,
    pub(crate) times: Times,
    cells: Cells,
    time: String,
}

impl Rows {
    pub(crate) fn new(columns: Columns, times: Times) -> Self {
        Self { columns, times, cells: Cells::default(), time: String::new() }
    }

    /// The content of the record at `line`.
    pub(crate) fn read(&mut self, record: &[u8], line: u64) -> Content {
        self.cells.split(record, self.columns.delimiter);
        let (columns, cells) = (&self.columns, &self.cells);
        if record.contains(&0) {
            return Content::unusable(Part::Other, format!("holds a NUL byte: {}", shown(record)));
        }
        if columns.is_header(cells) {
            return Content::unusable(Part::Other, "is the header once more");
        }
        if cells.len() != columns.count {
            return Content::unusable(Part::Other, columns.count_complaint(cells, record));
        }
        let time_micros = match self.time(line) {
            Ok(micros) => micros,
            Err(complaint) => return Content::unusable(Part::Time, complaint),
        };
        self.quote(time_micros)
    }

    fn time(&mut self, line: u64) -> Result<i64, String> {
        let cell = |role| self.columns.place(role).map(|place| self.cells.get(place));
        let date = cell(Role::Time).unwrap_or_default();
        self.time.clear();
        let complain = |text: &[u8], complaint: &str| {
            format!("{}: {} {complaint}", self.columns.name(Role::Time).unwrap_or_default(), shown(text))
        };
        let Ok(text) = std::str::from_utf8(date) else { return Err(complain(date, "is no UTF-8")) };
        self.time.push_str(text);
        if let Some(time) = cell(Role::TimeOfDay) {
            self.time.push(' ');
            self.time.push_str(&String::from_utf8_lossy(time));
        }
        match self.times.read(&self.time, line) {
            Ok(micros) => Ok(micros),
            Err(complaint) => Err(complain(self.time.as_bytes(), &complaint)),
        }
    }

    fn quote(&self, time_micros: i64) -> Content {
        let Self { columns, cells, .. } = self;
        let cell = |role| columns.place(role).map(|place| cells.get(place));
        let price_cell = cell(Role::Price).unwrap_or_default();
        if price_cell.is_empty() || price_cell.eq_ignore_ascii_case(b"null") {
            return Content::NoPrice;
        }
        let (price, is_rounded) = match self.price(price_cell) {
            Ok(price) => price,
            Err(complaint) => {
                let name = columns.name(Role::Price).unwrap_or_default();
                return Content::unusable(Part::Price, format!("{name}: {} {complaint}", shown(price_cell)));
            }
        };
        let sid = match (&columns.sid, cell(Role::Sid)) {
            (Some(sid), _) => sid.clone(),
            (None, cell) => match symbol(cell.unwrap_or_default()) {
                Ok(sid) => sid,
                Err(complaint) => {
                    let name = columns.name(Role::Sid).unwrap_or_default();
                    return Content::unusable(
                        Part::Other,
                        format!("{name}: {} {complaint}", shown(cell.unwrap_or_default())),
                    );
                }
            },
        };
        let details = self.details();
        if let Err(contradiction) = details.check(price) {
            return Content::unusable(Part::Other, contradiction.to_string());
        }
        Content::Quote(Box::new(Row { sid, time_micros, price, is_rounded, details }))
    }

    fn details(&self) -> Details {
        let cell = |role| self.columns.place(role).map(|place| self.cells.get(place));
        let price = |role| cell(role).and_then(|cell| self.price(cell).ok()).map(|(price, _)| price);
        let quantity = |role| {
            let text = std::str::from_utf8(cell(role)?).ok()?;
            Quantity::rounded(text).ok().map(|(quantity, _)| quantity)
        };
        Details {
            size: quantity(Role::Size),
            open: price(Role::Open),
            high: price(Role::High),
            low: price(Role::Low),
            volume: quantity(Role::Volume),
            bid: price(Role::Bid),
            ask: price(Role::Ask),
            interval_micros: None,
        }
    }

    fn price(&self, cell: &[u8]) -> Result<(Price, bool), String> {
        let text = std::str::from_utf8(cell).map_err(|_| "is no UTF-8".to_owned())?;
        if self.columns.has_nano_prices && cell.iter().all(u8::is_ascii_digit) {
            if text == UNDEFINED {
                return Err("stands for an absent price".to_owned());
            }
            // 10^-9 is ten of the smallest units.
            let price = text.parse::<u128>().ok().and_then(|nanos| Price::from_units(nanos.checked_mul(10)?));
            return price.map(|price| (price, false)).ok_or_else(|| "is no price in units of 10^-9".to_owned());
        }
        Price::rounded(text).map_err(|error| {
            let has_marks = text.contains([',', '\'', ' ', '$', '€', '£', '%'])
                && text.contains(|character: char| character.is_ascii_digit());
            let remedy = if has_marks { ": numbers have a decimal point and no other marks" } else { "" };
            format!("{error}{remedy}")
        })
    }
}

fn symbol(cell: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(cell).map_err(|_| "is no UTF-8".to_owned())?;
    let length = text.chars().take(MAX_SYMBOL_CHARS + 1).count();
    if (1..=MAX_SYMBOL_CHARS).contains(&length) {
        Ok(text.to_owned())
    } else {
        Err(format!("is no symbol: one has 1 to {MAX_SYMBOL_CHARS} characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn rows(header: &str) -> Rows {
        let options = Options { sid: (!header.contains("sid")).then(|| "X".to_owned()), ..Options::default() };
        Rows::new(Columns::of(header.as_bytes(), &options).unwrap(), Times::new(None, None))
    }

    fn quote(header: &str, row: &str) -> Row {
        match rows(header).read(row.as_bytes(), 2) {
            Content::Quote(row) => *row,
            other => panic!("{other:?}"),
        }
    }

    fn complaint(header: &str, row: &[u8]) -> String {
        match rows(header).read(row, 2) {
            Content::Unusable { complaint, .. } => complaint,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_is_a_quote_with_the_values_of_its_columns() {
        let row = quote(
            "time,sid,open,high,low,close,volume,bid,ask,size",
            "2024-01-02, GOOG ,1,4,0.5,3.450,9616100,3.4,3.5,10",
        );
        let price = |text: &str| text.parse::<Price>().unwrap();
        assert_eq!((row.sid.as_str(), row.time_micros, row.price), ("GOOG", 1_704_153_600_000_000, price("3.45")));
        assert_eq!(
            (row.details.open, row.details.high, row.details.low),
            (Some(price("1")), Some(price("4")), Some(price("0.5")))
        );
        assert_eq!((row.details.bid, row.details.ask), (Some(price("3.4")), Some(price("3.5"))));
        assert_eq!((row.details.volume, row.details.size), ("9616100".parse().ok(), "10".parse().ok()));
        let row = quote("time,sid,open,close,volume", "2024-01-02,GOOG,-,41.20000076293945,\"1,234\"");
        assert_eq!(
            (row.price, row.is_rounded, row.details.open, row.details.volume),
            (price("41.2000007629"), true, None, None)
        );
    }

    #[test]
    fn a_high_below_the_low_is_refused_and_an_adjusted_close_beyond_is_not() {
        let header = "time,sid,high,low,close";
        let complaint = complaint(header, b"2024-01-02,GOOG,3,4,3.5");
        assert_eq!(complaint, "high is 3, below low, which is 4");
        assert_eq!(quote(header, "2024-01-02,GOOG,4,3,2.5").price, "2.5".parse().unwrap());
    }

    #[test]
    fn a_date_and_a_time_of_day_are_one_time() {
        let header = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>";
        let row = quote(header, "GOOG.US,5,20240102,163000,1,1,1,7.5,100,0");
        assert_eq!((row.sid.as_str(), row.time_micros), ("X", 1_704_213_000_000_000));
    }

    #[test]
    fn whole_prices_of_databento_count_billionths_and_others_are_decimal() {
        let header = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume";
        for (close, expected) in [("150250000000", "150.25"), ("150.250000000", "150.25")] {
            let row = quote(header, &format!("1704153600000000000,33,1,2,1,1,1,{close},5"));
            assert_eq!(row.price.to_string(), expected);
        }
        let absent = complaint(header, format!("1704153600000000000,33,1,2,1,1,1,{UNDEFINED},5").as_bytes());
        assert!(absent.ends_with("stands for an absent price"), "{absent}");
    }

    #[test]
    fn an_empty_price_is_none_and_other_text_is_refused_with_column_and_value() {
        for cell in ["", "null", "NULL", "  "] {
            assert_eq!(rows("time,sid,close").read(format!("2024-01-02,GOOG,{cell}").as_bytes(), 2), Content::NoPrice);
        }
        for (row, expected) in [
            (b"2024-01-02,GOOG,n/a".as_slice(), r#"close: "n/a" is not a decimal number"#),
            (
                b"2024-01-02,GOOG,\"1,029.27\"",
                "is not a decimal number: numbers have a decimal point and no other marks",
            ),
            (b"2024-01-02,GOOG,-37.63", r#"close: "-37.63" must be more than 0"#),
            (b"2024-01-02,,1", r#"sid: "" is no symbol"#),
            (b"2024-01-02,\xff,1", "is no UTF-8"),
            (b"2024-01-02,GOOG", "has 2 columns, the header 3: "),
            (b"2024-01-02,GO\0G,1", "holds a NUL byte: "),
            (b"time,sid,close", "is the header once more"),
            (b"yesterday,GOOG,1", r#"time: "yesterday" is neither a date, nor a time"#),
        ] {
            let complaint = complaint("time,sid,close", row);
            assert!(complaint.contains(expected), "{complaint}");
        }
    }
}
