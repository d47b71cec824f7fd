//! Counts the instructions that the data path takes for each tick: the bridge's machine, the runtime's writer and a ledger in
//! a file, as they are, in one thread and without sockets. `make test-instructions` holds the counts to stored bounds: unlike a
//! time, a count is the same on every machine, so that a change that makes a tick dearer fails.
//!
//! [`case`] has the inputs, [`path`] the loop through all parts with [`stage`] as its steps, [`callgrind`] the counts, [`bounds`]
//! the stored numbers and [`check`] the comparison.

pub mod bounds;
mod bridge;
pub mod callgrind;
pub mod case;
pub mod check;
pub mod command;
pub mod path;
mod runtime;
pub mod stage;
