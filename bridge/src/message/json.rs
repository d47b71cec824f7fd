//! JSON read one level at a time: members keep their order and numbers their text. Unread values are skipped without
//! recursion, however deep they are.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// One value with unread parts.
pub(super) enum Value<'a> {
    /// Members in order.
    Object(Object<'a>),
    /// Elements in order, one more than the limit at most.
    Array(Vec<&'a RawValue>),
    /// Content of a string.
    Text(String),
    /// A number as written.
    Number(&'a str),
    Null,
    Bool,
}

/// An object's members in order.
pub(super) struct Object<'a> {
    pub(super) members: Vec<(String, &'a RawValue)>,
    /// The first key that came a second time.
    pub(super) repeated: Option<String>,
}

impl<'a> Object<'a> {
    /// A member's value, unless it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| *value).filter(|value| value.get() != "null")
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.members.iter().any(|(name, _)| name == key)
    }
}

/// Checks that the whole text is one JSON value.
pub(super) fn parse(text: &str) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_str(text)
}

/// Reads one level of a value. At most `limit` + 1 members or elements are kept. It fails for errors that only show when a
/// string is decoded, half a surrogate pair for instance.
pub(super) fn open(raw: &RawValue, limit: usize) -> Result<Value<'_>, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => Value::Object(Members { limit }.read(text)?),
        Some(b'[') => Value::Array(Elements { limit }.read(text)?),
        Some(b'"') => Value::Text(serde_json::from_str(text)?),
        Some(b'n') => Value::Null,
        Some(b't' | b'f') => Value::Bool,
        _ => Value::Number(text),
    })
}

struct Members {
    limit: usize,
}

impl Members {
    fn read(self, text: &str) -> Result<Object<'_>, serde_json::Error> {
        serde_json::Deserializer::from_str(text).deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object { members: Vec::new(), repeated: None };
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.members.len() > self.limit || object.repeated.is_some() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            if seen.insert(key.clone()) {
                object.members.push((key, value));
            } else {
                object.repeated = Some(key);
            }
        }
        Ok(object)
    }
}

struct Elements {
    limit: usize,
}

impl Elements {
    fn read(self, text: &str) -> Result<Vec<&RawValue>, serde_json::Error> {
        serde_json::Deserializer::from_str(text).deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= self.limit {
            match sequence.next_element::<Borrowed<'de>>()? {
                Some(element) => elements.push(element.0),
                None => return Ok(elements),
            }
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(elements)
    }
}

struct Borrowed<'a>(&'a RawValue);

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(Borrowed)
    }
}
