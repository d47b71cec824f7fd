//! The published messages as JSON, and their topics.

mod joined;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use intuition_api::{
    topic::{IndicatorTopics, OwnTopics},
    v1::{DeadLetter, DeadLetterCause, Decision, Side, outbox_entry::Content},
};
use intuition_common::clock::rfc3339_millis;
use intuition_mqtt::Message;
use serde::Serialize;

use crate::inflight::KEPT_PAYLOAD_BYTES;

pub use self::joined::element;

/// Seconds that the state topic outlives the last refresh of it.
pub const STATE_EXPIRY_SECONDS: u32 = 180;

/// A decision is shorter: its message is written without growing.
const USUAL_BYTES: usize = 512;

/// User property of dead letters, with the account that sends them. Bridges do not read such messages as quotes.
pub const DEAD_LETTER_PROPERTY: &str = "dead-letter";

/// Whether a message with these user properties is a dead letter, of any account.
pub fn is_dead_letter(user_properties: &[(String, String)]) -> bool {
    user_properties.iter().any(|(name, _)| name == DEAD_LETTER_PROPERTY)
}

/// The topic of an outbox entry.
pub fn topic(topics: &OwnTopics, content: &Content) -> String {
    match content {
        Content::Decision(_) => topics.decisions().to_owned(),
        Content::DeadLetter(_) => topics.dead_letter(),
        Content::Publication(publication) => topics.data(&publication.channel),
        // A runtime has them for an indicator alone. An empty topic is refused without being sent.
        Content::Joined(_) => topics.indicator().map(IndicatorTopics::joined).unwrap_or_default(),
    }
}

/// An outbox entry as a message of the account to its topic.
pub fn message(account: &str, topic: &str, content: &Content) -> Message {
    let (payload, user_properties) = match content {
        Content::Decision(decision) => (json(&decision_view(decision)), Vec::new()),
        Content::DeadLetter(letter) => {
            (json(&dead_letter_view(letter)), vec![(DEAD_LETTER_PROPERTY.to_owned(), account.to_owned())])
        }
        Content::Publication(publication) => (publication.payload.clone(), Vec::new()),
        Content::Joined(joined) => (joined::payload(joined), joined::marks(joined)),
    };
    Message { user_properties, ..Message::new(topic.to_owned(), payload) }
}

fn json(value: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    // Text and numbers alone, so that encoding cannot fail.
    serde_json::to_writer(&mut text, value).map_or_else(|_| Bytes::new(), |()| text.into())
}

#[derive(Serialize)]
struct DecisionView<'a> {
    id: &'a str,
    seq: u64,
    algo: &'a str,
    event: &'a str,
    sid: &'a str,
    side: &'static str,
    amount: &'a str,
    quantity: &'a str,
    price: &'a str,
    cash: &'a str,
    time: String,
    /// `manual` where a person sold the holding.
    #[serde(skip_serializing_if = "str::is_empty")]
    origin: &'a str,
}

/// A decision as one line of JSON.
pub fn decision(decision: &Decision) -> Bytes {
    json(&decision_view(decision))
}

fn decision_view(decision: &Decision) -> DecisionView<'_> {
    DecisionView {
        id: &decision.id,
        seq: decision.seq,
        algo: &decision.algo,
        event: &decision.event,
        sid: &decision.sid,
        side: if decision.side() == Side::Sell { "sell" } else { "buy" },
        amount: &decision.amount,
        quantity: &decision.quantity,
        price: &decision.price,
        cash: &decision.cash,
        time: rfc3339_millis(decision.time_micros),
        origin: &decision.origin,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterView<'a> {
    topic: &'a str,
    reason: &'a str,
    message: &'a str,
    /// Every reason with the number of its ticks. Empty from a runtime that sends a letter for each reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<ReasonView<'a>>,
    size: u64,
    sha256: String,
    /// `payload` and `payload_base64` are missing if the first letter of the message has the payload, or if it was too large
    /// for the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    time: String,
}

#[derive(Serialize)]
struct ReasonView<'a> {
    reason: &'a str,
    message: &'a str,
    count: u32,
}

