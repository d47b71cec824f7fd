//! Sources as the contract shows them.

use std::sync::Arc;

use intuition_api::v1::Source;

use super::{Known, Sources};
use crate::ledger::Conflict;

type Names<'a> = (&'a str, &'a str);

impl Sources {
    /// A source as it is; `None` where the account does not know it.
    pub fn shown(&self, channel: &str, source: &str) -> Option<Source> {
        let known = self.known.get(channel, source)?;
        Some(self.show(channel, source, Some(known)))
    }

    /// The next sources behind `after`, in order of channel and name, at most `limit`.
    pub fn page(&self, after: Option<(&str, &str)>, limit: usize) -> Vec<Source> {
        let names =
            |(channel, source, _): (&'_ Arc<str>, &'_ Arc<str>, &'_ Known)| (Arc::clone(channel), Arc::clone(source));
        let is_behind = |(channel, source): &(Arc<str>, Arc<str>)| {
            after.is_none_or(|after| (channel.as_ref(), source.as_ref()) > after)
        };
        let mut page: Vec<_> = self.known.iter().map(names).filter(is_behind).collect();
        if page.len() > limit {
            page.select_nth_unstable(limit);
            page.truncate(limit);
        }
        page.sort_unstable();
        page.iter().map(|(channel, source)| self.show(channel, source, self.known.get(channel, source))).collect()
    }

    /// Sources in conflict, then those that were reset, at most `limit`, each in order of channel and name.
    pub fn notable(&self, limit: usize) -> Vec<Source> {
        let mut conflicts: Vec<Names<'_>> = self.conflicts.in_conflict().collect();
        conflicts.sort_unstable();
        let mut reset: Vec<Names<'_>> = self
            .eras
            .iter()
            .map(|(channel, source, _)| (channel.as_ref(), source.as_ref()))
            .filter(|names| conflicts.binary_search(names).is_err())
            .collect();
        reset.sort_unstable();
        let names = conflicts.into_iter().chain(reset).take(limit);
        names.map(|(channel, source)| self.show(channel, source, self.known.get(channel, source))).collect()
    }

    fn show(&self, channel: &str, source: &str, known: Option<&Known>) -> Source {
        let conflict = self.conflicts.get(channel, source).cloned().unwrap_or_default();
        let Conflict { dead_letters, reason, message } = conflict;
        Source {
            channel: channel.to_owned(),
            name: source.to_owned(),
            era: self.era(channel, source),
            last: known.and_then(|known| known.settled).map(|(seq, _)| seq),
            last_micros: known.map_or(0, Known::taken_micros),
            conflicts: dead_letters,
            conflict_reason: reason,
            conflict_message: message,
        }
    }
}
