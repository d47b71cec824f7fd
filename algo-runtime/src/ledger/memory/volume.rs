//! A place in memory for a ledger, which outlasts the processes that open it, as a volume outlasts pods.
//!
//! The rules are those of files (see [`sqlite`](crate::ledger::sqlite)): an opening takes the next epoch, and earlier openings can
//! commit nothing more. A process that opened a ledger goes on to write to it after it was replaced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::MemoryLedger;
use crate::ledger::{
    Changes, IdQuery, JournalEntry, Ledger, LedgerError, OutboxPage, OutboxRow, PacketQuery, Snapshot, WindowRow,
};

/// The ledger, as a file of the volume.
type File = Arc<Mutex<MemoryLedger>>;

/// See the module. Clones are the same place.
#[derive(Debug, Clone)]
pub struct MemoryVolume(Arc<Mutex<File>>);

/// A ledger of a volume, opened by one process.
#[derive(Debug)]
pub struct OpenedLedger {
    volume: MemoryVolume,
    file: File,
    epoch: i64,
}

impl MemoryVolume {
    /// A volume with this ledger.
    pub fn new(ledger: MemoryLedger) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(Mutex::new(ledger)))))
    }

    /// Opens the ledger. From here on an earlier opening can commit nothing.
    pub fn open(&self) -> OpenedLedger {
        let file = Arc::clone(&lock(&self.0));
        let epoch = {
            let mut ledger = lock(&file);
            ledger.epoch += 1;
            ledger.epoch
        };
        OpenedLedger { volume: self.clone(), file, epoch }
    }

    /// The ledger as of the last commit.
    pub fn copy(&self) -> MemoryLedger {
        lock(&lock(&self.0)).clone()
    }

    /// Replaces the ledger, for example by an older copy.
    pub fn put_back(&self, ledger: MemoryLedger) {
        *lock(&self.0) = Arc::new(Mutex::new(ledger));
    }
}

impl Ledger for OpenedLedger {
    fn snapshot(&mut self) -> Result<Snapshot, LedgerError> {
        lock(&self.file).snapshot()
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        let mut ledger = lock(&self.file);
        if ledger.epoch != self.epoch {
            return Err(LedgerError::TakenOver { path: super::PATH.to_owned(), found: ledger.epoch, ours: self.epoch });
        }
        ledger.commit(changes)
    }

    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError> {
        lock(&self.file).outbox(page)
    }

    fn holds_decision(&mut self, position: u64) -> Result<bool, LedgerError> {
        lock(&self.file).holds_decision(position)
    }

    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError> {
        lock(&self.file).delivered(query)
    }

    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError> {
        lock(&self.file).named(query)
    }

    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        lock(&self.file).decisions(from, limit)
    }

    fn check_files(&mut self) -> Result<(), LedgerError> {
        if Arc::ptr_eq(&lock(&self.volume.0), &self.file) {
            return Ok(());
        }
        let finding = "the ledger was replaced; the next start opens the new one as it is".to_owned();
        Err(LedgerError::Displaced { path: super::PATH.to_owned(), finding })
    }

    fn close(self: Box<Self>) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// A commit checks everything before its first change, so that the state is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::sqlite::SqliteLedger, sizes::Sizes};

    fn state(value: u8) -> Changes {
        Changes { state: [(("random".to_owned(), String::new()), Some(vec![value]))].into(), ..Changes::default() }
    }

    fn volume() -> MemoryVolume {
        MemoryVolume::new(MemoryLedger::with_sizes("default/test", "3f9c2a71", Sizes::DESIGN))
    }

    #[test]
    fn a_later_opening_takes_over_as_it_does_with_a_file() {
        let (dir, volume) = (tempfile::tempdir().unwrap(), volume());
        let open_file = || Box::new(SqliteLedger::open(dir.path(), "default/test").unwrap());
        let pairs: [(Box<dyn Ledger>, Box<dyn Ledger>); 2] =
            [(open_file(), open_file()), (Box::new(volume.open()), Box::new(volume.open()))];
        for (mut first, mut second) in pairs {
            match first.commit(&state(1)).unwrap_err() {
                LedgerError::TakenOver { found, ours, .. } => assert_eq!(found, ours + 1),
                error => panic!("{error:?}"),
            }
            second.commit(&state(2)).unwrap();
            assert_eq!(first.snapshot().unwrap(), second.snapshot().unwrap());
        }
    }

    #[test]
    fn a_copy_that_is_put_back_is_what_the_next_start_opens() {
        let volume = volume();
        let mut first = volume.open();
        first.commit(&state(1)).unwrap();
        let (copy, before) = (volume.copy(), first.snapshot().unwrap());
        first.commit(&state(2)).unwrap();
        first.check_files().unwrap();
        volume.put_back(copy);
        assert!(matches!(first.check_files(), Err(LedgerError::Displaced { .. })));
        first.commit(&state(3)).unwrap();
        let mut next = volume.open();
        assert_eq!(next.snapshot().unwrap(), before, "a commit into the ledger that was replaced is lost with it");
        next.commit(&state(4)).unwrap();
    }
}
