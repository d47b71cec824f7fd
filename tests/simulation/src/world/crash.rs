//! When a process dies: after so many of its steps, at whichever of them that is.

/// A countdown over the steps of a process. At its end the process dies between two of its steps.
#[derive(Debug, Default)]
pub struct Crash {
    left: Option<u32>,
    at: Option<&'static str>,
}

impl Crash {
    /// The process dies after so many more steps.
    pub fn begin(&mut self, steps: u32) {
        self.left.get_or_insert(steps);
    }

    /// A step of this name was made. True: the process dies here.
    pub fn at(&mut self, step: &'static str) -> bool {
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
        self.left = None;
        Some(at)
    }
}
