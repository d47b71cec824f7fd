//! The quotes of a message that a format describes.

use std::borrow::Cow;

use intuition_api::decimal;
use serde_json::value::RawValue;

use super::{
    super::{
        MAX_TICKS, Reason, Rejection, cut, fields,
        identity::Identity,
        json::{self, Object, Value},
        read::{Reader, not_json},
        shapes::{self, Path},
    },
    Format, Member, UnknownFormat,
    pointer::{NotFound, Opened},
    values::{self, Message, Shared, Values},
};

/// A message and its description.
#[derive(Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(in crate::message) format: &'a Result<Format, UnknownFormat>,
    pub(in crate::message) topic: &'a str,
    pub(in crate::message) user_properties: &'a [(String, String)],
    pub(in crate::message) payload: &'a [u8],
}

/// Reads all quotes. An error is one of the whole message; errors of single elements are among the ticks.
pub(in crate::message) fn read(
    reader: &mut Reader<'_>,
    described: Described<'_>,
    identity: &Identity,
) -> Result<(), Rejection> {
    let Described { format, topic, user_properties, payload } = described;
    let format = format.as_ref().map_err(|unknown| Rejection::new(Reason::NotAQuote, unknown.message()))?;
    let text = Reader::text(payload)?;
    if format.no_price.contains(&text.trim()) {
        reader.note_no_price();
        return Ok(());
    }
    let raw = json::parse(text).map_err(|error| not_json(&error))?;
    let message = Message { topic, user_properties, raw };
    let shared = Shared::new(format, message)?;
    let Some(each) = &format.each else {
        return quote(reader, format, &shared, (raw, "the message", ""), identity);
    };
    let opened = Opened::new(raw, [each]).map_err(|error| not_json(&error))?;
    let place = format!("each (pointer {:?})", each.text);
    let array = opened.find(each).map_err(|error| match error {
        NotFound::Missing(found) => Rejection::new(Reason::MissingField, format!("{place}: {found}")),
        NotFound::RepeatedKey(key) => {
            Rejection::new(Reason::RepeatedKey, format!("{place}: the key {:?} is there twice", cut(&key)))
        }
        NotFound::NotJson(error) => not_json(&error),
    })?;
    let Value::Array(elements) = json::open(array, MAX_TICKS).map_err(|error| not_json(&error))? else {
        return Err(Rejection::new(Reason::NotAQuote, format!("{place}: {} is no array", cut(array.get()))));
    };
    if elements.is_empty() {
        return Err(Rejection::new(Reason::NoQuotes, format!("{place}: the array is empty")));
    }
    for (index, element) in elements.into_iter().enumerate() {
        let (here, prefix) = (format!("[{index}]"), format!("[{index}]."));
        quote(reader, format, &shared, (element, &here, &prefix), identity)?;
    }
    Ok(())
}

/// Reads one quote: `raw` with its place, and the text in front of the names of its members.
fn quote<'a>(
    reader: &mut Reader<'_>,
    format: &Format,
    shared: &Shared<'a>,
    (raw, here, prefix): (&'a RawValue, &str, &str),
    around: &Identity,
) -> Result<(), Rejection> {
    let values = match Values::new(format, shared, raw, prefix) {
        Ok(values) => values,
        Err(rejection) => return reader.unusable(rejection, around, raw),
    };
    let identity = match identity(&values, around, prefix) {
        Ok(identity) => identity,
        Err(rejection) => return reader.unusable(rejection, around, raw),
    };
    let name = |name: &str| match format.place(name) {
        Some(place) => format!("{name} ({place})"),
        None => cut(name),
    };
    let path = Path { here, prefix, name: &name };
    let arrived = reader.arrived();
    let read = identity.check().and_then(|()| canonical(&values, format, path, arrived));
    match read {
        Ok(read) => reader.push(read, &identity),
        Err(rejection) => reader.unusable(rejection, &identity, raw),
    }
}

fn identity(values: &Values<'_, '_>, around: &Identity, prefix: &str) -> Result<Identity, Rejection> {
    let mut object = Object { members: Vec::with_capacity(3), repeated: None };
    for member in [Member::Source, Member::Seq, Member::Id] {
        if let Some(raw) = values.get(member)? {
            object.members.push((Cow::Borrowed(member.name()), raw));
        }
    }
    around.overridden(&object, "seq", prefix)
}

/// The quote as if its members stood in an object of our own.
fn canonical(
    values: &Values<'_, '_>,
    format: &Format,
    path: Path<'_>,
    arrived: i64,
) -> Result<shapes::Read, Rejection> {
    let (number, middle);
    let mut object = Object { members: Vec::with_capacity(format.members.len() + 1), repeated: None };
    let mut add = |name: &'static str, raw| object.members.push((Cow::Borrowed(name), raw));
    if let Some(raw) = values.get(Member::Sid)? {
        // Some exchanges number their instruments.
        number = match fields::open(raw) {
            Value::Number(digits) if digits.parse::<i128>().is_ok() => values::text(digits),
            _ => None,
        };
        add("sid", number.as_deref().unwrap_or(raw));
    }
    if format.is_middle {
        middle = middle_of(values, path)?;
        add("price", middle.as_ref());
    } else if let Some(raw) = values.get(Member::Price)? {
        add("price", raw);
    }
    for (member, _) in &format.members {
        if let (Member::Optional(name), Some(raw)) = (member, values.get(*member)?) {
            add(name, raw);
        }
    }
    let time = values.get(Member::Time)?.filter(|raw| raw.get() != "null");
    shapes::quote(&object, path, || time.map_or(Ok(arrived), |raw| format.time.read(raw, || path.member("time"))))
}

/// The middle of bid and ask, exactly. It is rounded as every price is.
fn middle_of(values: &Values<'_, '_>, path: Path<'_>) -> Result<Box<RawValue>, Rejection> {
    let side = |name: &'static str| {
        let raw = values.get(Member::Optional(name))?.filter(|raw| raw.get() != "null");
        let raw = raw.ok_or_else(|| {
            let message = format!("{}: it is null, and without a price both bid and ask are needed", path.member(name));
            Rejection::new(Reason::MissingField, message)
        })?;
        Ok(fields::price(raw, || path.member(name))?.price)
    };
    let middle = decimal::middle(side("bid")?, side("ask")?);
    RawValue::from_string(middle).map_err(|error| not_json(&error))
}
