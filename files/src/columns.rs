//! Delimiter, header and columns of a file, from its first record and the options.

use crate::{
    cells::Cells,
    error::shown,
    layout::{self, Role},
    options::Options,
    time,
};

/// Bytes between cells that are recognised.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Longest list of columns in a text, in characters.
const MAX_NAMES_CHARS: usize = 300;

/// Where a row has its parts.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The layout's name; `None`: the columns were named by options.
    pub layout: Option<&'static str>,
    /// The byte between cells.
    pub delimiter: u8,
    /// The names in the header; empty: the file has none.
    pub names: Vec<String>,
    /// Cells of a row.
    pub count: usize,
    /// The symbol of every row, where no column has it.
    pub sid: Option<String>,
    /// Whole numbers in price columns count 10^-9.
    pub(crate) has_nano_prices: bool,
    places: Vec<(Role, usize)>,
}

impl Columns {
    /// From the first record of a file. The error has the remedy.
    pub(crate) fn of(record: &[u8], options: &Options) -> Result<Self, String> {
        let delimiter = options.delimiter.unwrap_or_else(|| recognise(record));
        let mut cells = Cells::default();
        cells.split(record, delimiter);
        let first = cells.texts();
        let has_header = !first.iter().any(|cell| is_value(cell));
        let names = if has_header { first.clone() } else { Vec::new() };
        let known = if has_header {
            layout::by_header(&names)
        } else {
            layout::without_header(first.len()).filter(|_| first.first().is_some_and(|cell| time::is_epoch(cell)))
        };
        let (layout, roles) = known.map_or((None, None), |(layout, roles)| (Some(layout), Some(roles)));
        let roles = roles.unwrap_or_else(|| names.iter().map(|name| layout::by_name(name)).collect());
        let mut columns = Self {
            layout: layout.map(|layout| layout.name),
            delimiter,
            names,
            count: first.len(),
            sid: options.sid.clone(),
            has_nano_prices: layout.is_some_and(|layout| layout.has_nano_prices),
            places: roles.into_iter().zip(0..).filter(|(role, _)| *role != Role::Unused).collect(),
        };
        columns.apply(options, &first)?;
        Ok(columns)
    }

    fn apply(&mut self, options: &Options, first: &[String]) -> Result<(), String> {
        let named = [
            (Role::Time, "--time-column", &options.time_column),
            (Role::Sid, "--sid-column", &options.sid_column),
            (Role::Price, "--price-column", &options.price_column),
        ];
        for (role, option, name) in named {
            let Some(name) = name else { continue };
            let place = self
                .find(name)
                .ok_or_else(|| format!("there is no column {name} ({option}); there are {}", self.listed(first)))?;
            self.places.retain(|(known, _)| *known != role);
            if role == Role::Time {
                // The column has the whole time.
                self.places.retain(|(known, _)| *known != Role::TimeOfDay);
            }
            self.places.push((role, place));
        }
        if self.sid.is_some() {
            self.places.retain(|(known, _)| *known != Role::Sid);
        }
        if self.count == 1 {
            let line = self.listed(first);
            return Err(format!(
                "is one cell, {line:?}: --delimiter names the character between two cells; lines above the header have to go, \
                 as by `tail -n +2 FILE`, and --feed - reads the rest"
            ));
        }
        for (role, option) in [(Role::Time, "--time-column NAME"), (Role::Price, "--price-column NAME")] {
            let places: Vec<_> = self.places.iter().filter(|(known, _)| *known == role).collect();
            let part = if role == Role::Time { "times" } else { "prices" };
            if places.is_empty() {
                let header = self.listed(first);
                let known = if self.names.is_empty() {
                    "the file has no header, and no layout has such rows"
                } else {
                    "no layout has this header"
                };
                return Err(format!("{known}: {header}; {option} names the column with the {part}"));
            }
            if places.len() > 1 {
                return Err(format!("several columns may have the {part}: {}; {option} names one", self.listed(first)));
            }
        }
        if self.sid.is_none() && self.place(Role::Sid).is_none() {
            let header = self.listed(first);
            return Err(format!(
                "no column has the symbol: {header}; --sid NAME gives one to all rows, --sid-column NAME names a column"
            ));
        }
        Ok(())
    }

