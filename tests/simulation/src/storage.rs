//! The disk of the runtime: its ledger, in memory or in real files, older copies of it, and the faults of commits.
//!
//! It outlives the processes that open it. Faults are made at the trait [`Ledger`]; with real files also by cutting the
//! write-ahead log between two commits.

mod files;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use algo_runtime::{
    ledger::{
        Changes, IdQuery, JournalEntry, Ledger, LedgerError, OutboxPage, OutboxRow, PacketQuery, Retention, Snapshot,
        WindowRow, memory::MemoryLedger,
    },
    sizes::Sizes,
};

use self::files::Files;
use crate::facts::{Replaced, RunId};

/// The account of every world.
pub const ACCOUNT: &str = "default/simulated";
/// Older copies that are kept.
const COPIES: usize = 4;

/// How the next commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// It fails, and nothing of it is there.
    Refused,
    /// It fails, and all of it is there: the error came after the sync.
    DurableAllTheSame,
}

/// What happened on the disk, in order.
#[derive(Debug)]
pub enum Event {
    /// A runtime opened the ledger and found this.
    Opened(RunId, Box<Snapshot>),
    /// Changes became durable.
    Committed(RunId, Box<Changes>),
    /// A commit failed by an injected fault.
    Failed(CommitFault),
    /// The ledger was replaced.
    Replaced(Replaced),
    /// Old entries of the journal were dropped.
    Dropped,
    /// Old entries could not be dropped, with the reason.
    NotDropped(String),
}

/// Where the ledger is.
enum Backing {
    Memory(Box<MemoryLedger>),
    Files(Files),
}

/// See the module. Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    backing: Backing,
    /// Copies of a ledger in memory; those of files are kept by [`Files`].
    copies: Vec<MemoryLedger>,
    sizes: Sizes,
    seed: u64,
    /// Grows with every opening: only the last one may commit. Real files have their own.
    epoch: u64,
    /// Grows whenever the ledger is replaced.
    generation: u64,
    /// Ledgers made here so far.
    ledgers: u64,
    fault: Option<CommitFault>,
    /// When entries of a journal in files are dropped; `None`: never.
    retention: Option<Retention>,
    events: Vec<Event>,
}

impl Disk {
    /// An empty disk. `in_files`: with real files. `retention`: of a journal in files.
    pub fn new(in_files: bool, sizes: Sizes, seed: u64, retention: Option<Retention>) -> Result<Self, io::Error> {
        let backing =
            if in_files { Backing::Files(Files::new()?) } else { Backing::Memory(Box::new(fresh(seed, 0, sizes))) };
        let state = State {
            backing,
            copies: Vec::new(),
            sizes,
            seed,
            epoch: 0,
            generation: 0,
            ledgers: 1,
            fault: None,
            retention,
            events: Vec::new(),
        };
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    /// Opens the ledger for a run of the runtime. Earlier openings can commit nothing more.
    pub fn open(&self, run: RunId) -> Result<Box<dyn Ledger>, LedgerError> {
        let mut state = self.lock();
        state.epoch += 1;
        let (epoch, generation) = (state.epoch, state.generation);
        let (sizes, seed) = (state.sizes, state.seed ^ run);
        let inner = match &mut state.backing {
            Backing::Memory(_) => None,
            Backing::Files(files) => Some(files.open(ACCOUNT, sizes, seed)?),
        };
        drop(state);
        let mut opened = Opened { disk: self.clone(), run, epoch, generation, inner };
        let snapshot = opened.snapshot()?;
        self.lock().events.push(Event::Opened(run, Box::new(snapshot)));
        Ok(Box::new(opened))
    }

    /// The next commit fails so.
    pub fn fail_next(&self, fault: CommitFault) {
        self.lock().fault = Some(fault);
    }

    /// Keeps a copy that can be put back later.
    pub fn save(&self) -> Result<(), io::Error> {
        let mut state = self.lock();
        let copy = match &mut state.backing {
            Backing::Files(files) => return files.save(),
            Backing::Memory(ledger) => MemoryLedger::clone(ledger),
        };
        if state.copies.len() == COPIES {
            state.copies.remove(0);
        }
        state.copies.push(copy);
        Ok(())
    }

    /// Puts the oldest copy in place. False: there is none.
    pub fn put_back(&self) -> bool {
        let mut state = self.lock();
        state.generation += 1;
        let copy = state.copies.drain(..).next();
        let is_back = if let Backing::Files(files) = &mut state.backing {
            files.put_back()
        } else if let Some(copy) = copy {
            state.backing = Backing::Memory(Box::new(copy));
            true
        } else {
            false
        };
        if is_back {
            state.events.push(Event::Replaced(Replaced::Older));
        }
        is_back
    }

    /// Cuts the log of real files behind an earlier commit. False: the ledger is in memory, or there is no such log.
    pub fn cut_log(&self) -> Result<bool, io::Error> {
        let mut state = self.lock();
        state.generation += 1;
        let is_cut = match &mut state.backing {
            Backing::Memory(_) => false,
            Backing::Files(files) => files.cut_log()?,
        };
        if is_cut {
            state.events.push(Event::Replaced(Replaced::Older));
        }
        Ok(is_cut)
    }

    /// Puts a new, empty ledger in place.
    pub fn begin_anew(&self) -> Result<(), io::Error> {
        let mut state = self.lock();
        state.generation += 1;
        let (seed, sizes, ledgers) = (state.seed, state.sizes, state.ledgers);
        state.ledgers += 1;
        state.copies.clear();
        match &mut state.backing {
            Backing::Memory(_) => state.backing = Backing::Memory(Box::new(fresh(seed, ledgers, sizes))),
            Backing::Files(files) => files.begin_anew()?,
        }
        state.events.push(Event::Replaced(Replaced::New));
        Ok(())
    }

    /// What happened since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.lock().events)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fresh(seed: u64, number: u64, sizes: Sizes) -> MemoryLedger {
    let id = u32::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number) >> 32).unwrap_or(0);
    MemoryLedger::with_sizes(ACCOUNT, &format!("{id:08x}"), sizes)
}

