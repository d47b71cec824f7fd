//! `sma-crossover`: per symbol, two simple moving averages; buys when the fast one rises above the slow one, sells the
//! whole position when it falls below.
//!
//! The averages are compared as `fast sum x slow count` against `slow sum x fast count`, in integers: exactly.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use intuition_api::decimal::Price;

use super::{Algorithm, AlgorithmSettings, Answer, Builtin, Event, FieldErrors, Parameters, Quote, SavedState, Signal};

/// The registry's entry.
pub const BUILTIN: Builtin = Builtin {
    name: "sma-crossover",
    version: "1",
    summary: "buys when the average of the last `fast` quotes rises above that of the last `slow`, sells when it falls below",
    parameters_schema: r#"{"type":"object","properties":{"fast":{"type":"integer","minimum":1,"maximum":9999,"default":20,"description":"quotes in the fast average"},"slow":{"type":"integer","minimum":2,"maximum":10000,"default":50,"description":"quotes in the slow average, more than fast"},"seed":{"type":"integer","minimum":0,"description":"makes a random portfolio policy reproducible"}},"additionalProperties":false}"#,
    initialize: |settings, saved, _chance| Ok(Box::new(SmaCrossover::initialize(settings, saved)?)),
};

/// Quotes in each average; `fast` < `slow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    fast: usize,
    slow: usize,
}

struct SmaCrossover {
    lengths: Lengths,
    histories: BTreeMap<String, History>,
    changed: BTreeSet<String>,
}

impl SmaCrossover {
    fn initialize(settings: &AlgorithmSettings, saved: &SavedState) -> Result<Self, FieldErrors> {
        let lengths = read(settings)?;
        let histories = saved.iter().map(|(sid, state)| (sid.clone(), History::restore(state, lengths))).collect();
        Ok(Self { lengths, histories, changed: BTreeSet::new() })
    }

    fn signal(&mut self, quote: &Quote) -> Option<Signal> {
        let history = self.histories.entry(quote.sid.clone()).or_default();
        let before = history.order(self.lengths);
        history.push(quote.price, self.lengths);
        self.changed.insert(quote.sid.clone());
        let now = history.order(self.lengths)?;
        match (before?, now) {
            (Ordering::Less | Ordering::Equal, Ordering::Greater) => Some(Signal::Buy),
            (Ordering::Greater | Ordering::Equal, Ordering::Less) => Some(Signal::Sell(None)),
            _ => None,
        }
    }
}

fn read(settings: &AlgorithmSettings) -> Result<Lengths, FieldErrors> {
    let mut parameters = Parameters::new(&settings.parameters);
    let fast = parameters.integer("fast", 1..=9_999).unwrap_or(20);
    let slow = parameters.integer("slow", 2..=10_000).unwrap_or(50);
    parameters.rule("fast", fast < slow, || format!("must be less than slow, which is {slow}, is {fast}"));
    parameters.seed();
    parameters.finish()?;
    let length = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Ok(Lengths { fast: length(fast), slow: length(slow) })
}

impl Algorithm for SmaCrossover {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        let mut answer = |event: &Event| match event {
            Event::Quote(quote) => self.signal(quote).into(),
            Event::Indicator(_) => Answer::default(),
        };
        events.iter().map(&mut answer).collect()
    }

    fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        let lengths = read(settings)?;
        if lengths != self.lengths {
            self.lengths = lengths;
            for (sid, history) in &mut self.histories {
                *history = History::new(std::mem::take(&mut history.prices), lengths);
                self.changed.insert(sid.clone());
            }
        }
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter_map(|sid| Some((sid.clone(), self.histories.get(&sid)?.save()))).collect()
    }
}

/// The last `slow` prices of a symbol, in units of [`Price`], and the sums of both averages.
#[derive(Debug, Default)]
struct History {
    prices: VecDeque<Price>,
    fast_sum: u128,
    slow_sum: u128,
}

impl History {
    fn new(prices: impl IntoIterator<Item = Price>, lengths: Lengths) -> Self {
        let mut history = Self::default();
        for price in prices {
            history.push(price, lengths);
        }
        history
    }

    fn push(&mut self, price: Price, Lengths { fast, slow }: Lengths) {
        self.prices.push_back(price);
        self.fast_sum += price.units();
        self.slow_sum += price.units();
        let length = self.prices.len();
        if length > fast {
            self.fast_sum -= self.prices.get(length - 1 - fast).map_or(0, |left| left.units());
        }
        if length > slow {
            self.slow_sum -= self.prices.pop_front().map_or(0, Price::units);
        }
    }

    /// Where the fast average stands against the slow one; `None` before there are `slow` quotes.
    fn order(&self, Lengths { fast, slow }: Lengths) -> Option<Ordering> {
        // A sum is below 10^22 x 10^4, times 10^4: far within 128 bits.
        (self.prices.len() >= slow).then(|| (self.fast_sum * slow as u128).cmp(&(self.slow_sum * fast as u128)))
    }

