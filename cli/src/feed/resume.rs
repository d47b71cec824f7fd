//! Where accounts stand in the files of a feed, and whether the rows that they have decided are still the same.

use std::path::Path;

use feed::file::compare::{CompareError, compare};
use quote_files::{Checker, QuoteFile, Role, STDIN};

use super::{
    files::OpenFile,
    positions::{PositionError, Store},
    reading::{ChangedError, Course, ReadError},
    source::{self, MarkOf, SourceError},
};

/// Errors that keep a feed from going on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    /// Names of sources.
    #[error(transparent)]
    Source(SourceError),
    /// The stored position.
    #[error(transparent)]
    Position(PositionError),
    /// The file has changed, or cannot be read.
    #[error(transparent)]
    Read(ReadError),
}

/// The accounts that take the feed, with where each stands in a source.
pub(crate) type Accounts<'a> = &'a [(&'a str, MarkOf<'a>)];

/// The options of a feed's sources.
pub(crate) struct Names<'a> {
    pub(crate) given: &'a [String],
    pub(crate) restart: bool,
    pub(crate) topic: &'a str,
    /// Folder of the ledgers; `None`: they are temporary.
    pub(crate) data_dir: Option<&'a Path>,
}

/// Returns the course of each file, and sentences for the person at the terminal. A file with changed rows is an error.
pub(crate) fn courses(
    files: &[OpenFile],
    names: &Names<'_>,
    accounts: Accounts<'_>,
) -> Result<(Vec<Course>, Vec<String>), ResumeError> {
    let given = source::for_each("--source", names.given, files.len(), false).map_err(ResumeError::Source)?;
    let (mut courses, mut notes) = (Vec::new(), Vec::new());
    for (open, given) in files.iter().zip(given) {
        let source = source::name(&(&open.file).into(), given, names.restart, accounts).map_err(ResumeError::Source)?;
        if names.restart {
            notes.push(format!("{}: is the source {source}", open.file.name()));
        }
        courses.push(course(open, source, names, accounts, &mut notes)?);
    }
    let sources: Vec<_> =
        files.iter().zip(&courses).map(|(open, course)| (open.file.name(), course.source.as_str())).collect();
    source::check_names(&sources).map_err(ResumeError::Source)?;
    Ok((courses, notes))
}

fn course(
    open: &OpenFile,
    source: String,
    names: &Names<'_>,
    accounts: Accounts<'_>,
    notes: &mut Vec<String>,
) -> Result<Course, ResumeError> {
    let marks = || accounts.iter().map(|(_, mark)| mark(&source));
    let (skip, decided) = (marks().min().unwrap_or_default(), marks().max().unwrap_or_default());
    let price = open.file.columns().name(Role::Price).unwrap_or_default();
    let store = names.data_dir.map(|data_dir| Store::new(data_dir, &source, names.topic, &price));
    let earlier = store.as_ref().map(Store::load).transpose().map_err(ResumeError::Position)?.flatten();
    let mut course = Course { source, skip, decided, store, checker: None };
    if decided == 0 {
        return Ok(course);
    }
    let name = open.file.name();
    let known = earlier.as_ref().map_or(0, |(position, _)| position.rows());
    if known < decided {
        let first = known + 1;
        notes.push(format!(
            "{name}: no hashes of the rows {first} to {decided} were kept, which were decided: they are taken for unchanged"
        ));
    }
    let Some((position, earlier)) = earlier else { return Ok(course) };
    if earlier != price {
        notes.push(format!(
            "{name}: the prices are those of the column {price} from here on; rows up to {decided} were decided by {earlier}"
        ));
    }
    let checker = Checker::new(position, decided);
    if open.path == Path::new(STDIN) {
        // It is read once.
        course.checker = Some(checker);
    } else {
        compare_decided(open, checker, &course)?;
    }
    Ok(course)
}

/// Reads the rows that were decided, before anything is published.
fn compare_decided(open: &OpenFile, checker: Checker, course: &Course) -> Result<(), ResumeError> {
    let again =
        QuoteFile::open(&open.path, &open.options).map_err(|error| ResumeError::Read(ReadError::File(error)))?;
    compare(again, checker).map_err(|error| match error {
        CompareError::Read(error) => ResumeError::Read(ReadError::File(error)),
        CompareError::Differ(changed) => {
            let Course { source, decided, .. } = course;
            let (file, source_name) = (open.file.name().to_owned(), source.clone());
            ResumeError::Read(ReadError::Changed(ChangedError { file, source_name, decided: *decided, changed }))
        }
    })
}
