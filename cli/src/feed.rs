//! A feed: a CSV file with lines that are published as quotes.
//!
//! The whole file is read and checked before the first quote goes out, so that a broken line in the middle is found at
//! once. Prices go out unchanged: the bridge validates them.

pub(crate) mod publisher;
pub(crate) mod window;

use std::{
    borrow::Cow,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use csv::{ByteRecord, Reader, ReaderBuilder};
use intuition_common::text::shortened;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// Bound on the bytes of a file name in a source; the contract allows 256 bytes in all.
const MAX_NAME_BYTES: usize = 240;
/// Longest cell that goes out, in characters: far more than a symbol, a time or a price may have. A longer one is cut and
/// marked, so that the bridge refuses its line. Whole, its message could exceed the largest packet of the broker.
const MAX_CELL_CHARS: usize = 1_000;
/// Longest text about a file in an error, in characters.
const MAX_TEXT_CHARS: usize = 300;
/// The path that names standard input.
const STDIN: &str = "-";

/// Errors in a feed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// The file cannot be read.
    #[error("cannot read the feed {}", path.display())]
    Open {
        /// The value as given.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The header lacks a required column.
    #[error("{}: line 1: there is no column {column}; there are {found}", path.display())]
    MissColumn {
        /// The value as given.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// The header's columns.
        found: String,
    },
    /// A line that does not fit the header, or is no text.
    #[error("{}: line {line}: {message}", path.display())]
    ParseLine {
        /// The value as given.
        path: PathBuf,
        /// Number of the line; the header is line 1.
        line: u64,
        /// The cause.
        message: String,
    },
    /// The file is empty.
    #[error("{}: is empty; a feed begins with a line that names its columns", path.display())]
    MissHeader {
        /// The value as given.
        path: PathBuf,
    },
    /// The file has no data line.
    #[error("{}: holds no quotes", path.display())]
    Empty {
        /// The value as given.
        path: PathBuf,
    },
}

/// The published form of a line. Prices are text, so that no digit of them changes.
#[derive(Serialize)]
struct Payload<'a> {
    sid: &'a str,
    quote: &'a str,
    time: Time<'a>,
    source: &'a str,
    seq: u64,
}

/// The members of a published line that are read back.
#[derive(Deserialize)]
struct Published {
    sid: String,
    source: String,
    seq: u64,
}

/// A cell with a time. A number goes out as a number: the bridge reads its unit, for files and for messages alike.
#[derive(Serialize)]
#[serde(untagged)]
enum Time<'a> {
    Number(&'a RawValue),
    Text(&'a str),
}

impl<'a> Time<'a> {
    fn new(cell: &'a str) -> Self {
        // No sign, no exponent: spreadsheets write 1.74E+12 for times that they have cut.
        let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number = plain.then(|| serde_json::from_str(cell).ok()).flatten();
        number.map_or(Self::Text(cell), Self::Number)
    }
}

/// The quotes of a file.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Names the file: its name and the hash of its first data line, so that another file starts another sequence.
    pub(crate) source: String,
    /// All payloads, one behind the other.
    payloads: Bytes,
    /// The end of each payload.
    ends: Vec<usize>,
    /// The line of each payload in the file.
    lines: Vec<u64>,
    /// The value as given.
    path: PathBuf,
}

impl Feed {
    /// Reads a file with the columns `time`, `sid` and `column`, which holds the prices; `-` is standard input.
    pub(crate) fn read(path: &Path, column: &str) -> Result<Self, FeedError> {
        let text = if path == Path::new(STDIN) {
            let mut text = Vec::new();
            io::stdin().lock().read_to_end(&mut text).map(|_| text)
        } else {
            fs::read(path)
        };
        let text = text.map_err(|source| FeedError::Open { path: path.to_owned(), source })?;
        Self::parse(path, column, &text)
    }

    pub(crate) fn parse(path: &Path, column: &str, text: &[u8]) -> Result<Self, FeedError> {
        let broken = |line: u64, message: String| FeedError::ParseLine { path: path.to_owned(), line, message };
        let mut reader = ReaderBuilder::new().from_reader(text);
        let [time, sid, price] = columns(path, column, &mut reader)?;
        let (mut source, mut payloads) = (String::new(), Vec::new());
        let (mut ends, mut lines) = (Vec::new(), Vec::new());
        let mut record = ByteRecord::new();
        while reader
            .read_byte_record(&mut record)
            .map_err(|error| broken(line_at(text, error.position()), reason(&error)))?
        {
            let line = line_at(text, record.position());
            if ends.is_empty() {
                source = source_name(path, data_line(text, &record, &reader));
            }
            let cell = |index: usize, name: &str| {
                let bytes = record.get(index).unwrap_or_default();
                // Trimmed like the header: blanks after commas are common, and ` GOOG` would be a symbol of its own.
                let text = std::str::from_utf8(bytes.trim_ascii());
                let text = text.map_err(|_| broken(line, format!("{name} is no UTF-8")))?;
                Ok::<Cow<'_, str>, FeedError>(shortened(text, MAX_CELL_CHARS))
            };
            let [sid, quote, time] = [cell(sid, "sid")?, cell(price, column)?, cell(time, "time")?];
            let payload = Payload {
                sid: &sid,
                quote: &quote,
                time: Time::new(&time),
                source: &source,
                seq: ends.len() as u64 + 1,
            };
            serde_json::to_writer(&mut payloads, &payload).map_err(|error| broken(line, error.to_string()))?;
            ends.push(payloads.len());
            lines.push(line);
        }
        if ends.is_empty() {
            return Err(FeedError::Empty { path: path.to_owned() });
        }
        Ok(Self { source, payloads: payloads.into(), ends, lines, path: path.to_owned() })
    }

