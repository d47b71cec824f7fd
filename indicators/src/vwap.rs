//! `VWAP`: the average price of a session, weighted by volume, exactly.

use ethnum::{I256, U256};
use intuition_api::decimal::Quantity;

use crate::{
    bytes::{Reader, Writer},
    exact::ratio,
    indicator::{Computation, Values, single},
    sample::Sample,
    session::Session,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Vwap {
    session: Session,
    /// Start of the current session and of the next one; `None` before the first sample.
    current: Option<(i64, i64)>,
    /// Sum of (high + low + close) x volume: three times that of the typical prices, so that no third is rounded.
    weighted: U256,
    volume: U256,
}

impl Vwap {
    pub(crate) const fn new(session: Session) -> Self {
        Self { session, current: None, weighted: U256::ZERO, volume: U256::ZERO }
    }

    /// Moves on to the session of that moment, never back. Returns whether the moment belongs to the current session then.
    fn advance(&mut self, micros: i64) -> bool {
        if let Some((start, next)) = self.current
            && micros < next
        {
            return micros >= start;
        }
        let Some(session) = self.session.around(micros) else { return false };
        self.current = Some(session);
        (self.weighted, self.volume) = (U256::ZERO, U256::ZERO);
        true
    }
}

impl Computation for Vwap {
    fn push(&mut self, sample: &Sample) -> Option<Values> {
        let volume = sample.volume.map_or(0, Quantity::units);
        if self.advance(sample.time_micros) {
            let prices = sample.high_units() + sample.low_units() + sample.close_units();
            // Below 10^59 for one sample: 10^17 of the largest fit.
            self.weighted = self.weighted.saturating_add(U256::from(prices) * U256::from(volume));
            self.volume = self.volume.saturating_add(U256::from(volume));
        }
        let (weighted, volume) = (I256::try_from(self.weighted).ok()?, I256::try_from(self.volume).ok()?);
        single(ratio(weighted, volume * I256::from(3)))
    }

    fn write(&self, writer: &mut Writer) {
        let (start, next) = self.current.unwrap_or_default();
        writer.byte(u8::from(self.current.is_some()));
        writer.signed(start);
        writer.signed(next);
        writer.large(self.weighted);
        writer.large(self.volume);
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let is_begun = reader.byte()? == 1;
        let session = (reader.signed()?, reader.signed()?);
        self.current = is_begun.then_some(session);
        self.weighted = reader.large()?;
        self.volume = reader.large()?;
        Some(())
    }
}
