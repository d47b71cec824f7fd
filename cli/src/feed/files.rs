//! Opens the files of a feed, as its options describe them.

use std::path::PathBuf;

use quote_files::{FileError, Options, QuoteFile, STDIN};

use super::source::{self, SourceError};
use crate::args::FileArgs;

/// Errors of files that keep a run from starting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// A file cannot be used.
    #[error(transparent)]
    File(FileError),
    /// The options do not fit the files.
    #[error(transparent)]
    Options(SourceError),
    /// Standard input comes once.
    #[error("--feed names standard input several times")]
    RepeatStdin,
}

/// A file and the options that it was opened by, to open it again.
pub(crate) struct OpenFile {
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    pub(crate) file: QuoteFile,
}

/// Opens the files, in their order. With `digests` each row has the hash that a position needs.
pub(crate) fn open(paths: &[PathBuf], args: &FileArgs, digests: bool) -> Result<Vec<OpenFile>, OpenError> {
    if paths.iter().filter(|path| path.as_os_str() == STDIN).count() > 1 {
        return Err(OpenError::RepeatStdin);
    }
    let sids = source::for_each("--sid", &args.sid, paths.len(), true).map_err(OpenError::Options)?;
    let opened = paths.iter().zip(sids).map(|(path, sid)| {
        let options = Options { digests, ..options(args, sid) };
        let file = QuoteFile::open(path, &options).map_err(OpenError::File)?;
        Ok(OpenFile { path: path.clone(), options, file })
    });
    opened.collect()
}

fn options(args: &FileArgs, sid: Option<&str>) -> Options {
    Options {
        time_column: args.time_column.clone(),
        sid_column: args.sid_column.clone(),
        price_column: args.price_column.clone(),
        sid: sid.map(str::to_owned),
        time_format: args.time_format.clone(),
        time_zone: args.time_zone.clone(),
        delimiter: args.delimiter,
        reverse: args.reverse,
        digests: false,
    }
}