    /// The number of quotes. Quotes are numbered from 1.
    pub(crate) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The file and the line of a quote, by its number, for a person.
    pub(crate) fn place(&self, number: u64) -> String {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let line = index.and_then(|index| self.lines.get(index)).copied().unwrap_or_default();
        format!("{}: line {line}", self.path.display())
    }

    /// The path of the file as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The number and the symbol of the quote in a payload of this feed; `None`: the payload is another publisher's.
    pub(crate) fn recognise(&self, payload: &[u8]) -> Option<(u64, String)> {
        let Published { sid, source, seq } = serde_json::from_slice(payload).ok()?;
        (source == self.source && (1..=self.len()).contains(&seq)).then_some((seq, sid))
    }

    /// The payload of a quote, by its number; empty for an unknown number.
    pub(crate) fn payload(&self, number: u64) -> Bytes {
        let end_of =
            |number: u64| usize::try_from(number).ok().and_then(|number| self.ends.get(number.checked_sub(1)?));
        let start = end_of(number.saturating_sub(1)).copied().unwrap_or_default();
        end_of(number).map_or_else(Bytes::new, |end| self.payloads.slice(start..*end))
    }
}

fn columns(path: &Path, price: &str, reader: &mut Reader<&[u8]>) -> Result<[usize; 3], FeedError> {
    let header = reader.byte_headers().map_err(|error| FeedError::ParseLine {
        path: path.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        message: reason(&error),
    })?;
    if header.iter().all(|name| name.trim_ascii().is_empty()) {
        return Err(FeedError::MissHeader { path: path.to_owned() });
    }
    let find = |column: &str| {
        header.iter().position(|name| name.trim_ascii() == column.as_bytes()).ok_or_else(|| FeedError::MissColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            found: named(header),
        })
    };
    Ok([find("time")?, find("sid")?, find(price)?])
}

/// The columns of a header, for a person.
fn named(header: &ByteRecord) -> String {
    let start: String = header.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ");
    shortened(&start, MAX_TEXT_CHARS).into_owned()
}

/// The first data line as it stands in the file, without its end.
fn data_line<'a>(text: &'a [u8], record: &ByteRecord, reader: &Reader<&[u8]>) -> &'a [u8] {
    let place = |position: &csv::Position| usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let start = record.position().map_or(0, place);
    text.get(start..place(reader.position())).unwrap_or_default().trim_ascii()
}

