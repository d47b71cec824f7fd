//! The optional members of a quote: each read exactly, then all checked against each other.

use intuition_api::{
    decimal::Price,
    quote::{self, BadDetail, Member},
    v1::Quote,
};

use super::{Reason, Rejection, cut, json::Value};

/// The optional members of one quote, as they are read. Without any it takes no memory.
#[derive(Debug, Default)]
pub(super) struct Details {
    values: Option<Box<quote::Details>>,
    is_rounded: bool,
}

impl Details {
    /// Takes a member. `shown` is the value as it was written, for a person.
    pub(super) fn take(
        &mut self,
        member: Member,
        value: &Value<'_>,
        shown: &str,
        path: impl FnOnce() -> String,
    ) -> Result<(), Rejection> {
        let values = self.values.get_or_insert_default();
        let read = match value {
            Value::Text(text) => values.set(member, text),
            Value::Number(text) if member != Member::Interval => values.set(member, text),
            // Text that no member takes.
            _ => values.set(member, ""),
        };
        match read {
            Ok(is_rounded) => {
                self.is_rounded |= is_rounded;
                Ok(())
            }
            Err(error) => Err(Rejection::new(reason(&error), format!("{}: {} {error}", path(), cut(shown)))),
        }
    }

    /// Checks the members against each other and the price, and puts them into the quote. Returns whether digits of a member
    /// were rounded off.
    pub(super) fn finish(self, price: Price, quote: &mut Quote, here: &str) -> Result<bool, Rejection> {
        if let Some(values) = self.values {
            let contradicts = |contradiction| Rejection::new(Reason::BadBar, format!("{here}: {contradiction}"));
            values.check(price).map_err(contradicts)?;
            quote.details = Some(Box::new(values.to_message()));
        }
        Ok(self.is_rounded)
    }
}

const fn reason(error: &BadDetail) -> Reason {
    match error {
        BadDetail::Price(_) => Reason::BadPrice,
        BadDetail::Size(_) => Reason::BadSize,
        BadDetail::Interval => Reason::BadBar,
    }
}
