//! Limits of the service `Algorithm`, which every server of an algorithm and every client of one keeps. docs/contract.md has them in a
//! table, and the SDK for Python in `limits.py`; tests compare both with these.

/// Name or version of an algorithm, characters.
pub const MAX_NAME_CHARS: usize = 64;
/// JSON Schema of the parameters, bytes.
pub const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// Objects and arrays of that schema. A part behind a reference counts at each reference.
pub const MAX_SCHEMA_PARTS: usize = 4_096;
/// Levels of objects and arrays of that schema, through its references.
pub const MAX_SCHEMA_LEVELS: usize = 128;
/// Patterns of that schema.
pub const MAX_SCHEMA_PATTERNS: usize = 64;
/// Any message, bytes in its encoded form.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// State of an algorithm, bytes.
pub const MAX_STATE_BYTES: usize = 1 << 20;
/// Events of one batch.
pub const MAX_EVENTS_PER_BATCH: usize = 256;
/// Signals of one event.
pub const MAX_SIGNALS_PER_EVENT: usize = 64;
/// Publications of one batch.
pub const MAX_PUBLICATIONS_PER_BATCH: usize = 1_000;
/// Payload of a publication, bytes.
pub const MAX_PUBLICATION_BYTES: usize = 256 << 10;
/// Channels of an algorithm.
pub const MAX_CHANNELS: usize = 64;
/// Channel of a publication, or topic filter, bytes.
pub const MAX_CHANNEL_BYTES: usize = 256;
/// Refusal, or rejection of a quote, bytes. A longer one is cut.
pub const MAX_SENTENCE_BYTES: usize = 1_024;
/// Text of a server in an error or a condition, characters. A longer one is cut.
pub const MAX_ERROR_CHARS: usize = 512;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn file(path: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn mib(bytes: usize) -> String {
        format!("{} MiB", bytes >> 20)
    }

    fn kib(bytes: usize) -> String {
        format!("{} KiB", bytes >> 10)
    }

    fn grouped(number: usize) -> String {
        format!("{},{:03}", number / 1_000, number % 1_000)
    }

    #[test]
    fn the_table_of_the_contract_has_these_limits() {
        let contract = file("docs/contract.md");
        for (row, limit) in [
            ("name, version", format!("{MAX_NAME_CHARS} characters")),
            ("refusal, `reject`", format!("{} bytes", grouped(MAX_SENTENCE_BYTES))),
            ("a message", mib(MAX_MESSAGE_BYTES)),
            ("state", mib(MAX_STATE_BYTES)),
            ("events of a batch", format!("{MAX_EVENTS_PER_BATCH} |")),
            ("signals of an event", format!("{MAX_SIGNALS_PER_EVENT} |")),
            ("publications of a batch", format!("{}, of ", grouped(MAX_PUBLICATIONS_PER_BATCH))),
            ("publications of a batch", format!(" {} each", kib(MAX_PUBLICATION_BYTES))),
            ("publications of a batch", format!("channel of {MAX_CHANNEL_BYTES} bytes")),
            ("channels", format!("1 to {MAX_CHANNELS} filters, {MAX_CHANNEL_BYTES} bytes each")),
            ("schema", kib(MAX_SCHEMA_BYTES)),
            ("schema", format!("{} objects and arrays", grouped(MAX_SCHEMA_PARTS))),
            ("schema", format!("{MAX_SCHEMA_LEVELS} levels and {MAX_SCHEMA_PATTERNS} patterns")),
        ] {
            let beginning = format!("| {row} |");
            let line = contract.lines().find(|line| line.starts_with(&beginning)).unwrap_or_default();
            assert!(line.contains(&limit), "{row}: {limit:?} is not in {line:?}");
        }
    }

    #[test]
    fn the_sdk_for_python_has_these_limits() {
        let sdk = file("sdk/python/src/intuition_algo/limits.py");
        let value = |name: &str| {
            let beginning = format!("{name} = ");
            let text = sdk.lines().find_map(|line| line.strip_prefix(&beginning)).unwrap_or_default();
            let factors = text.split(" * ").map(str::parse::<usize>);
            factors.product::<Result<usize, _>>().unwrap_or_else(|error| panic!("{name} = {text}: {error}"))
        };
        for (name, limit) in [
            ("MAX_NAME", MAX_NAME_CHARS),
            ("MAX_STATE", MAX_STATE_BYTES),
            ("MAX_MESSAGE", MAX_MESSAGE_BYTES),
            ("MAX_CHANNELS", MAX_CHANNELS),
            ("MAX_CHANNEL_BYTES", MAX_CHANNEL_BYTES),
            ("MAX_EVENTS", MAX_EVENTS_PER_BATCH),
            ("MAX_SIGNALS", MAX_SIGNALS_PER_EVENT),
            ("MAX_PUBLICATIONS", MAX_PUBLICATIONS_PER_BATCH),
            ("MAX_PAYLOAD", MAX_PUBLICATION_BYTES),
            ("MAX_SCHEMA", MAX_SCHEMA_BYTES),
            ("MAX_SENTENCE_BYTES", MAX_SENTENCE_BYTES),
        ] {
            assert_eq!(value(name), limit, "{name}");
        }
        assert!(value("MAX_STATUS") >= MAX_ERROR_CHARS, "the runtime shows so much of an error");
    }
}
