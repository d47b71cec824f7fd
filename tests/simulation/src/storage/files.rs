//! A ledger in real files, with copies of them and the length of the log after each commit.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use algo_runtime::{
    ledger::{
        Ledger, LedgerError, Retention,
        sqlite::{Droppable, Durability, Opening, Progress, SqliteLedger, Verification, droppable},
    },
    sizes::Sizes,
};
use tempfile::TempDir;

/// The file, and its write-ahead log.
const NAMES: [&str; 2] = ["ledger.db", "ledger.db-wal"];
/// Entries that one commit drops. A crash may come before the next part.
const PART: u64 = 3;
/// Lengths of the log that are remembered.
const LENGTHS: usize = 8;

/// See the module.
pub(super) struct Files {
    dir: TempDir,
    copy: Option<TempDir>,
    /// Of the log, after the last commits.
    lengths: Vec<u64>,
}

impl Files {
    pub(super) fn new() -> Result<Self, io::Error> {
        Ok(Self { dir: folder()?, copy: None, lengths: Vec::new() })
    }

    pub(super) fn open(&mut self, account: &str, sizes: Sizes, seed: u64) -> Result<Box<dyn Ledger>, LedgerError> {
        self.lengths.clear();
        Ok(Box::new(SqliteLedger::open_as(
            self.dir.path(),
            account,
            Opening { sizes, seed, durability: Durability::Process },
        )?))
    }

    /// Drops a part of the entries that may go, as the task beside the writer does. Returns whether there were any.
    pub(super) fn drop_entries(
        dir: &Path,
        ledger: &mut dyn Ledger,
        retention: &Retention,
    ) -> Result<bool, Box<dyn Error>> {
        let base = match droppable(dir, retention, 0)? {
            Droppable::Nothing => return Ok(false),
            Droppable::Rest => None,
            Droppable::Through(number) => {
                let mut verification = Verification::begin_through(dir, number)?;
                while verification.step()? == Progress::UnderWay {}
                Some(verification.into_checkpoint())
            }
        };
        Ok(ledger.drop_entries(base.as_ref(), PART)?.entries > 0)
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A commit is in the log.
    pub(super) fn committed(&mut self) -> Result<(), io::Error> {
        let length = fs::metadata(log_in(self.dir.path()))?.len();
        // A checkpoint began the log anew, over what was there.
        if self.lengths.last().is_some_and(|last| *last >= length) {
            self.lengths.clear();
        }
        if self.lengths.len() == LENGTHS {
            self.lengths.remove(0);
        }
        self.lengths.push(length);
        Ok(())
    }

    pub(super) fn save(&mut self) -> Result<(), io::Error> {
        if self.copy.is_none() {
            self.copy = Some(copied(self.dir.path())?);
        }
        Ok(())
    }

    pub(super) fn put_back(&mut self) -> bool {
        let Some(copy) = self.copy.take() else { return false };
        self.dir = copy;
        true
    }

    /// Cuts the log behind the oldest commit that is remembered, in a copy: the process that has the files open must not
    /// change them any more.
    pub(super) fn cut_log(&mut self) -> Result<bool, io::Error> {
        let (Some(shortest), true) = (self.lengths.first().copied(), self.lengths.len() > 1) else { return Ok(false) };
        if !log_in(self.dir.path()).exists() {
            return Ok(false);
        }
        let dir = copied(self.dir.path())?;
        fs::OpenOptions::new().write(true).open(log_in(dir.path()))?.set_len(shortest)?;
        self.dir = dir;
        self.lengths.clear();
        // It may be newer than what is left.
        self.copy = None;
        Ok(true)
    }

    pub(super) fn begin_anew(&mut self) -> Result<(), io::Error> {
        *self = Self::new()?;
        Ok(())
    }
}

fn log_in(dir: &Path) -> PathBuf {
    let [_, log] = NAMES;
    dir.join(log)
}

fn folder() -> Result<TempDir, io::Error> {
    // In memory, where there is such a place: a run syncs at every commit.
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }
}

fn copied(from: &Path) -> Result<TempDir, io::Error> {
    let to = folder()?;
    for name in NAMES {
        match fs::copy(from.join(name), to.path().join(name)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(to)
}