fn source_name(path: &Path, first_line: &[u8]) -> String {
    let is_stdin = path == Path::new(STDIN);
    let name = path.file_name().filter(|_| !is_stdin).map_or("stdin".into(), |name| name.to_string_lossy());
    let mut name = name.into_owned();
    let end = (0..=MAX_NAME_BYTES.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    name.truncate(end);
    let digest = hex::encode(Sha256::digest(first_line));
    format!("{name}-{}", digest.get(..8).unwrap_or(&digest))
}

/// The line of a record. The reader's position is the end of the previous record; blank lines may follow there.
fn line_at(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    position.line() + blank as u64
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns, the header {expected_len}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "time,sid,open,high,low,close,volume\n";

    fn parse(column: &str, text: &str) -> Result<Feed, FeedError> {
        Feed::parse(Path::new("dir/stocks.csv"), column, text.as_bytes())
    }

    #[test]
    fn a_line_is_published_with_the_price_as_it_is_written() {
        let text = format!("{HEAD}2000-03-01,AAPL,1,2,3,130.310,9\n\n2000-03-02,\"BRK \"\"B\"\"\",1,2,3,x,9\n");
        let feed = parse("close", &text).unwrap();
        // The hash of `2000-03-01,AAPL,1,2,3,130.310,9`.
        let source = feed.source.clone();
        assert_eq!(source, source_name(Path::new("stocks.csv"), b"2000-03-01,AAPL,1,2,3,130.310,9"));
        assert_eq!(feed.len(), 2);
        assert_eq!(
            feed.payload(1),
            format!(r#"{{"sid":"AAPL","quote":"130.310","time":"2000-03-01","source":"{source}","seq":1}}"#)
        );
        assert_eq!(
            feed.payload(2),
            format!(r#"{{"sid":"BRK \"B\"","quote":"x","time":"2000-03-02","source":"{source}","seq":2}}"#)
        );
        assert_eq!((feed.payload(0), feed.payload(3)), (Bytes::new(), Bytes::new()));
    }

    #[test]
    fn cells_are_trimmed_as_the_header_is() {
        let feed =
            parse("close", "time, sid,close\n2024-01-02,GOOG, 10\n 2024-01-03 , GOOG,12\n2024-01-04,\"GOOG \",9\n");
        let feed = feed.unwrap();
        for (number, quote, day) in [(1, "10", "02"), (2, "12", "03"), (3, "9", "04")] {
            let expected = format!(r#"{{"sid":"GOOG","quote":"{quote}","time":"2024-01-{day}","source":"#);
            let payload = feed.payload(number);
            assert!(payload.starts_with(expected.as_bytes()), "{payload:?}");
        }
    }

    #[test]
    fn a_huge_cell_goes_out_cut_and_marked_and_quotes_know_their_lines() {
        let huge = "1".repeat(5_000_000);
        let text = format!("time,sid,close\n2024-01-02,{huge},10\n\n2024-01-02,\"A\nB\",{huge}\n{huge},C,1\n");
        let feed = parse("close", &text).unwrap();
        for (number, line, sid) in [(1, 2, "111"), (2, 4, "A\nB"), (3, 6, "C")] {
            let payload = feed.payload(number);
            assert!(payload.len() < 2_000 && String::from_utf8_lossy(&payload).contains("1…\""), "{payload:?}");
            assert_eq!(feed.place(number), format!("dir/stocks.csv: line {line}"));
            let (seq, symbol) = feed.recognise(&payload).unwrap();
            assert!(seq == number && symbol.starts_with(sid), "{seq} {symbol}");
        }
        let foreign = String::from_utf8(feed.payload(1).to_vec()).unwrap().replace("stocks.csv", "others.csv");
        assert_eq!((feed.recognise(foreign.as_bytes()), feed.recognise(b"{}")), (None, None));
        let beyond = String::from_utf8(feed.payload(3).to_vec()).unwrap().replace("\"seq\":3", "\"seq\":4");
        assert_eq!(feed.recognise(beyond.as_bytes()), None);
    }

    #[test]
    fn a_number_as_time_is_published_as_a_number() {
        for (cell, expected) in [
            ("1741064760000", "1741064760000"),
            (" 1741064760", "1741064760"),
            ("1741064760.5", "1741064760.5"),
            ("20240506", "20240506"),
            ("1.74E+12", "\"1.74E+12\""),
            ("-1", "\"-1\""),
            ("007", "\"007\""),
            ("2024.05.06", "\"2024.05.06\""),
            ("2024-05-06", "\"2024-05-06\""),
            ("", "\"\""),
        ] {
            let feed = parse("close", &format!("time,sid,close\n{cell},GOOG,10\n")).unwrap();
            let payload = String::from_utf8(feed.payload(1).to_vec()).unwrap();
            assert!(payload.contains(&format!(r#""time":{expected},"#)), "{payload}");
        }
    }

    #[test]
    fn the_column_chooses_the_price_and_line_ends_do_not_matter() {
        let unix = parse("open", &format!("{HEAD}2000-03-01,AAPL,1.5,2,3,4,9\n")).unwrap();
        let windows =
            parse("open", &format!("{HEAD}2000-03-01,AAPL,1.5,2,3,4,9\r\n").replace("volume\n", "volume\r\n"));
        assert!(unix.payload(1).starts_with(br#"{"sid":"AAPL","quote":"1.5""#));
        assert_eq!(windows.unwrap().payload(1), unix.payload(1));
    }

    #[test]
    fn what_is_no_feed_is_told_with_its_line() {
        for (column, text, expected) in [
            ("last", HEAD.to_owned() + "a,b,1,2,3,4,5\n", "line 1: there is no column last; there are time, sid, open"),
            ("close", HEAD.to_owned(), "holds no quotes"),
            ("close", String::new(), "is empty; a feed begins with a line that names its columns"),
            ("close", " \n\n".to_owned(), "is empty"),
            ("close", HEAD.to_owned() + "a,b,1,2,3,4,5\n\na,b,1\n", "line 4: has 3 columns, the header 7"),
        ] {
            let error = parse(column, &text).unwrap_err().to_string();
            assert!(error.starts_with("dir/stocks.csv: ") && error.contains(expected), "{error}");
        }
        let error = parse("close", &format!("{}\n", "x".repeat(3_000_000))).unwrap_err().to_string();
        assert!(error.len() < 500, "{}", error.len());
        let error = Feed::parse(Path::new("x.csv"), "close", b"time,sid,close\na,\xff,1\n").unwrap_err();
        assert_eq!(error.to_string(), "x.csv: line 2: sid is no UTF-8");
    }
}
