//! `indicators`: the algorithm of the accounts of indicators. It trades nothing, and publishes values computed from the quotes of
//! each symbol, beside the quotes or once for each bar.

mod bars;
mod symbol;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use indicators::{Sample, Settings};
use intuition_api::{decimal::Value, indicator::ALGORITHM};

use self::{bars::Placed, symbol::Symbol};
use super::{
    Algorithm, AlgorithmSettings, Answer, Builtin, Event, FieldError, FieldErrors, Indicator, Output, Quote, SavedState,
};

/// The registry's entry.
pub const BUILTIN: Builtin = Builtin {
    name: ALGORITHM,
    version: "1",
    summary: "publishes values computed from quotes, such as moving averages, and trades nothing",
    parameters_schema: r#"{"type":"object","required":["compute"],"properties":{"compute":{"type":"array","minItems":1,"maxItems":32,"items":{"type":"object","required":["name","type"],"properties":{"name":{"type":"string"},"type":{"type":"string"},"parameters":{"type":"object"}},"additionalProperties":false}},"bars":{"type":"object","required":["interval"],"properties":{"interval":{"type":"string"}},"additionalProperties":false},"session":{"type":"object","required":["timeZone","start"],"properties":{"timeZone":{"type":"string"},"start":{"type":"string"}},"additionalProperties":false}},"additionalProperties":false}"#,
    initialize: |settings, saved, _chance| Ok(Box::new(Indicators::initialize(settings, saved)?)),
};

struct Indicators {
    settings: Settings,
    symbols: BTreeMap<String, Symbol>,
    changed: BTreeSet<String>,
    /// Quotes that were older than the open bar of their symbol, since the last call of [`Algorithm::take_late`].
    late: u64,
}

impl Indicators {
    fn initialize(settings: &AlgorithmSettings, saved: &SavedState) -> Result<Self, FieldErrors> {
        let settings = read(settings)?;
        let symbols = saved.iter().map(|(sid, state)| (sid.clone(), Symbol::restore(state, &settings)));
        Ok(Self { symbols: symbols.collect(), settings, changed: BTreeSet::new(), late: 0 })
    }

    fn answer(&mut self, quote: &Quote) -> Answer {
        let settings = &self.settings;
        if !self.symbols.contains_key(&quote.sid) {
            self.symbols.insert(quote.sid.clone(), Symbol::new(settings));
        }
        let Some(symbol) = self.symbols.get_mut(&quote.sid) else { return Answer::default() };
        let output = match settings.bar_micros {
            None => {
                let values = symbol.values(&sample(quote));
                Some(Output::Quote(named(settings, values, &quote.sid, quote.time_micros)))
            }
            Some(length) => match symbol.place(quote, length) {
                Placed::Late => {
                    self.late += 1;
                    return Answer::default();
                }
                Placed::Within => None,
                Placed::Behind(bar) => {
                    let values = symbol.values(&bar.sample());
                    let time_micros = bar.opening_micros;
                    let values = named(settings, values, &quote.sid, time_micros);
                    Some(Output::Bar { bar: bar.quote(&quote.sid, length), values, minute: bar.minute() })
                }
            },
        };
        if !self.changed.contains(&quote.sid) {
            self.changed.insert(quote.sid.clone());
        }
        Answer { signal: None, outputs: output.into_iter().collect() }
    }
}

fn read(settings: &AlgorithmSettings) -> Result<Settings, FieldErrors> {
    Settings::parse(&settings.parameters).map_err(|violations| {
        let errors = violations.into_iter().map(|violation| FieldError::new(violation.path, violation.message));
        errors.collect::<Vec<_>>().into()
    })
}

/// A quote as a sample. Only a bar has a high, a low and a volume of its own: without an interval they may be those of a day.
fn sample(quote: &Quote) -> Sample {
    let details = quote.details.as_deref();
    let bar = details.filter(|details| details.interval_micros.is_some());
    Sample {
        close: quote.price,
        high: bar.and_then(|bar| bar.high),
        low: bar.and_then(|bar| bar.low),
        volume: bar.and_then(|bar| bar.volume).or_else(|| details?.size),
        time_micros: quote.time_micros,
    }
}

/// The values that are ready under the names of their indicators.
fn named(settings: &Settings, values: Vec<Option<indicators::Values>>, sid: &str, time_micros: i64) -> Vec<Indicator> {
    let owned = |(name, value): (&str, Value)| (name.to_owned(), value);
    let entries = settings.compute.iter().zip(values);
    let ready = entries.filter_map(|(entry, values)| {
        let values = values?.into_iter().map(owned).collect();
        Some(Indicator { name: entry.name.clone(), sid: sid.to_owned(), values, time_micros })
    });
    ready.collect()
}

impl Algorithm for Indicators {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        let answer = |event: &Event| match event {
            Event::Quote(quote) => self.answer(quote),
            // Values of another indicator are no prices.
            Event::Indicator(_) => Answer::default(),
        };
        events.iter().map(answer).collect()
    }

    fn reconfigure(&mut self, settings: &AlgorithmSettings) -> Result<(), FieldErrors> {
        let settings = read(settings)?;
        if settings != self.settings {
            for (sid, symbol) in &mut self.symbols {
                // The same way as over a restart, so that a crash right behind it makes no difference.
                *symbol = Symbol::restore(&symbol.save(&self.settings), &settings);
                self.changed.insert(sid.clone());
            }
            self.settings = settings;
        }
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        let changed = std::mem::take(&mut self.changed);
        let saved = changed.into_iter().filter_map(|sid| {
            let state = self.symbols.get(&sid)?.save(&self.settings);
            Some((sid, state))
        });
        saved.collect()
    }

    fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }
}
