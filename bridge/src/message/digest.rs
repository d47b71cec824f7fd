//! The hashes by which the runtime recognises deliveries and ticks.
//!
//! Both are SHA-256 over parts, each preceded by its length in bytes as a big-endian 64-bit integer, so that no two lists of
//! parts have one encoding. The first part names the encoding.

use intuition_api::v1::{Indicator, Quote};
use sha2::{Digest as _, Sha256};

const CONTENT: &str = "intuition.tick.content.1";
const ENVELOPE: &str = "intuition.delivery.envelope.1";

struct PartHasher(Sha256);

impl PartHasher {
    fn new(encoding: &str) -> Self {
        Self(Sha256::new()).add(encoding.as_bytes())
    }

    fn add(mut self, part: &[u8]) -> Self {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// `Tick.content_sha256` of a quote: each field as its name and its value, in the order `symbol`, `price`, and for a bar
/// `open`, `high`, `low`, `volume`. Missing fields are left out. A quote with an interval is a bar (ADR 0040).
pub(super) fn of_quote(quote: &Quote) -> [u8; 32] {
    let add = |parts: PartHasher, name: &str, value: &str| parts.add(name.as_bytes()).add(value.as_bytes());
    let mut parts = add(PartHasher::new(CONTENT), "symbol", &quote.sid);
    parts = add(parts, "price", &quote.price);
    if let Some(bar) = quote.details.as_ref().filter(|details| details.interval_micros.is_some()) {
        let values = [("open", &bar.open), ("high", &bar.high), ("low", &bar.low), ("volume", &bar.volume)];
        for (name, value) in values {
            if let Some(value) = value {
                parts = add(parts, name, value);
            }
        }
    }
    parts.finish()
}

/// `Tick.content_sha256` of values of an indicator: the fields `indicator` and `symbol`, and for each value the field `value` with its name
/// and its text. Values are in the order of their names, since members of JSON objects have no order.
pub(super) fn of_indicator(indicator: &Indicator) -> [u8; 32] {
    let mut values: Vec<_> = indicator.values.iter().collect();
    values.sort_unstable_by_key(|value| value.name.as_str());
    let mut parts = PartHasher::new(CONTENT).add(b"indicator").add(indicator.name.as_bytes());
    parts = parts.add(b"symbol").add(indicator.sid.as_bytes());
    for value in values {
        parts = parts.add(b"value").add(value.name.as_bytes()).add(value.value.as_bytes());
    }
    parts.finish()
}

/// `Tick.content_sha256` of an unusable tick: the field `unusable` with its JSON text, or with the payload where that is no
/// JSON.
pub(super) fn of_unusable(text: &[u8]) -> [u8; 32] {
    PartHasher::new(CONTENT).add(b"unusable").add(text).finish()
}

/// `Delivery.envelope_sha256`: the payload, then name and value of each user property in their order.
pub(super) fn of_envelope(payload: &[u8], properties: &[(String, String)]) -> [u8; 32] {
    let parts = properties.iter().fold(PartHasher::new(ENVELOPE).add(payload), |parts, (name, value)| {
        parts.add(name.as_bytes()).add(value.as_bytes())
    });
    parts.finish()
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::{IndicatorValue, QuoteDetails};

    use super::*;

    /// Computed by Python's hashlib: ledgers keep these hashes, so that they must never change.
    #[test]
    fn the_encodings_stay_as_they_are() {
        let quote = Quote { sid: "GOOG".to_owned(), price: "3.45".to_owned(), time_micros: 7, ..Quote::default() };
        assert_eq!(hex::encode(of_quote(&quote)), "fc98c4f09c8014ea043b344b6b7e3b9b705bcd4079b990e75fbc2ee886cd137c");
        let text = |text: &str| Some(text.to_owned());
        let bar = QuoteDetails {
            open: text("3"),
            high: text("4"),
            low: text("2.5"),
            volume: text("1200"),
            interval_micros: Some(60_000_000),
            ..QuoteDetails::default()
        };
        let bar = Quote { details: Some(Box::new(bar)), ..quote };
        assert_eq!(hex::encode(of_quote(&bar)), "42160091540813ab9c3cd04da9735d11461b93f2ed0f6ec1710289f84d98c789");
        let value = |name: &str, value: &str| IndicatorValue { name: name.to_owned(), value: value.to_owned() };
        let indicator = |name: &str, values: Vec<IndicatorValue>| {
            let (name, sid) = (name.to_owned(), "GOOG".to_owned());
            hex::encode(of_indicator(&Indicator { name, sid, values, time_micros: 7 }))
        };
        let sma = indicator("sma-20", vec![value("value", "44.104")]);
        assert_eq!(sma, "933f443f2ff979e7b93104d4fde61c1ef15f83e349214021f27a6203c25ad949");
        let macd = indicator("macd", vec![value("signal", "-0.4490608332"), value("line", "-0.4377327039")]);
        assert_eq!(macd, "eebef44de6b12383f6efba041a9f72361f2e40bd5fbc3ed458304480cf1cdce2");
        assert_eq!(hex::encode(of_unusable(b"{}")), "ff797e5fc4776a367f8df0882820ca7a1af9cda5eb273b2c0ff6d82632fdda4f");
        let properties = [("seq".to_owned(), "1".to_owned())];
        assert_eq!(
            hex::encode(of_envelope(b"{}", &properties)),
            "9b91587f8f788277b92194d9423863f6f8c866ec9e60b0d0fb86606fe2cfa3f0"
        );
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let one = of_envelope(b"a", &[property("b", "c")]);
        assert_ne!(one, of_envelope(b"a", &[property("bc", "")]));
        assert_ne!(one, of_envelope(b"ab", &[property("", "c")]));
        assert_ne!(of_envelope(b"a", &[property("b", "c"), property("d", "e")]), {
            of_envelope(b"a", &[property("d", "e"), property("b", "c")])
        });
    }
}
