//! Numbers in a manifest that are an integer, or a decimal as text.

use std::{fmt, marker::PhantomData};

use schemars::{Schema, json_schema};
use serde::{
    Deserializer,
    de::{Error as _, Unexpected, Visitor},
};

/// Reads an integer from 0 on, or text. `parse` judges the digits of either; `expected` names the accepted forms.
pub(crate) fn deserialize<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct IntegerOrText<T> {
        expected: &'static str,
        parse: fn(&str) -> Option<T>,
        value: PhantomData<T>,
    }
    impl<T> Visitor<'_> for IntegerOrText<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<T, E> {
            (self.parse)(&whole.to_string()).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(whole), &self))
        }

        fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<T, E> {
            match u64::try_from(whole) {
                Ok(whole) => self.visit_u64(whole),
                Err(_) => Err(E::invalid_value(Unexpected::Signed(whole), &self)),
            }
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
    let visitor = IntegerOrText { expected, parse, value: PhantomData };
    deserializer.deserialize_any(visitor).map_err(D::Error::custom)
}

/// The schema of an integer from 0 to `max_whole`, or of text that matches `pattern`. `max_digits`: before and after the point.
pub(crate) fn schema(max_whole: u64, max_digits: (usize, usize), pattern: &str) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        // Set explicitly: kube makes an optional integer-or-string nullable, and null has no default.
        "nullable": false,
        "minimum": 0,
        "maximum": max_whole,
        "maxLength": max_digits.0 + 1 + max_digits.1,
        "pattern": pattern,
    })
}
