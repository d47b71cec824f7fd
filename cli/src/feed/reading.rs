//! Reads the rows of a feed on a thread of its own, and hands them on in batches.

use std::{io, thread::Builder};

use feed::file::compare::describe;
use indicatif::ProgressBar;
use quote_files::{Changed, Checker, Content, DataRow, FileError, Merged, Position};
use tokio::sync::mpsc;

use super::{
    positions::{PositionError, Store},
    quote::{self, Quote},
};
use crate::output::say;

/// Rows of a batch: the position is stored for each. Three batches and the rows in flight are fewer than the recent rows of a
/// [`Position`], so that the last decided row is one of those.
const BATCH_ROWS: usize = 400;
/// Batches that wait, beside that of the publisher and that which is being read.
const MAX_WAITING: usize = 1;
/// Bound on the listed rows of a file that cannot be used.
const MAX_LISTED: u64 = 100;

/// Errors of reading a feed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file cannot be read further, or a row of it cannot be used.
    #[error(transparent)]
    File(FileError),
    /// The position cannot be kept.
    #[error(transparent)]
    Position(PositionError),
    /// Rows differ from those of an earlier run.
    #[error(transparent)]
    Changed(ChangedError),
    /// A row cannot be written as a message.
    #[error("cannot write a quote as JSON")]
    Render(#[source] serde_json::Error),
    /// No thread.
    #[error("cannot start a thread")]
    Start(#[source] io::Error),
}

/// Rows that an earlier run decided, and that differ now.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file}: {}; rows up to {decided} were decided as the source {source_name}, so nothing was published: --source NEW takes the file \
     as another source, --restart as {source_name}#2",
    describe(.changed)
)]
pub(crate) struct ChangedError {
    /// The file.
    pub(crate) file: String,
    /// Its source.
    pub(crate) source_name: String,
    /// The last row that an account has decided.
    pub(crate) decided: u64,
    /// The rows.
    pub(crate) changed: Changed,
}

/// The way of one file through a run.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Name of its source.
    pub(crate) source: String,
    /// Rows that all accounts have decided.
    pub(crate) skip: u64,
    /// Rows that an account has decided.
    pub(crate) decided: u64,
    /// Where its position is kept.
    pub(crate) store: Option<Store>,
    /// Compares the rows as they are read: of standard input, which is read once.
    pub(crate) checker: Option<Checker>,
}

/// Starts to read. Rows come in order; an error is the last item.
pub(crate) fn start(
    merged: Merged,
    courses: Vec<Course>,
    allow_bad_lines: bool,
    bar: ProgressBar,
) -> Result<mpsc::Receiver<Result<Vec<Quote>, ReadError>>, ReadError> {
    let (batches, receiver) = mpsc::channel(MAX_WAITING);
    let reading = Reading {
        files: courses.into_iter().map(|course| File { course, ..File::default() }).collect(),
        merged,
        allow_bad_lines,
        bar,
    };
    Builder::new().name("feed".to_owned()).spawn(move || reading.run(&batches)).map_err(ReadError::Start)?;
    Ok(receiver)
}

#[derive(Default)]
struct File {
    course: Course,
    position: Position,
    is_behind_gap: bool,
    unusable: u64,
    /// Rows without a price, and the line of the first.
    empty: Option<(u64, u64)>,
}

struct Reading {
    merged: Merged,
    files: Vec<File>,
    allow_bad_lines: bool,
    bar: ProgressBar,
}

type Batches = mpsc::Sender<Result<Vec<Quote>, ReadError>>;

impl Reading {
    fn run(mut self, batches: &Batches) {
        loop {
            let mut batch = Vec::with_capacity(BATCH_ROWS);
            let outcome = self.fill(&mut batch);
            let is_over = !matches!(outcome, Ok(true));
            // Before the rows go out, so that every row that an account decides has its hash stored.
            let outcome = if batch.is_empty() { outcome } else { self.save().and(outcome) };
            self.bar.set_position(self.merged.files().iter().map(quote_files::QuoteFile::bytes_read).sum());
            // A run that ends closes the channel.
            if !batch.is_empty() && batches.blocking_send(Ok(batch)).is_err() {
                return;
            }
            if let Err(error) = outcome {
                drop(batches.blocking_send(Err(error)));
            }
            if is_over {
                self.conclude();
                return;
            }
        }
    }

