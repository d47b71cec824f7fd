//! Rows of the window that are no longer in memory, summed up for the decision when they may go.

use std::sync::Arc;

use super::{Class, WindowRow};

/// Consecutive rows of a class. They leave the ledger together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The class of the window.
    pub class: Class,
    /// First ordinal.
    pub first: u64,
    /// Last ordinal.
    pub last: u64,
    /// The sender of those with a packet id, all of one connection; `None` if none has one.
    pub sender: Option<Sender>,
}

/// Connection and delivery of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Name of the broker session.
    pub session: Arc<str>,
    /// The bridge's run.
    pub run: u64,
    /// The bridge's count of its connections; 0 where it is not known.
    pub connection: u64,
    /// The bridge's number of the delivery; the highest number in a stretch.
    pub delivery: u64,
}

impl Stretch {
    /// A stretch of one row.
    pub fn of(row: &WindowRow) -> Self {
        let sender = (row.packet_id != 0).then(|| Sender {
            session: row.session.as_str().into(),
            run: row.run,
            connection: row.connection.unwrap_or_default(),
            delivery: row.delivery,
        });
        Self { class: row.class, first: row.ordinal, last: row.ordinal, sender }
    }

    /// Takes in the rows that follow. Gives them back where they do not belong to the same connection, or make it longer than
    /// `rows`.
    pub fn join(&mut self, next: Self, rows: u64) -> Option<Self> {
        let follows = next.class == self.class && next.first == self.last + 1;
        if !follows || next.last - self.first >= rows {
            return Some(next);
        }
        match (&mut self.sender, &next.sender) {
            (_, None) => {}
            (known @ None, Some(sender)) => *known = Some(sender.clone()),
            (Some(known), Some(sender)) => {
                let same =
                    known.session == sender.session && (known.run, known.connection) == (sender.run, sender.connection);
                if !same {
                    return Some(next);
                }
                known.delivery = known.delivery.max(sender.delivery);
            }
        }
        self.last = next.last;
        None
    }
}

/// Appends a stretch to those before it. `rows`: of one stretch, at most.
pub(crate) fn append(stretches: &mut impl Stretches, next: Stretch, rows: u64) {
    let rest = match stretches.last_mut() {
        Some(last) => last.join(next, rows),
        None => Some(next),
    };
    if let Some(next) = rest {
        stretches.push(next);
    }
}

/// A sequence of stretches that grows at its end.
pub(crate) trait Stretches {
    /// The newest.
    fn last_mut(&mut self) -> Option<&mut Stretch>;
    /// Another behind it.
    fn push(&mut self, stretch: Stretch);
}

impl Stretches for Vec<Stretch> {
    fn last_mut(&mut self) -> Option<&mut Stretch> {
        self.as_mut_slice().last_mut()
    }

    fn push(&mut self, stretch: Stretch) {
        Self::push(self, stretch);
    }
}

impl Stretches for std::collections::VecDeque<Stretch> {
    fn last_mut(&mut self) -> Option<&mut Stretch> {
        self.back_mut()
    }

    fn push(&mut self, stretch: Stretch) {
        self.push_back(stretch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(ordinal: u64, sender: Option<(u64, u64)>) -> Stretch {
        let sender = sender.map(|(connection, delivery)| Sender { session: "s".into(), run: 1, connection, delivery });
        Stretch { class: Class::Id, first: ordinal, last: ordinal, sender }
    }

    #[test]
    fn rows_of_a_connection_are_summed_and_rows_without_packet_join_any() {
        let mut stretches = Vec::new();
        for (ordinal, sender) in [(1, None), (2, Some((1, 5))), (3, None), (4, Some((1, 6))), (5, Some((2, 7)))] {
            append(&mut stretches, one(ordinal, sender), 10);
        }
        let spans: Vec<_> = stretches.iter().map(|stretch| (stretch.first, stretch.last)).collect();
        assert_eq!(spans, [(1, 4), (5, 5)]);
        assert_eq!(stretches[0].sender.as_ref().unwrap().delivery, 6);
    }

    #[test]
    fn a_stretch_has_a_bounded_length() {
        let mut stretches = Vec::new();
        (1..=2_500).for_each(|ordinal| append(&mut stretches, one(ordinal, Some((1, ordinal))), 1_024));
        assert_eq!(stretches.iter().map(|stretch| stretch.last).collect::<Vec<_>>(), [1_024, 2_048, 2_500]);
    }
}
