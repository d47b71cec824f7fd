//! The second settings file, beside the one of `--settings`: inputs, which are topic filters and the symbols to take from
//! them (`spec.channels.inputs[]`), and the rule for topics.
//!
//! v0.1.0 refuses a settings file with a member that it does not know, and does not read this one. So each setting that
//! came after v0.1.0 is in here (ADR 0019).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use intuition_api::{
    format::{Format, Violation},
    topic::{check_filter, covers},
    v1,
};
use intuition_common::{civil, duration};
use serde::Deserialize;

use super::topics::TopicRule;
use crate::algorithm::FieldError;

/// Longest symbol, in characters.
const MAX_SYMBOL_CHARS: usize = 64;

/// A topic filter and the symbols to take from its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// MQTT topic filter.
    pub topic: String,
    /// The symbols to take; empty: all.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// The form of its messages; `None`: they are quotes as docs/input.md describes them.
    #[serde(default)]
    pub format: Option<Format>,
    /// Signals about older quotes are denied; `None`: a quote may have any age.
    #[serde(default, deserialize_with = "duration::deserialize_some")]
    pub max_quote_age: Option<Duration>,
    /// Without a quote for so long it is stale; `None`: it never is.
    #[serde(default, deserialize_with = "duration::deserialize_some")]
    pub stale_after: Option<Duration>,
}

/// The second settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    channels: Channels,
    topics: Option<TopicRule>,
}

/// The settings of a second settings file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SecondFile {
    /// Inputs.
    pub inputs: Vec<Input>,
    /// The rule for channels that the algorithm asks for.
    pub topics: Option<TopicRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Channels {
    inputs: Vec<Input>,
}

/// The second settings file beside the first: `settings-2.json` beside `settings.json`.
pub fn second_file(settings: &Path) -> PathBuf {
    let mut name = OsString::from(settings.file_stem().unwrap_or_default());
    name.push("-2");
    if let Some(extension) = settings.extension() {
        name.push(".");
        name.push(extension);
    }
    settings.with_file_name(name)
}

/// Reads the text of a second settings file. A member that this release does not know is an error: without it the account
/// would trade on quotes that the resource leaves out.
pub fn from_second_file(text: &str) -> Result<SecondFile, serde_json::Error> {
    let file: File = serde_json::from_str(text)?;
    Ok(SecondFile { inputs: file.channels.inputs, topics: file.topics })
}

/// Everything that is wrong with inputs of an account with these channels. An input may describe a part of a channel's topics.
pub(super) fn errors(inputs: &[Input], channels: &[String]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut topics = BTreeSet::new();
    for (index, Input { topic, symbols, format, .. }) in inputs.iter().enumerate() {
        let path = format!("channels.inputs[{index}]");
        let mut refuse = |member: &str, message: String| {
            errors.push(FieldError::new(format!("{path}.{member}"), message));
        };
        if let Err(error) = check_filter(topic) {
            refuse("topic", format!("{topic:?} {error}"));
        } else if !topics.insert(topic) {
            refuse("topic", format!("is there twice: {topic:?}"));
        } else if !channels.iter().any(|channel| covers(channel, topic)) {
            refuse("topic", format!("is within none of the channels: {topic:?}"));
        }
        let violations = format.iter().flat_map(|format| format.check(topic, |name| civil::zone(name).is_some()));
        for Violation { path, message } in violations {
            refuse(&if path.is_empty() { "format".to_owned() } else { format!("format.{path}") }, message);
        }
        let mut names = BTreeSet::new();
        for (index, symbol) in symbols.iter().enumerate() {
            let member = format!("symbols[{index}]");
            let length = symbol.chars().take(MAX_SYMBOL_CHARS + 1).count();
            if !(1..=MAX_SYMBOL_CHARS).contains(&length) {
                refuse(&member, format!("must have 1 to {MAX_SYMBOL_CHARS} characters, is {symbol:?}"));
            } else if !names.insert(symbol) {
                refuse(&member, format!("is there twice: {symbol:?}"));
            }
        }
    }
    errors
}

