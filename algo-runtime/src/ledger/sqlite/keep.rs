//! The copy of a ledger of the format 1 that is kept when it goes over to format 2, which no release before can read.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use rusqlite::Connection;

use super::{place::Place, volume::free_bytes};
use crate::ledger::LedgerError;

/// Suffix of the kept file.
const KEPT: &str = ".format-1";

impl Place {
    /// The kept file.
    pub(super) fn kept(&self) -> PathBuf {
        self.beside(KEPT)
    }

    /// Copies the ledger, where there is room for the copy and for the migration beside it. Returns the sentence for a release that
    /// cannot read the migrated file.
    pub(super) fn keep(&self, folder: &File) -> Result<String, LedgerError> {
        let failed = self.access("keep a copy of");
        let bytes = fs::metadata(self.file()).map_err(&failed)?.len();
        let kept = self.kept();
        let shown = kept.display();
        let room = free_bytes(folder).map_err(&failed)?;
        // The file, its pages in the log of the migration, and a little.
        if room < bytes.saturating_mul(2) + (16 << 20) {
            tracing::warn!(bytes, room, "the ledger goes over to format 2 without a copy: there is no room for one");
            return Ok("No copy from before was kept, since there was no room for one".to_owned());
        }
        let unfinished = self.beside(".format-1.new");
        remove(&unfinished).map_err(&failed)?;
        let copied = self.copy(&unfinished).and_then(|()| {
            File::open(&unfinished).and_then(|file| file.sync_all()).map_err(&failed)?;
            fs::rename(&unfinished, &kept).map_err(&failed)?;
            folder.sync_all().map_err(&failed)
        });
        if copied.is_err() {
            // The first error is returned. The next start removes the rest in any case.
            remove(&unfinished).unwrap_or_default();
        }
        copied?;
        tracing::info!(kept = %shown, "the ledger goes over to format 2; a copy from before is kept");
        Ok(format!(
            "{shown} is the ledger from before the newer release: its `algo-runtime restore` puts it back, without the decisions since"
        ))
    }

    fn copy(&self, to: &std::path::Path) -> Result<(), LedgerError> {
        let copy = || {
            let connection: Connection = self.reader()?;
            connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(self.store("copy"))
        };
        copy().map(drop)
    }
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
