//! The values of the described members: those that all quotes of a message share, and those of one quote.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    super::{Reason, Rejection, cut, read::not_json},
    Format, Location, Member,
    pointer::{NotFound, Opened},
};

/// The message around its quotes.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) topic: &'a str,
    pub(super) user_properties: &'a [(String, String)],
    pub(super) raw: &'a RawValue,
}

/// A value, unless its place is empty.
type Found<'a> = Result<Cow<'a, RawValue>, Rejection>;

/// The members that have one value for all quotes of a message, each at its place in [`Format::members`]. They are read
/// once, since a large array may have ten thousand quotes.
pub(super) struct Shared<'a>(Vec<Option<Found<'a>>>);

impl<'a> Shared<'a> {
    pub(super) fn new(format: &Format, message: Message<'a>) -> Result<Self, Rejection> {
        let pointers = format.members.iter().filter_map(|(_, location)| match location {
            Location::Message(pointer) => Some(pointer),
            _ => None,
        });
        let opened = Opened::new(message.raw, pointers).map_err(|error| not_json(&error))?;
        let value = |(member, location): &(Member, Location)| {
            let nothing = |found: String| missing("", *member, location, &found);
            Some(match location {
                Location::Quote(_) => return None,
                Location::Message(pointer) => match opened.find(pointer) {
                    Ok(raw) => Ok(Cow::Borrowed(raw)),
                    Err(error) => Err(not_found("", *member, location, error)),
                },
                Location::TopicLevel(level) => level
                    .checked_sub(1)
                    .and_then(|index| message.topic.split('/').nth(index))
                    .and_then(text)
                    .map(Cow::Owned)
                    .ok_or_else(|| nothing(format!("the topic {:?} has no such level", cut(message.topic)))),
                Location::UserProperty(name) => message
                    .user_properties
                    .iter()
                    .find(|(key, _)| key == name)
                    .and_then(|(_, value)| text(value))
                    .map(Cow::Owned)
                    .ok_or_else(|| nothing("the message has no such user property".to_owned())),
                Location::Value(text) => Ok(Cow::Owned(text.clone())),
            })
        };
        Ok(Self(format.members.iter().map(value).collect()))
    }
}

/// The values of one quote.
pub(super) struct Values<'a, 's> {
    format: &'s Format,
    shared: &'s Shared<'a>,
    quote: Opened<'a>,
    /// Before the names of its members, for a person: empty, or as in `[3].`.
    prefix: &'s str,
}

impl<'a, 's> Values<'a, 's> {
    pub(super) fn new(
        format: &'s Format,
        shared: &'s Shared<'a>,
        quote: &'a RawValue,
        prefix: &'s str,
    ) -> Result<Self, Rejection> {
        let pointers = format.members.iter().filter_map(|(_, location)| match location {
            Location::Quote(pointer) => Some(pointer),
            _ => None,
        });
        let quote = Opened::new(quote, pointers).map_err(|error| not_json(&error))?;
        Ok(Self { format, shared, quote, prefix })
    }

    /// The value of a member: a number, text, or null of an optional one. `None`: the format does not describe it.
    pub(super) fn get(&self, wanted: Member) -> Result<Option<&RawValue>, Rejection> {
        let mut members = self.format.members.iter().zip(&self.shared.0);
        let Some(((_, location), shared)) = members.find(|((member, _), _)| *member == wanted) else { return Ok(None) };
        let raw = match (location, shared) {
            (_, Some(Ok(shared))) => shared.as_ref(),
            (_, Some(Err(rejection))) => return Err(rejection.clone()),
            (Location::Quote(pointer), None) => {
                self.quote.find(pointer).map_err(|error| not_found(self.prefix, wanted, location, error))?
            }
            (_, None) => return Ok(None),
        };
        let kind = match raw.get().as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "true or false",
            Some(b'n') if matches!(wanted, Member::Sid | Member::Price) => {
                return Err(missing(self.prefix, wanted, location, "it is null"));
            }
            _ => return Ok(Some(raw)),
        };
        let message = format!("{}{} ({location}): {} is {kind}", self.prefix, wanted.name(), cut(raw.get()));
        Err(Rejection::new(reason(wanted), message))
    }
}

/// Text as a JSON string.
pub(super) fn text(text: &str) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(text).ok()
}

/// The reason against a value of another kind.
fn reason(member: Member) -> Reason {
    match member {
        Member::Sid => Reason::BadSymbol,
        Member::Time => Reason::BadTime,
        Member::Source | Member::Seq | Member::Id => Reason::BadIdentity,
        Member::Optional("size" | "volume") => Reason::BadSize,
        Member::Optional("interval") => Reason::BadBar,
        Member::Price | Member::Optional(_) => Reason::BadPrice,
    }
}

fn missing(prefix: &str, member: Member, location: &Location, found: &str) -> Rejection {
    let message = format!("{prefix}{} ({location}): {found}", member.name());
    Rejection::new(Reason::MissingField, message)
}

fn not_found(prefix: &str, member: Member, location: &Location, error: NotFound) -> Rejection {
    match error {
        NotFound::Missing(found) => missing(prefix, member, location, &found),
        NotFound::RepeatedKey(key) => Rejection::new(
            Reason::RepeatedKey,
            format!("{prefix}{} ({location}): the key {:?} is there twice", member.name(), cut(&key)),
        ),
        NotFound::NotJson(error) => not_json(&error),
    }
}
