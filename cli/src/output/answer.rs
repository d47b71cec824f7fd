//! The form of an answer.

use clap::ValueEnum;

/// Format of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// Text for people.
    Text,
    /// One JSON object, on one line.
    Json,
}
