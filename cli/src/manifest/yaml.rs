//! Texts for errors in YAML. Those of the parser are about its options and types, for programmers.

use std::borrow::Cow;

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// The error with its line and column.
pub(super) fn describe(error: &Error) -> String {
    error.without_snippet().render_with_formatter(&Words)
}

struct Words;

impl MessageFormatter for Words {
    fn format_message<'a>(&self, error: &'a Error) -> Cow<'a, str> {
        let text = match error {
            Error::DuplicateMappingKey { key: Some(key), .. } => return format!("duplicate member {key:?}").into(),
            Error::DuplicateMappingKey { key: None, .. } => "duplicate member",
            Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias refers to a node that holds the alias",
            Error::UnknownAnchor { .. } => "an alias refers to an anchor that is not there",
            Error::Budget { .. }
            | Error::AliasReplayCounterOverflow { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. } => "the document is too large for a manifest",
            Error::NonFiniteFloat { value, .. } => return format!("{value} is not a finite number").into(),
            Error::MergeValueNotMapOrSeqOfMaps { .. } => "<< takes an object or a list of objects",
            Error::NullIntoString { .. } => "the name of a member is null",
            Error::Unexpected { expected: "string scalar", .. } => "the name of a member is not a text",
            Error::InvalidBinaryBase64 { .. } => "!!binary takes Base64",
            Error::Message { msg, .. } | Error::ExternalMessage { msg, .. } if msg.contains("recursion limit") => {
                "the document is nested too deeply"
            }
            other => return UserMessageFormatter.format_message(other),
        };
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        describe(&serde_saphyr::from_multiple::<serde_json::Value>(text).unwrap_err())
    }

    #[test]
    fn what_is_wrong_is_described_for_the_author_of_a_manifest() {
        let laughs = ["bc", "cd", "de", "ef", "fg", "gh", "hi"].map(|names| {
            let (from, to) = names.split_at(1);
            format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(","))
        });
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", "duplicate member \"a\" at line 3, column 1"),
            ("a: &x [*x]\n", "an alias refers to a node that holds the alias at line 1"),
            ("a: *x\n", "an alias refers to an anchor that is not there at line 1, column 4"),
            ("a: .nan\n", ".nan is not a finite number at line 1, column 4"),
            ("<<: 5\n", "<< takes an object or a list of objects at line 1"),
            ("~: 1\n", "the name of a member is null at line 1"),
            ("? [a, b]\n: 1\n", "the name of a member is not a text at line 1"),
            ("a: !!binary \"%\"\n", "!!binary takes Base64 at line 1"),
            ("a: [1}\n", "mismatched bracket '[' closed by '}' at line 1, column 4"),
            (
                &format!("b: &b [{}]\n{}", ["lol"; 9].join(","), laughs.concat()),
                "the document is too large for a manifest",
            ),
            (&format!("a: [{}1]\n", "1,".repeat(400_000)), "the document is too large for a manifest at line 1"),
            (
                &format!("a: {}{}\n", "[".repeat(3_000), "]".repeat(3_000)),
                "the document is nested too deeply at line 1",
            ),
        ] {
            let words = told(text);
            assert!(words.starts_with(expected), "{expected}: {words}");
        }
    }

    #[test]
    fn characters_that_steer_a_terminal_are_escaped_in_names() {
        let words = told("\"a\\e\": 1\n\"a\\e\": 2\n");
        assert!(!words.contains('\u{1b}'), "{words:?}");
    }
}