    /// A column by its name, in any case, or by its number from 1.
    fn find(&self, name: &str) -> Option<usize> {
        let exact = self.names.iter().position(|known| known == name);
        let similar = || self.names.iter().position(|known| layout::plain(known) == layout::plain(name));
        let number =
            || name.parse().ok().filter(|number| (1..=self.count).contains(number)).map(|number: usize| number - 1);
        exact.or_else(similar).or_else(number)
    }

    /// The place of a part in a row.
    pub(crate) fn place(&self, role: Role) -> Option<usize> {
        self.places.iter().find(|(known, _)| *known == role).map(|(_, place)| *place)
    }

    /// The name of a column, for a person.
    pub fn name(&self, role: Role) -> Option<String> {
        let place = self.place(role)?;
        Some(self.names.get(place).cloned().unwrap_or_else(|| format!("column {}", place + 1)))
    }

    /// Whether rows are bars, of which a symbol has one at a time.
    pub(crate) fn are_bars(&self) -> bool {
        [Role::Open, Role::High, Role::Low].into_iter().all(|role| self.place(role).is_some())
    }

    fn listed(&self, first: &[String]) -> String {
        let names = if self.names.is_empty() { first } else { &self.names };
        intuition_common::text::shortened(&names.join(", "), MAX_NAMES_CHARS).into_owned()
    }

    /// Whether a row is the header again.
    pub(crate) fn is_header(&self, cells: &Cells) -> bool {
        !self.names.is_empty()
            && cells.len() == self.names.len()
            && self.names.iter().zip(0..).all(|(name, place)| name.as_bytes() == cells.get(place))
    }

    /// The complaint about a row with another number of cells.
    pub(crate) fn count_complaint(&self, cells: &Cells, record: &[u8]) -> String {
        let than = if self.names.is_empty() { "the first row" } else { "the header" };
        format!("has {} columns, {than} {}: {}", cells.len(), self.count, shown(record))
    }
}

/// Whether a cell is a number or a time, which no header has.
fn is_value(cell: &str) -> bool {
    intuition_api::decimal::truncated(cell, 0).is_some() || time::is_time(cell)
}

