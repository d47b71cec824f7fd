//! The values of indicators. They come as events in front of the quote that includes them, in the same batch.

use std::collections::BTreeMap;

use intuition_api::{
    decimal::{ParseDecimalError, Value},
    v1::Indicator,
};

/// The indicators that came with a quote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indicators(BTreeMap<String, BTreeMap<String, Value>>);

impl Indicators {
    /// The value of that name, `value` where the indicator has one. `None`: it did not come with the quote.
    pub fn get(&self, indicator: &str, value: &str) -> Option<Value> {
        self.0.get(indicator)?.get(value).copied()
    }
}

/// A value that is no decimal of the contract.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value {name:?} of the indicator {indicator} {source}")]
pub struct ValueError {
    indicator: String,
    name: String,
    source: ParseDecimalError,
}

/// Indicators of a batch that no quote has come for yet.
#[derive(Debug, Default)]
pub struct Waiting(Vec<Indicator>);

impl Waiting {
    /// Keeps an indicator until the next quote.
    pub fn push(&mut self, indicator: Indicator) {
        self.0.push(indicator);
    }

    /// The indicators of the quote that comes now. Those about another symbol belong to no quote.
    pub fn take(&mut self, sid: &str) -> Result<Indicators, ValueError> {
        let waiting = std::mem::take(&mut self.0).into_iter().filter(|indicator| indicator.sid == sid);
        waiting
            .map(|indicator| Ok((indicator.name.clone(), values(&indicator)?)))
            .collect::<Result<_, _>>()
            .map(Indicators)
    }
}

fn values(indicator: &Indicator) -> Result<BTreeMap<String, Value>, ValueError> {
    let parsed = indicator.values.iter().map(|value| match value.value.parse() {
        Ok(number) => Ok((value.name.clone(), number)),
        Err(source) => Err(ValueError { indicator: indicator.name.clone(), name: value.name.clone(), source }),
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::IndicatorValue;

    use super::*;

    /// An indicator with these values, by their names.
    fn indicator(name: &str, sid: &str, values: &[(&str, &str)]) -> Indicator {
        let value = |(name, value): &(&str, &str)| IndicatorValue { name: (*name).into(), value: (*value).into() };
        Indicator { name: name.into(), sid: sid.into(), values: values.iter().map(value).collect(), time_micros: 0 }
    }

    #[test]
    fn values_wait_for_the_next_quote_about_their_symbol_alone() {
        let mut waiting = Waiting::default();
        waiting.push(indicator("sma-20", "GOOG", &[("value", "-0.0000000001")]));
        waiting.push(indicator("macd", "GOOG", &[("line", "1.50"), ("signal", "9999999999999999.9999999999")]));
        waiting.push(indicator("rsi-14", "AAPL", &[("value", "70")]));
        let taken = waiting.take("GOOG").unwrap();
        let text = |indicator, value| taken.get(indicator, value).map(|value| value.to_string());
        assert_eq!(text("sma-20", "value").as_deref(), Some("-0.0000000001"));
        assert_eq!(text("macd", "signal").as_deref(), Some("9999999999999999.9999999999"));
        assert_eq!((text("macd", "value"), text("rsi-14", "value")), (None, None));
        assert_eq!(waiting.take("AAPL"), Ok(Indicators::default()));
    }

    #[test]
    fn value_that_is_no_decimal_is_named() {
        let mut waiting = Waiting::default();
        waiting.push(indicator("macd", "GOOG", &[("line", "1"), ("signal", "high")]));
        let error = waiting.take("GOOG").unwrap_err().to_string();
        assert_eq!(error, r#"the value "signal" of the indicator macd is not a decimal number"#);
    }
}
