//! Reasons of unusable ticks.

use std::fmt;

/// The reason of an unusable tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload has no bytes.
    Empty,
    /// The payload, or the text in an event's data, is not JSON.
    NotJson,
    /// JSON of another shape.
    NotAQuote,
    /// A quote without symbol or price, values of an indicator without symbol or value, an event without data.
    MissingField,
    /// One key twice in one object.
    RepeatedKey,
    /// No positive decimal that fits, or two prices that differ. Bid, ask, open, high and low are prices too.
    BadPrice,
    /// A size or a volume that is no decimal from 0 that fits.
    BadSize,
    /// No interval of a bar, or prices of a bar that contradict each other.
    BadBar,
    /// Values of an indicator under no name, or none that fits.
    BadIndicator,
    /// No text of 1 to 64 characters, or two symbols that differ.
    BadSymbol,
    /// No date, no RFC 3339 time, and no number of a time between 1990 and 2100.
    BadTime,
    /// An id, source or sequence number of the wrong kind.
    BadIdentity,
    /// An id or source of more than 256 bytes.
    IdentityTooLong,
    /// An empty map or array.
    NoQuotes,
    /// More than [`MAX_TICKS`](super::MAX_TICKS).
    TooManyTicks,
    /// Its delivery would be larger than the runtime takes.
    DeliveryTooLarge,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 17] = [
        Self::NotUtf8,
        Self::Empty,
        Self::NotJson,
        Self::NotAQuote,
        Self::MissingField,
        Self::RepeatedKey,
        Self::BadPrice,
        Self::BadSize,
        Self::BadBar,
        Self::BadIndicator,
        Self::BadSymbol,
        Self::BadTime,
        Self::BadIdentity,
        Self::IdentityTooLong,
        Self::NoQuotes,
        Self::TooManyTicks,
        Self::DeliveryTooLarge,
    ];

    /// The CamelCase code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "NotUtf8",
            Self::Empty => "Empty",
            Self::NotJson => "NotJson",
            Self::NotAQuote => "NotAQuote",
            Self::MissingField => "MissingField",
            Self::RepeatedKey => "RepeatedKey",
            Self::BadPrice => "BadPrice",
            Self::BadSize => "BadSize",
            Self::BadBar => "BadBar",
            Self::BadIndicator => "BadIndicator",
            Self::BadSymbol => "BadSymbol",
            Self::BadTime => "BadTime",
            Self::BadIdentity => "BadIdentity",
            Self::IdentityTooLong => "IdentityTooLong",
            Self::NoQuotes => "NoQuotes",
            Self::TooManyTicks => "TooManyTicks",
            Self::DeliveryTooLarge => "DeliveryTooLarge",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
