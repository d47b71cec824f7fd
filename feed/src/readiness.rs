//! The parts of a feed on its `/readyz`, and the log of their changes.

use std::collections::BTreeMap;

use intuition_common::readiness::Readiness;

/// The connection to the broker.
pub const BROKER: &str = "broker";
/// The position at the broker is known.
pub const POSITION: &str = "position";
/// The source gives quotes.
pub const SOURCE: &str = "source";
/// The broker takes quotes.
pub const PUBLISHING: &str = "publishing";
/// All of them, the causes before their consequences.
pub const PARTS: [&str; 4] = [BROKER, POSITION, SOURCE, PUBLISHING];

/// Reports the parts of one feed, and logs each change once.
pub(crate) struct Reporter {
    readiness: Readiness,
    feed: String,
    /// Missing parts with their reasons.
    missing: BTreeMap<&'static str, String>,
    /// Warnings in force.
    warnings: BTreeMap<(&'static str, &'static str), String>,
}

impl Reporter {
    /// `readiness` was made with [`PARTS`].
    pub(crate) fn new(readiness: Readiness, feed: &str) -> Self {
        let missing = PARTS.into_iter().map(|part| (part, "Starting".to_owned())).collect();
        Self { readiness, feed: feed.to_owned(), missing, warnings: BTreeMap::new() }
    }

    pub(crate) fn ready(&mut self, part: &'static str) {
        if self.missing.remove(part).is_some() {
            tracing::info!(feed = self.feed, part, "ready");
            self.readiness.set_ready(part);
        }
    }

    pub(crate) fn missing(&mut self, part: &'static str, reason: &str, message: &str) {
        self.readiness.set_missing(part, reason, message);
        if self.missing.insert(part, reason.to_owned()).is_none_or(|known| known != reason) {
            tracing::warn!(feed = self.feed, part, reason, "not ready: {message}");
        }
    }

    pub(crate) fn warn(&mut self, part: &'static str, reason: &'static str, message: &str) {
        self.readiness.warn(part, reason, message);
        if self.warnings.insert((part, reason), message.to_owned()).is_none() {
            tracing::warn!(feed = self.feed, part, reason, "{message}");
        }
    }

    pub(crate) fn clear_warning(&mut self, part: &'static str, reason: &'static str) {
        if self.warnings.remove(&(part, reason)).is_some() {
            self.readiness.clear_warning(part, reason);
            tracing::info!(feed = self.feed, part, reason, "no longer");
        }
    }

    /// Logs a gap.
    pub(crate) fn gap(&self, source: &str, first: u64, last: u64) {
        tracing::warn!(feed = self.feed, source, first, last, "numbers of the source are missing");
    }

    /// Logs rows that came late.
    pub(crate) fn late(&self, source: &str, numbers: &str) {
        tracing::warn!(feed = self.feed, source, numbers, "rows came late and are not published");
    }
}
