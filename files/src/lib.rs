//! Quotes from files, for every place that reads them.
//!
//! A file is a stream of rows: memory stays the same for any number of them. Nothing here knows a broker, an account or a
//! terminal.
//!
//! - `open`: a path or standard input, compression (`zstd`), text that is none.
//! - `lines`, `cells`: records and cells of CSV. `reverse`: records from the last to the first.
//! - `layout`, `columns`: known headers; delimiter and columns of a file. `options`: the user's own.
//! - `time`, `row`: a record as a quote. `order`: its order in time, and repetitions.
//! - `reader`: all of it. `merge`: several files by time.
//! - `digest`, `position`: hashes of rows, by which a later reading recognises changes.

mod cells;
mod columns;
mod digest;
mod error;
mod layout;
mod lines;
mod merge;
mod open;
mod options;
mod order;
mod position;
mod reader;
mod reverse;
mod row;
mod time;
mod zstd;

pub use columns::Columns;
pub use digest::Digest;
pub use error::{FileError, Problem};
pub use layout::Role;
pub use merge::Merged;
pub use open::{Compression, STDIN};
pub use options::Options;
pub use order::moment;
pub use position::{Changed, Checker, Position};
pub use reader::{DataRow, QuoteFile};
pub use row::{Content, Part, Row};
pub use time::{TimeFormat, Unit, Written};
