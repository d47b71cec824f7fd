//! `indicator-cross`: per symbol, two published values; buys when the fast one rises above the slow one, sells the whole
//! position when it falls below.
//!
//! Per symbol it keeps the order of both values at the last quote that came with both. A quote without one of them changes nothing.

use std::cmp::Ordering;

use super::{
    Algorithm, AlgorithmSettings, Answer, Builtin, Event, FieldErrors, Parameters, Quote, SavedState, Signal,
    last::Last,
    published::{Published, ValueName, answers, value_name_schema},
};

/// The registry's entry.
pub const BUILTIN: Builtin = Builtin {
    name: "indicator-cross",
    version: "1",
    summary: "buys when the published value `fast` rises above the published value `slow`, sells when it falls below",
    parameters_schema: concat!(
        r#"{"type":"object","properties":{"fast":{"#,
        value_name_schema!(),
        r#","default":"sma-20","description":"name of a published value, such as sma-20 or macd.line"},"slow":{"#,
        value_name_schema!(),
        r#","default":"sma-50","description":"name of the published value that fast is compared with"},"seed":{"type":"integer","minimum":0,"description":"makes a random portfolio policy reproducible"}},"additionalProperties":false}"#
    ),
    initialize: |settings, saved, _chance| Ok(Box::new(IndicatorCross::initialize(settings, saved)?)),
};

/// The values that are compared, never the same twice.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    fast: ValueName,
    slow: ValueName,
}

struct IndicatorCross {
    names: Names,
    /// The order of fast against slow at each symbol's last quote that came with both.
    last: Last<Ordering>,
}

impl IndicatorCross {
    fn initialize(settings: &AlgorithmSettings, saved: &SavedState) -> Result<Self, FieldErrors> {
        let names = read(settings)?;
        let last = Last::restore(saved, |text| names.parse(text));
        Ok(Self { names, last })
    }

    fn signal(&mut self, quote: &Quote, published: &Published<'_>) -> Option<Signal> {
        let now = published.get(&self.names.fast)?.cmp(&published.get(&self.names.slow)?);
        let before = self.last.replace(&quote.sid, now);
        match (before?, now) {
            (Ordering::Less | Ordering::Equal, Ordering::Greater) => Some(Signal::Buy),
            (Ordering::Greater | Ordering::Equal, Ordering::Less) => Some(Signal::Sell(None)),
            _ => None,
        }
    }
}

fn read(settings: &AlgorithmSettings) -> Result<Names, FieldErrors> {
    let kind = "the name of a published value, such as sma-20 or macd.signal";
    let mut parameters = Parameters::new(&settings.parameters);
    let mut name = |parameter, default: &str| {
        let given = parameters.text(parameter, kind, ValueName::parse);
        given.unwrap_or_else(|| ValueName::only(default.to_owned()))
    };
    let (fast, slow) = (name("fast", "sma-20"), name("slow", "sma-50"));
    parameters.rule("fast", fast != slow, || format!("must differ from slow, is {fast} too"));
    parameters.seed();
    parameters.finish()?;
    Ok(Names { fast, slow })
}

impl Algorithm for IndicatorCross {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        answers(events, |quote, published| self.signal(quote, published))
    }

    fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        let names = read(settings)?;
        if names != self.names {
            // The order of two values is not that of two others.
            self.last.clear();
            self.names = names;
        }
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        self.last.take_changes(|order| self.names.text(order))
    }
}

impl Names {
    /// The names and the order between them, such as `sma-20 < sma-50`.
    fn text(&self, order: Ordering) -> String {
        let sign = match order {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        };
        format!("{} {sign} {}", self.fast, self.slow)
    }

    /// The order of such a text. `None`: that of other values.
    fn parse(&self, text: &str) -> Option<Ordering> {
        let orders = [Ordering::Less, Ordering::Equal, Ordering::Greater];
        orders.into_iter().find(|order| self.text(*order) == text)
    }
}

#[cfg(test)]
mod tests;
