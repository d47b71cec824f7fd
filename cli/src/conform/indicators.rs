//! Synthetic values of indicators, each in front of the quote that includes it.

use intuition_api::{
    indicator::{MAX_INDICATORS, MAX_NAME_CHARS, MAX_VALUE_NAME_CHARS, MAX_VALUES, ONLY_VALUE},
    v1::{Indicator, IndicatorValue, InputEvent, Quote, input_event::Kind},
};

const SID: &str = "GOOG";
/// 2026-01-02T14:30:00Z.
const OPENING_MICROS: i64 = 1_767_364_200_000_000;
const BOUNDS: [&str; 2] = ["9999999999999999.9999999999", "-9999999999999999.9999999999"];

/// Events of one batch: quotes without values, with one indicator, with several of one and of many values, and with as many of the
/// longest values as there may be. The last event is a quote, as in every batch of a runtime.
pub(crate) fn joined() -> Vec<InputEvent> {
    let macd: &[(&str, &str)] =
        &[("line", "-0.4377327039"), ("signal", "-0.4490608332"), ("histogram", "0.0113281293")];
    let several = [
        indicator("sma-20", &[(ONLY_VALUE, "345.1")]),
        indicator("rsi-14", &[(ONLY_VALUE, "0")]),
        indicator("macd", macd),
    ];
    let messages = [
        Vec::new(),
        vec![indicator("sma-20", &[(ONLY_VALUE, "345")])],
        several.to_vec(),
        Vec::new(),
        vec![indicator("sma-20", &[(ONLY_VALUE, BOUNDS[0])])],
        vec![indicator("sma-20", &[(ONLY_VALUE, BOUNDS[1])])],
        largest(),
        several.to_vec(),
    ];
    let kinds = (0..).zip(messages).flat_map(|(number, message)| {
        let price = format!("{}.5", 345 + number % 3);
        let quote = Quote { sid: SID.to_owned(), price, ..Quote::default() };
        message.into_iter().map(Kind::Indicator).chain([Kind::Quote(quote)]).map(move |kind| at(number, kind))
    });
    (1..).zip(kinds).map(|(event, kind)| InputEvent { event, kind: Some(kind) }).collect()
}

/// As many indicators as a quote may have, with as many values, under the longest names.
fn largest() -> Vec<Indicator> {
    let longest = |number: usize, chars: usize| format!("v{number:0>width$}", width = chars - 1);
    let values: Vec<(String, &str)> = (0..MAX_VALUES)
        .map(|number| {
            (longest(number, MAX_VALUE_NAME_CHARS), if number.is_multiple_of(2) { BOUNDS[0] } else { BOUNDS[1] })
        })
        .collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    (0..MAX_INDICATORS).map(|number| indicator(&longest(number, MAX_NAME_CHARS), &values)).collect()
}

fn indicator(name: &str, values: &[(&str, &str)]) -> Indicator {
    let value = |(name, value): &(&str, &str)| IndicatorValue { name: (*name).to_owned(), value: (*value).to_owned() };
    Indicator { name: name.to_owned(), sid: SID.to_owned(), values: values.iter().map(value).collect(), time_micros: 0 }
}

/// The values and their quote have one time.
fn at(number: i64, mut kind: Kind) -> Kind {
    match &mut kind {
        Kind::Quote(quote) => quote.time_micros = OPENING_MICROS + number,
        Kind::Indicator(indicator) => indicator.time_micros = OPENING_MICROS + number,
    }
    kind
}

#[cfg(test)]
mod tests {
    use intuition_api::{
        decimal::Value,
        indicator::{is_name, is_value_name},
        limits::MAX_EVENTS_PER_BATCH,
    };

    use super::*;

    #[test]
    fn values_are_those_of_the_contract_and_come_with_their_quote() {
        let events = joined();
        assert!(events.len() <= MAX_EVENTS_PER_BATCH);
        let mut waiting = Vec::new();
        let mut counts = Vec::new();
        for event in events {
            match event.kind.unwrap() {
                Kind::Indicator(indicator) => waiting.push(indicator),
                Kind::Quote(quote) => {
                    assert!(waiting.iter().all(|one| (&one.sid, one.time_micros) == (&quote.sid, quote.time_micros)));
                    counts.push(waiting.len());
                    for indicator in waiting.drain(..) {
                        assert!(is_name(&indicator.name) && (1..=MAX_VALUES).contains(&indicator.values.len()));
                        let is_valid = |value: &IndicatorValue| {
                            let parsed = value.value.parse::<Value>();
                            is_value_name(&value.name) && parsed.is_ok_and(|parsed| parsed.to_string() == value.value)
                        };
                        assert!(indicator.values.iter().all(is_valid), "{indicator:?}");
                    }
                }
            }
        }
        assert_eq!((counts, waiting), (vec![0, 1, 3, 0, 1, 1, MAX_INDICATORS, 3], Vec::new()));
    }
}
