//! Values of indicators on their way to a runtime that does not know them: its deliveries have the quotes alone.

use intuition_api::v1::{Tick, tick::Content};

use super::{Inflight, cost, entry::State};
use crate::outbox::Ranges;

impl Inflight {
    /// Whether the runtime of the stream that opens takes values of indicators.
    pub const fn runtime_takes_indicators(&mut self, takes: bool) {
        self.takes_indicators = takes;
    }

    /// Takes the values off a delivery that was not sent on this stream. For good: its quotes have the same places on a later stream, so
    /// that the runtime recognises them by their delivery. Without any tick, it needs no outcome.
    pub(super) fn leave_out_indicators(&mut self, number: u64) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else { return };
        let State::Open(arrival) = &mut entry.state else { return };
        if !arrival.ticks.iter().any(is_indicator) {
            return;
        }
        arrival.ticks.retain(|tick| !is_indicator(tick));
        arrival.ticks.shrink_to_fit();
        self.bytes -= entry.bytes;
        (entry.bytes, entry.encoded) = (cost::memory(arrival), cost::encoded(arrival));
        self.bytes += entry.bytes;
        if arrival.ticks.is_empty() {
            self.settle(number, Ranges::default());
        }
    }
}

const fn is_indicator(tick: &Tick) -> bool {
    matches!(tick.content, Some(Content::Indicator(_)))
}
