//! The form of an answer.

use clap::ValueEnum;

/// How a command shows its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For people.
    Text,
    /// For programs: one JSON object, on one line.
    Json,
}
