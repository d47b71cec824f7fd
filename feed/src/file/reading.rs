//! Reads the rows of a file on a thread of its own, and hands them on in batches.

use std::sync::{Arc, atomic::Ordering};

use intuition_common::exit::with_causes;
use quote_files::{Checker, Content, DataRow, FileError, Position as RowPosition, QuoteFile, Role};
use tokio::sync::mpsc;

use super::{
    compare::{CompareError, compare, describe},
    place::{OpenError, Opener},
    state::FileState,
};
use crate::{
    quote::Quote,
    source::{Condition, Position, SourceEvent},
};

/// Rows of a batch: the hashes are stored for each. All batches on their way and the quotes in flight are fewer than the recent rows
/// of [`quote_files::Position`], so that the last published row is one of those.
const BATCH_ROWS: usize = 200;
/// Bound on the listed rows that cannot be used.
const MAX_LISTED: u64 = 100;

/// Errors that end a file's reading.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    File(Box<FileError>),
    #[error(transparent)]
    Open(Box<OpenError>),
    #[error(
        "{file}: {cause}; rows up to {published} were published as the source {name}, so nothing was published: another \
         sourceName takes the file as another source"
    )]
    Changed { file: String, cause: String, published: u64, name: Arc<str> },
}

impl ReadError {
    fn file(error: FileError) -> Self {
        Self::File(Box::new(error))
    }

    fn open(error: OpenError) -> Self {
        Self::Open(Box::new(error))
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Open(_) => "FileUnusable",
            Self::Changed { .. } => "SourceChanged",
        }
    }
}

type Rows = mpsc::Sender<SourceEvent>;

/// A file to be read behind a position.
pub(super) struct Reading {
    pub(super) opener: Opener,
    pub(super) name: Arc<str>,
    pub(super) allow_bad_lines: bool,
    pub(super) position: Position,
}

impl Reading {
    /// Reads until the end, an error, or until the receiver is dropped.
    pub(super) fn run(self, rows: &Rows) {
        let condition = match self.read(rows) {
            Ok(()) => Condition::Ended,
            Err(error) => Condition::Failed { reason: error.reason(), message: with_causes(&error) },
        };
        drop(rows.blocking_send(SourceEvent::Condition(condition)));
    }

    fn read(&self, rows: &Rows) -> Result<(), ReadError> {
        let file = self.opener.open().map_err(ReadError::open)?;
        file.check(self.allow_bad_lines).map_err(ReadError::file)?;
        for note in file.notes() {
            tracing::info!("{note}");
        }
        let published = self.position.numbers.get(&*self.name).copied().unwrap_or_default();
        self.compare(&file, published)?;
        self.opener.was_missing.store(true, Ordering::Relaxed);
        let price = file.columns().name(Role::Price).unwrap_or_default();
        let mut course = Course {
            file,
            name: &self.name,
            allow_bad_lines: self.allow_bad_lines,
            published,
            price,
            hashes: RowPosition::default(),
            is_behind_gap: false,
            passed_over: 0,
        };
        loop {
            let (batch, outcome) = course.batch();
            // Bytes came again, for the first time or behind a pause of the server.
            if self.opener.was_missing.swap(false, Ordering::Relaxed)
                && rows.blocking_send(SourceEvent::Condition(Condition::Working)).is_err()
            {
                return Ok(());
            }
            if !batch.is_empty() {
                let event = SourceEvent::Quotes { quotes: batch, state: Some(Arc::new(course.state())) };
                if rows.blocking_send(event).is_err() {
                    return Ok(());
                }
            }
            if !outcome? {
                return Ok(());
            }
        }
    }

    /// Compares the rows that were published, before anything is published.
    fn compare(&self, file: &QuoteFile, published: u64) -> Result<(), ReadError> {
        if published == 0 {
            return Ok(());
        }
        let Some(state) = FileState::read(self.position.state.as_deref(), &self.name) else {
            tracing::warn!(
                file = file.name(),
                "no hashes of the {published} rows were kept that were published: they are taken for unchanged"
            );
            return Ok(());
        };
        let checker = Checker::new(state.rows, published);
        let again = self.opener.open().map_err(ReadError::open)?;
        compare(again, checker).map_err(|cause| match cause {
            CompareError::Read(error) => ReadError::file(error),
            CompareError::Differ(changed) => {
                let cause = describe(&changed);
                let (file, name) = (file.name().to_owned(), Arc::clone(&self.name));
                ReadError::Changed { file, cause, published, name }
            }
        })
    }
}

/// The way through a file.
struct Course<'a> {
    file: QuoteFile,
    name: &'a Arc<str>,
    allow_bad_lines: bool,
    published: u64,
    price: String,
    hashes: RowPosition,
    is_behind_gap: bool,
    passed_over: u64,
}

impl Course<'_> {
    /// The next quotes, and whether there are more.
    fn batch(&mut self) -> (Vec<Quote>, Result<bool, ReadError>) {
        let mut quotes = Vec::with_capacity(BATCH_ROWS);
        while quotes.len() < BATCH_ROWS {
            match self.file.next_row() {
                Ok(Some(row)) => match self.quote(&row) {
                    Ok(quote) => quotes.extend(quote),
                    Err(error) => return (quotes, Err(error)),
                },
                Ok(None) => return (quotes, Ok(false)),
                Err(error) => return (quotes, Err(ReadError::file(error))),
            }
        }
        (quotes, Ok(true))
    }

    fn state(&self) -> FileState {
        FileState { source: self.name.to_string(), price: self.price.clone(), rows: self.hashes.clone() }
    }

    /// The quote of a row; `None`: it is left out.
    fn quote(&mut self, row: &DataRow) -> Result<Option<Quote>, ReadError> {
        if let Some(digest) = &row.digest {
            self.hashes.advance(digest);
        }
        if row.number <= self.published {
            return Ok(None);
        }
        let quote = match &row.content {
            Content::Quote(quote) => quote,
            Content::NoPrice => {
                self.is_behind_gap = true;
                return Ok(None);
            }
            Content::Unusable { complaint, .. } if self.allow_bad_lines => {
                self.is_behind_gap = true;
                self.passed_over += 1;
                if self.passed_over <= MAX_LISTED {
                    tracing::warn!(file = self.file.name(), line = row.line, "passed over: {complaint}");
                }
                return Ok(None);
            }
            Content::Unusable { complaint, .. } => return Err(ReadError::file(self.file.refuse(row.line, complaint))),
        };
        let mut quote = Quote::of_row(quote, self.name, row.number, row.line);
        quote.is_sparse = std::mem::take(&mut self.is_behind_gap);
        Ok(Some(quote))
    }
}
