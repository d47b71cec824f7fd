//! `spec.channels.inputs[].format`: the description of messages of other forms, as resources and settings files have it, and
//! its rules.

pub mod pointer;

use serde::Deserialize;

use crate::v1;

/// The last level of the topics that the preset `HomeAssistant` reads.
const HOME_ASSISTANT_LEVEL: &str = "state";

/// Where the members of a quote stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Format {
    /// Locations for the messages of a well-known program; those below replace them.
    pub preset: Option<Preset>,
    /// JSON Pointer of an array of quotes.
    pub each: Option<String>,
    /// Symbol.
    pub sid: Option<Location>,
    /// Price. It may be absent where `bid` and `ask` are there: then it is the middle of both.
    pub price: Option<Location>,
    /// Time.
    pub time: Option<Time>,
    /// Name of the publisher.
    pub source: Option<Location>,
    /// Number of the quote.
    pub seq: Option<Location>,
    /// Name of the quote.
    pub id: Option<Location>,
    /// Units that the trade moved.
    pub size: Option<Location>,
    /// First price of the bar.
    pub open: Option<Location>,
    /// Highest price of the bar.
    pub high: Option<Location>,
    /// Lowest price of the bar.
    pub low: Option<Location>,
    /// Units traded in the bar.
    pub volume: Option<Location>,
    /// Best price that a buyer offers.
    pub bid: Option<Location>,
    /// Best price that a seller asks for.
    pub ask: Option<Location>,
    /// Length of the bar.
    pub interval: Option<Location>,
}

/// A preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Preset {
    /// See `Format.Preset` in the contract.
    HomeAssistant,
}

/// The place of a member: exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Location {
    /// JSON Pointer in the message, or in the element of `each`.
    pub pointer: Option<String>,
    /// JSON Pointer in the message, also with `each`.
    pub message_pointer: Option<String>,
    /// Level of the topic, from 1.
    pub topic_level: Option<u32>,
    /// Name of a user property.
    pub user_property: Option<String>,
    /// This text.
    pub value: Option<String>,
}

/// The place of the time, and its form.
// `flatten` and `deny_unknown_fields` exclude each other, so that the fields of a location are repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Time {
    /// As in [`Location`].
    pub pointer: Option<String>,
    /// As in [`Location`].
    pub message_pointer: Option<String>,
    /// As in [`Location`].
    pub topic_level: Option<u32>,
    /// As in [`Location`].
    pub user_property: Option<String>,
    /// As in [`Location`].
    pub value: Option<String>,
    /// The unit of a number; `None`: by its magnitude.
    pub unit: Option<TimeUnit>,
    /// Name of an IANA time zone for times of day without an offset.
    pub time_zone: Option<String>,
}

/// The unit of a number that is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TimeUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// A rule that a format breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path below the format, for example `sid.topicLevel`; empty: the format itself.
    pub path: String,
    /// The complaint about the field at the path.
    pub message: String,
}

impl Format {
    /// All rules that the format of an input with this topic filter breaks. `is_zone`: whether a name is one of a time zone.
    pub fn check(&self, filter: &str, is_zone: impl Fn(&str) -> bool) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut refuse = |path: &str, message: String| found.push(Violation { path: path.to_owned(), message });
        if self.preset.is_some() && !filter.ends_with(&format!("/{HOME_ASSISTANT_LEVEL}")) {
            refuse(
                "preset",
                format!(
                    "HomeAssistant needs a topic that ends with /{HOME_ASSISTANT_LEVEL}, as in homeassistant/sensor/+/state"
                ),
            );
        }
        if let Some(Err(complaint)) = self.each.as_deref().map(pointer::parse) {
            refuse("each", complaint.to_owned());
        }
        let is_priced = self.price.is_some() || (self.bid.is_some() && self.ask.is_some());
        for (member, is_there, hint) in [("sid", self.sid.is_some(), ""), ("price", is_priced, ", or both bid and ask")]
        {
            if !is_there && self.preset.is_none() {
                refuse("", format!("needs {member}{hint}"));
            }
        }
        for (member, location) in self.members() {
            if let Err((field, message)) = location.check(filter) {
                refuse(&format!("{member}{field}"), message);
            }
        }
        if let Some(Time { unit, time_zone: Some(zone), .. }) = &self.time {
            if unit.is_some() {
                refuse("time", "must have at most one of unit and timeZone: a number of a unit has no zone".to_owned());
            } else if !is_zone(zone) {
                refuse(
                    "time.timeZone",
                    format!("must be a name of the IANA time zone database, as in America/New_York, is {zone:?}"),
                );
            }
        }
        found
    }

    /// The locations that are given, by the names of their members.
    fn members(&self) -> impl Iterator<Item = (&'static str, Location)> {
        let time = self.time.as_ref().map(Time::location);
        let members = [
            ("sid", &self.sid),
            ("price", &self.price),
            ("time", &time),
            ("source", &self.source),
            ("seq", &self.seq),
            ("id", &self.id),
            ("size", &self.size),
            ("open", &self.open),
            ("high", &self.high),
            ("low", &self.low),
            ("volume", &self.volume),
            ("bid", &self.bid),
            ("ask", &self.ask),
            ("interval", &self.interval),
        ];
        members.map(|(name, location)| location.clone().map(|location| (name, location))).into_iter().flatten()
    }

    /// The form of the contract.
    pub fn to_wire(&self) -> v1::Format {
        let wire = |location: &Option<Location>| location.as_ref().map(Location::to_wire);
        let time = self.time.as_ref();
        v1::Format {
            preset: self.preset.map_or(v1::format::Preset::Unspecified, Preset::to_wire).into(),
            each: self.each.clone(),
            sid: wire(&self.sid),
            price: wire(&self.price),
            time: time.map(|time| time.location().to_wire()),
            source: wire(&self.source),
            seq: wire(&self.seq),
            id: wire(&self.id),
            size: wire(&self.size),
            open: wire(&self.open),
            high: wire(&self.high),
            low: wire(&self.low),
            volume: wire(&self.volume),
            bid: wire(&self.bid),
            ask: wire(&self.ask),
            interval: wire(&self.interval),
            time_unit: time
                .and_then(|time| time.unit)
                .map_or(v1::format::TimeUnit::Unspecified, TimeUnit::to_wire)
                .into(),
            time_zone: time.and_then(|time| time.time_zone.clone()).unwrap_or_default(),
        }
    }
}

