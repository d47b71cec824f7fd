//! Numbered sources: the last number of each source on each channel, the one place where the runtime keeps it.
//!
//! A number is *taken* when its tick is recognised as new, and *settled* when the tick has its outcome. Only settled
//! numbers are shown to people and written to the ledger, in the transaction of that outcome.
//!
//! Pure: the engine loads the registry from a snapshot and hands its changes to the ledger.

mod pairs;

use std::sync::Arc;

use self::pairs::Pairs;
use crate::ledger::Mark;

/// The sequence numbers that a source left out, both ends included.
pub type Missing = (i64, i64);

/// See the module.
#[derive(Debug, Default)]
pub struct Sources {
    known: Pairs<Known>,
    /// Sources whose settled number is not handed over yet.
    unsaved: Vec<(Arc<str>, Arc<str>)>,
}

/// One source on one channel.
#[derive(Debug, Default)]
struct Known {
    /// Sequence number taken last, and the tick's place among those that share it.
    taken: Option<(i64, u32)>,
    /// The same, of ticks that have their outcome.
    settled: Option<(i64, u32)>,
    is_unsaved: bool,
}

impl Sources {
    /// From a snapshot.
    pub fn load(marks: Vec<Mark>) -> Self {
        let mut sources = Self::default();
        for Mark { channel, source, seq, index } in marks {
            let last = Some((seq, index));
            sources.known.insert(&channel, &source, Known { taken: last, settled: last, is_unsaved: false });
        }
        sources
    }

    /// Sequence number and index taken last.
    pub fn last(&self, channel: &str, source: &str) -> Option<(i64, u32)> {
        self.known.get(channel, source)?.taken
    }

    /// The highest sequence number whose tick has its outcome.
    pub fn settled(&self, channel: &str, source: &str) -> Option<i64> {
        self.known.get(channel, source)?.settled.map(|(seq, _)| seq)
    }

    /// Takes a number above the last one. Returns the numbers that it left out.
    pub fn take(&mut self, channel: &str, source: &str, (seq, index): (i64, u32)) -> Option<Missing> {
        let before = self.known.update(channel, source, |known| known.taken.replace((seq, index)));
        before.filter(|(last, _)| seq.saturating_sub(*last) > 1).map(|(last, _)| (last + 1, seq - 1))
    }

    /// Settles a number that was taken: its tick has its outcome.
    pub fn settle(&mut self, channel: &str, source: &str, last: (i64, u32)) {
        let Some((keys, known)) = self.known.get_mut(channel, source) else { return };
        known.settled = Some(last);
        if !std::mem::replace(&mut known.is_unsaved, true) {
            self.unsaved.push(keys);
        }
    }

    /// The numbers settled since the last call.
    pub fn take_changes(&mut self) -> Vec<Mark> {
        let mut marks = Vec::new();
        for (channel, source) in std::mem::take(&mut self.unsaved) {
            let Some((_, known)) = self.known.get_mut(&channel, &source) else { continue };
            known.is_unsaved = false;
            let Some((seq, index)) = known.settled else { continue };
            marks.push(Mark { channel: channel.as_ref().to_owned(), source: source.as_ref().to_owned(), seq, index });
        }
        marks
    }

    /// All settled numbers, in no order.
    pub fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.known.iter().filter_map(|(channel, source, known)| {
            let (seq, index) = known.settled?;
            Some(Mark { channel: channel.as_ref().to_owned(), source: source.as_ref().to_owned(), seq, index })
        })
    }
}