impl<'a> From<&'a DeadLetterCause> for ReasonView<'a> {
    fn from(cause: &'a DeadLetterCause) -> Self {
        Self { reason: &cause.reason, message: &cause.message, count: cause.count }
    }
}

fn dead_letter_view(letter: &DeadLetter) -> DeadLetterView<'_> {
    let cut = letter.payload.get(..KEPT_PAYLOAD_BYTES).unwrap_or(&letter.payload);
    let has_payload = !cut.is_empty() || letter.payload_size == 0;
    let text = text(cut, u64::try_from(cut.len()).is_ok_and(|kept| kept < letter.payload_size));
    DeadLetterView {
        topic: &letter.topic,
        reason: &letter.reason,
        message: &letter.message,
        reasons: letter.causes.iter().map(ReasonView::from).collect(),
        size: letter.payload_size,
        sha256: hex::encode(&letter.payload_sha256),
        payload: text.filter(|_| has_payload),
        payload_base64: text.is_none().then(|| STANDARD.encode(cut)),
        time: rfc3339_millis(letter.time_micros),
    }
}

/// Bytes as text, if they are; a character that was cut in half at the end is left out.
fn text(bytes: &[u8], is_cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

#[derive(Serialize)]
struct StateView<'a> {
    state: &'static str,
    algo: &'a str,
    session: &'a str,
    since: String,
}

/// The message of the state topic: retained, and expired by the broker unless it is refreshed.
pub fn state(topics: &OwnTopics, online: bool, account: &str, session: &str, since_micros: i64) -> Message {
    let state = if online { "online" } else { "offline" };
    let view = StateView { state, algo: account, session, since: rfc3339_millis(since_micros) };
    Message { retain: true, expiry_seconds: Some(STATE_EXPIRY_SECONDS), ..Message::new(topics.state(), json(&view)) }
}

#[derive(Serialize)]
struct WillView<'a> {
    state: &'static str,
    algo: &'a str,
    session: &'a str,
    started: String,
}

/// The state that the broker publishes when the bridge ends without a DISCONNECT. Its text is fixed at the connect and the
/// end is not known then, so it has no `since`; `started` is the time at which the bridge's process started.
pub fn will(topics: &OwnTopics, account: &str, session: &str, started_micros: i64) -> Message {
    let view = WillView { state: "offline", algo: account, session, started: rfc3339_millis(started_micros) };
    Message { retain: true, expiry_seconds: Some(STATE_EXPIRY_SECONDS), ..Message::new(topics.state(), json(&view)) }
}

#[cfg(test)]
mod tests {
    use intuition_api::v1::Publication;

    use super::*;

    fn letter(payload: &[u8], size: u64) -> String {
        let letter = DeadLetter {
            topic: "quotes".to_owned(),
            reason: "NotJson".to_owned(),
            message: "the message is no JSON".to_owned(),
            payload_size: size,
            payload_sha256: vec![0xab; 2].into(),
            payload: payload.to_vec().into(),
            time_micros: 0,
            ..DeadLetter::default()
        };
        String::from_utf8(json(&dead_letter_view(&letter)).to_vec()).unwrap()
    }