impl Location {
    /// An error has the path behind the name of the member, and the complaint.
    fn check(&self, filter: &str) -> Result<(), (&'static str, String)> {
        let one_of = "must have exactly one of pointer, messagePointer, topicLevel, userProperty and value";
        let there = [
            self.pointer.is_some(),
            self.message_pointer.is_some(),
            self.topic_level.is_some(),
            self.user_property.is_some(),
            self.value.is_some(),
        ];
        if there.into_iter().filter(|is_there| *is_there).count() != 1 {
            return Err(("", one_of.to_owned()));
        }
        for (name, text) in [(".pointer", &self.pointer), (".messagePointer", &self.message_pointer)] {
            if let Some(Err(complaint)) = text.as_deref().map(pointer::parse) {
                return Err((name, complaint.to_owned()));
            }
        }
        for (name, text) in [(".userProperty", &self.user_property), (".value", &self.value)] {
            if text.as_ref().is_some_and(String::is_empty) {
                return Err((name, "must not be empty".to_owned()));
            }
        }
        self.topic_level.map_or(Ok(()), |level| check_level(level, filter)).map_err(|message| (".topicLevel", message))
    }

    fn to_wire(&self) -> v1::Location {
        use v1::location::At;
        let pointer = self.pointer.clone().map(At::Pointer);
        let at = pointer
            .or_else(|| self.message_pointer.clone().map(At::MessagePointer))
            .or_else(|| self.topic_level.map(At::TopicLevel))
            .or_else(|| self.user_property.clone().map(At::UserProperty))
            .or_else(|| self.value.clone().map(At::Value));
        v1::Location { at }
    }
}

/// Whether every topic that the filter selects has the level.
fn check_level(level: u32, filter: &str) -> Result<(), String> {
    let levels = filter.split('/').count();
    let wanted = usize::try_from(level).unwrap_or(usize::MAX);
    match filter.strip_suffix("/#").or_else(|| filter.strip_suffix('#')) {
        _ if level == 0 => Err("must be at least 1: the first level of a topic is 1".to_owned()),
        // `a/#` selects the topic `a` too.
        Some(above) if wanted > levels - 1 => {
            let separator = if above.is_empty() { "" } else { "/" };
            let deeper = "+/".repeat((wanted - (levels - 1)).min(3));
            Err(format!(
                "must be at most {}, is {level}: {filter:?} selects shorter topics too, {:?} would not",
                levels - 1,
                format!("{above}{separator}{deeper}#")
            ))
        }
        None if wanted > levels => {
            Err(format!("must be at most {levels}, is {level}: the topics of {filter:?} have no further levels"))
        }
        _ => Ok(()),
    }
}

impl Time {
    fn location(&self) -> Location {
        Location {
            pointer: self.pointer.clone(),
            message_pointer: self.message_pointer.clone(),
            topic_level: self.topic_level,
            user_property: self.user_property.clone(),
            value: self.value.clone(),
        }
    }
}

impl Preset {
    const fn to_wire(self) -> v1::format::Preset {
        match self {
            Self::HomeAssistant => v1::format::Preset::HomeAssistant,
        }
    }
}

impl TimeUnit {
    const fn to_wire(self) -> v1::format::TimeUnit {
        match self {
            Self::Seconds => v1::format::TimeUnit::Seconds,
            Self::Milliseconds => v1::format::TimeUnit::Milliseconds,
            Self::Microseconds => v1::format::TimeUnit::Microseconds,
            Self::Nanoseconds => v1::format::TimeUnit::Nanoseconds,
        }
    }
}

#[cfg(test)]
mod tests;
