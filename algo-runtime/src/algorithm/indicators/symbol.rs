//! The indicators of one symbol, its open bar, and the bytes that both are saved as.
//!
//! The bytes are a version, the length of a bar, the open bar, and each indicator's state behind the text of its definition. Under
//! other settings, an indicator of the same definition goes on, and the others begin anew. Another length of the bars begins
//! all of them anew.

use std::collections::BTreeMap;

use indicators::{Definition, Entry, Indicator, Sample, Settings, Values};
use intuition_api::decimal::{Price, Quantity};

use super::{
    Quote,
    bars::{self, Bar, Placed},
};

const VERSION: u8 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Symbol {
    /// In the order of their definition.
    indicators: Vec<Indicator>,
    open_bar: Option<Bar>,
}

impl Symbol {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { indicators: settings.compute.iter().map(|entry| entry.definition.start()).collect(), open_bar: None }
    }

    /// Gives a sample to each indicator. Returns their values, in order; `None` of those that are not ready.
    pub(super) fn values(&mut self, sample: &Sample) -> Vec<Option<Values>> {
        self.indicators.iter_mut().map(|indicator| indicator.push(sample)).collect()
    }

    /// Puts a quote into its bar.
    pub(super) fn place(&mut self, quote: &Quote, length_micros: i64) -> Placed {
        bars::place(&mut self.open_bar, quote, length_micros)
    }

    /// The state as bytes. `settings`: those that it was started with.
    pub(super) fn save(&self, settings: &Settings) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(settings.bar_micros.unwrap_or_default().to_le_bytes());
        write_bar(&mut bytes, self.open_bar.as_ref());
        for (Entry { definition, .. }, indicator) in settings.compute.iter().zip(&self.indicators) {
            write_block(&mut bytes, definition.to_string().as_bytes());
            write_block(&mut bytes, &indicator.save());
        }
        bytes
    }

    /// As it was saved, as far as the settings are the same. Bytes that are no saved state: a new one.
    pub(super) fn restore(bytes: &[u8], settings: &Settings) -> Self {
        let mut symbol = Self::new(settings);
        let Some((open_bar, states)) = parse(bytes, settings.bar_micros) else { return symbol };
        let restored = |definition: &Definition| {
            let state = states.get(definition.to_string().as_bytes())?;
            Indicator::restore(definition, state).ok()
        };
        for (entry, indicator) in settings.compute.iter().zip(&mut symbol.indicators) {
            if let Some(saved) = restored(&entry.definition) {
                *indicator = saved;
            }
        }
        symbol.open_bar = open_bar;
        symbol
    }
}

/// The states of indicators, by the texts of their definitions.
type States<'a> = BTreeMap<&'a [u8], &'a [u8]>;

/// The open bar, and the states. `None`: no saved state, or one with bars of another length.
fn parse(bytes: &[u8], bar_micros: Option<i64>) -> Option<(Option<Bar>, States<'_>)> {
    let (version, mut rest) = bytes.split_first()?;
    let length = read_i64(&mut rest)?;
    if *version != VERSION || length != bar_micros.unwrap_or_default() {
        return None;
    }
    let [is_open] = take(&mut rest)?;
    let open_bar = if is_open == 0 { None } else { Some(read_bar(&mut rest)?) };
    let mut states = BTreeMap::new();
    while !rest.is_empty() {
        let definition = read_block(&mut rest)?;
        states.insert(definition, read_block(&mut rest)?);
    }
    Some((open_bar, states))
}

fn write_bar(bytes: &mut Vec<u8>, bar: Option<&Bar>) {
    bytes.push(u8::from(bar.is_some()));
    let Some(bar) = bar else { return };
    bytes.extend(bar.opening_micros.to_le_bytes());
    for price in [bar.open, bar.high, bar.low, bar.close] {
        bytes.extend(price.units().to_le_bytes());
    }
    bytes.push(u8::from(bar.volume.is_some()));
    bytes.extend(bar.volume.unwrap_or_default().units().to_le_bytes());
}

fn read_bar(rest: &mut &[u8]) -> Option<Bar> {
    let opening_micros = read_i64(rest)?;
    let mut price = || Price::from_units(u128::from_le_bytes(take(rest)?));
    let (open, high, low, close) = (price()?, price()?, price()?, price()?);
    let [has_volume] = take(rest)?;
    let volume = Quantity::from_units(u128::from_le_bytes(take(rest)?))?;
    let volume = (has_volume != 0).then_some(volume);
    Some(Bar { opening_micros, open, high, low, close, volume })
}

fn write_block(bytes: &mut Vec<u8>, block: &[u8]) {
    // A state has at most 10,000 numbers of 19 bytes: its length fits 32 bits.
    bytes.extend(u32::try_from(block.len()).unwrap_or_default().to_le_bytes());
    bytes.extend_from_slice(block);
}

fn read_block<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?);
    let (block, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(block)
}

fn read_i64(rest: &mut &[u8]) -> Option<i64> {
    take(rest).map(i64::from_le_bytes)
}

fn take<const COUNT: usize>(rest: &mut &[u8]) -> Option<[u8; COUNT]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}
