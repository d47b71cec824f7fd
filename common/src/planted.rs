//! Mistakes that can be switched on, to see that the simulation finds them: `make planted`.
//!
//! Each stands where the code could be wrong in that way, as `if planted::is(Fault::...)`, so that it compiles with every
//! change. Only a build with `--cfg planted` can switch one on. In any other build the condition is constant, and the
//! compiler removes the mistake.

/// Declares the mistakes, each with its name on the command line.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal,)+) => {
        /// A mistake that can be switched on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// As on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }

            /// The sentence about it.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$fault => concat!($($doc),+),)+
                }
            }
        }
    };
}

faults! {
    /// A delivery leaves the bound on what is in flight with its acknowledgement, before the PUBACK is written.
    InFlightUntilSubmitted = "in-flight-until-submitted",
}

#[cfg(planted)]
mod switch {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Fault;

    /// The index of the fault plus 1; 0: none.
    static ON: AtomicUsize = AtomicUsize::new(0);

    /// Switches one on for the whole process, or all off.
    pub fn switch(fault: Option<Fault>) {
        ON.store(fault.map_or(0, |fault| fault as usize + 1), Ordering::Relaxed);
    }

    /// Whether the mistake is to be made.
    pub fn is(fault: Fault) -> bool {
        ON.load(Ordering::Relaxed) == fault as usize + 1
    }
}

#[cfg(planted)]
pub use switch::{is, switch};

/// Whether the mistake is to be made: never, in this build.
#[cfg(not(planted))]
pub const fn is(_fault: Fault) -> bool {
    false
}
