//! Makes quotes: symbol, price and identity.

use rand::{RngExt as _, rngs::ChaCha8Rng};

use super::{Kind, SYMBOLS};
use crate::facts::{Identity, Quote, Serial};

/// Quotes that a publisher makes at most under numbers of an earlier run, before it takes another name or goes on behind the
/// highest number. The tenth in a row is a conflict of the source.
const LONGEST_CONFLICT: u64 = 12;

/// A numbered quote leaves a number out if its serial is a multiple of this.
pub(super) const SKIP_EVERY: Serial = 31;

/// Gives each quote of a publisher its identity.
#[derive(Debug)]
pub(super) struct Numbering {
    kind: Kind,
    name: String,
    /// The source of now: the name, or the name with the number of its run.
    source: String,
    runs: u64,
    next: i64,
    highest: i64,
    /// Quotes left of a run that began at 1 again under the old source.
    conflict: Option<u64>,
    /// Ids are integers.
    has_integers: bool,
    last: Option<Identity>,
}

impl Numbering {
    pub(super) fn new(kind: Kind, name: &str, has_integers: bool) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            source: name.to_owned(),
            runs: 1,
            next: 1,
            highest: 0,
            conflict: None,
            has_integers,
            last: None,
        }
    }

    /// A new quote. Symbol and price are unique for each serial below 1,000,000.
    pub(super) fn quote(&mut self, serial: Serial, draw: &mut ChaCha8Rng) -> Quote {
        let symbol = SYMBOLS.get(draw.random_range(0..SYMBOLS.len())).copied().unwrap_or_default().to_owned();
        let price = format!("{}.{serial:06}", draw.random_range(50..=150));
        let price = price.trim_end_matches('0').trim_end_matches('.').to_owned();
        let identity = self.identity(serial, draw);
        Quote { serial, identity, symbol, price }
    }

    fn identity(&mut self, serial: Serial, draw: &mut ChaCha8Rng) -> Identity {
        // By mistake, the identity of the quote before: other content under one name.
        if let Some(last) = &self.last
            && draw.random_bool(0.015)
        {
            return last.clone();
        }
        let identity = match self.kind {
            Kind::Numbered => {
                self.begin_again(draw);
                if serial.is_multiple_of(SKIP_EVERY) {
                    self.next += 1;
                }
                Identity::Numbered { source: self.source.clone(), seq: self.number() }
            }
            Kind::Named if self.has_integers => Identity::Id(serial.to_string()),
            Kind::Named => Identity::Id(format!("{}:{serial}", self.name)),
            Kind::NumberAlone => Identity::NumberAlone(self.number()),
            Kind::Bare => return Identity::Bare,
        };
        self.last = Some(identity.clone());
        identity
    }

    fn number(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        self.highest = self.highest.max(number);
        number
    }

    /// Now and then the publisher loses its count and begins at 1 under its old name. Later it goes on behind the highest
    /// number, or takes another name.
    fn begin_again(&mut self, draw: &mut ChaCha8Rng) {
        match &mut self.conflict {
            None if self.next > 3 && draw.random_bool(0.01) => {
                self.next = 1;
                self.conflict = Some(draw.random_range(1..=LONGEST_CONFLICT));
            }
            None => {}
            Some(left @ 1..) => *left -= 1,
            Some(_) => {
                self.conflict = None;
                if draw.random_bool(0.5) {
                    self.next = self.highest + 1;
                } else {
                    self.runs += 1;
                    self.source = format!("{}/{}", self.name, self.runs);
                    self.next = 1;
                    self.highest = 0;
                }
            }
        }
    }
}
