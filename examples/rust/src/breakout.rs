//! What it decides. Per symbol: buys when a price is above every one of the `entry` before it, and sells the whole position
//! when a price is below every one of the `exit` before it. Where `trend` names a published average, it buys above this average
//! alone, so that a quote without it buys nothing.
//!
//! The same quotes give the same signals, whatever restarts in between.

use std::collections::VecDeque;

use intuition_api::{
    decimal::{Price, Value},
    indicator::ONLY_VALUE,
    v1::Side,
};
use serde::{Deserialize, Serialize};

use crate::{indicators::Indicators, parameters::Parameters};

/// Symbols that are followed at once. Bounds the state, of which the runtime keeps at most 1 MiB.
pub const MOST_SYMBOLS: usize = 128;

/// A saved state that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is not what [`Breakout::save`] writes.
    #[error("the saved state cannot be read: {0}")]
    Parse(#[source] serde_json::Error),
    /// A price in it is none.
    #[error("the saved state has {text:?} for a price of {sid}, which {source}")]
    Price {
        /// Whose price.
        sid: String,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        source: intuition_api::decimal::ParseDecimalError,
    },
}

/// One account's algorithm.
#[derive(Debug)]
pub struct Breakout {
    parameters: Parameters,
    /// The one quoted last stands last.
    followed: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    sid: String,
    /// Broke out, and has not fallen back yet.
    risen: bool,
    /// The last `entry` prices, oldest first.
    prices: VecDeque<Price>,
}

/// A symbol as it is saved.
#[derive(Serialize, Deserialize)]
struct Saved {
    sid: String,
    risen: bool,
    prices: Vec<String>,
}

impl Breakout {
    /// Starts with what was saved last; nothing at first.
    pub fn open(parameters: Parameters, state: &[u8]) -> Result<Self, StateError> {
        let saved: Vec<Saved> =
            if state.is_empty() { Vec::new() } else { serde_json::from_slice(state).map_err(StateError::Parse)? };
        let followed = saved.into_iter().map(Followed::restore).collect::<Result<_, _>>()?;
        let mut breakout = Self { parameters, followed };
        breakout.shorten();
        Ok(breakout)
    }

    /// From here on with other parameters. The prices that are there stay, as far as `entry` reaches.
    pub fn reconfigure(&mut self, parameters: Parameters) {
        self.parameters = parameters;
        self.shorten();
    }

    fn shorten(&mut self) {
        for followed in &mut self.followed {
            followed.shorten(self.parameters.entry);
        }
    }

    /// One quote, and the indicators that came with it: which way to trade, if at all.
    pub fn quote(&mut self, sid: &str, price: Price, indicators: &Indicators) -> Option<Side> {
        let known = self.followed.iter().position(|followed| followed.sid == sid);
        let mut followed = known.map_or_else(|| Followed::new(sid), |at| self.followed.remove(at));
        let side = followed.side(price, &self.parameters, indicators);
        followed.prices.push_back(price);
        followed.shorten(self.parameters.entry);
        if self.followed.len() == MOST_SYMBOLS {
            self.followed.remove(0);
        }
        self.followed.push(followed);
        side
    }

    /// What a restart needs to go on as if nothing had been.
    pub fn save(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.followed.iter().map(Followed::save).collect::<Vec<_>>())
    }
}

impl Followed {
    fn new(sid: &str) -> Self {
        Self { sid: sid.to_owned(), risen: false, prices: VecDeque::new() }
    }

    fn side(&mut self, price: Price, parameters: &Parameters, indicators: &Indicators) -> Option<Side> {
        let Parameters { entry, exit, trend } = parameters;
        if self.prices.len() < *entry {
            return None;
        }
        let in_trend = trend.as_ref().is_none_or(|name| is_above(price, indicators.get(name, ONLY_VALUE)));
        if !self.risen && in_trend && self.prices.iter().all(|before| price > *before) {
            self.risen = true;
            return Some(Side::Buy);
        }
        if self.risen && self.prices.iter().rev().take(*exit).all(|before| price < *before) {
            self.risen = false;
            return Some(Side::Sell);
        }
        None
    }

    fn shorten(&mut self, entry: usize) {
        let gone = self.prices.len().saturating_sub(entry);
        self.prices.drain(..gone);
    }

    fn save(&self) -> Saved {
        let prices = self.prices.iter().map(ToString::to_string).collect();
        Saved { sid: self.sid.clone(), risen: self.risen, prices }
    }

    fn restore(Saved { sid, risen, prices }: Saved) -> Result<Self, StateError> {
        let read = |text: String| match text.parse() {
            Ok(price) => Ok(price),
            Err(source) => Err(StateError::Price { sid: sid.clone(), text, source }),
        };
        let prices = prices.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { sid, risen, prices })
    }
}

