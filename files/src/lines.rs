//! Records of a CSV file: a line, or several where a quoted cell holds line ends. Each is bounded in bytes.

use std::io::{BufRead, Read as _};

use crate::error::{Problem, shown};

/// Bound on the bytes of a record: far more than a row of quotes has.
pub(crate) const MAX_RECORD_BYTES: usize = 64 * 1024;

/// A record, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// Its bytes.
    Whole(&'a [u8]),
    /// The beginning of one that has more than [`MAX_RECORD_BYTES`]. The rest was passed over.
    TooLong(&'a [u8]),
}

/// Reads records.
pub(crate) struct Lines<R> {
    source: R,
    /// Ends a line: `\n`, or `\r` alone in old files.
    end: u8,
    /// Lines that were read.
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(mut source: R) -> Result<Self, Problem> {
        let start = source.fill_buf().map_err(|cause| Problem::Read { line: 1, cause })?;
        let first = start.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let is_old =
            first.is_some_and(|at| start.get(at) == Some(&b'\r') && !matches!(start.get(at + 1), Some(b'\n') | None));
        Ok(Self { source, end: if is_old { b'\r' } else { b'\n' }, line: 0, buffer: Vec::new() })
    }

    /// The next record that is not blank, and the number of its first line; `None`: the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Record<'_>)>, Problem> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let first = self.line;
            if !self.add_line()? {
                return Ok(None);
            }
            if self.buffer.len() > MAX_RECORD_BYTES {
                self.pass_over()?;
                let start = self.buffer.get(..MAX_RECORD_BYTES).unwrap_or_default();
                return Ok(Some((first, Record::TooLong(start))));
            }
            // A quote in the middle of a cell is text. The exact rule is the cells'; an odd number is rare enough to ask it.
            while self.buffer.contains(&b'"') && is_open(&self.buffer) {
                self.line += 1;
                if self.buffer.len() > MAX_RECORD_BYTES || !self.add_line()? {
                    let text = shown(self.buffer.split(|byte| *byte == self.end).next().unwrap_or_default());
                    return Err(Problem::Unclosed { line: first, text });
                }
            }
            if !self.buffer.trim_ascii().is_empty() {
                let record = self.buffer.strip_suffix(&[self.end]).unwrap_or(&self.buffer);
                return Ok(Some((first, Record::Whole(record.strip_suffix(b"\r").unwrap_or(record)))));
            }
        }
    }

    /// Adds a line, its end included, as far as a record may go; `false`: there is none.
    fn add_line(&mut self) -> Result<bool, Problem> {
        let room = (MAX_RECORD_BYTES + 2).saturating_sub(self.buffer.len()) as u64;
        let added = self.source.by_ref().take(room).read_until(self.end, &mut self.buffer);
        added.map(|added| added > 0).map_err(|cause| Problem::Read { line: self.line, cause })
    }

    /// Passes over the rest of a line.
    fn pass_over(&mut self) -> Result<(), Problem> {
        if self.buffer.last() == Some(&self.end) {
            return Ok(());
        }
        loop {
            let line = self.line;
            let part = self.source.fill_buf().map_err(|cause| Problem::Read { line, cause })?;
            let end = part.iter().position(|byte| *byte == self.end);
            let (is_over, used) = (part.is_empty() || end.is_some(), end.map_or(part.len(), |at| at + 1));
            self.source.consume(used);
            if is_over {
                return Ok(());
            }
        }
    }
}

/// Whether the last cell is quoted and goes on behind the text. The delimiter may be any of those that are recognised.
fn is_open(text: &[u8]) -> bool {
    #[derive(Clone, Copy)]
    enum State {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let end = text.iter().fold(State::Start, |state, byte| match (state, byte) {
        (State::Quoted, b'"') => State::Closed,
        // Within a quoted cell, two quotes are one: the second opens it again.
        (State::Start | State::Closed, b'"') | (State::Quoted, _) => State::Quoted,
        (_, b',' | b';' | b'\t' | b'|' | b'\n' | b'\r') | (State::Start, b' ') => State::Start,
        _ => State::Plain,
    });
    matches!(end, State::Quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Lines::new(text).unwrap();
        let mut all = Vec::new();
        while let Some((line, record)) = lines.next().unwrap() {
            let (Record::Whole(bytes) | Record::TooLong(bytes)) = record;
            all.push((line, bytes.to_vec()));
        }
        all
    }

    #[test]
    fn line_ends_of_every_system_end_a_record_and_blank_lines_are_counted() {
        let expected = vec![(1, b"a,b".to_vec()), (3, b"c,d".to_vec()), (4, b"e".to_vec())];
        for text in ["a,b\n\nc,d\ne", "a,b\r\n\r\nc,d\r\ne\r\n", "a,b\r\rc,d\re\r"] {
            assert_eq!(read(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_quoted_cell_may_hold_line_ends_and_a_quote_within_a_cell_is_text() {
        let text = b"a,\"b\nc \"\"x\"\"\"\n5\" pipe,d\n, \"e\n\"\nf\n";
        let expected = vec![
            (1, b"a,\"b\nc \"\"x\"\"\"".to_vec()),
            (3, b"5\" pipe,d".to_vec()),
            (4, b", \"e\n\"".to_vec()),
            (6, b"f".to_vec()),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn a_cell_that_nothing_closes_is_an_error_with_its_line() {
        for rest in ["c\n".repeat(3), "c\n".repeat(MAX_RECORD_BYTES)] {
            let text = format!("a,b\nx,\"open\n{rest}");
            let mut lines = Lines::new(text.as_bytes()).unwrap();
            lines.next().unwrap();
            let error = lines.next().unwrap_err();
            assert!(matches!(&error, Problem::Unclosed { line: 2, text } if text == r#""x,\"open""#), "{error}");
        }
    }

    #[test]
    fn a_record_beyond_the_bound_is_cut_and_the_next_line_follows() {
        let text = format!("a\n{}\nb\n", "x".repeat(5_000_000));
        let read = read(text.as_bytes());
        let lengths: Vec<_> = read.iter().map(|(line, bytes)| (*line, bytes.len())).collect();
        assert_eq!(lengths, [(1, 1), (2, MAX_RECORD_BYTES), (3, 1)]);
    }
}