    #[test]
    fn a_decision_is_one_line_with_its_members_in_order() {
        let decision_message = Decision {
            id: "default/goog-random/3f9c2a71/17".to_owned(),
            seq: 17,
            algo: "default/goog-random".to_owned(),
            event: "feed/3".to_owned(),
            sid: "GOOG".to_owned(),
            side: Side::Buy.into(),
            amount: "1234.56".to_owned(),
            quantity: "3.57843478".to_owned(),
            price: "345".to_owned(),
            cash: "8765.44".to_owned(),
            time_micros: 1_767_323_045_678_000,
            origin: String::new(),
        };
        let expected = concat!(
            r#"{"id":"default/goog-random/3f9c2a71/17","seq":17,"algo":"default/goog-random","event":"feed/3","#,
            r#""sid":"GOOG","side":"buy","amount":"1234.56","quantity":"3.57843478","price":"345","cash":"8765.44","#,
            r#""time":"2026-01-02T03:04:05.678Z"}"#
        );
        assert_eq!(decision(&decision_message), expected);
        let by_hand = Decision { origin: "manual".to_owned(), ..decision_message };
        let expected = expected.replace(r#"Z"}"#, r#"Z","origin":"manual"}"#);
        assert_eq!(decision(&by_hand), expected);
    }

    #[test]
    fn a_dead_letter_shows_text_as_text_and_bytes_as_base64() {
        let expected = concat!(
            r#"{"topic":"quotes","reason":"NotJson","message":"the message is no JSON","size":2,"sha256":"abab","#,
            r#""payload":"hi","time":"1970-01-01T00:00:00.000Z"}"#
        );
        assert_eq!(letter(b"hi", 2), expected);
        assert!(letter(b"\xff\xfe", 2).contains(r#""payloadBase64":"//4=""#));
    }

    #[test]
    fn dead_letter_counts_its_reasons_and_omits_a_missing_payload() {
        let cause = |reason: &str, count| DeadLetterCause { reason: reason.to_owned(), message: "m".to_owned(), count };
        let letter = DeadLetter {
            topic: "quotes".to_owned(),
            reason: "BadPrice".to_owned(),
            message: "m".to_owned(),
            payload_size: 70_000,
            causes: vec![cause("BadPrice", 3), cause("BadSymbol", 1)],
            ..DeadLetter::default()
        };
        let expected = concat!(
            r#"{"topic":"quotes","reason":"BadPrice","message":"m","reasons":[{"reason":"BadPrice","message":"m","count":3},"#,
            r#"{"reason":"BadSymbol","message":"m","count":1}],"size":70000,"sha256":"","time":"1970-01-01T00:00:00.000Z"}"#
        );
        assert_eq!(String::from_utf8(json(&dead_letter_view(&letter)).to_vec()).unwrap(), expected);
    }

    #[test]
    fn a_dead_letter_is_cut_between_characters() {
        let long = "é".repeat(KEPT_PAYLOAD_BYTES);
        let odd = format!("x{long}");
        let view = letter(odd.as_bytes().get(..KEPT_PAYLOAD_BYTES).unwrap(), odd.len() as u64);
        assert!(view.contains(r#""payload":"x"#), "text stays text");
        assert!(letter("é".as_bytes().get(..1).unwrap(), 1).contains("payloadBase64"), "half a character is not cut");
    }

    #[test]
    fn a_final_state_has_the_time_of_the_end_and_a_will_the_time_of_the_start() {
        let topics = OwnTopics::new("intuition", "ns/a", None);
        let (offline, will) = (state(&topics, false, "ns/a", "0f", 1_000_000), will(&topics, "ns/a", "0f", 1_000_000));
        let shown = |message: &Message| String::from_utf8(message.payload.to_vec()).unwrap();
        let time = r#""1970-01-01T00:00:01.000Z"}"#;
        let start = r#"{"state":"offline","algo":"ns/a","session":"0f","#;
        assert_eq!(shown(&offline), format!(r#"{start}"since":{time}"#));
        assert_eq!(shown(&will), format!(r#"{start}"started":{time}"#));
        assert_eq!((will.topic, will.retain, will.expiry_seconds), (offline.topic, true, offline.expiry_seconds));
    }

    #[test]
    fn every_kind_has_its_topic() {
        let publication = Publication { channel: "sma/fast".to_owned(), payload: Bytes::from_static(b"1") };
        let moved = OwnTopics::new("intuition", "ns/a", Some("trades"));
        assert_eq!(topic(&moved, &Content::Decision(Decision::default())), "trades");
        assert_eq!(topic(&moved, &Content::DeadLetter(DeadLetter::default())), "intuition/ns/a/dead-letter");
        assert_eq!(topic(&moved, &Content::Publication(publication)), "intuition/ns/a/data/sma/fast");
    }

    #[test]
    fn dead_letters_alone_are_marked_with_their_account() {
        let marks = |content| message("ns/a", "t", &content).user_properties;
        let expected = vec![("dead-letter".to_owned(), "ns/a".to_owned())];
        assert_eq!(marks(Content::DeadLetter(DeadLetter::default())), expected);
        assert_eq!(marks(Content::Decision(Decision::default())), []);
        assert_eq!(marks(Content::Publication(Publication::default())), []);
    }
}
