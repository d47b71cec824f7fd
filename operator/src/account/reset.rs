//! The annotation [`RESET_SOURCE`](crate::names::annotation::RESET_SOURCE): sources to reset. Pure.
//!
//! Its value is a JSON object, or a list of them:
//! `{"channel": "quotes", "source": "nyse", "era": 0, "last": 1234}`. A channel and a source may hold any text, which JSON
//! can carry. A reset that names an era and a last number does nothing when it comes again, so that the annotation may
//! stay.

use std::fmt;

use intuition_api::v1::ResetSourceRequest;
use serde::{Deserialize, Serialize};

/// Resets that one annotation may hold.
const MAX_RESETS: usize = 100;
/// Longest text of an error that is shown, bytes. The parser quotes its input.
const MAX_ERROR_BYTES: usize = 200;

/// A source to reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// Topic.
    pub channel: String,
    /// The source's name.
    pub source: String,
    /// The era that it is in, as `intuition sources list` shows it: 0 at first.
    pub era: u64,
    /// The last number that it stands at.
    pub last: i64,
}

impl Reset {
    /// The call that resets the source of an account.
    pub fn request(&self, account: String, resource_uid: String) -> ResetSourceRequest {
        let Self { channel, source, era, last } = self.clone();
        ResetSourceRequest { account, resource_uid, channel, source, era, last }
    }
}

/// As the annotation takes it.
impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Strings and integers always have a JSON form.
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// The resets of the annotation, or the error in its value. Nothing of a value with an error is applied.
pub(crate) type Resets = Result<Vec<Reset>, String>;

/// Reads the annotation's value; without one there is nothing to reset.
pub(crate) fn parse(value: Option<&str>) -> Resets {
    let Some(value) = value else { return Ok(Vec::new()) };
    let is_list = value.trim_start().starts_with('[');
    let parsed = if is_list {
        serde_json::from_str::<Vec<Reset>>(value)
    } else {
        serde_json::from_str::<Reset>(value).map(|reset| vec![reset])
    };
    let resets = parsed.map_err(|error| {
        let mut error = error.to_string();
        error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
        error
    })?;
    if resets.len() > MAX_RESETS {
        return Err(format!("it has {} resets, and at most {MAX_RESETS} are allowed", resets.len()));
    }
    match resets.iter().find(|reset| reset.channel.is_empty() || reset.source.is_empty()) {
        Some(reset) => Err(format!("channel and source must not be empty in {reset}")),
        None => Ok(resets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(channel: &str, source: &str, era: u64, last: i64) -> Reset {
        Reset { channel: channel.to_owned(), source: source.to_owned(), era, last }
    }

    #[test]
    fn a_value_is_an_object_or_a_list_of_them() {
        assert_eq!(parse(None), Ok(Vec::new()));
        let one = r#"{"channel": "quotes", "source": "ny;=se", "era": 0, "last": -3}"#;
        assert_eq!(parse(Some(one)), Ok(vec![reset("quotes", "ny;=se", 0, -3)]));
        let list = format!(r#" [{one}, {{"channel":"é\"","source":"b","era":2,"last":9223372036854775807}}]"#);
        let expected = vec![reset("quotes", "ny;=se", 0, -3), reset("é\"", "b", 2, i64::MAX)];
        assert_eq!(parse(Some(&list)), Ok(expected));
        assert_eq!(parse(Some("[]")), Ok(Vec::new()));
    }

    #[test]
    fn a_value_with_a_mistake_is_refused_as_a_whole() {
        for (value, part) in [
            ("", "EOF"),
            ("quotes", "expected"),
            (r#"{"channel":"quotes","source":"a","era":0}"#, "missing field `last`"),
            (r#"{"channel":"quotes","source":"a","era":0,"last":"9"}"#, "invalid type"),
            (r#"{"channel":"quotes","source":"a","era":-1,"last":9}"#, "invalid value"),
            (r#"{"channel":"quotes","source":"a","era":0,"last":1,"uid":"u"}"#, "unknown field `uid`"),
            (r#"{"channel":"quotes","source":"","era":0,"last":1}"#, "must not be empty"),
            (r#"{"channel":"q","source":"a","era":0,"last":1} x"#, "trailing"),
        ] {
            let error = parse(Some(value)).unwrap_err();
            assert!(error.contains(part), "{value}: {error}");
        }
        let many = format!("[{}]", vec![reset("q", "a", 0, 1).to_string(); MAX_RESETS + 1].join(","));
        assert!(parse(Some(&many)).unwrap_err().contains("101 resets"));
        let long = format!(r#"{{"channel":"quotes","{}":1}}"#, "é".repeat(1_000));
        assert!(parse(Some(&long)).unwrap_err().len() <= MAX_ERROR_BYTES);
    }

    #[test]
    fn what_is_shown_can_be_annotated() {
        let reset = reset("quotes/'\"", "n", 1, 7);
        assert_eq!(parse(Some(&reset.to_string())), Ok(vec![reset]));
    }
}
