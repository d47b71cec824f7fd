//! The files beside `--settings` that need not be there.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::ArgsError;
use crate::{
    settings::{CashFile, Initial, InitialTrading, SecondFile, from_second_file, second_file},
    trading::Document,
};

/// The second settings file.
pub(super) fn second(settings: &Path) -> Result<SecondFile, ArgsError> {
    let path = second_file(settings);
    let Some(text) = read(&path)? else { return Ok(SecondFile::default()) };
    from_second_file(&text).map_err(|source| ArgsError::ParseSecondFile { path, source })
}

/// The trading state and the cash that the resource `uid` leaves to these files.
pub(super) fn initial(settings: &Path, uid: &str) -> Result<Initial, ArgsError> {
    let same_uid = |path: &Path, found: String| {
        let (path, wanted) = (path.to_owned(), uid.to_owned());
        if found == wanted { Ok(()) } else { Err(ArgsError::OtherUid { path, found, wanted }) }
    };
    let mut initial = Initial::default();
    let path = Document::beside(settings);
    if let Some(text) = read(&path)? {
        let parsed = Document::parse(&text);
        let document = parsed.map_err(|source| ArgsError::ParseTradingState { path: path.clone(), source })?;
        same_uid(&path, document.resource_uid.clone())?;
        initial.trading = InitialTrading::File(document);
    }
    let path = CashFile::beside(settings);
    if let Some(text) = read(&path)? {
        let file = CashFile::parse(&text).map_err(|source| ArgsError::ParseCash { path: path.clone(), source })?;
        same_uid(&path, file.resource_uid)?;
        initial.cash_unchanged = file.starting_cash_unchanged;
    }
    Ok(initial)
}

fn read(path: &PathBuf) -> Result<Option<String>, ArgsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ArgsError::ReadSettings { path: path.clone(), source }),
    }
}
