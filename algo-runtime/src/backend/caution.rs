//! How carefully a backend is asked, and when a tick is given up.
//!
//! Something in a batch may be what a backend fails at. After each failure the batch is halved, until a tick stands
//! alone. A tick that fails alone [`STRIKES`] times, each time followed by a Describe that the backend answers, is
//! rejected. Behind it the next tick has to be answered before another may be rejected: two in a row mean that the
//! backend is broken, and then nothing is rejected any more until it answers. A backend that is away answers no Describe,
//! so that it never costs a tick.

use super::Failure;

/// Events of a batch, at most.
pub const MAX_BATCH: usize = 256;
/// Failures alone until a tick is rejected.
const STRIKES: u32 = 5;

/// See the module.
#[derive(Debug)]
pub(super) struct Caution {
    /// Events that may be asked at once where nothing is suspected.
    limit: usize,
    /// What failed is among so many events at the head; 0: nothing is suspected.
    suspects: usize,
    /// The tick at the head failed alone, and whether the backend is there is to be seen.
    unproven: bool,
    /// Times that the tick at the head failed alone with the backend there.
    strikes: u32,
    /// The last failure alone, for a person.
    last: String,
    /// A tick was rejected, and none was answered since.
    rejected: bool,
    /// Two ticks in a row were to be rejected.
    failing: bool,
}

impl Default for Caution {
    fn default() -> Self {
        Self {
            limit: MAX_BATCH,
            suspects: 0,
            unproven: false,
            strikes: 0,
            last: String::new(),
            rejected: false,
            failing: false,
        }
    }
}

impl Caution {
    /// How many events may be asked at once.
    pub(super) fn batch_limit(&self) -> usize {
        match self.suspects {
            0 => self.limit,
            suspects => (suspects / 2).max(1),
        }
    }

    /// A batch of so many failed.
    pub(super) fn failed(&mut self, asked: usize, failure: &Failure) {
        self.suspects = asked;
        self.limit = (asked / 2).max(1);
        if asked == 1 {
            self.unproven = true;
            self.last.clone_from(&failure.message);
        }
    }

    /// The backend answers Describe.
    pub(super) const fn is_there(&mut self) {
        if self.unproven {
            self.unproven = false;
            self.strikes += 1;
            self.failing |= self.rejected && self.strikes >= STRIKES;
        }
    }

    /// A batch of so many was answered.
    pub(super) fn answered(&mut self, asked: usize) {
        self.suspects = self.suspects.saturating_sub(asked);
        if self.suspects == 0 {
            self.limit = (self.limit * 2).min(MAX_BATCH);
        }
        (self.strikes, self.unproven) = (0, false);
        (self.rejected, self.failing) = (false, false);
    }

    /// Why the tick at the head is to be rejected, once.
    pub(super) fn rejection(&mut self) -> Option<String> {
        if self.strikes < STRIKES || self.rejected {
            return None;
        }
        self.rejected = true;
        let message = format!("failed {STRIKES} times at this quote alone, last: {}", self.last);
        self.forget_head();
        Some(message)
    }

    /// A tick was rejected before this process began, and none was answered since.
    pub(super) const fn resume(&mut self) {
        self.rejected = true;
    }

    /// The head is another one's, or has its outcome.
    pub(super) const fn forget_head(&mut self) {
        self.suspects = 0;
        self.limit = 1;
        (self.strikes, self.unproven) = (0, false);
    }

    /// It failed at something that is not answered since.
    pub(super) const fn is_suspicious(&self) -> bool {
        self.suspects > 0 || self.failing
    }

    /// Two ticks in a row were to be rejected, and none was answered since.
    pub(super) const fn is_failing(&self) -> bool {
        self.failing
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Fault, *};

    fn failure() -> Failure {
        Failure::new(Fault::Error, "boom".to_owned())
    }

    /// Fails at the batch, and answers Describe then.
    fn fail(caution: &mut Caution) -> usize {
        let asked = caution.batch_limit();
        caution.failed(asked, &failure());
        caution.is_there();
        asked
    }

    fn fail_times(caution: &mut Caution, times: usize) {
        for _ in 0..times {
            fail(caution);
        }
    }

    #[test]
    fn after_each_failure_the_batch_is_halved_and_what_failed_is_cornered() {
        let mut caution = Caution::default();
        let asked: Vec<usize> = (0..9).map(|_| fail(&mut caution)).collect();
        assert_eq!(asked, [256, 128, 64, 32, 16, 8, 4, 2, 1]);
        let mut caution = Caution::default();
        // The last of 256 is the bad one.
        let (mut left, mut answers) = (256, 0);
        while left > 1 {
            let asked = caution.batch_limit().min(left);
            if asked == left {
                caution.failed(asked, &failure());
                caution.is_there();
            } else {
                caution.answered(asked);
                left -= asked;
                answers += 1;
            }
        }
        assert_eq!((answers, caution.batch_limit()), (8, 1));
    }

    #[test]
    fn a_tick_that_fails_alone_five_times_is_rejected_once() {
        let mut caution = Caution::default();
        caution.failed(2, &failure());
        for strike in 1..=5 {
            assert_eq!(caution.rejection(), None, "{strike}");
            assert_eq!(fail(&mut caution), 1);
        }
        assert_eq!(caution.rejection().unwrap(), "failed 5 times at this quote alone, last: boom");
        assert_eq!(caution.rejection(), None);
        caution.answered(1);
        assert!(!caution.is_suspicious());
        assert_eq!(caution.batch_limit(), 2);
    }

    #[test]
    fn a_rejection_before_a_restart_counts_after_it() {
        let mut caution = Caution::default();
        caution.resume();
        caution.failed(1, &failure());
        caution.is_there();
        fail_times(&mut caution, 10);
        assert_eq!((caution.rejection(), caution.is_failing()), (None, true));
    }

    #[test]
    fn a_backend_that_is_away_costs_nothing() {
        let mut caution = Caution::default();
        caution.failed(1, &failure());
        for _ in 0..100 {
            // Nobody answers Describe, so that nothing is asked either.
            assert_eq!(caution.rejection(), None);
        }
        caution.is_there();
        assert_eq!(caution.strikes, 1);
    }

    #[test]
    fn two_in_a_row_mean_that_the_backend_is_broken_and_nothing_more_is_rejected() {
        let mut caution = Caution::default();
        caution.failed(2, &failure());
        fail_times(&mut caution, 5);
        assert!(caution.rejection().is_some());
        for _ in 0..50 {
            assert_eq!(fail(&mut caution), 1);
            assert_eq!(caution.rejection(), None);
        }
        assert!(caution.is_failing());
        caution.answered(1);
        assert!(!caution.is_failing());
        // Two at once, then five times one.
        fail_times(&mut caution, 6);
        assert!(caution.rejection().is_some(), "one was answered between the two");
    }
}
