//! The published form of the outbox's entries, as text of this checker: the same for a row of the ledger and for what
//! was published of it.

use algo_runtime::ledger::{EntryKind, JournalEntry};
use intuition_api::v1::DeadLetter;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::amounts::timestamp;

/// A decision of the ledger.
pub(super) fn decision(account: &str, id: &str, entry: &JournalEntry) -> String {
    let Some(trade) = &entry.trade else { return String::new() };
    let fields = [
        ("id", id.to_owned()),
        ("seq", trade.seq.to_string()),
        ("algo", account.to_owned()),
        ("event", trade.event.clone()),
        ("sid", trade.sid.clone()),
        ("side", if entry.kind == EntryKind::Sell { "sell" } else { "buy" }.to_owned()),
        ("amount", entry.amount.to_string()),
        ("quantity", trade.quantity.to_string()),
        ("price", trade.price.to_string()),
        ("cash", entry.cash.to_string()),
        ("time", timestamp(trade.time_micros)),
        ("origin", if trade.manual { "manual" } else { "" }.to_owned()),
    ];
    form("decision", &fields)
}

/// A dead letter of the ledger.
pub(super) fn letter(letter: &DeadLetter) -> String {
    let reasons: Vec<(String, u64)> =
        letter.causes.iter().map(|cause| (cause.reason.clone(), u64::from(cause.count))).collect();
    letter_form(
        &letter.topic,
        letter.payload_size,
        &hex::encode(&letter.payload_sha256),
        &letter.reason,
        &reasons,
        &timestamp(letter.time_micros),
    )
}

/// An algorithm's own message.
pub(super) fn data(channel: &str, payload: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(payload));
    form("data", &[("channel", channel.to_owned()), ("sha256", hash)])
}

/// The form of a publication; `None` for the state of the bridge.
pub(super) fn published(topic: &str, payload: &[u8]) -> Option<String> {
    if topic.ends_with("/state") {
        return None;
    }
    if let Some((_, channel)) = topic.split_once("/data/") {
        return Some(data(channel, payload));
    }
    let value: Value = serde_json::from_slice(payload).unwrap_or_default();
    let text = |name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if topic.ends_with("/dead-letter") {
        let reasons = value.get("reasons").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let reasons: Vec<(String, u64)> = reasons
            .iter()
            .map(|cause| {
                let reason = cause.get("reason").and_then(Value::as_str).unwrap_or_default();
                (reason.to_owned(), cause.get("count").and_then(Value::as_u64).unwrap_or_default())
            })
            .collect();
        let size = value.get("size").and_then(Value::as_u64).unwrap_or_default();
        return Some(letter_form(&text("topic"), size, &text("sha256"), &text("reason"), &reasons, &text("time")));
    }
    let names = ["id", "seq", "algo", "event", "sid", "side", "amount", "quantity", "price", "cash", "time", "origin"];
    Some(form("decision", &names.map(|name| (name, text(name)))))
}

/// Whether decisions go to a topic, which may have any name.
pub(super) fn is_decisions(topic: &str) -> bool {
    !topic.ends_with("/state") && !topic.ends_with("/dead-letter") && !topic.contains("/data/")
}

/// A text as it stands in a form.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn letter_form(topic: &str, size: u64, hash: &str, reason: &str, reasons: &[(String, u64)], time: &str) -> String {
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} x {reason:?}")).collect();
    let fields = [
        ("topic", topic.to_owned()),
        ("size", size.to_string()),
        ("sha256", hash.to_owned()),
        ("reason", reason.to_owned()),
        ("time", time.to_owned()),
    ];
    format!("{}, reasons {}", form("dead letter", &fields), reasons.join(", "))
}

fn form(kind: &str, fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
    format!("{kind}: {}", fields.join(", "))
}
