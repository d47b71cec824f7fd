//! Counts messages, and finds those that are lost, doubled or out of order.

use anyhow::ensure;

/// The numbers of the quotes that messages were about.
#[derive(Debug, Default)]
pub struct Tally {
    seen: Vec<bool>,
    received: u64,
    distinct: u64,
    last: u64,
    is_ordered: bool,
}

impl Tally {
    /// Of no message yet.
    pub fn new() -> Self {
        Self { is_ordered: true, ..Self::default() }
    }

    /// A message about the quote with this number, from 1.
    pub fn count(&mut self, number: u64) -> anyhow::Result<()> {
        let index = usize::try_from(number)?;
        if self.seen.len() <= index {
            self.seen.resize((index + 1).next_power_of_two(), false);
        }
        self.received += 1;
        self.is_ordered &= number > self.last;
        self.last = number;
        if let Some(seen) = self.seen.get_mut(index) {
            self.distinct += u64::from(!*seen);
            *seen = true;
        }
        Ok(())
    }

    /// The number of messages, repetitions included.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Number of the last quote.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// An error unless there was one message for each of `wanted` quotes, in their order.
    pub fn check(&self, wanted: u64) -> anyhow::Result<()> {
        let doubled = self.received - self.distinct;
        ensure!(
            self.distinct == wanted && doubled == 0,
            "of {wanted} messages {} are lost and {doubled} came twice: figures of this run are worth nothing",
            wanted.saturating_sub(self.distinct)
        );
        ensure!(self.is_ordered, "messages are out of order");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Tally {
        let mut tally = Tally::new();
        for number in numbers {
            tally.count(*number).unwrap();
        }
        tally
    }

    #[test]
    fn lost_doubled_and_disordered_messages_are_errors() {
        assert!(of(&[1, 3, 4]).check(3).is_ok());
        for (numbers, text) in [
            (&[1, 3][..], "1 are lost and 0 came twice"),
            (&[1, 2, 2, 3][..], "0 are lost and 1 came twice"),
            (&[1, 1, 3][..], "1 are lost and 1 came twice"),
            (&[1, 3, 2][..], "out of order"),
        ] {
            let error = of(numbers).check(3).unwrap_err().to_string();
            assert!(error.contains(text), "{numbers:?}: {error}");
        }
    }
}
