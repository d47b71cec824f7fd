//! `spec.channels.inputs[].format`: a description of messages of other forms, ready to be read by.
//!
//! - [`mod@pointer`]: the value at a JSON Pointer.
//! - [`values`]: the value of each described member.
//! - [`time`]: times with a unit or a zone.
//! - [`mod@read`]: the quotes of a message.
//!
//! A format only locates members. The values at their places go the way of a canonical quote, so that the rules for symbols,
//! prices and identities are the same.

mod pointer;
mod read;
mod time;
mod values;

use intuition_api::{
    epoch::Unit,
    format::pointer::parse,
    v1::{self, format::Preset, location::At},
};
use intuition_common::civil;
use serde_json::value::RawValue;

pub(super) use self::read::{Described, read};
use self::time::TimeForm;

/// States of Home Assistant that stand for no price.
const NO_STATE: &[&str] = &["unknown", "unavailable", "none", "None"];

/// A format, and the topic filter of its input.
#[derive(Debug, Clone)]
pub(super) struct Format {
    /// Payloads that hold no price, and are no error.
    no_price: &'static [&'static str],
    /// Of the array with the quotes.
    each: Option<Pointer>,
    /// In the order in which they are read.
    members: Vec<(Member, Location)>,
    /// The price is the middle of bid and ask.
    is_middle: bool,
    time: TimeForm,
}

/// A member of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Sid,
    Price,
    Time,
    Source,
    Seq,
    Id,
    /// One of the optional decimals, or the interval.
    Optional(&'static str),
}

impl Member {
    /// As the canonical quote has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Sid => "sid",
            Self::Price => "price",
            Self::Time => "time",
            Self::Source => "source",
            Self::Seq => "seq",
            Self::Id => "id",
            Self::Optional(name) => name,
        }
    }
}

#[derive(Debug, Clone)]
struct Pointer {
    text: String,
    tokens: Vec<String>,
}

/// The place of a member.
#[derive(Debug, Clone)]
enum Location {
    /// In the quote: the message, or an element of the array.
    Quote(Pointer),
    /// In the message.
    Message(Pointer),
    /// A level of the topic, from 1.
    TopicLevel(usize),
    UserProperty(String),
    Value(Box<RawValue>),
}

/// A format that this release cannot read by. The runtime checks formats, so that it comes from a later release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnknownFormat(String);

impl Format {
    /// `filter`: the topic filter of the input.
    pub(super) fn new(format: &v1::Format, filter: &str) -> Result<Self, UnknownFormat> {
        let unknown = |path: &str| UnknownFormat(format!("format.{path} is not known to this release of the bridge"));
        let mut members = Vec::new();
        let mut add = |member: Member, given: Option<&v1::Location>, preset: Option<Location>| {
            let location = given.map(|location| Location::new(location).ok_or_else(|| unknown(member.name())));
            members.extend(location.transpose()?.or(preset).map(|location| (member, location)));
            Ok(())
        };
        let is_home_assistant = match Preset::try_from(format.preset).map_err(|_| unknown("preset"))? {
            Preset::Unspecified => false,
            Preset::HomeAssistant => true,
        };
        let by_preset = |location: Location| is_home_assistant.then_some(location);
        let above_last = filter.split('/').count().saturating_sub(1);
        add(Member::Sid, format.sid.as_ref(), by_preset(Location::TopicLevel(above_last)))?;
        let is_middle = format.price.is_none() && !is_home_assistant;
        add(Member::Price, format.price.as_ref(), by_preset(Location::Quote(Pointer::whole())))?;
        add(Member::Time, format.time.as_ref(), None)?;
        for (member, location) in
            [(Member::Source, &format.source), (Member::Seq, &format.seq), (Member::Id, &format.id)]
        {
            add(member, location.as_ref(), None)?;
        }
        for (name, location) in optional(format) {
            add(Member::Optional(name), location.as_ref(), None)?;
        }
        let each = format.each.as_deref().map(|each| Pointer::new(each).ok_or_else(|| unknown("each"))).transpose()?;
        let unit = match v1::format::TimeUnit::try_from(format.time_unit).map_err(|_| unknown("time.unit"))? {
            v1::format::TimeUnit::Unspecified => None,
            v1::format::TimeUnit::Seconds => Some(Unit::Seconds),
            v1::format::TimeUnit::Milliseconds => Some(Unit::Millis),
            v1::format::TimeUnit::Microseconds => Some(Unit::Micros),
            v1::format::TimeUnit::Nanoseconds => Some(Unit::Nanos),
        };
        let zone = Some(format.time_zone.as_str()).filter(|name| !name.is_empty());
        let zone = zone.map(|name| civil::zone(name).ok_or_else(|| unknown("time.timeZone"))).transpose()?;
        let no_price = if is_home_assistant { NO_STATE } else { &[] };
        Ok(Self { no_price, each, members, is_middle, time: TimeForm { unit, zone } })
    }

    /// The place of a member, for a person.
    fn place(&self, name: &str) -> Option<String> {
        let location = self.members.iter().find(|(member, _)| member.name() == name).map(|(_, location)| location)?;
        Some(location.to_string())
    }
}

/// The optional members by their names in a quote.
const fn optional(format: &v1::Format) -> [(&'static str, &Option<v1::Location>); 8] {
    [
        ("size", &format.size),
        ("open", &format.open),
        ("high", &format.high),
        ("low", &format.low),
        ("volume", &format.volume),
        ("bid", &format.bid),
        ("ask", &format.ask),
        ("interval", &format.interval),
    ]
}

impl Pointer {
    fn new(text: &str) -> Option<Self> {
        Some(Self { tokens: parse(text).ok()?, text: text.to_owned() })
    }

    const fn whole() -> Self {
        Self { text: String::new(), tokens: Vec::new() }
    }
}

impl Location {
    /// `None`: a place that a later release knows.
    fn new(location: &v1::Location) -> Option<Self> {
        Some(match location.at.as_ref()? {
            At::Pointer(text) => Self::Quote(Pointer::new(text)?),
            At::MessagePointer(text) => Self::Message(Pointer::new(text)?),
            At::TopicLevel(level) => Self::TopicLevel(usize::try_from(*level).ok()?),
            At::UserProperty(name) => Self::UserProperty(name.clone()),
            At::Value(text) => Self::Value(values::text(text)?),
        })
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Quote(pointer) => write!(f, "pointer {:?}", pointer.text),
            Self::Message(pointer) => write!(f, "messagePointer {:?}", pointer.text),
            Self::TopicLevel(level) => write!(f, "topicLevel {level}"),
            Self::UserProperty(name) => write!(f, "userProperty {name:?}"),
            Self::Value(text) => write!(f, "value {text}"),
        }
    }
}

impl UnknownFormat {
    /// The complaint, for a person.
    pub(super) fn message(&self) -> String {
        format!("the message: spec.channels.inputs[].{}: upgrade its image", self.0)
    }
}