/// Whether a price is above a value, exactly: both have ten places.
fn is_above(price: Price, value: Option<Value>) -> bool {
    value.is_some_and(|value| i128::try_from(price.units()).is_ok_and(|units| units > value.units()))
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::{Indicator, IndicatorValue};

    use super::*;
    use crate::indicators::Waiting;

    const PARAMETERS: Parameters = Parameters { entry: 3, exit: 2, trend: None };

    fn start(state: &[u8]) -> Breakout {
        Breakout::open(PARAMETERS, state).unwrap()
    }

    fn sides(breakout: &mut Breakout, sid: &str, prices: &[&str]) -> Vec<Option<Side>> {
        let none = Indicators::default();
        prices.iter().map(|price| breakout.quote(sid, price.parse().unwrap(), &none)).collect()
    }

    const BUY: Option<Side> = Some(Side::Buy);
    const SELL: Option<Side> = Some(Side::Sell);

    #[test]
    fn it_buys_above_all_before_sells_below_the_last_and_each_once() {
        let prices = ["1", "2", "3", "3", "3.0000000001", "3", "4", "3", "2.9999999999", "1", "5"];
        let expected = [None, None, None, None, BUY, None, None, None, SELL, None, BUY];
        assert_eq!(sides(&mut start(b""), "GOOG", &prices), expected);
    }

    #[test]
    fn with_a_trend_it_buys_above_the_published_average_alone() {
        let mut breakout = Breakout::open(Parameters { trend: Some("sma-200".to_owned()), ..PARAMETERS }, b"").unwrap();
        sides(&mut breakout, "GOOG", &["1", "1", "1"]);
        let mut quote = |price: &str, name: &str, average: &str| {
            let mut waiting = Waiting::default();
            let values = vec![IndicatorValue { name: "value".to_owned(), value: average.to_owned() }];
            waiting.push(Indicator { name: name.to_owned(), sid: "GOOG".to_owned(), values, time_micros: 0 });
            breakout.quote("GOOG", price.parse().unwrap(), &waiting.take("GOOG").unwrap())
        };
        assert_eq!(quote("2", "sma-20", "1"), None);
        assert_eq!(quote("3", "sma-200", "3"), None);
        assert_eq!(quote("3.0000000001", "sma-200", "3"), BUY);
        // A sale asks for no trend.
        assert_eq!(quote("2.5", "sma-20", "9"), SELL);
    }

    #[test]
    fn symbols_do_not_mix() {
        let mut breakout = start(b"");
        sides(&mut breakout, "GOOG", &["1", "1", "1"]);
        assert_eq!(sides(&mut breakout, "AAPL", &["9"]), [None]);
        assert_eq!(sides(&mut breakout, "GOOG", &["2"]), [BUY]);
    }

    #[test]
    fn a_restart_in_between_changes_nothing() {
        let prices = ["5", "4", "3", "6", "7", "6", "5", "4", "9", "8", "9.5", "10", "2"];
        let whole = sides(&mut start(b""), "GOOG", &prices);
        assert!(whole.contains(&BUY) && whole.contains(&SELL));
        for cut in 0..prices.len() {
            let mut first = start(b"");
            let mut signals = sides(&mut first, "GOOG", &prices[..cut]);
            signals.extend(sides(&mut start(&first.save().unwrap()), "GOOG", &prices[cut..]));
            assert_eq!(signals, whole, "cut at {cut}");
        }
    }

    #[test]
    fn other_parameters_go_on_with_the_prices_that_are_there() {
        let mut breakout = start(b"");
        sides(&mut breakout, "GOOG", &["9", "2", "1"]);
        breakout.reconfigure(Parameters { entry: 2, exit: 1, trend: None });
        assert_eq!(sides(&mut breakout, "GOOG", &["3", "2"]), [BUY, SELL]);
    }

    #[test]
    fn state_stays_below_its_limit_by_forgetting_the_oldest_symbol() {
        let parameters = Parameters { entry: crate::parameters::MOST_QUOTES, exit: 1, trend: None };
        let mut breakout = Breakout::open(parameters.clone(), b"").unwrap();
        let name = |symbol: usize| format!("{symbol:0>64}");
        for symbol in 0..=MOST_SYMBOLS {
            for _ in 0..parameters.entry {
                sides(&mut breakout, &name(symbol), &["999999999999.9999999998"]);
            }
            // Quoted again and again, so that it is never the one.
            sides(&mut breakout, &name(0), &["999999999999.9999999998"]);
        }
        let state = breakout.save().unwrap();
        assert!(state.len() < 1_048_576, "{} bytes", state.len());
        let mut restored = Breakout::open(parameters, &state).unwrap();
        assert_eq!(sides(&mut restored, &name(0), &["999999999999.9999999999"]), [BUY]);
        assert_eq!(sides(&mut restored, &name(1), &["999999999999.9999999999"]), [None]);
    }

    #[test]
    fn a_state_that_it_did_not_save_is_an_error_and_no_empty_start() {
        for (state, reason) in [
            ("{", "the saved state cannot be read"),
            (r#"[{"sid":"A","risen":true}]"#, "the saved state cannot be read: missing field `prices`"),
            (
                r#"[{"sid":"A","risen":true,"prices":["x"]}]"#,
                r#"has "x" for a price of A, which is not a decimal number"#,
            ),
        ] {
            let error = Breakout::open(PARAMETERS, state.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
