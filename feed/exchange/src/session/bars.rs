//! Bars of one minute from the trades of one symbol, in their order, for exchanges without closed bars in their stream.
//!
//! A bar closes with the first trade of a later minute: by the exchange's time, so that the same trades make the same bars. A
//! minute without trades has no bar. A minute that misses trades, or that the session began in, is within a gap.

use intuition_api::decimal::{Price, Quantity};

use crate::{
    message::{self, Entry},
    quote::{Bar, GapReason, Kind, MINUTE_MICROS},
};

/// An output of the builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Built {
    /// A closed bar.
    Bar(Entry),
    /// Minutes that miss trades: first, last, reason.
    Gap(u64, u64, GapReason),
}

/// See the module.
#[derive(Debug)]
pub(super) struct BarBuilder {
    /// The minute given last, or reported last.
    last: Option<u64>,
    running: Option<Running>,
    /// The first minute that misses trades and is not reported, and the reason.
    lost: Option<(u64, GapReason)>,
    /// Trades are missing before the next one.
    is_cut: bool,
}

/// The bar of the present minute.
#[derive(Debug)]
struct Running {
    minute: u64,
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    volume: Quantity,
    /// All trades of the minute were seen.
    is_whole: bool,
}

impl BarBuilder {
    /// `position`: the minute of the bar given last in an earlier run.
    pub(super) fn new(position: Option<u64>) -> Self {
        let lost = position.map(|last| (last.saturating_add(1), GapReason::BeforeStart));
        Self { last: position, running: None, lost, is_cut: true }
    }

    /// Trades are missing behind the last one.
    pub(super) fn cut(&mut self, reason: GapReason) {
        self.is_cut = true;
        if let Some(running) = &mut self.running {
            running.is_whole = false;
            self.lost.get_or_insert((running.minute, reason));
        }
    }

    /// Takes the next trade, and returns the bar or the gap that it closes.
    pub(super) fn push(&mut self, entry: &Entry) -> Option<Built> {
        let (Kind::Trade { size }, Some(minute)) = (entry.kind, message::minute(entry.time_micros)) else {
            return None;
        };
        let is_cut = std::mem::replace(&mut self.is_cut, false);
        // A time that goes back belongs to the bar that is open: a closed one is given already.
        if let Some(running) = self.running.as_mut().filter(|running| minute <= running.minute) {
            running.add(entry.price, size);
            running.is_whole &= !is_cut;
            return None;
        }
        let closed = self.running.replace(Running::new(minute, entry.price, size, !is_cut))?;
        if closed.is_whole && self.last.is_none_or(|last| closed.minute > last) {
            self.last = Some(closed.minute);
            return Some(Built::Bar(closed.entry()));
        }
        // Minutes on both sides of a cut are one gap.
        if closed.is_whole || is_cut { None } else { self.report(closed.minute) }
    }

    /// Reports the minutes that miss trades, up to `minute`.
    fn report(&mut self, minute: u64) -> Option<Built> {
        let (first, reason) = self.lost.take()?;
        self.last = self.last.max(Some(minute));
        (first <= minute).then_some(Built::Gap(first, minute, reason))
    }
}

impl Running {
    const fn new(minute: u64, price: Price, size: Quantity, is_whole: bool) -> Self {
        Self { minute, open: price, high: price, low: price, close: price, volume: size, is_whole }
    }

    fn add(&mut self, price: Price, size: Quantity) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        // A sum beyond 10^28 units is none of a market.
        self.volume = self.volume.checked_add(size).unwrap_or(self.volume);
    }

    fn entry(&self) -> Entry {
        let Self { minute, open, high, low, close, volume, .. } = *self;
        let end = i64::try_from(minute).unwrap_or(i64::MAX).saturating_add(1).saturating_mul(MINUTE_MICROS);
        Entry { number: minute, price: close, time_micros: end, kind: Kind::Bar(Bar { open, high, low, volume }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trade of size 1 in a minute.
    fn trade(minute: i64, price: &str) -> Entry {
        let (price, size) = (price.parse().unwrap(), "1".parse().unwrap());
        Entry { number: 1, price, time_micros: minute * MINUTE_MICROS + 5, kind: Kind::Trade { size } }
    }

    /// Minutes and gaps that these trades make; `None` is a cut.
    fn built(position: Option<u64>, trades: &[Option<i64>]) -> Vec<Built> {
        let mut builder = BarBuilder::new(position);
        let mut built = Vec::new();
        for minute in trades {
            match minute {
                Some(minute) => built.extend(builder.push(&trade(*minute, "5"))),
                None => builder.cut(GapReason::TooLate),
            }
        }
        built
    }

    fn bar(minute: u64) -> Built {
        let price = "5".parse().unwrap();
        let open = Running::new(minute, price, "1".parse().unwrap(), true);
        Built::Bar(open.entry())
    }

    #[test]
    fn bar_has_the_values_of_its_trades() {
        let mut builder = BarBuilder::new(None);
        assert_eq!(builder.push(&trade(0, "9")), None);
        for price in ["5", "8", "3", "4"] {
            assert_eq!(builder.push(&trade(1, price)), None);
        }
        let Some(Built::Bar(entry)) = builder.push(&trade(2, "7")) else { panic!("the bar of minute 1") };
        assert_eq!((entry.number, entry.time_micros, entry.price.to_string()), (1, 2 * MINUTE_MICROS, "4".to_owned()));
        let Kind::Bar(bar) = entry.kind else { panic!("a bar") };
        let values = [bar.open.to_string(), bar.high.to_string(), bar.low.to_string(), bar.volume.to_string()];
        assert_eq!(values, ["5", "8", "3", "4"]);
    }

    #[test]
    fn first_minute_and_quiet_minutes_have_no_bar() {
        assert_eq!(built(None, &[Some(1), Some(2), Some(5), Some(6)]), [bar(2), bar(5)]);
    }

    #[test]
    fn minutes_between_a_position_and_the_first_whole_one_are_a_gap() {
        let gap = |last| Built::Gap(4, last, GapReason::BeforeStart);
        assert_eq!(built(Some(3), &[Some(6), Some(7), Some(8)]), [gap(6), bar(7)]);
        assert_eq!(built(Some(3), &[Some(4), Some(5), Some(6)]), [gap(4), bar(5)]);
    }

    #[test]
    fn minutes_that_miss_trades_are_one_gap() {
        let gap = |first, last| Built::Gap(first, last, GapReason::TooLate);
        let within = [Some(1), Some(2), None, Some(2), Some(3), Some(4)];
        assert_eq!(built(None, &within), [gap(2, 2), bar(3)]);
        let across = [Some(1), Some(2), Some(3), None, Some(7), Some(8), Some(9)];
        assert_eq!(built(None, &across), [bar(2), gap(3, 7), bar(8)]);
        let twice = [Some(1), Some(2), None, Some(3), None, Some(4), Some(5), Some(6)];
        assert_eq!(built(None, &twice), [gap(2, 4), bar(5)]);
    }

    #[test]
    fn time_that_goes_back_stays_in_the_open_bar() {
        assert_eq!(built(None, &[Some(1), Some(2), Some(1), Some(3)]).len(), 1);
    }
}
