//! The data rows of one file, one after the other.

use std::{
    collections::VecDeque,
    io::{BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    columns::Columns,
    digest::{self, Digest, Running},
    error::{FileError, Problem, shown},
    layout::Role,
    lines::{Lines, MAX_RECORD_BYTES, Record},
    open::{self, Compression, Opened, STDIN},
    options::Options,
    order::{Alike, Order, Place},
    reverse::Reversed,
    row::{Content, Part, Rows},
    time::{Times, Written},
};

/// Rows that are checked before the first one is used.
pub(crate) const CHECKED_ROWS: usize = 10_000;
/// Bound on the bytes of these rows.
const CHECKED_BYTES: usize = 8 << 20;

/// A data row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRow {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its line in the file; the first line is 1.
    pub line: u64,
    /// Its content.
    pub content: Content,
    /// The SHA-256 of all rows up to it, where the options ask for it.
    pub digest: Option<Digest>,
}

type Text = BufReader<Box<dyn Read + Send>>;

/// A file, opened and recognised.
pub struct QuoteFile {
    name: String,
    base_name: String,
    compression: Compression,
    bytes: Option<u64>,
    taken: Arc<AtomicU64>,
    records: Records,
    rows: Rows,
    order: Order,
    running: Option<Running>,
    number: u64,
    /// The hash of the first row, in the names of earlier releases.
    first_row: Option<String>,
    /// Rows that were read for the check.
    checked: VecDeque<DataRow>,
}

enum Records {
    Forward { first: Option<(u64, Vec<u8>)>, lines: Lines<Text> },
    Reversed(Reversed),
}

impl Records {
    fn next<'a>(&'a mut self, buffer: &'a mut Vec<u8>) -> Result<Option<(u64, Record<'a>)>, Problem> {
        match self {
            Self::Forward { first, lines } => match first.take() {
                Some((line, bytes)) => {
                    *buffer = bytes;
                    Ok(Some((line, Record::Whole(buffer))))
                }
                None => lines.next(),
            },
            Self::Reversed(reversed) => reversed.next(),
        }
    }
}

impl QuoteFile {
    /// Opens a file, `-` for standard input, recognises it, and reads the rows that [`QuoteFile::check`] checks.
    pub fn open(path: &Path, options: &Options) -> Result<Self, FileError> {
        let is_stdin = path == Path::new(STDIN);
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let base = path.file_name().filter(|_| !is_stdin).map(|name| name.to_string_lossy().into_owned());
        let opened = open::open(path).map_err(|problem| problem.of(&name))?;
        Self::start(opened, &name, base.unwrap_or_else(|| "stdin".to_owned()), options)
            .map_err(|problem| problem.of(&name))
    }

    /// As [`QuoteFile::open`], from any source of bytes.
    pub fn from_source(source: Box<dyn Read + Send>, name: &str, options: &Options) -> Result<Self, FileError> {
        let opened = open::recognise(source, None).map_err(|problem| problem.of(name))?;
        Self::start(opened, name, name.to_owned(), options).map_err(|problem| problem.of(name))
    }

    fn start(opened: Opened, name: &str, base_name: String, options: &Options) -> Result<Self, Problem> {
        let Opened { text, compression, bytes, taken } = opened;
        let mut lines = Lines::new(text)?;
        let (columns, header) = match lines.next()? {
            None => return Err(Problem::Empty),
            Some((line, Record::TooLong(start))) => {
                return Err(Problem::Header { line, complaint: too_long(start) });
            }
            Some((line, Record::Whole(record))) => {
                let columns = Columns::of(record, options).map_err(|complaint| Problem::Header { line, complaint })?;
                (columns, (line, record.to_vec()))
            }
        };
        let first = columns.names.is_empty().then_some(header);
        let records = if options.reverse {
            Records::Reversed(Reversed::of(first.as_ref(), lines)?)
        } else {
            Records::Forward { first, lines }
        };
        let times = Times::new(options.time_format.clone(), options.time_zone.clone());
        let mut file = Self {
            name: name.to_owned(),
            base_name,
            compression,
            bytes,
            taken,
            records,
            rows: Rows::new(columns, times),
            order: Order::default(),
            running: options.digests.then(Running::default),
            number: 0,
            first_row: None,
            checked: VecDeque::new(),
        };
        file.read_ahead()?;
        Ok(file)
    }

    fn read_ahead(&mut self) -> Result<(), Problem> {
        let mut bytes = 0;
        while self.checked.len() < CHECKED_ROWS && bytes < CHECKED_BYTES {
            let Some((row, length)) = self.read()? else { break };
            bytes += length;
            self.checked.push_back(row);
        }
        Ok(())
    }

    /// The next data row; `None`: the end.
    pub fn next_row(&mut self) -> Result<Option<DataRow>, FileError> {
        if let Some(row) = self.checked.pop_front() {
            return Ok(Some(row));
        }
        self.read().map(|row| row.map(|(row, _)| row)).map_err(|problem| problem.of(&self.name))
    }