/// The ledger as one process has it open.
struct Opened {
    disk: Disk,
    run: RunId,
    epoch: u64,
    generation: u64,
    /// `None`: in memory, at the disk.
    inner: Option<Box<dyn Ledger>>,
}

impl Opened {
    /// Works on the ledger, wherever it is.
    fn with<T>(&mut self, work: impl FnOnce(&mut dyn Ledger) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        if let Some(inner) = &mut self.inner {
            return work(inner.as_mut());
        }
        match &mut self.disk.lock().backing {
            Backing::Memory(ledger) => work(ledger.as_mut()),
            // A disk does not change its kind.
            Backing::Files(_) => Err(full()),
        }
    }

    /// Drops old entries of a journal in files, in a commit of its own.
    fn drop_entries(&mut self) {
        let mut state = self.disk.lock();
        let State { backing: Backing::Files(files), retention: Some(retention), events, .. } = &mut *state else {
            return;
        };
        let Some(ledger) = &mut self.inner else { return };
        match Files::drop_entries(files.dir(), ledger.as_mut(), retention) {
            Ok(false) => {}
            Ok(true) => events.push(Event::Dropped),
            Err(error) => events.push(Event::NotDropped(error.to_string())),
        }
    }

    fn check_epoch(&self) -> Result<(), LedgerError> {
        let (found, generation) = {
            let state = self.disk.lock();
            (state.epoch, state.generation)
        };
        if generation == self.generation && (self.inner.is_some() || found == self.epoch) {
            return Ok(());
        }
        let number = |epoch: u64| i64::try_from(epoch).unwrap_or(i64::MAX);
        Err(LedgerError::TakenOver { path: "simulated".to_owned(), found: number(found), ours: number(self.epoch) })
    }
}

impl Ledger for Opened {
    fn read(&mut self, row: &mut dyn FnMut(WindowRow)) -> Result<Snapshot, LedgerError> {
        self.with(|ledger| ledger.read(row))
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        self.check_epoch()?;
        let fault = self.disk.lock().fault.take();
        if let Some(fault) = fault {
            self.disk.lock().events.push(Event::Failed(fault));
            if fault == CommitFault::Refused {
                return Err(full());
            }
        }
        self.with(|ledger| ledger.commit(changes))?;
        let mut state = self.disk.lock();
        state.events.push(Event::Committed(self.run, Box::new(changes.clone())));
        if let Backing::Files(files) = &mut state.backing {
            files.committed().map_err(|source| LedgerError::Access {
                action: "look at",
                path: "simulated".to_owned(),
                source,
            })?;
        }
        if fault.is_some() {
            return Err(full());
        }
        drop(state);
        self.drop_entries();
        Ok(())
    }

    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError> {
        let rows = self.with(|ledger| ledger.outbox(page))?;
        self.check_epoch()?;
        Ok(rows)
    }

    fn holds_strict(&mut self, position: u64) -> Result<bool, LedgerError> {
        self.with(|ledger| ledger.holds_strict(position))
    }

    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError> {
        self.with(|ledger| ledger.delivered(query))
    }

    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError> {
        self.with(|ledger| ledger.named(query))
    }

    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        self.with(|ledger| ledger.decisions(from, limit))
    }

    fn close(mut self: Box<Self>) -> Result<(), LedgerError> {
        match self.inner.take() {
            Some(inner) => inner.close(),
            None => Ok(()),
        }
    }
}

fn full() -> LedgerError {
    LedgerError::Access {
        action: "write to",
        path: "simulated".to_owned(),
        source: io::Error::new(io::ErrorKind::StorageFull, "no space left on device"),
    }
}
