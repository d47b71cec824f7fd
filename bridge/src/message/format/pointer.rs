//! The value at a JSON Pointer.

use serde_json::value::RawValue;

use super::{
    super::{
        cut,
        json::{self, Value},
    },
    Pointer,
};

/// Why there is no value at a pointer.
#[derive(Debug)]
pub(super) enum NotFound {
    /// There is none. Text for a person: the deepest value on the way, and its content.
    Missing(String),
    /// A key on the way is there twice.
    RepeatedKey(String),
    /// A string on the way cannot be decoded.
    NotJson(serde_json::Error),
}

/// A value, and its members or elements where it was opened.
pub(super) struct Opened<'a> {
    pub(super) raw: &'a RawValue,
    value: Option<Value<'a>>,
}

impl<'a> Opened<'a> {
    /// Opens the value if one of the pointers leads into it: each of them then finds its first token without another parse.
    pub(super) fn new<'p>(
        raw: &'a RawValue,
        pointers: impl IntoIterator<Item = &'p Pointer>,
    ) -> Result<Self, serde_json::Error> {
        let leads_in = pointers.into_iter().any(|pointer| !pointer.tokens.is_empty());
        // All members, so that a key that is there twice is found.
        let value = leads_in.then(|| json::open(raw, usize::MAX)).transpose()?;
        Ok(Self { raw, value })
    }

    /// The value at a pointer of those it was opened for.
    pub(super) fn find(&self, pointer: &Pointer) -> Result<&'a RawValue, NotFound> {
        let Some((first, rest)) = pointer.tokens.split_first() else { return Ok(self.raw) };
        let Some(value) = &self.value else { return Err(missing(self.raw, &[])) };
        let mut raw = step(value, self.raw, first, &[])?;
        for (index, token) in rest.iter().enumerate() {
            let above = pointer.tokens.get(..=index).unwrap_or_default();
            let value = json::open(raw, usize::MAX).map_err(NotFound::NotJson)?;
            raw = step(&value, raw, token, above)?;
        }
        Ok(raw)
    }
}

/// The member or element of a value; `above`: the tokens that lead to the value.
fn step<'a>(value: &Value<'a>, raw: &'a RawValue, token: &str, above: &[String]) -> Result<&'a RawValue, NotFound> {
    let found = match value {
        Value::Object(object) => {
            if let Some(key) = &object.repeated {
                return Err(NotFound::RepeatedKey(key.clone().into_owned()));
            }
            object.members.iter().find(|(name, _)| name == token).map(|(_, raw)| *raw)
        }
        Value::Array(elements) => index(token).and_then(|index| elements.get(index).copied()),
        _ => None,
    };
    found.ok_or_else(|| missing(raw, above))
}

/// An index as the RFC has it: digits without leading zeros.
fn index(token: &str) -> Option<usize> {
    let is_index = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    is_index.then(|| token.parse().ok()).flatten()
}

fn missing(raw: &RawValue, above: &[String]) -> NotFound {
    let place = if above.is_empty() { String::new() } else { format!(" at {:?}", format!("/{}", above.join("/"))) };
    NotFound::Missing(format!("there is nothing; the value{place} is {}", cut(raw.get())))
}
