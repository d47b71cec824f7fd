//! The numbers of each source: the last one taken, the last one at the broker, gaps between them.

use std::{collections::BTreeMap, sync::Arc};

use crate::quote::Quote;

/// Numbers that are missing at the broker for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Name of the source.
    pub source: Arc<str>,
    /// The first missing number.
    pub first: u64,
    /// The last missing number.
    pub last: u64,
}

/// Whether a quote is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is new, behind these missing numbers.
    New(Option<Gap>),
    /// Its number, or a later one, was taken before.
    Repeated,
}

#[derive(Debug, Default)]
struct Numbers {
    taken: Option<u64>,
    published: Option<u64>,
    /// Quotes to come that an earlier run may have published.
    doubtful: u64,
}

/// The numbers of all sources of a feed.
#[derive(Debug, Default)]
pub(super) struct SourceNumbers {
    sources: BTreeMap<Arc<str>, Numbers>,
}

impl SourceNumbers {
    /// Behind published numbers, with so many quotes of each source that an earlier run may have published behind them. Another
    /// source begins where no run has been, or every quote counts as repeated.
    pub(super) fn new(published: &BTreeMap<String, u64>, doubtful: u64) -> Self {
        let numbers = |number: &u64| Numbers { taken: Some(*number), published: Some(*number), doubtful };
        Self { sources: published.iter().map(|(name, number)| (name.as_str().into(), numbers(number))).collect() }
    }

    /// Takes a quote of a source.
    pub(super) fn take(&mut self, quote: &Quote) -> Taken {
        let numbers = self.numbers(&quote.source);
        let before = numbers.taken;
        if before.is_some_and(|last| quote.seq <= last) {
            return Taken::Repeated;
        }
        numbers.taken = Some(quote.seq);
        let missing = before.filter(|last| !quote.is_sparse && quote.seq > last + 1);
        Taken::New(missing.map(|last| Gap { source: Arc::clone(&quote.source), first: last + 1, last: quote.seq - 1 }))
    }

    /// Passes over numbers that the source could not get. `None`: later numbers were taken before.
    pub(super) fn pass(&mut self, source: &Arc<str>, first: u64, last: u64) -> Option<Gap> {
        let numbers = self.numbers(source);
        let first = numbers.taken.map_or(first, |taken| first.max(taken + 1));
        if first > last {
            return None;
        }
        numbers.taken = Some(last);
        Some(Gap { source: Arc::clone(source), first, last })
    }

    /// Whether an earlier run may have published the next quote of a source, which is published now.
    pub(super) fn next_is_doubtful(&mut self, source: &Arc<str>) -> bool {
        let numbers = self.numbers(source);
        let is_doubtful = numbers.doubtful > 0;
        numbers.doubtful = numbers.doubtful.saturating_sub(1);
        is_doubtful
    }

    /// The broker has a quote and all before it. True: the first one of its source.
    pub(super) fn publish(&mut self, quote: &Quote) -> bool {
        self.numbers(&quote.source).published.replace(quote.seq).is_none()
    }

    /// The last number of each source that the broker has.
    pub(super) fn published(&self) -> BTreeMap<String, u64> {
        let published = |(name, numbers): (&Arc<str>, &Numbers)| Some((name.to_string(), numbers.published?));
        self.sources.iter().filter_map(published).collect()
    }

    /// The most quotes of one source to come that an earlier run may have published.
    pub(super) fn doubtful(&self) -> u64 {
        self.sources.values().map(|numbers| numbers.doubtful).max().unwrap_or_default()
    }

    fn numbers(&mut self, source: &Arc<str>) -> &mut Numbers {
        self.sources.entry(Arc::clone(source)).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(source: &str, seq: u64, is_sparse: bool) -> Quote {
        Quote { is_sparse, ..Quote::sample(source, seq) }
    }

    fn gap(source: &str, first: u64, last: u64) -> Gap {
        Gap { source: source.into(), first, last }
    }

    fn behind(number: u64, doubtful: u64) -> SourceNumbers {
        SourceNumbers::new(&BTreeMap::from([("a".into(), number)]), doubtful)
    }

    #[test]
    fn missing_numbers_are_a_gap_unless_they_were_left_out_on_purpose() {
        let mut numbers = behind(5, 0);
        assert_eq!(numbers.take(&quote("a", 6, false)), Taken::New(None));
        assert_eq!(numbers.take(&quote("a", 9, false)), Taken::New(Some(gap("a", 7, 8))));
        assert_eq!(numbers.take(&quote("a", 20, true)), Taken::New(None));
        assert_eq!(numbers.take(&quote("b", 100, false)), Taken::New(None), "the first of another source");
        assert_eq!(numbers.take(&quote("b", 102, false)), Taken::New(Some(gap("b", 101, 101))));
    }

    #[test]
    fn repeated_and_older_numbers_are_not_taken() {
        let mut numbers = behind(5, 0);
        for seq in [5, 1] {
            assert_eq!(numbers.take(&quote("a", seq, false)), Taken::Repeated);
        }
        assert_eq!(numbers.take(&quote("b", 0, false)), Taken::New(None), "numbers may begin at 0");
        assert_eq!(numbers.take(&quote("b", 0, false)), Taken::Repeated);
    }

    #[test]
    fn gap_that_the_source_reports_is_counted_once() {
        let mut numbers = behind(5, 0);
        assert_eq!(numbers.pass(&"a".into(), 4, 8), Some(gap("a", 6, 8)));
        assert_eq!(numbers.pass(&"a".into(), 6, 8), None);
        assert_eq!(numbers.take(&quote("a", 9, false)), Taken::New(None));
    }

    #[test]
    fn quotes_of_an_earlier_run_are_doubtful_source_by_source() {
        let mut numbers = behind(5, 2);
        assert_eq!(numbers.doubtful(), 2);
        let doubtful = [(); 3].map(|()| numbers.next_is_doubtful(&"a".into()));
        assert_eq!((doubtful, numbers.doubtful()), ([true, true, false], 0));
        assert!(!numbers.next_is_doubtful(&"b".into()));
        numbers.publish(&quote("b", 7, false));
        assert_eq!(numbers.published(), BTreeMap::from([("a".into(), 5), ("b".into(), 7)]));
    }
}
