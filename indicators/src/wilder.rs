//! `RSI` and `ATR`: averages as J. Welles Wilder smooths them, in binary floating point.

use crate::{
    binary::{from_units, to_value},
    bytes::{Reader, Writer},
    indicator::{Computation, Values, single},
    sample::Sample,
    smoothed::{Smoothed, Smoothing},
    window::PRICE_END,
};

/// Averages below it are nothing: thousands of samples without a change bring them there, and below it binary numbers lose
/// digits, so that the share of gains in all changes would be lost.
const NOTHING: f64 = 1e-200;

/// The close before, in units of 10^-10; 0 before the first.
#[derive(Debug, Default)]
struct Before(u128);

impl Before {
    /// Takes a close. Returns the close before it.
    fn replace(&mut self, close: u128) -> Option<u128> {
        let before = std::mem::replace(&mut self.0, close);
        (before > 0).then_some(before)
    }

    fn write(&self, writer: &mut Writer) {
        writer.number(self.0);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.0 = reader.number().filter(|close| *close < PRICE_END)?;
        Some(())
    }
}

/// Relative strength index: the share of gains in all changes, 0 to 100.
#[derive(Debug)]
pub(crate) struct RelativeStrength {
    before: Before,
    gain: Smoothed,
    loss: Smoothed,
}

impl RelativeStrength {
    pub(crate) fn new(period: u32) -> Self {
        Self {
            before: Before::default(),
            gain: Smoothed::new(Smoothing::Wilder, period),
            loss: Smoothed::new(Smoothing::Wilder, period),
        }
    }
}

impl Computation for RelativeStrength {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let close = sample.close_units();
        let before = self.before.replace(close)?;
        let gain = self.gain.push(from_units(close.saturating_sub(before)));
        let loss = self.loss.push(from_units(before.saturating_sub(close)));
        let (gain, loss) = gain.zip(loss)?;
        if gain + loss < NOTHING {
            self.gain.clear();
            self.loss.clear();
            return single(to_value(50.0));
        }
        single(to_value(100.0 * (gain / (gain + loss))))
    }

    fn write(&self, writer: &mut Writer) {
        self.before.write(writer);
        self.gain.write(writer);
        self.loss.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.before.read(reader)?;
        self.gain.read(reader)?;
        self.loss.read(reader)
    }
}

/// Average true range.
#[derive(Debug)]
pub(crate) struct TrueRange {
    before: Before,
    average: Smoothed,
}

impl TrueRange {
    pub(crate) fn new(period: u32) -> Self {
        Self { before: Before::default(), average: Smoothed::new(Smoothing::Wilder, period) }
    }
}

impl Computation for TrueRange {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let before = self.before.replace(sample.close_units())?;
        let range = sample.high_units().max(before) - sample.low_units().min(before);
        single(to_value(self.average.push(from_units(range))?))
    }

    fn write(&self, writer: &mut Writer) {
        self.before.write(writer);
        self.average.write(writer);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.before.read(reader)?;
        self.average.read(reader)
    }
}