    /// Reads a row, and returns the bytes that it takes in the file.
    fn read(&mut self) -> Result<Option<(DataRow, usize)>, Problem> {
        let mut buffer = Vec::new();
        let Some((line, record)) = self.records.next(&mut buffer)? else { return Ok(None) };
        let (bytes, content) = match record {
            Record::Whole(bytes) => (bytes, self.rows.read(bytes, line)),
            Record::TooLong(start) => (start, Content::unusable(Part::Other, too_long(start))),
        };
        self.number += 1;
        if self.number == 1 {
            self.first_row = Some(digest::short(bytes));
        }
        let digest = self.running.as_mut().map(|running| running.add(bytes));
        let length = bytes.len();
        let content = match content {
            Content::Quote(row) => {
                let place = Place { file: None, line };
                self.order.take(&row, place, self.rows.alike()).unwrap_or(Content::Quote(row))
            }
            other => other,
        };
        Ok(Some((DataRow { number: self.number, line, content, digest }, length)))
    }

    /// The first problem among the rows that were read ahead: the first 10,000, or 8 MiB of them. With `allow_bad_lines`
    /// single rows are none.
    pub fn check(&self, allow_bad_lines: bool) -> Result<(), FileError> {
        self.first_problem(allow_bad_lines).map_or(Ok(()), |problem| Err(problem.of(&self.name)))
    }

    fn first_problem(&self, allow_bad_lines: bool) -> Option<Problem> {
        let Some(first) = self.checked.front() else { return Some(Problem::NoRows) };
        let rows = self.checked.len();
        let bad = || {
            self.checked.iter().filter_map(|row| match &row.content {
                Content::Unusable { complaint, part } => Some((row.line, complaint, *part)),
                Content::Quote(_) | Content::NoPrice => None,
            })
        };
        if !self.checked.iter().any(|row| matches!(row.content, Content::Quote(_))) {
            let named = |wanted: Part| bad().find(|(_, _, part)| *part == wanted);
            let (line, complaint, remedy) = if let Some((line, complaint, _)) = named(Part::Time) {
                (line, complaint.clone(), "--time-column and --time-format describe the times")
            } else if let Some((line, complaint, _)) = named(Part::Price).or_else(|| bad().next()) {
                (line, complaint.clone(), "--price-column names another column")
            } else {
                (first.line, "has no price".to_owned(), "--price-column names another column")
            };
            return Some(Problem::Column { line, complaint, rows, remedy });
        }
        let mut back = bad().filter(|(_, _, part)| *part == Part::Order);
        if let Some((line, complaint, _)) = back.next()
            && (back.count() + 1) * 2 > rows.saturating_sub(1)
        {
            let is_reversed = matches!(self.records, Records::Reversed(_));
            return Some(Problem::Backwards { line, complaint: complaint.clone(), is_reversed });
        }
        let (line, complaint, _) = bad().next().filter(|_| !allow_bad_lines)?;
        Some(Problem::Row { line, complaint: complaint.clone() })
    }

    /// The error about a row that cannot be used.
    pub fn refuse(&self, line: u64, complaint: &str) -> FileError {
        Problem::Row { line, complaint: complaint.to_owned() }.of(&self.name)
    }

    /// The path as given; `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name without its folder; `stdin`.
    pub fn base_name(&self) -> &str {
        &self.base_name
    }

    /// First eight hexadecimal digits of the SHA-256 of the first data row; `None` where there is none.
    pub fn first_row_digest(&self) -> Option<&str> {
        self.first_row.as_deref()
    }

    /// The columns.
    pub const fn columns(&self) -> &Columns {
        &self.rows.columns
    }

    /// The rows that count as repetitions.
    pub(crate) fn alike(&self) -> Alike {
        self.rows.alike()
    }

    /// The compression.
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// The way in which times are written; `None` while none was read.
    pub fn written_times(&self) -> Option<Written> {
        self.rows.times.written()
    }

    /// Bytes of the file, if it is a regular one.
    pub const fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Bytes of the file that were read.
    pub fn bytes_read(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Choices that a person should know of, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let columns = self.columns();
        let price = columns.name(Role::Price).unwrap_or_default();
        let other = columns.names.iter().find(|name| {
            matches!(crate::layout::plain(name).as_str(), "adj close" | "adjusted_close" | "adjusted close")
                && **name != price
        });
        let adjusted = other.map(|other| {
            let layout = columns.layout.unwrap_or("the file");
            format!(
                "{}: {layout}: the price is {price}; --price-column \"{other}\" takes the prices that are adjusted",
                self.name
            )
        });
        let zone = self.rows.times.is_zone_assumed().then(|| {
            format!("{}: the times have no zone and are read as UTC; --time-zone names another one", self.name)
        });
        adjusted.into_iter().chain(zone).collect()
    }
}

impl Rows {
    /// The rows that count as repetitions.
    pub(crate) fn alike(&self) -> Alike {
        if self.columns.are_bars() {
            Alike::SameTime
        } else if self.columns.place(Role::Size).is_some() {
            Alike::OtherFile
        } else {
            Alike::SameValues
        }
    }
}

fn too_long(start: &[u8]) -> String {
    format!("has more than {MAX_RECORD_BYTES} bytes: {}", shown(start))
}
