//! The message `Quote` of the contract, written by hand: its optional fields are behind one pointer, which is empty in a quote
//! with a price alone. Generated, they would make every quote in memory 184 bytes larger, and bridges and runtimes hold tens of
//! thousands.

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{self, DecodeContext, WireType},
};

/// `intuition.v1.Quote`. `types.proto` documents the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Quote {
    /// The symbol as published, case kept, 1 to 64 characters.
    pub sid: String,
    /// Price of one unit, a positive decimal; of a bar, its close.
    pub price: String,
    /// When the price was made, in microseconds since the epoch.
    pub time_micros: i64,
    /// The optional fields. `None`: all are absent.
    pub details: Option<Box<QuoteDetails>>,
}

/// The optional fields of `intuition.v1.Quote`, under their numbers there. Decimals are text, as `types.proto` has it.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct QuoteDetails {
    /// Units that the trade moved.
    #[prost(string, optional, tag = "4")]
    pub size: Option<String>,
    /// First price of the bar or the day.
    #[prost(string, optional, tag = "5")]
    pub open: Option<String>,
    /// Highest price of the bar or the day.
    #[prost(string, optional, tag = "6")]
    pub high: Option<String>,
    /// Lowest price of the bar or the day.
    #[prost(string, optional, tag = "7")]
    pub low: Option<String>,
    /// Units traded in the bar or the day.
    #[prost(string, optional, tag = "8")]
    pub volume: Option<String>,
    /// Best price that a buyer offers.
    #[prost(string, optional, tag = "9")]
    pub bid: Option<String>,
    /// Best price that a seller asks for.
    #[prost(string, optional, tag = "10")]
    pub ask: Option<String>,
    /// Length of the bar in microseconds.
    #[prost(int64, optional, tag = "11")]
    pub interval_micros: Option<i64>,
}

impl QuoteDetails {
    /// The decimals, each with its name in the contract.
    pub fn decimals(&self) -> [(&'static str, Option<&str>); 7] {
        [
            ("size", self.size.as_deref()),
            ("open", self.open.as_deref()),
            ("high", self.high.as_deref()),
            ("low", self.low.as_deref()),
            ("volume", self.volume.as_deref()),
            ("bid", self.bid.as_deref()),
            ("ask", self.ask.as_deref()),
        ]
    }
}

impl Message for Quote {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        // A field without presence is left out where it has its default.
        if !self.sid.is_empty() {
            encoding::string::encode(1, &self.sid, buf);
        }
        if !self.price.is_empty() {
            encoding::string::encode(2, &self.price, buf);
        }
        if self.time_micros != 0 {
            encoding::int64::encode(3, &self.time_micros, buf);
        }
        if let Some(details) = &self.details {
            details.encode_raw(buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        let read = match tag {
            1 => encoding::string::merge(wire_type, &mut self.sid, buf, context).map_err(|error| (error, "sid")),
            2 => encoding::string::merge(wire_type, &mut self.price, buf, context).map_err(|error| (error, "price")),
            3 => encoding::int64::merge(wire_type, &mut self.time_micros, buf, context)
                .map_err(|error| (error, "time_micros")),
            4..=11 => return self.details.get_or_insert_default().merge_field(tag, wire_type, buf, context),
            _ => return encoding::skip_field(wire_type, tag, buf, context),
        };
        read.map_err(|(mut error, field)| {
            error.push("Quote", field);
            error
        })
    }

    fn encoded_len(&self) -> usize {
        let text = |tag, text: &String| if text.is_empty() { 0 } else { encoding::string::encoded_len(tag, text) };
        let time = if self.time_micros == 0 { 0 } else { encoding::int64::encoded_len(3, &self.time_micros) };
        text(1, &self.sid) + text(2, &self.price) + time + self.details.as_deref().map_or(0, Message::encoded_len)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encoded by Python's protobuf from types.proto.
    #[test]
    fn encoded_form_is_that_of_the_contract() {
        let text = |text: &str| Some(text.to_owned());
        let plain = Quote { sid: "GOOG".to_owned(), price: "3.45".to_owned(), time_micros: 7, details: None };
        let details = QuoteDetails {
            size: text("0"),
            open: text("1"),
            high: text("4.5"),
            low: text("0.5"),
            volume: text("12"),
            bid: text("3.4"),
            ask: text("3.5"),
            interval_micros: Some(60_000_000),
        };
        let bar = Quote { details: Some(Box::new(details)), ..plain.clone() };
        for (quote, hex) in [
            (Quote::default(), ""),
            (plain, "0a04474f4f471204332e34351807"),
            (bar, "0a04474f4f471204332e343518072201302a01313203342e353a03302e35420231324a03332e345203332e3558808ece1c"),
        ] {
            let bytes = quote.encode_to_vec();
            assert_eq!(hex::encode(&bytes), hex);
            assert_eq!(quote.encoded_len(), bytes.len());
            assert_eq!(Quote::decode(bytes.as_slice()), Ok(quote));
        }
    }

    #[test]
    fn unknown_fields_are_passed_over_and_wrong_ones_are_named() {
        // Field 12, a varint, and field 2, two bytes of text.
        assert_eq!(Quote::decode([0x60, 1, 0x12, 1, b'7'].as_slice()).map(|quote| quote.price), Ok("7".to_owned()));
        for (bytes, field) in [([0x12, 1, 0xff], "Quote.price"), ([0x4a, 1, 0xff], "QuoteDetails.bid")] {
            let error = Quote::decode(bytes.as_slice()).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }

    #[test]
    fn a_quote_with_a_price_alone_is_small() {
        assert_eq!(size_of::<Quote>(), 64);
    }
}