    /// The prices, oldest first, separated by spaces.
    fn save(&self) -> Vec<u8> {
        let prices: Vec<String> = self.prices.iter().map(ToString::to_string).collect();
        prices.join(" ").into_bytes()
    }

    fn restore(state: &[u8], lengths: Lengths) -> Self {
        let text = std::str::from_utf8(state).unwrap_or_default();
        Self::new(text.split(' ').filter_map(|price| price.parse().ok()), lengths)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::tests_support::DecideQuotes as _, *};

    fn settings(parameters: Value) -> AlgorithmSettings {
        let Value::Object(parameters) = parameters else { panic!("an object") };
        AlgorithmSettings { threshold: 0.5, parameters }
    }

    fn quotes(sid: &str, prices: &[&str]) -> Vec<Quote> {
        let quote =
            |price: &&str| Quote { sid: sid.to_owned(), price: price.parse().unwrap(), time_micros: 0, details: None };
        prices.iter().map(quote).collect()
    }

    fn start(parameters: Value, saved: &SavedState) -> Box<dyn Algorithm> {
        BUILTIN.initialize(&settings(parameters), saved, 1).unwrap()
    }

    const BUY: Option<Signal> = Some(Signal::Buy);
    const SELL: Option<Signal> = Some(Signal::Sell(None));

    #[test]
    fn trades_only_at_a_cross_of_averages_that_were_both_known_twice() {
        let mut algorithm = start(json!({"fast": 1, "slow": 2}), &SavedState::new());
        // The second quote is the first with an average of two; nothing is known of the tick before it.
        let signals = algorithm.decide_quotes(&quotes("GOOG", &["1", "2", "3", "3", "2", "2", "2.0000000001", "1"]));
        // 2>1.5, 3>2.5: no crossing; 3=3; 2<2.5: falls below; 2=2; above by the last place; falls.
        assert_eq!(signals, [None, None, None, None, SELL, None, BUY, SELL]);
    }

    #[test]
    fn symbols_do_not_mix() {
        let mut algorithm = start(json!({"fast": 1, "slow": 2}), &SavedState::new());
        algorithm.decide_quotes(&quotes("GOOG", &["2", "1"]));
        assert_eq!(algorithm.decide_quotes(&quotes("AAPL", &["3"])), [None]);
        assert_eq!(algorithm.decide_quotes(&quotes("GOOG", &["3"])), [BUY]);
    }

    #[test]
    fn a_restart_in_between_changes_nothing() {
        let prices = ["5", "4", "3", "4", "5", "6", "5", "4", "3", "2", "3", "4", "9"];
        let parameters = json!({"fast": 2, "slow": 4});
        let whole = start(parameters.clone(), &SavedState::new()).decide_quotes(&quotes("GOOG", &prices));
        for cut in 0..prices.len() {
            let mut saved = SavedState::new();
            let mut first = start(parameters.clone(), &saved);
            let mut signals = first.decide_quotes(&quotes("GOOG", &prices[..cut]));
            saved.extend(first.take_changes());
            signals.extend(start(parameters.clone(), &saved).decide_quotes(&quotes("GOOG", &prices[cut..])));
            assert_eq!(signals, whole, "cut at {cut}");
        }
    }

    #[test]
    fn lengths_that_make_no_sense_are_refused_by_their_path() {
        for (parameters, fields) in [
            (json!({"fast": 50, "slow": 20}), vec!["parameters.fast"]),
            (json!({"fast": 0}), vec!["parameters.fast"]),
            (json!({"slow": 1.5}), vec!["parameters.slow"]),
            (json!({"slow": "50"}), vec!["parameters.slow"]),
            (json!({"window": 1}), vec!["parameters.window"]),
            // All at once; but what is no number is not compared.
            (
                json!({"fast": 50, "slow": 20, "x": 1, "seed": -1}),
                vec!["parameters.fast", "parameters.seed", "parameters.x"],
            ),
            (json!({"fast": 0, "slow": 100_000_000}), vec!["parameters.fast", "parameters.slow"]),
            (json!({"fast": 60, "slow": 0, "threshold": 1}), vec!["parameters.slow", "parameters.threshold"]),
        ] {
            let errors = BUILTIN.initialize(&settings(parameters), &SavedState::new(), 1).err().unwrap();
            assert_eq!(errors.into_iter().map(|error| error.field).collect::<Vec<_>>(), fields);
        }
    }

    #[test]
    fn new_lengths_use_the_quotes_that_are_there() {
        let mut algorithm = start(json!({"fast": 1, "slow": 4}), &SavedState::new());
        algorithm.decide_quotes(&quotes("GOOG", &["9", "9", "3", "2"]));
        algorithm.reconfigure(&settings(json!({"fast": 1, "slow": 2}))).unwrap();
        assert_eq!(algorithm.decide_quotes(&quotes("GOOG", &["5"])), [BUY]);
    }
}
