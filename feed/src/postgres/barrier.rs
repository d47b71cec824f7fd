//! The barrier before rows of open transactions. Pure.
//!
//! A row with the number 8 may be visible while the transaction of row 7 is open. So the rows that a look finds are not released at
//! once: the barrier remembers their largest number with the next transaction number of the server. Once every transaction
//! below that one has ended, no open transaction of that time can add a lower number.

use tokio::time::Instant;

/// The state of a database at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Every transaction below this number has ended.
    pub(super) oldest_open: u64,
    /// No transaction of the time of the snapshot has this number or a larger one.
    pub(super) next: u64,
    /// The largest number of the table; `None`: it is empty.
    pub(super) highest: Option<i64>,
}

/// The number behind `xmax`, at which the count of 32 bits is `age` behind its first number.
pub(super) fn next_transaction(xmax: u64, age: i32) -> u64 {
    const FIRST: u32 = 3;
    let next = age.cast_unsigned().wrapping_add(FIRST);
    // A transaction with a larger number than the last ended one may be open, so `xmax` is the least that it can be.
    #[expect(clippy::cast_possible_truncation, reason = "the count of 32 bits is the lower half")]
    let low = xmax as u32;
    xmax + u64::from(next.wrapping_sub(low))
}

/// Rows that wait for the end of transactions.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    highest: i64,
    /// All transactions below this number have to end.
    next: u64,
    since: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Barrier {
    released: i64,
    waiting: Option<Waiting>,
}

impl Barrier {
    /// Rows up to this number are released.
    pub(super) const fn new(released: i64) -> Self {
        Self { released, waiting: None }
    }

    /// Takes a look at the database.
    pub(super) fn look(&mut self, snapshot: Snapshot, now: Instant) {
        if let Some(waiting) = self.waiting.take_if(|waiting| waiting.next <= snapshot.oldest_open) {
            self.released = self.released.max(waiting.highest);
        }
        let Some(highest) = snapshot.highest.filter(|highest| *highest > self.released) else { return };
        if self.waiting.is_some() {
            return;
        }
        if snapshot.next <= snapshot.oldest_open {
            self.released = highest;
        } else {
            self.waiting = Some(Waiting { highest, next: snapshot.next, since: now });
        }
    }

    /// Rows up to this number are released.
    pub(super) const fn released(&self) -> i64 {
        self.released
    }

    /// The largest number that waits, and the time of the first look that found it.
    pub(super) fn waiting(&self) -> Option<(i64, Instant)> {
        self.waiting.map(|waiting| (waiting.highest, waiting.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(barrier: &mut Barrier, oldest_open: u64, next: u64, highest: i64) -> i64 {
        barrier.look(Snapshot { oldest_open, next, highest: Some(highest) }, Instant::now());
        barrier.released()
    }

    #[test]
    fn rows_wait_for_the_transactions_of_their_first_look() {
        let mut barrier = Barrier::new(5);
        assert_eq!(look(&mut barrier, 100, 102, 8), 5, "the transaction 100 or 101 is open");
        assert_eq!(look(&mut barrier, 101, 105, 9), 5);
        assert_eq!(barrier.waiting().unwrap().0, 8);
        assert_eq!(look(&mut barrier, 102, 110, 12), 8, "row 9 was found later");
        assert_eq!(barrier.waiting().unwrap().0, 12);
        assert_eq!(look(&mut barrier, 109, 120, 20), 8);
        assert_eq!(look(&mut barrier, 130, 130, 30), 30, "nothing is open");
        assert!(barrier.waiting().is_none());
    }

    #[test]
    fn rows_of_a_quiet_database_are_released_at_once() {
        let mut barrier = Barrier::new(0);
        assert_eq!(look(&mut barrier, 7, 7, 3), 3);
        barrier.look(Snapshot { oldest_open: 7, next: 8, highest: None }, Instant::now());
        assert_eq!((barrier.released(), barrier.waiting().is_none()), (3, true));
    }

    #[test]
    fn transaction_number_is_that_of_64_bits() {
        let age = |next: u32| next.wrapping_sub(3).cast_signed();
        assert_eq!(next_transaction(742, age(742)), 742);
        assert_eq!(next_transaction(742, age(745)), 745);
        let wrapped = (1 << 32) - 1;
        assert_eq!(next_transaction(wrapped, age(4)), (1 << 32) + 4);
        assert_eq!(next_transaction((5 << 32) + 3_000_000_000, age(3_000_000_001)), (5 << 32) + 3_000_000_001);
    }
}
