//! When a process dies: after so many of its steps, whichever those are, or at the next step of a kind.

/// A countdown over the steps of a process, or a step that is waited for. Then the process dies between two of its steps.
#[derive(Debug, Default)]
pub struct Crash {
    left: Option<u32>,
    awaited: Option<&'static str>,
    at: Option<&'static str>,
}

impl Crash {
    /// The process dies after so many more steps.
    pub fn begin(&mut self, steps: u32) {
        self.left.get_or_insert(steps);
    }

    /// The process dies at its next step of this name.
    pub fn await_step(&mut self, step: &'static str) {
        self.awaited.get_or_insert(step);
    }

    /// A step of this name was made. True: the process dies here.
    pub fn at(&mut self, step: &'static str) -> bool {
        if self.awaited == Some(step) {
            self.at.get_or_insert(step);
            return true;
        }
        let Some(left) = &mut self.left else { return false };
        if let Some(rest) = left.checked_sub(1) {
            *left = rest;
            return false;
        }
        self.at.get_or_insert(step);
        true
    }

    /// The process has died.
    pub const fn is_due(&self) -> bool {
        self.at.is_some()
    }

    /// The step at which the process died; from then on it lives again.
    pub fn take(&mut self) -> Option<&'static str> {
        let at = self.at.take()?;
        (self.left, self.awaited) = (None, None);
        Some(at)
    }
}
