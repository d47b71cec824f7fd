//! `rsi-reversion`: buys when a published RSI falls below `low`, sells the whole position when it rises above `high`.
//!
//! Per symbol it keeps the RSI of the last quote that came with one. A quote without it changes nothing.

use intuition_api::decimal::Value;

use super::{
    Algorithm, AlgorithmSettings, Answer, Builtin, Event, FieldErrors, Parameters, Quote, SavedState, Signal,
    last::Last,
    published::{Published, ValueName, answers, value_name_schema},
};

/// The registry's entry.
pub const BUILTIN: Builtin = Builtin {
    name: "rsi-reversion",
    version: "1",
    summary: "buys when a published RSI falls below `low`, sells when it rises above `high`",
    parameters_schema: concat!(
        r#"{"type":"object","properties":{"period":{"type":"integer","minimum":2,"maximum":10000,"default":14,"description":"period of the published RSI, which is named rsi- and the period"},"low":{"type":"number","minimum":0,"maximum":100,"default":30,"description":"an RSI that falls below it buys; at most 10 decimal places"},"high":{"type":"number","minimum":0,"maximum":100,"default":70,"description":"an RSI that rises above it sells; more than low"},"indicator":{"#,
        value_name_schema!(),
        r#","examples":["rsi-14"],"description":"name of the published RSI in place of rsi- and the period"},"seed":{"type":"integer","minimum":0,"description":"makes a random portfolio policy reproducible"}},"additionalProperties":false}"#
    ),
    initialize: |settings, saved, _chance| Ok(Box::new(RsiReversion::initialize(settings, saved)?)),
};

/// Units of a value in 1.
const UNITS: i128 = 10_i128.pow(10);

/// The parameters; `low` < `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bounds {
    indicator: ValueName,
    low: Value,
    high: Value,
}

struct RsiReversion {
    bounds: Bounds,
    /// The RSI of each symbol's last quote that came with one, under the name in `bounds`.
    last: Last<Value>,
}

impl RsiReversion {
    fn initialize(settings: &AlgorithmSettings, saved: &SavedState) -> Result<Self, FieldErrors> {
        let bounds = read(settings)?;
        let last = Last::restore(saved, |text| parse(text, &bounds.indicator));
        Ok(Self { bounds, last })
    }

    fn signal(&mut self, quote: &Quote, published: &Published<'_>) -> Option<Signal> {
        let now = published.get(&self.bounds.indicator)?;
        let before = self.last.replace(&quote.sid, now)?;
        let Bounds { low, high, .. } = &self.bounds;
        if before >= *low && now < *low {
            Some(Signal::Buy)
        } else if before <= *high && now > *high {
            Some(Signal::Sell(None))
        } else {
            None
        }
    }
}

fn read(settings: &AlgorithmSettings) -> Result<Bounds, FieldErrors> {
    let whole = |number: i128| Value::from_units(number * UNITS).unwrap_or_default();
    let mut parameters = Parameters::new(&settings.parameters);
    let period = parameters.integer("period", 2..=10_000).unwrap_or(14);
    let low = parameters.decimal("low", whole(0)..=whole(100)).unwrap_or_else(|| whole(30));
    let high = parameters.decimal("high", whole(0)..=whole(100)).unwrap_or_else(|| whole(70));
    parameters.rule("low", low < high, || format!("must be less than high, which is {high}, is {low}"));
    let named = parameters.text("indicator", "the name of a published value, such as rsi-14", ValueName::parse);
    parameters.seed();
    parameters.finish()?;
    let indicator = named.unwrap_or_else(|| ValueName::only(format!("rsi-{period}")));
    Ok(Bounds { indicator, low, high })
}

impl Algorithm for RsiReversion {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        answers(events, |quote, published| self.signal(quote, published))
    }

    fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        let bounds = read(settings)?;
        if bounds.indicator != self.bounds.indicator {
            // Values of two indicators are not compared.
            self.last.clear();
        }
        self.bounds = bounds;
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        self.last.take_changes(|value| format!("{} {value}", self.bounds.indicator))
    }
}

/// The value of a text that names its indicator before it. `None`: that of another indicator.
fn parse(text: &str, indicator: &ValueName) -> Option<Value> {
    let (name, value) = text.split_once(' ')?;
    (ValueName::parse(name).as_ref() == Some(indicator)).then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
