//! What is published, in the shapes that differ in how a quote is told from another.

use sha2::{Digest as _, Sha256};

use crate::mqtt::Message;

/// The channel that every built-in algorithm asks for.
pub const CHANNEL: &str = "quotes";
/// The source that numbered quotes carry.
pub const SOURCE: &str = "e2e";

/// How a quote says which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// By source and sequence.
    Numbered,
    /// By an id.
    WithId,
    /// Not at all: the article's `{"goog": 3.45}`.
    Bare,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Numbered, Self::WithId, Self::Bare];
}

/// One quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// How it says which one it is.
    pub shape: Shape,
    /// From 1.
    pub number: i64,
}

impl Quote {
    /// Quotes `first` to `last`, every price different.
    pub fn range(shape: Shape, first: i64, last: i64) -> Vec<Self> {
        (first..=last).map(|number| Self { shape, number }).collect()
    }

    /// Its price, three decimals. Different for each of 100,003 numbers, which is prime to the factor.
    pub fn price(&self) -> String {
        let thousandths = 10_000 + self.number * 7_919 % 100_003;
        format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
    }

    /// As published.
    pub fn payload(&self) -> String {
        let (number, price) = (self.number, self.price());
        let sid = if number % 2 == 0 { "GOOG" } else { "AAPL" };
        match self.shape {
            Shape::Numbered => {
                format!(r#"{{"sid":"{sid}","quote":"{price}","source":"{SOURCE}","seq":{number}}}"#)
            }
            Shape::WithId => format!(r#"{{"sid":"{sid}","quote":"{price}","id":"{}"}}"#, self.id()),
            Shape::Bare => format!(r#"{{"{}": {price}}}"#, sid.to_lowercase()),
        }
    }

    /// As a message on [`CHANNEL`].
    pub fn message(&self) -> Message {
        Message::new(CHANNEL, self.payload())
    }

    /// What the ledger is to know it by.
    pub fn identity(&self) -> Identity {
        match self.shape {
            Shape::Numbered => Identity::Sequence { source: SOURCE.to_owned(), seq: self.number },
            Shape::WithId => Identity::Id(self.id()),
            Shape::Bare => Identity::Payload(hex::encode(Sha256::digest(self.payload()))),
        }
    }

    /// The event that a decision about it names.
    pub fn event(&self) -> String {
        match self.identity() {
            Identity::Sequence { source, seq } => format!("{source}/{seq}"),
            Identity::Id(id) => id,
            Identity::Payload(sha256) => sha256,
        }
    }

    fn id(&self) -> String {
        format!("quote-{}", self.number)
    }
}

/// What tells quotes on one channel apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Source and sequence.
    Sequence {
        /// Who published it.
        source: String,
        /// Its number there.
        seq: i64,
    },
    /// Its id.
    Id(String),
    /// SHA-256 of its payload, hex: enough where no two payloads are equal.
    Payload(String),
}