    /// Fills a batch; `false`: the end of all files.
    fn fill(&mut self, batch: &mut Vec<Quote>) -> Result<bool, ReadError> {
        while batch.len() < BATCH_ROWS {
            let Some((index, row)) = self.merged.next_row().map_err(ReadError::File)? else {
                self.finish()?;
                return Ok(false);
            };
            if let Some(quote) = self.take(index, &row)? {
                batch.push(quote);
            }
        }
        Ok(true)
    }

    /// The message for a row; `None`: it is left out.
    fn take(&mut self, index: usize, row: &DataRow) -> Result<Option<Quote>, ReadError> {
        let (Some(file), Some(read)) = (self.files.get_mut(index), self.merged.files().get(index)) else {
            return Ok(None);
        };
        if let Some(digest) = &row.digest {
            file.position.advance(digest);
            let compared = file.course.checker.as_mut().map_or(Ok(()), |checker| checker.check(row.number, digest));
            compared.map_err(|changed| file.changed(read.name(), changed))?;
        }
        if row.number <= file.course.skip {
            return Ok(None);
        }
        let quote = match &row.content {
            Content::Quote(quote) => quote,
            Content::NoPrice => {
                file.is_behind_gap = true;
                let (count, first) = file.empty.unwrap_or((0, row.line));
                file.empty = Some((count + 1, first));
                return Ok(None);
            }
            Content::Unusable { complaint, .. } if self.allow_bad_lines => {
                file.is_behind_gap = true;
                file.unusable += 1;
                if file.unusable <= MAX_LISTED {
                    let line = format!("{}: line {}: {complaint}: passed over", read.name(), row.line);
                    self.bar.suspend(|| say(&[line]));
                }
                return Ok(None);
            }
            Content::Unusable { complaint, .. } => return Err(ReadError::File(read.refuse(row.line, complaint))),
        };
        let payload = quote::payload(quote, &file.course.source, row.number, row.line).map_err(ReadError::Render)?;
        let is_behind_gap = std::mem::take(&mut file.is_behind_gap);
        Ok(Some(Quote { file: index, seq: row.number, line: row.line, is_behind_gap, payload }))
    }

    fn finish(&self) -> Result<(), ReadError> {
        for (file, read) in self.files.iter().zip(self.merged.files()) {
            let rows = file.position.rows();
            let compared = file.course.checker.as_ref().map_or(Ok(()), |checker| checker.finish(rows));
            compared.map_err(|changed| file.changed(read.name(), changed))?;
        }
        Ok(())
    }

    /// Stores the positions. Before the last decided row the stored one goes further, and its rows are the same.
    fn save(&self) -> Result<(), ReadError> {
        for file in &self.files {
            if let Some(store) = &file.course.store
                && file.position.rows() >= file.course.decided
            {
                store.save(&file.position).map_err(ReadError::Position)?;
            }
        }
        Ok(())
    }

    /// Reports the rows that were left out.
    fn conclude(&self) {
        let lines = self.files.iter().zip(self.merged.files()).flat_map(|(file, read)| {
            let empty = file.empty.map(|(count, first)| {
                let name = read.name();
                format!("{name}: rows without a price, which were passed over: {count}, the first in line {first}")
            });
            let unusable = (file.unusable > 0).then(|| {
                format!("{}: rows that cannot be used, which were passed over: {}", read.name(), file.unusable)
            });
            empty.into_iter().chain(unusable)
        });
        let lines: Vec<_> = lines.collect();
        self.bar.suspend(|| say(&lines));
    }
}

impl File {
    fn changed(&self, file: &str, changed: Changed) -> ReadError {
        let Course { source, decided, .. } = &self.course;
        let (file, source_name) = (file.to_owned(), source.clone());
        ReadError::Changed(ChangedError { file, source_name, decided: *decided, changed })
    }
}
