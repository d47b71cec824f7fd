//! Reports missing parts of the bridge on its readiness, and logs each change once.

use std::collections::{BTreeMap, BTreeSet};

pub use intuition_api::part::bridge::{ALL as PARTS, BROKER, PUBLISHER, PUBLISHING, RUNTIME, SUBSCRIPTIONS};
use intuition_common::readiness::Readiness;

/// Reports the parts of one bridge.
pub(crate) struct ReadinessReporter {
    readiness: Readiness,
    account: String,
    /// Missing parts with their reasons.
    missing: BTreeMap<&'static str, String>,
    /// Warnings in force, by part and reason.
    warned: BTreeSet<(&'static str, &'static str)>,
}

impl ReadinessReporter {
    pub(crate) fn new(readiness: Readiness, account: String) -> Self {
        let missing = PARTS.into_iter().map(|part| (part, String::new())).collect();
        Self { readiness, account, missing, warned: BTreeSet::new() }
    }

    pub(crate) fn set_ready(&mut self, part: &'static str) {
        if self.missing.remove(part).is_some() {
            tracing::info!(algo = self.account, part, "part is ready");
            self.readiness.set_ready(part);
        }
    }

    pub(crate) fn set_missing(&mut self, part: &'static str, reason: &str, message: &str) {
        if self.missing.get(part).is_none_or(|known| known != reason) {
            tracing::warn!(algo = self.account, part, reason, "{message}");
            self.missing.insert(part, reason.to_owned());
        }
        self.readiness.set_missing(part, reason, message);
    }

    /// The part is missing for the moment, as expected, so that there is no log line.
    pub(crate) fn set_pending(&mut self, part: &'static str, reason: &str, message: &str) {
        self.missing.insert(part, reason.to_owned());
        self.readiness.set_missing(part, reason, message);
    }

    /// The part works with a restriction.
    pub(crate) fn warn(&mut self, part: &'static str, reason: &'static str, message: &str) {
        if self.warned.insert((part, reason)) {
            tracing::warn!(algo = self.account, part, reason, "{message}");
        }
        self.readiness.warn(part, reason, message);
    }

    /// Clears a warning, if there is one.
    pub(crate) fn clear_warning(&mut self, part: &'static str, reason: &'static str) {
        if self.warned.remove(&(part, reason)) {
            tracing::info!(algo = self.account, part, reason, "warning cleared");
            self.readiness.clear_warning(part, reason);
        }
    }

    /// Warns if there is a message, and clears the warning otherwise.
    pub(crate) fn set_warning(&mut self, part: &'static str, reason: &'static str, message: Option<&str>) {
        match message {
            Some(message) => self.warn(part, reason, message),
            None => self.clear_warning(part, reason),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use documents::{Table, codes, reasons, section};

    /// Sources with the reasons that a bridge gives, beside those in `intuition_api::reason` and the codes of MQTT 5.
    const SOURCES: [&str; 4] = [
        "bridge/src/runtime.rs",
        "mqtt/src/error.rs",
        "bridge/src/subscriptions/error.rs",
        "bridge/src/machine/warnings.rs",
    ];

    /// Reasons of a bridge that does not start.
    const OF_START: [&str; 1] = ["InvalidUrl"];

    #[test]
    fn operations_page_has_a_row_for_every_reason() {
        let page = documents::page("docs/operations.md").unwrap();
        let tables = Table::all(section(&page, "## Conditions"));
        let columns = tables.iter().filter_map(|table| table.column("Reason")).flatten();
        let documented: BTreeSet<_> = columns.flat_map(codes).collect();
        for path in SOURCES {
            let source = documents::page(path).unwrap();
            let lacking: Vec<_> =
                reasons(&source).filter(|reason| !documented.contains(reason) && !OF_START.contains(reason)).collect();
            assert!(lacking.is_empty(), "without a row: {lacking:?} of {path}");
            assert!(reasons(&source).count() > 1, "{path}");
        }
    }
}
