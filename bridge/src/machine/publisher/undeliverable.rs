//! Undeliverable topics: a warning, a log line for each topic, a counter.

use std::{collections::BTreeSet, sync::Arc};

use intuition_api::reason::UNDELIVERABLE;

use crate::{
    metrics::Metrics,
    outbox::Outbox,
    readiness::{self, ReadinessReporter},
};

use super::Outgoing;

/// Topics with a label of their own. An algorithm may publish to any number of them.
const MAX_LABELLED_TOPICS: usize = 100;
/// Label of further topics.
const OTHER: &str = "other";
/// Topics that the warning names.
const MAX_NAMED_TOPICS: usize = 5;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Undeliverable {
    labelled: BTreeSet<Arc<str>>,
}

impl Undeliverable {
    /// An entry was given up.
    pub(super) fn count(&mut self, topic: &Arc<str>, code: &'static str, metrics: &Metrics) {
        if self.labelled.len() < MAX_LABELLED_TOPICS {
            self.labelled.insert(Arc::clone(topic));
        }
        metrics.undeliverable(if self.labelled.contains(topic) { topic } else { OTHER }, code);
    }

    /// The entries of a topic are given up from now on, for this reason.
    pub(super) fn begin(account: &str, topic: &str, code: &'static str) {
        tracing::warn!(
            algo = account,
            topic,
            reason = code,
            "the broker does not take messages for this topic: they are given up; check the access rules and limits of the broker"
        );
    }

    /// The broker takes messages for a topic again.
    pub(super) fn end(account: &str, topic: &str) {
        tracing::info!(algo = account, topic, "the broker takes messages for this topic again");
    }

    /// Warns of all topics that are undeliverable now.
    pub(super) fn show(outbox: &Outbox<Outgoing>, readiness: &mut ReadinessReporter) {
        let topics = outbox.undeliverable();
        let count = topics.len();
        if count == 0 {
            readiness.clear_warning(readiness::PUBLISHING, UNDELIVERABLE);
            return;
        }
        let named: Vec<String> =
            topics.take(MAX_NAMED_TOPICS).map(|(topic, code)| format!("`{topic}` ({code})")).collect();
        let more =
            if count > MAX_NAMED_TOPICS { format!(" and {} more", count - MAX_NAMED_TOPICS) } else { String::new() };
        let message = format!("the broker does not take messages for {}{more}: they are given up", named.join(", "));
        readiness.warn(readiness::PUBLISHING, UNDELIVERABLE, &message);
    }
}
