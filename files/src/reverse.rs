//! The records of a file from its end to its beginning, by way of a temporary file, so that memory stays bounded.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
};

use crate::{
    error::Problem,
    lines::{Lines, Record},
};

/// Behind each record: its length, its line, and whether it was cut.
const TRAILER_BYTES: u64 = 4 + 8 + 1;

/// Records in a temporary file, which nothing else sees.
#[derive(Debug)]
pub(crate) struct Reversed {
    file: BufReader<File>,
    /// The end of the record that comes next.
    end: u64,
    buffer: Vec<u8>,
}

impl Reversed {
    /// Takes all records of `lines`, behind those that were read already.
    pub(crate) fn of(first: Option<&(u64, Vec<u8>)>, mut lines: Lines<impl BufRead>) -> Result<Self, Problem> {
        let file = tempfile::tempfile().map_err(Problem::Spool)?;
        let mut writer = BufWriter::new(file);
        let mut end = 0;
        let mut put = |line: u64, record: Record<'_>| {
            let (bytes, is_cut) = match record {
                Record::Whole(bytes) => (bytes, 0),
                Record::TooLong(bytes) => (bytes, 1),
            };
            // A record is bounded.
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            end += u64::from(length) + TRAILER_BYTES;
            let parts = [bytes, &length.to_le_bytes(), &line.to_le_bytes(), &[is_cut]];
            parts.into_iter().try_for_each(|part| writer.write_all(part)).map_err(Problem::Spool)
        };
        if let Some((line, bytes)) = first {
            put(*line, Record::Whole(bytes))?;
        }
        while let Some((line, record)) = lines.next()? {
            put(line, record)?;
        }
        let file = writer.into_inner().map_err(|error| Problem::Spool(error.into_error()))?;
        Ok(Self { file: BufReader::new(file), end, buffer: Vec::new() })
    }

    /// The record before the one returned last, with its line.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Record<'_>)>, Problem> {
        if self.end == 0 {
            return Ok(None);
        }
        let trailer = self.end - TRAILER_BYTES;
        let (mut length, mut line, mut is_cut) = ([0; 4], [0; 8], [0]);
        self.file.seek(SeekFrom::Start(trailer)).map_err(Problem::Spool)?;
        for part in [length.as_mut_slice(), &mut line, &mut is_cut] {
            self.file.read_exact(part).map_err(Problem::Spool)?;
        }
        let length = u32::from_le_bytes(length);
        self.end = trailer - u64::from(length);
        self.buffer.resize(length as usize, 0);
        self.file.seek(SeekFrom::Start(self.end)).map_err(Problem::Spool)?;
        self.file.read_exact(&mut self.buffer).map_err(Problem::Spool)?;
        let record = if is_cut == [0] { Record::Whole(&self.buffer) } else { Record::TooLong(&self.buffer) };
        Ok(Some((u64::from_le_bytes(line), record)))
    }
}
