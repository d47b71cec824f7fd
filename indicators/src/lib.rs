//! Indicators: values computed from the quotes of one symbol, by the conventions of TA-Lib (docs/indicators.md).
//!
//! - [`Settings`] reads the definitions of an account's indicators from JSON.
//! - [`Definition`] is one of the twelve types with its parameters; it starts an [`Indicator`].
//! - [`Indicator`] takes one [`Sample`] after the other, returns its values as soon as it has enough of them, and saves
//!   its state as bytes.
//!
//! Values over a window of samples are computed in integers, so that no error ever accumulates: `window`, `extreme`, `exact`.
//! Recursive values are computed in binary floating point with additions, multiplications and divisions alone, which
//! have the same results on every machine: `binary`. Nothing here does I/O or reads a clock.

mod averages;
mod binary;
mod bytes;
mod change;
mod channels;
mod definition;
mod deviation;
mod exact;
mod exponential;
mod extreme;
mod indicator;
mod members;
mod sample;
mod session;
mod settings;
mod smoothed;
mod vwap;
mod wilder;
mod window;

pub use self::{
    definition::{Definition, MAX_PERIOD},
    indicator::{Indicator, RestoreError, Values},
    sample::Sample,
    session::Session,
    settings::{Entry, LONGEST_BAR_MICROS, SHORTEST_BAR_MICROS, Settings, Violation},
};
