//! The options of a reading.

use jiff::tz::TimeZone;

use crate::time::TimeFormat;

/// How to read files, where they do not show it themselves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of the column with the times, or its number from 1.
    pub time_column: Option<String>,
    /// Name of the column with the symbols, or its number from 1.
    pub sid_column: Option<String>,
    /// Name of the column with the prices, or its number from 1.
    pub price_column: Option<String>,
    /// Symbol of every row, in place of a column.
    pub sid: Option<String>,
    /// Form of the times.
    pub time_format: Option<TimeFormat>,
    /// Zone of times that have none; UTC where it is absent.
    pub time_zone: Option<TimeZone>,
    /// Byte between two cells.
    pub delimiter: Option<u8>,
    /// Read the rows from the end of the file to its beginning.
    pub reverse: bool,
    /// Keep the SHA-256 of all rows up to each one.
    pub digests: bool,
}