/// The delimiter that splits a record into most cells; comma where none does.
fn recognise(record: &[u8]) -> u8 {
    let mut cells = Cells::default();
    let mut best = (b',', 1);
    for delimiter in DELIMITERS {
        cells.split(record, delimiter);
        if cells.len() > best.1 {
            best = (delimiter, cells.len());
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(record: &str, options: &Options) -> Result<Columns, String> {
        Columns::of(record.as_bytes(), options)
    }

    #[test]
    fn known_headers_show_layout_delimiter_and_columns() {
        let goog = Options { sid: Some("GOOG".to_owned()), ..Options::default() };
        for (record, layout, time, price, delimiter) in [
            ("time,sid,open,high,low,close,volume", "Intuition", "time", "close", b','),
            ("Time;SID;Price", "Intuition", "Time", "Price", b';'),
            ("Date,Open,High,Low,Close,Adj Close,Volume", "Yahoo", "Date", "Close", b','),
            (
                "Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits",
                "Yahoo (yfinance)",
                "Datetime",
                "Close",
                b',',
            ),
            ("Date,Open,High,Low,Close,Volume", "Stooq", "Date", "Close", b','),
            (
                "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
                "Stooq (ASCII)",
                "<DATE>",
                "<CLOSE>",
                b',',
            ),
            ("Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen", "Stooq (Polish)", "Data", "Zamkniecie", b','),
            (
                "1601510340000,4.15,4.16,4.1,4.15,539,1601510399999,2240,13,401,1669,0",
                "Binance klines",
                "column 1",
                "column 5",
                b',',
            ),
            (
                "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore",
                "Binance klines",
                "open_time",
                "close",
                b',',
            ),
            ("timestamp,open,high,low,close,volume", "Alpha Vantage", "timestamp", "close", b','),
            (
                "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient",
                "Alpha Vantage",
                "timestamp",
                "close",
                b',',
            ),
            ("1381095255,122.0,0.1", "Kraken trades", "column 1", "column 2", b','),
            ("1381095240,122,123,121,122.5,1.5,7", "Kraken OHLCVT", "column 1", "column 5", b','),
            ("time,low,high,open,close,volume", "Coinbase candles", "time", "close", b','),
            ("trade_id\tside\tsize\tprice\ttime", "Coinbase trades", "time", "price", b'\t'),
            (
                "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol",
                "Databento OHLCV",
                "ts_event",
                "close",
                b',',
            ),
        ] {
            let columns = of(record, &goog).unwrap();
            assert_eq!((columns.layout, columns.delimiter), (Some(layout), delimiter), "{record}");
            assert_eq!(
                (columns.name(Role::Time).unwrap(), columns.name(Role::Price).unwrap()),
                (time.to_owned(), price.to_owned())
            );
        }
    }

    #[test]
    fn options_name_columns_that_no_layout_has() {
        let named = |time: &str, sid: &str, price: &str| Options {
            time_column: Some(time.to_owned()),
            sid_column: Some(sid.to_owned()),
            price_column: Some(price.to_owned()),
            ..Options::default()
        };
        let columns = of("when,what,last,volume", &named("when", "WHAT", "last")).unwrap();
        let found: Vec<_> =
            [Role::Time, Role::Sid, Role::Price, Role::Volume].map(|role| columns.name(role).unwrap()).into();
        assert_eq!((columns.layout, found), (None, ["when", "what", "last", "volume"].map(str::to_owned).into()));
        let columns = of("GOOG,7.5,2024-01-02", &named("3", "1", "2")).unwrap();
        assert_eq!((columns.names.len(), columns.place(Role::Time), columns.place(Role::Price)), (0, Some(2), Some(1)));
        let yahoo = of(
            "Date,Open,High,Low,Close,Adj Close,Volume",
            &Options { sid: Some("X".to_owned()), price_column: Some("adj close".to_owned()), ..Options::default() },
        );
        assert_eq!(yahoo.unwrap().name(Role::Price).unwrap(), "Adj Close");
    }

    #[test]
    fn a_header_that_does_not_do_is_refused_with_the_option_that_helps() {
        let with = |sid: Option<&str>| Options { sid: sid.map(str::to_owned), ..Options::default() };
        for (record, sid, expected) in [
            (
                "when,last",
                Some("X"),
                "no layout has this header: when, last; --time-column NAME names the column with the times",
            ),
            (
                "time,sid,volume",
                None,
                "no layout has this header: time, sid, volume; --price-column NAME names the column with the prices",
            ),
            (
                "time,sid,close,price",
                None,
                "several columns may have the prices: time, sid, close, price; --price-column NAME",
            ),
            ("Date,Open,High,Low,Close,Adj Close,Volume", None, "no column has the symbol: Date, Open"),
            (
                "2024-01-02,GOOG,7.5",
                None,
                "the file has no header, and no layout has such rows: 2024-01-02, GOOG, 7.5; --time-column",
            ),
            ("5,6,7", Some("X"), "the file has no header"),
            ("https://data.example", Some("X"), "is one cell, \"https://data.example\": --delimiter names"),
        ] {
            let complaint = of(record, &with(sid)).unwrap_err();
            assert!(complaint.starts_with(expected), "{complaint}");
        }
        let options = Options { price_column: Some("last".to_owned()), ..Options::default() };
        let complaint = of("time,sid,close", &options).unwrap_err();
        assert_eq!(complaint, "there is no column last (--price-column); there are time, sid, close");
    }
}
