//! JSON read one level at a time: members keep their order and numbers their text. Unread values are skipped without
//! recursion, however deep they are.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Members that are compared one by one with those before them. The keys of larger objects are looked up in a set.
const FEW_MEMBERS: usize = 16;

/// One value with unread parts. Text without escapes is a part of the payload.
pub(super) enum Value<'a> {
    /// Members in order.
    Object(Object<'a>),
    /// Elements in order, one more than the limit at most.
    Array(Vec<&'a RawValue>),
    /// Content of a string.
    Text(Cow<'a, str>),
    /// A number as written.
    Number(&'a str),
    Null,
    Bool,
}

/// An object's members in order.
pub(super) struct Object<'a> {
    pub(super) members: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The first key that came a second time.
    pub(super) repeated: Option<Cow<'a, str>>,
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
        Some(b'"') => Value::Text(string(text)?),
        Some(b'n') => Value::Null,
        Some(b't' | b'f') => Value::Bool,
        _ => Value::Number(text),
    })
}

/// The content of a string: without escapes, a part of the text. The first parse has checked its characters.
fn string(text: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match inside.filter(|inside| !inside.contains('\\')) {
        Some(inside) => Ok(Cow::Borrowed(inside)),
        None => serde_json::from_str(text).map(Cow::Owned),
    }
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
        while let Some(Key(key)) = map.next_key()? {
            if object.members.len() > self.limit || object.repeated.is_some() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            let is_new = if object.members.len() < FEW_MEMBERS {
                !object.has(&key)
            } else {
                if seen.is_empty() {
                    seen.extend(object.members.iter().map(|(key, _)| key.clone()));
                }
                seen.insert(key.clone())
            };
            if is_new {
                object.members.push((key, value));
            } else {
                object.repeated = Some(key);
            }
        }
        Ok(object)
    }
}

/// The key of a member.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
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