impl From<&Input> for v1::Input {
    fn from(Input { topic, symbols, format, .. }: &Input) -> Self {
        Self { topic: topic.clone(), symbols: symbols.clone(), format: format.as_ref().map(Format::to_wire) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(topic: &str, symbols: &[&str]) -> Input {
        Input {
            topic: topic.to_owned(),
            symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            ..Input::default()
        }
    }

    #[test]
    fn second_file_stands_beside_the_first() {
        for (first, second) in [
            ("/etc/intuition/settings/settings.json", "/etc/intuition/settings/settings-2.json"),
            ("settings.json", "settings-2.json"),
            ("a/b.c.json", "a/b.c-2.json"),
            ("a.d/settings", "a.d/settings-2"),
        ] {
            assert_eq!(second_file(Path::new(first)), Path::new(second), "{first}");
        }
    }

    #[test]
    fn second_file_holds_inputs() {
        let text = r#"{"channels":{"inputs":[{"symbols":["GOOG"],"topic":"quotes/#"},{"topic":"more"}]}}"#;
        assert_eq!(from_second_file(text).unwrap().inputs, [input("quotes/#", &["GOOG"]), input("more", &[])]);
        assert_eq!(from_second_file("{}").unwrap(), SecondFile::default());
    }

    #[test]
    fn second_file_holds_the_ages_of_quotes() {
        let text = r#"{"channels":{"inputs":[{"topic":"a","maxQuoteAge":"90s","staleAfter":"5m"}]}}"#;
        let [input] = from_second_file(text).unwrap().inputs.try_into().unwrap();
        assert_eq!(
            (input.max_quote_age, input.stale_after),
            (Some(Duration::from_secs(90)), Some(Duration::from_mins(5)))
        );
        for wrong in ["5", "0s", "1.5s", "1w"] {
            let text = format!(r#"{{"channels":{{"inputs":[{{"topic":"a","staleAfter":"{wrong}"}}]}}}}"#);
            let error = from_second_file(&text).unwrap_err().to_string();
            assert!(error.contains("such as 90d"), "{error}");
        }
    }

    #[test]
    fn second_file_holds_the_rule_for_topics() {
        let file = from_second_file(r#"{"topics":{"confine":"Enforce","subscribe":["intuition/market/#"]}}"#).unwrap();
        assert!(file.topics.is_some() && file.inputs.is_empty());
        for wrong in [r#"{"topics":{}}"#, r#"{"topics":{"confine":"Maybe"}}"#, r#"{"topics":{"confine":"Warn","x":1}}"#]
        {
            assert!(from_second_file(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn setting_of_a_later_release_is_refused_by_its_name() {
        for (text, name) in [
            (r#"{"trading":{}}"#, "`trading`"),
            (r#"{"channels":{"from":[]}}"#, "`from`"),
            (r#"{"channels":{"inputs":[{"topic":"a","maxAge":"1s"}]}}"#, "`maxAge`"),
            (r#"{"channels":{"inputs":[{"topic":"a","format":{"sid":{"regex":"a"}}}]}}"#, "`regex`"),
            (r#"{"channels":{"inputs":[{"symbols":[]}]}}"#, "`topic`"),
        ] {
            let error = from_second_file(text).unwrap_err().to_string();
            assert!(error.contains(name), "{text}: {error}");
        }
    }

    #[test]
    fn mistakes_of_a_format_are_told_by_their_paths() {
        let text = r#"{"channels":{"inputs":[
            {"topic":"a/+","format":{"sid":{"topicLevel":3},"time":{"pointer":"/t","timeZone":"Mars"}}},
            {"topic":"b","format":{"sid":{"value":"B"},"price":{"pointer":""},"time":{"pointer":"/t","timeZone":"Asia/Tokyo"}}}
        ]}}"#;
        let inputs = from_second_file(text).unwrap().inputs;
        let found = errors(&inputs, &["a/+".to_owned(), "b".to_owned()]);
        let paths: Vec<_> = found.into_iter().map(|error| error.field).collect();
        let format = "channels.inputs[0].format";
        assert_eq!(paths, [format.to_owned(), format!("{format}.sid.topicLevel"), format!("{format}.time.timeZone")]);
    }

    #[test]
    fn every_mistake_is_told_by_its_path() {
        let channels = ["a".to_owned(), "b/#".to_owned(), "#b".to_owned()];
        let sound = [input("b/#", &["GOOG", "goog"]), input("a", &[]), input("b/c", &[])];
        assert_eq!(errors(&sound, &channels), []);
        let long = "é".repeat(65);
        let wrong =
            [input("#b", &["A", "A"]), input("a", &["", long.as_str()]), input("a", &[]), input("other", &["A"])];
        let paths: Vec<_> = errors(&wrong, &channels).into_iter().map(|error| error.field).collect();
        let expected = [
            "channels.inputs[0].topic",
            "channels.inputs[0].symbols[1]",
            "channels.inputs[1].symbols[0]",
            "channels.inputs[1].symbols[1]",
            "channels.inputs[2].topic",
            "channels.inputs[3].topic",
        ];
        assert_eq!(paths, expected);
    }
}
