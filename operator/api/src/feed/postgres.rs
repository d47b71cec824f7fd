//! A table of PostgreSQL as the origin of quotes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, SecretRef};

/// Longest name of a column or a table in PostgreSQL, in bytes.
const NAME: &str = r#"^[^\x00"]{1,63}$"#;

/// A table to which rows are appended. Rows that are changed or deleted are not seen.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Postgres {
    /// The Secret with the key `postgres-url`, as in `postgresql://user:password@host:5432/database`, and optionally
    /// `postgres-ca.crt`, the PEM certificates of the authorities to trust.
    pub secret_ref: SecretRef,
    /// TCP port of the database in `postgres-url`, which the network policy opens: the operator does not read the Secret.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,
    /// The table, with its schema if it is not on the search path: `public.trades`.
    #[schemars(length(min = 1, max = 127), regex(pattern = r#"^[^\x00".]{1,63}(\.[^\x00".]{1,63})?$"#))]
    pub table: String,
    /// The column that numbers the rows.
    pub cursor: Cursor,
    /// The columns of the values.
    pub columns: Columns,
    /// Time between two looks for new rows; without it, 1 second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// The rows of so long a time are read once more at each look, to count those that came late; without it, 1 minute. A
    /// row that comes with a number below the last published one is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Duration>,
    /// Pass over rows that cannot be used, such as those with a negative price, and name them in the log. Otherwise the feed
    /// waits at such a row until it is corrected or deleted.
    #[serde(default)]
    pub allow_bad_rows: bool,
}

const fn port() -> u16 {
    5432
}

/// The column that numbers the rows of a table.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cursor {
    /// Its name: an integer, not null and unique, that grows in the order in which rows are committed.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub column: String,
    /// A feed without a position publishes the rows with larger numbers.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub start: i64,
}

/// The columns of a table that hold the values of a quote.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Columns {
    /// The symbol, 1 to 64 characters.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub sid: String,
    /// The price of one unit; of a bar, its close.
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub price: String,
    /// The time at which the price was made; without it, the time of the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub time: Option<String>,
    /// Units that the trade moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub size: Option<String>,
    /// First price of the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub open: Option<String>,
    /// Highest price of the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub high: Option<String>,
    /// Lowest price of the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub low: Option<String>,
    /// Units traded in the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub volume: Option<String>,
    /// The best price that a buyer offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub bid: Option<String>,
    /// The best price that a seller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = NAME))]
    pub ask: Option<String>,
}
