//! The last number of each source in the messages of an indicator's account. Pure.

use std::collections::BTreeMap;

use intuition_api::v1::Joined;

/// Since the start of the process.
#[derive(Debug, Default)]
pub(in super::super) struct JoinedNumbers(BTreeMap<String, i64>);

impl JoinedNumbers {
    pub(in super::super) fn note(&mut self, message: &Joined) {
        let Some(seq) = message.seq else { return };
        match self.0.get_mut(&message.source) {
            Some(last) => *last = seq,
            None => drop(self.0.insert(message.source.clone(), seq)),
        }
    }

    /// Each source with its number.
    pub(in super::super) fn shown(&self) -> Vec<(String, i64)> {
        self.0.iter().map(|(source, seq)| (source.clone(), *seq)).collect()
    }
}
