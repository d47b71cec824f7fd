//! From findings to Kubernetes conditions and Events.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use crate::reconcile::{
    condition_type,
    finding::{Finding, Truth},
    reason::{self, Urgency},
};

/// Longest message of a condition here; Kubernetes allows 32,768 characters.
const MAX_MESSAGE_BYTES: usize = 2_048;
/// Longest note of an Event, in bytes (`events.k8s.io/v1`).
const MAX_NOTE_BYTES: usize = 1_000;

/// An Event to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRecord {
    /// Whether the Event is a warning.
    pub is_warning: bool,
    /// CamelCase code.
    pub reason: String,
    /// The note of the Event.
    pub note: String,
    /// Key of an Event that is derived in every pass while its cause lasts, and published at most once an hour. `None`
    /// for an Event that is derived once.
    pub hourly: Option<String>,
}

impl EventRecord {
    /// A warning that is published at most once an hour for its reason and key.
    pub(crate) fn hourly(reason: &str, note: &str, key: &str) -> Self {
        let hourly = Some(format!("{reason} {key}"));
        Self { is_warning: true, reason: reason.to_owned(), note: shorten_note(note), hourly }
    }
}

/// The conditions that follow `before`, and the Events about changes.
pub(crate) fn next(
    before: &[Condition],
    findings: &[(&'static str, Finding)],
    generation: i64,
    now: Timestamp,
) -> (Vec<Condition>, Vec<EventRecord>) {
    let previous = |kind: &str| before.iter().find(|condition| condition.type_ == kind);
    let mut conditions: Vec<Condition> = Vec::new();
    let mut notices = Vec::new();
    for (kind, finding) in findings {
        let kind = *kind;
        let next = condition(previous(kind), kind, finding, generation, now);
        let is_new = previous(kind).is_none_or(|known| known.status != next.status || known.reason != next.reason);
        let tell = match kind {
            // A stop has its Event by `Trading`. A resource that resumes begins to trade.
            condition_type::READY => {
                let is_stopped =
                    conditions.iter().any(|known| known.type_ == condition_type::TRADING && known.status == "False");
                finding.truth == Truth::True && !is_stopped
            }
            condition_type::TRADING => finding.truth == Truth::False || finding.urgency >= Urgency::Notify,
            // A refused or delayed change has taken effect.
            condition_type::CONFIGURED if finding.truth == Truth::True => {
                previous(kind).is_some_and(|known| known.status == "False")
            }
            // A missing part has its own Event.
            condition_type::RECONCILING | condition_type::STALLED => {
                finding.urgency >= Urgency::Notify
                    && !conditions
                        .iter()
                        .any(|known| known.type_ != condition_type::READY && known.reason == next.reason)
            }
            _ => finding.urgency >= Urgency::Notify,
        };
        if is_new && tell {
            let is_warning =
                ![condition_type::READY, condition_type::CONFIGURED].contains(&kind) || finding.truth != Truth::True;
            let note = shorten_note(&next.message);
            let is_trading = kind == condition_type::READY && finding.reason == reason::TRADING;
            let reason = if is_trading { condition_type::READY.to_owned() } else { next.reason.clone() };
            let notice = EventRecord { is_warning, reason, note, hourly: None };
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        conditions.push(next);
    }
    (conditions, notices)
}

fn condition(
    previous: Option<&Condition>,
    kind: &str,
    finding: &Finding,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let status = match finding.truth {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    };
    let unchanged = previous.filter(|known| known.status == status);
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: code(&finding.reason),
        message: shorten(&finding.message, MAX_MESSAGE_BYTES),
        observed_generation: Some(finding.observed_generation.unwrap_or(generation)),
        last_transition_time: unchanged.map_or(Time(now), |known| known.last_transition_time.clone()),
    }
}

/// A valid reason for the API server: letters and digits.
fn code(reason: &str) -> String {
    let code: String = reason.chars().filter(char::is_ascii_alphanumeric).take(128).collect();
    if code.starts_with(|first: char| first.is_ascii_alphabetic()) { code } else { format!("Code{code}") }
}

/// Shortens a text to the longest note of an Event.
pub(crate) fn shorten_note(text: &str) -> String {
    shorten(text, MAX_NOTE_BYTES)
}

fn shorten(text: &str, longest: usize) -> String {
    let mut text = text.to_owned();
    if text.len() > longest {
        let end = (0..=longest - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_notes_are_what_the_api_server_takes() {
        assert_eq!(code("Not authorized!"), "Notauthorized");
        assert_eq!(code("0x87"), "Code0x87");
        assert_eq!(code(""), "Code");
        assert_eq!(shorten("ü".repeat(1_000).as_str(), MAX_NOTE_BYTES).len(), 999);
        assert_eq!(shorten("short", MAX_NOTE_BYTES), "short");
    }
}
