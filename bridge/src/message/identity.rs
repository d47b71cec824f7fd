//! The identity of a quote: its source, and its number or id there.

use std::borrow::Cow;

use intuition_api::{decimal, v1::Tick};
use serde_json::value::RawValue;

use super::{
    Reason, Rejection, cut, fields,
    json::{Object, Value},
};

/// Bound on the bytes of an id or a source.
const MAX_IDENTITY_BYTES: usize = 256;

/// Identity of the ticks at one place of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    id: String,
    source: String,
    seq: Seq,
}

/// A sequence number. Only the tick shows whether a bad one matters: an inner object may have another one,
/// or an id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Seq {
    #[default]
    Absent,
    Number(i64),
    Bad(String),
}

impl Identity {
    /// From MQTT 5 user properties; the first of a name counts.
    pub(super) fn from_properties(properties: &[(String, String)]) -> Result<Self, Rejection> {
        let find = |name: &str| properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let text = |name: &str| match find(name) {
            Some(text) => fits(text.into(), || format!("user property {name}")),
            None => Ok(String::new()),
        };
        let seq =
            find("seq").map(|text| number(text).ok_or_else(|| bad_seq("user property seq", &format!("{text:?}"))));
        Ok(Self { id: text("id")?, source: text("source")?, seq: Seq::from(seq) })
    }

    /// This identity, where the object has no member for a field, or null. `seq` is the name of the sequence there.
    pub(super) fn overridden(&self, object: &Object<'_>, seq: &str, path: &str) -> Result<Self, Rejection> {
        let id = match object.get("id") {
            Some(raw) => {
                let id = match fields::open(raw) {
                    Value::Text(text) => text,
                    Value::Number(text) if text.parse::<i128>().is_ok() => text.into(),
                    _ => return Err(bad_identity(&format!("{path}id"), "is neither a string nor an integer", raw)),
                };
                fits(id, || format!("{path}id"))?
            }
            None => self.id.clone(),
        };
        let source = match object.get("source") {
            Some(raw) => {
                let Value::Text(source) = fields::open(raw) else {
                    return Err(bad_identity(&format!("{path}source"), "is no string", raw));
                };
                fits(source, || format!("{path}source"))?
            }
            None => self.source.clone(),
        };
        let seq = match object.get(seq) {
            Some(raw) => {
                let read = match fields::open(raw) {
                    Value::Text(text) => number(&text),
                    Value::Number(text) => number(text),
                    _ => None,
                };
                Seq::from(Some(read.ok_or_else(|| bad_seq(&format!("{path}{seq}"), raw.get()))))
            }
            None => self.seq.clone(),
        };
        Ok(Self { id, source, seq })
    }

    /// Whether ticks can have this identity: a bad sequence number needs an id beside it, which identifies the tick.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        match &self.seq {
            Seq::Bad(complaint) if self.id.is_empty() => Err(Rejection::new(Reason::BadIdentity, complaint.clone())),
            _ => Ok(()),
        }
    }

    /// Whether the sequence number of ticks with this identity is left out, since it is bad and there is an id.
    pub(super) const fn ignores_seq(&self) -> bool {
        matches!(self.seq, Seq::Bad(_)) && !self.id.is_empty()
    }

    /// A tick with this identity and no content.
    pub(super) fn tick(&self) -> Tick {
        let seq = if let Seq::Number(seq) = self.seq { Some(seq) } else { None };
        Tick { source: self.source.clone(), seq, id: self.id.clone(), ..Tick::default() }
    }
}

impl From<Option<Result<i64, String>>> for Seq {
    fn from(read: Option<Result<i64, String>>) -> Self {
        match read {
            None => Self::Absent,
            Some(Ok(number)) => Self::Number(number),
            Some(Err(complaint)) => Self::Bad(complaint),
        }
    }
}

/// A sequence number: an integer from 0 to 2^63-1 in any notation. Text may also have a plus.
fn number(text: &str) -> Option<i64> {
    let number = text.parse().ok().or_else(|| i64::try_from(decimal::integer(text)?).ok())?;
    (number >= 0).then_some(number)
}

fn bad_seq(path: &str, shown: &str) -> String {
    format!("{path}: {} is no integer from 0 to 9223372036854775807; leave it out, or give the quote an id", cut(shown))
}

fn fits(text: Cow<'_, str>, path: impl FnOnce() -> String) -> Result<String, Rejection> {
    if text.len() <= MAX_IDENTITY_BYTES {
        return Ok(text.into_owned());
    }
    let message = format!("{}: {} bytes, at most {MAX_IDENTITY_BYTES} are taken", path(), text.len());
    Err(Rejection::new(Reason::IdentityTooLong, message))
}

fn bad_identity(path: &str, complaint: &str, raw: &RawValue) -> Rejection {
    Rejection::new(Reason::BadIdentity, format!("{path}: {} {complaint}", cut(raw.get())))
}
