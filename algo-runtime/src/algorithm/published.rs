//! The values of indicators that come with a quote.

use std::fmt;

use intuition_api::{
    decimal::Value,
    indicator::{ONLY_VALUE, is_name, is_value_name},
};

use super::{Answer, Event, Indicator, Quote, Signal};

/// JSON Schema of the text of a [`ValueName`], without its brackets.
macro_rules! value_name_schema {
    () => {
        r#""type":"string","pattern":"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?([.][a-z]([a-z0-9-]{0,18}[a-z0-9])?)?$""#
    };
}
pub(super) use value_name_schema;

/// The name of a published value: `sma-20`, or `macd.signal` of an indicator that has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueName {
    indicator: String,
    value: String,
}

impl ValueName {
    /// The value of an indicator that has one.
    pub(super) fn only(indicator: String) -> Self {
        Self { indicator, value: ONLY_VALUE.to_owned() }
    }

    /// `None`: the text is no such name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (indicator, value) = text.split_once('.').unwrap_or((text, ONLY_VALUE));
        let is_valid = is_name(indicator) && is_value_name(value);
        is_valid.then(|| Self { indicator: indicator.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for ValueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.indicator)?;
        if self.value == ONLY_VALUE { Ok(()) } else { write!(f, ".{}", self.value) }
    }
}

/// The indicators that came with a quote.
#[derive(Debug)]
pub(super) struct Published<'a>(Vec<&'a Indicator>);

impl Published<'_> {
    /// The value of that name. `None`: it did not come with the quote. Of two values of one name the last counts: the first belongs to
    /// a quote that did not come.
    pub(super) fn get(&self, name: &ValueName) -> Option<Value> {
        let indicator = self.0.iter().rev().find(|indicator| indicator.name == name.indicator)?;
        indicator.values.iter().find(|(value, _)| *value == name.value).map(|(_, value)| *value)
    }
}

/// An answer to each event: to a quote that of `decide`, which gets the indicators directly in front of the quote and about its symbol.
pub(super) fn answers(
    events: &[Event],
    mut decide: impl FnMut(&Quote, &Published<'_>) -> Option<Signal>,
) -> Vec<Answer> {
    let mut waiting: Vec<&Indicator> = Vec::new();
    let mut answers = Vec::with_capacity(events.len());
    for event in events {
        answers.push(match event {
            Event::Indicator(indicator) => {
                waiting.push(indicator);
                Answer::default()
            }
            Event::Quote(quote) => {
                let mut indicators = std::mem::take(&mut waiting);
                indicators.retain(|indicator| indicator.sid == quote.sid);
                decide(quote, &Published(indicators)).into()
            }
        });
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests_support::{indicator, quote},
        *,
    };

    fn name(text: &str) -> ValueName {
        ValueName::parse(text).unwrap()
    }

    #[test]
    fn name_has_the_value_behind_a_point() {
        for (text, indicator, value) in [("sma-20", "sma-20", "value"), ("macd.signal", "macd", "signal")] {
            assert_eq!(name(text), ValueName { indicator: indicator.to_owned(), value: value.to_owned() });
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("sma-20.value"), name("sma-20"));
        for text in ["", ".", "sma-20.", ".value", "SMA", "a.b.c", "sma 20", "sma-20.Value"] {
            assert_eq!(ValueName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn schema_takes_the_same_names() {
        let schema: serde_json::Value = serde_json::from_str(concat!("{", value_name_schema!(), "}")).unwrap();
        let pattern = schema["pattern"].as_str().unwrap();
        assert!(pattern.contains("{0,38}") && pattern.contains("{0,18}"), "{pattern}");
        let longest = (intuition_api::indicator::MAX_NAME_CHARS, intuition_api::indicator::MAX_VALUE_NAME_CHARS);
        assert_eq!(longest, (38 + 2, 18 + 2));
    }

    #[test]
    fn quote_gets_the_indicators_in_front_of_it_and_each_event_an_answer() {
        let events = [
            indicator("GOOG", "sma-20", &[("value", "9")]),
            indicator("GOOG", "sma-20", &[("value", "1")]),
            indicator("GOOG", "macd", &[("line", "2"), ("signal", "-3")]),
            indicator("AAPL", "rsi-14", &[("value", "4")]),
            quote("GOOG", "5"),
            quote("AAPL", "5"),
            indicator("GOOG", "sma-20", &[("value", "6")]),
        ];
        let mut seen = Vec::new();
        let answers = answers(&events, |quote, published| {
            let texts = ["sma-20", "macd.signal", "rsi-14", "macd"]
                .map(|text| published.get(&name(text)).map(|value| value.to_string()));
            seen.push((quote.sid.clone(), texts));
            Some(Signal::Buy)
        });
        let none = || [None, None, None, None];
        let both = [Some("1".to_owned()), Some("-3".to_owned()), None, None];
        assert_eq!(seen, [("GOOG".to_owned(), both), ("AAPL".to_owned(), none())]);
        let buy = Answer::from(Some(Signal::Buy));
        let none = Answer::default;
        assert_eq!(answers, [none(), none(), none(), none(), buy.clone(), buy, none()]);
    }
}
