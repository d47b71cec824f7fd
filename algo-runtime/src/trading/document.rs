//! The file `trading-state.json` beside the settings: the causes that a resource asks for.

use std::path::{Path, PathBuf};

use intuition_api::{
    trading::ParseTradingStateError,
    v1::{TradingCause, TradingState},
};
use serde::Deserialize;

use super::{CauseError, RequestedCauses, requested_causes};

/// Name of the file.
const FILE: &str = "trading-state.json";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// uid of the resource.
    pub resource_uid: String,
    /// Generation of the resource.
    pub generation: i64,
    /// All causes that there shall be.
    pub causes: RequestedCauses,
}

/// A text is not such a file.
#[derive(Debug, thiserror::Error)]
pub enum ParseDocumentError {
    /// It is no JSON of the known members.
    #[error("it is no JSON object of the fields resourceUid, generation and causes (cause, state, message)")]
    Json(#[source] serde_json::Error),
    /// A state has another name.
    #[error("the state of the cause {cause:?}")]
    State {
        /// Code of the cause.
        cause: String,
        /// The mistake.
        source: ParseTradingStateError,
    },
    /// A cause cannot be set.
    #[error(transparent)]
    Cause(CauseError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    resource_uid: String,
    generation: i64,
    causes: Vec<FileCause>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileCause {
    cause: String,
    state: String,
    #[serde(default)]
    message: String,
}

impl Document {
    /// The path of the file beside the settings file `settings`.
    pub fn beside(settings: &Path) -> PathBuf {
        settings.with_file_name(FILE)
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Self, ParseDocumentError> {
        let File { resource_uid, generation, causes } = serde_json::from_str(text).map_err(ParseDocumentError::Json)?;
        let mut wire = Vec::with_capacity(causes.len());
        for FileCause { cause, state, message } in causes {
            let state = match state.parse::<TradingState>() {
                Ok(state) => state.into(),
                Err(source) => return Err(ParseDocumentError::State { cause, source }),
            };
            wire.push(TradingCause { cause, state, message, since_micros: 0 });
        }
        Ok(Self { resource_uid, generation, causes: requested_causes(&wire).map_err(ParseDocumentError::Cause)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_its_causes() {
        let text = r#"{"resourceUid":"u","generation":7,"causes":[{"cause":"User","state":"Halted","message":"why"},
            {"cause":"Reduce","state":"Reducing"}]}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!((document.resource_uid.as_str(), document.generation), ("u", 7));
        let causes = [("Reduce", TradingState::Reducing, ""), ("User", TradingState::Halted, "why")];
        let causes = causes.map(|(code, state, message)| (code.to_owned(), (state, message.to_owned())));
        assert_eq!(document.causes, RequestedCauses::from(causes));
        let none = Document::parse(r#"{"resourceUid":"u","generation":7,"causes":[]}"#).unwrap();
        assert!(none.causes.is_empty());
    }

    #[test]
    fn malformed_file_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"resourceUid":"u","generation":7}"#,
            r#"{"resourceUid":"u","generation":7,"causes":[],"more":1}"#,
            r#"{"resourceUid":"u","generation":7,"causes":[{"cause":"User","state":"Paused"}]}"#,
            r#"{"resourceUid":"u","generation":7,"causes":[{"cause":"User","state":"Active"}]}"#,
            r#"{"resourceUid":"u","generation":7,"causes":[{"cause":"MaxDrawdown","state":"Halted"}]}"#,
        ] {
            assert!(Document::parse(text).is_err(), "{text}");
        }
    }
}
