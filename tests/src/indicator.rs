//! An indicator's messages as a consumer sees them, and the same values computed here in another way: plain sums and averages over
//! all prices so far, in binary floating point.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Values may differ by so much of their size.
const TOLERANCE: f64 = 1e-9;

/// The indicators that [`Oracle`] knows, as members of `compute`.
pub fn compute(fast: usize, slow: usize, rsi: usize) -> Value {
    serde_json::json!([
        {"name": "fast", "type": "SMA", "parameters": {"period": fast}},
        {"name": "slow", "type": "SMA", "parameters": {"period": slow}},
        {"name": "strength", "type": "RSI", "parameters": {"period": rsi}},
    ])
}

/// Computes the values of [`compute`] for each symbol.
pub struct Oracle {
    fast: usize,
    slow: usize,
    rsi: usize,
    prices: BTreeMap<String, Vec<f64>>,
}

impl Oracle {
    /// With the periods of [`compute`].
    pub const fn new(fast: usize, slow: usize, rsi: usize) -> Self {
        Self { fast, slow, rsi, prices: BTreeMap::new() }
    }

    /// The values that are known with the next price of a symbol, in the order of [`compute`].
    pub fn next(&mut self, sid: &str, price: f64) -> Vec<(&'static str, f64)> {
        let prices = self.prices.entry(sid.to_owned()).or_default();
        prices.push(price);
        let values = [
            ("fast", average(prices, self.fast)),
            ("slow", average(prices, self.slow)),
            ("strength", strength(prices, self.rsi)),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn average(prices: &[f64], period: usize) -> Option<f64> {
    let last = prices.get(prices.len().checked_sub(period)?..)?;
    Some(last.iter().sum::<f64>() / count(period))
}

/// Wilder's relative strength index: the averages of gains and losses begin as plain averages of the first `period` changes.
fn strength(prices: &[f64], period: usize) -> Option<f64> {
    let changes: Vec<f64> = prices.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).collect();
    let (first, rest) = changes.split_at_checked(period)?;
    let wilder = |part: fn(f64) -> f64| {
        let begun = first.iter().map(|change| part(*change)).sum::<f64>() / count(period);
        rest.iter().fold(begun, |mean, change| (mean * (count(period) - 1.0) + part(*change)) / count(period))
    };
    let (gain, loss) = (wilder(|change| change.max(0.0)), wilder(|change| (-change).max(0.0)));
    Some(if gain + loss == 0.0 { 50.0 } else { 100.0 * gain / (gain + loss) })
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A message on the joined topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// Names and values, in order.
    pub values: Vec<(String, f64)>,
    /// The quote, which comes last.
    pub quote: Value,
}

impl Joined {
    /// Reads a message: values of one symbol, then a quote of it, all under one identity and at one time.
    pub fn read(message: &Value) -> anyhow::Result<Self> {
        let elements = message.as_array().with_context(|| format!("no array: {message}"))?;
        let (quote, indicators) = elements.split_last().context("an empty array")?;
        ensure!(quote.get("indicator").is_none() && quote.get("quote").is_some(), "no quote at the end: {message}");
        let value = |element: &Value| {
            for name in ["sid", "source", "seq", "id", "time"] {
                ensure!(element.get(name) == quote.get(name), "{name} is not that of the quote: {message}");
            }
            let text =
                |name: &str| element.get(name).and_then(Value::as_str).with_context(|| format!("no {name}: {element}"));
            Ok((text("indicator")?.to_owned(), text("value")?.parse()?))
        };
        Ok(Self { values: indicators.iter().map(value).collect::<anyhow::Result<_>>()?, quote: quote.clone() })
    }

    /// A text member of the quote.
    pub fn text(&self, name: &str) -> anyhow::Result<&str> {
        self.quote.get(name).and_then(Value::as_str).with_context(|| format!("no {name}: {}", self.quote))
    }

    /// Checks the values against those of the oracle.
    pub fn check(&self, expected: &[(&str, f64)]) -> anyhow::Result<()> {
        let names: Vec<_> = self.values.iter().map(|(name, _)| name.as_str()).collect();
        let known: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        ensure!(names == known, "{names:?} came with {}, expected {known:?}", self.quote);
        for ((name, value), (_, right)) in self.values.iter().zip(expected) {
            let near = (value - right).abs() <= TOLERANCE * right.abs().max(1.0);
            ensure!(near, "{name} is {value} with {}, expected {right}", self.quote);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oracle_has_the_values_of_the_golden_series() {
        let closes = [
            44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28,
            46.00,
        ];
        let mut oracle = Oracle::new(5, 5, 14);
        let values: Vec<_> = closes.iter().map(|close| oracle.next("A", *close)).collect();
        let near = |found: f64, right: f64| (found - right).abs() < 1e-9;
        assert!(values[3].is_empty() && values[4][0].0 == "fast" && near(values[4][0].1, 44.104), "{values:?}");
        assert!(values[13].len() == 2 && near(values[14][2].1, 70.464_135_021_097_04), "{:?}", values[14]);
        assert!(near(values[15][2].1, 66.249_618_553_555_05), "{:?}", values[15]);
    }
}
