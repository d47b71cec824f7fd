//! `spec.channels.inputs[].format`: where the members of a quote stand in messages of another form.

use intuition_api::format;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the members of a quote stand in messages of another form. Every member that is described must be in each message;
/// all but `sid` and `price` may be null. docs/payloads.md has examples.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Format {
    /// Locations for the messages of a well-known program; those below replace them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// JSON Pointer of an array in which each element is a quote; empty: the message is the array. Without it the message is
    /// one quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub each: Option<String>,
    /// Symbol: text, or an integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Location>,
    /// Price: a number, or text of one. Without it both `bid` and `ask` are needed, and the price is the middle of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Location>,
    /// Time; without it, the time of arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeLocation>,
    /// Name of the publisher, for `seq`; without it, the user property `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Location>,
    /// Number of the quote at its source, rising; without it, the user property `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Location>,
    /// Name of the quote; without it, the user property `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Location>,
    /// Units that the trade moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Location>,
    /// First price of the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Location>,
    /// Highest price of the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<Location>,
    /// Lowest price of the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<Location>,
    /// Units traded in the bar or the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Location>,
    /// Best price that a buyer offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid: Option<Location>,
    /// Best price that a seller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Location>,
    /// Length of the bar, such as `1m` or `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Location>,
}

/// A preset of a format.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(
    description = "A preset: `HomeAssistant` reads the topics `.../<name>/state` of its integration `mqtt_statestream`. \
                          The symbol is the name, the payload is the price; `unknown` and `unavailable` are no price."
)]
pub enum Preset {
    /// See the description.
    HomeAssistant,
}

/// The place of a member in a message.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.pointer), has(self.messagePointer), has(self.topicLevel), has(self.userProperty), \
                            has(self.value)].filter(x, x).size() == 1")
        .message("must have exactly one of pointer, messagePointer, topicLevel, userProperty and value")
)]
pub struct Location {
    /// JSON Pointer (RFC 6901) in the message, or with `each` in the element; empty: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pointer: Option<String>,
    /// JSON Pointer in the message, also with `each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message_pointer: Option<String>,
    /// Level of the topic; the first level is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub topic_level: Option<i32>,
    /// Name of an MQTT user property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user_property: Option<String>,
    /// This text, in every message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub value: Option<String>,
}

/// The place of the time in a message, and its form.
// `flatten` and `deny_unknown_fields` exclude each other, so that the fields of a location are repeated.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.pointer), has(self.messagePointer), has(self.topicLevel), has(self.userProperty), \
                            has(self.value)].filter(x, x).size() == 1")
        .message("must have exactly one of pointer, messagePointer, topicLevel, userProperty and value"),
    validation = Rule::new("!(has(self.unit) && has(self.timeZone))")
        .message("must have at most one of unit and timeZone: a number of a unit has no zone")
)]
pub struct TimeLocation {
    /// JSON Pointer (RFC 6901) in the message, or with `each` in the element; empty: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pointer: Option<String>,
    /// JSON Pointer in the message, also with `each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message_pointer: Option<String>,
    /// Level of the topic; the first level is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub topic_level: Option<i32>,
    /// Name of an MQTT user property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user_property: Option<String>,
    /// This text, in every message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub value: Option<String>,
    /// The unit of a number; without it, the unit in which the number is a time between 1990 and 2100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    /// Name in the IANA time zone database, such as `America/New_York`, of times of day that have no offset from UTC.
    /// Without it, such a time is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// The unit of a number that is a time.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(description = "The unit of a number that is a time since 1970.")]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl From<&Format> for format::Format {
    fn from(given: &Format) -> Self {
        let location = |given: &Option<Location>| given.as_ref().map(Into::into);
        Self {
            preset: given.preset.map(|Preset::HomeAssistant| format::Preset::HomeAssistant),
            each: given.each.clone(),
            sid: location(&given.sid),
            price: location(&given.price),
            time: given.time.as_ref().map(Into::into),
            source: location(&given.source),
            seq: location(&given.seq),
            id: location(&given.id),
            size: location(&given.size),
            open: location(&given.open),
            high: location(&given.high),
            low: location(&given.low),
            volume: location(&given.volume),
            bid: location(&given.bid),
            ask: location(&given.ask),
            interval: location(&given.interval),
        }
    }
}

impl From<&Location> for format::Location {
    fn from(given: &Location) -> Self {
        let Location { pointer, message_pointer, topic_level, user_property, value } = given.clone();
        let topic_level = topic_level.map(|level| u32::try_from(level).unwrap_or_default());
        Self { pointer, message_pointer, topic_level, user_property, value }
    }
}

impl From<&TimeLocation> for format::Time {
    fn from(given: &TimeLocation) -> Self {
        let TimeLocation { pointer, message_pointer, topic_level, user_property, value, unit, time_zone } =
            given.clone();
        let unit = unit.map(|unit| match unit {
            TimeUnit::Seconds => format::TimeUnit::Seconds,
            TimeUnit::Milliseconds => format::TimeUnit::Milliseconds,
            TimeUnit::Microseconds => format::TimeUnit::Microseconds,
            TimeUnit::Nanoseconds => format::TimeUnit::Nanoseconds,
        });
        let topic_level = topic_level.map(|level| u32::try_from(level).unwrap_or_default());
        Self { pointer, message_pointer, topic_level, user_property, value, unit, time_zone }
    }
}
