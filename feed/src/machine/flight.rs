//! Quotes between the source and the broker's acknowledgement, in their order.

use std::collections::VecDeque;

use crate::quote::Quote;

/// Bound on published quotes without an acknowledgement. Brokers drop messages beyond their queues.
pub(super) const MAX_IN_FLIGHT: usize = 500;

/// A quote on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) quote: Quote,
    /// Whether it may be at the broker already, from this run or an earlier one.
    pub(super) is_repeated: bool,
    /// Of its last publication; they grow. `None`: it waits to be published.
    token: Option<u64>,
    is_done: bool,
}

/// The entries, oldest first: those with tokens before those without.
#[derive(Debug, Default)]
pub(super) struct Flight {
    entries: VecDeque<Entry>,
    /// Entries with tokens.
    sent: usize,
    last_token: u64,
}

impl Flight {
    /// Adds a quote behind the others.
    pub(super) fn push(&mut self, quote: Quote, is_repeated: bool) {
        self.entries.push_back(Entry { quote, is_repeated, token: None, is_done: false });
    }

    /// Entries, published or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Published entries without an acknowledgement, and those behind them.
    pub(super) const fn sent(&self) -> usize {
        self.sent
    }

    /// The next entry to be published, with its new token.
    pub(super) fn next(&mut self) -> Option<(u64, &Entry)> {
        let entry = self.entries.get_mut(self.sent)?;
        self.sent += 1;
        self.last_token += 1;
        entry.token = Some(self.last_token);
        Some((self.last_token, entry))
    }

    /// The quote of the publication with this token; `None`: the publication no longer counts.
    pub(super) fn find(&self, token: u64) -> Option<&Quote> {
        self.index(token).and_then(|index| self.entries.get(index)).map(|entry| &entry.quote)
    }

    /// The publication with this token is done. False: it no longer counts.
    pub(super) fn finish(&mut self, token: u64) -> bool {
        let Some(entry) = self.index(token).and_then(|index| self.entries.get_mut(index)) else { return false };
        entry.is_done = true;
        true
    }

    /// The oldest quote, if it is done. It leaves the flight.
    pub(super) fn take_done(&mut self) -> Option<Quote> {
        let entry = self.entries.pop_front_if(|entry| entry.is_done)?;
        self.sent = self.sent.saturating_sub(1);
        Some(entry.quote)
    }

    /// All entries are published again, those of done publications behind an open one too: the order counts.
    pub(super) fn rewind(&mut self) {
        self.rewind_to(0);
    }

    /// The entry of this token and those behind it are published again.
    pub(super) fn rewind_from(&mut self, token: u64) {
        if let Some(index) = self.index(token) {
            self.rewind_to(index);
        }
    }

    fn rewind_to(&mut self, index: usize) {
        for entry in self.entries.range_mut(index..self.sent) {
            entry.token = None;
            entry.is_done = false;
            entry.is_repeated = true;
        }
        self.sent = self.sent.min(index);
    }

    fn index(&self, token: u64) -> Option<usize> {
        let index = self.entries.partition_point(|entry| entry.token.is_some_and(|known| known < token));
        self.entries.get(index).filter(|entry| entry.token == Some(token)).map(|_| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(seq: u64) -> Quote {
        Quote::sample("s", seq)
    }

    fn flight(count: u64) -> Flight {
        let mut flight = Flight::default();
        (1..=count).for_each(|seq| flight.push(quote(seq), false));
        flight
    }

    fn publish(flight: &mut Flight) -> Vec<(u64, u64, bool)> {
        std::iter::from_fn(|| flight.next().map(|(token, entry)| (token, entry.quote.seq, entry.is_repeated))).collect()
    }

    fn done(flight: &mut Flight) -> Vec<u64> {
        std::iter::from_fn(|| flight.take_done().map(|quote| quote.seq)).collect()
    }

    #[test]
    fn quotes_are_done_in_their_order() {
        let mut flight = flight(3);
        assert_eq!(publish(&mut flight), [(1, 1, false), (2, 2, false), (3, 3, false)]);
        assert!(flight.finish(2));
        assert_eq!(done(&mut flight), Vec::<u64>::new());
        assert!(flight.finish(1));
        assert_eq!(done(&mut flight), [1, 2]);
        assert!(!flight.finish(1) && flight.find(2).is_none() && flight.find(3).is_some());
        assert_eq!((flight.len(), flight.sent()), (1, 1));
    }

    #[test]
    fn after_a_lost_connection_all_are_published_again_in_their_order() {
        let mut flight = flight(3);
        publish(&mut flight);
        flight.finish(2);
        flight.rewind();
        assert_eq!(publish(&mut flight), [(4, 1, true), (5, 2, true), (6, 3, true)]);
        assert!(!flight.finish(2), "an answer to the first publication");
        flight.finish(4);
        flight.finish(5);
        assert_eq!(done(&mut flight), [1, 2]);
    }

    #[test]
    fn behind_a_refused_quote_all_are_published_again() {
        let mut flight = flight(4);
        publish(&mut flight);
        flight.finish(4);
        flight.rewind_from(2);
        flight.finish(1);
        assert_eq!(done(&mut flight), [1]);
        flight.push(quote(5), false);
        assert_eq!(publish(&mut flight), [(5, 2, true), (6, 3, true), (7, 4, true), (8, 5, false)]);
    }
}
