//! A consumer of decisions: receives each at least once, and drops repetitions by `id`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::facts::Fact;

/// A consumer that subscribes to the decisions of an account.
#[derive(Debug)]
pub struct Consumer {
    topic: String,
    ids: BTreeSet<String>,
    repetitions: u64,
}

impl Consumer {
    /// A consumer that has received nothing. `topic`: where the decisions are published.
    pub const fn new(topic: String) -> Self {
        Self { topic, ids: BTreeSet::new(), repetitions: 0 }
    }

    /// Hands a [`Fact::Publication`] over, perhaps a second time. Returns [`Fact::Consumed`] for a decision whose `id` is new,
    /// and for a payload without an `id`.
    pub fn take(&mut self, publication: &Fact) -> Option<Fact> {
        let Fact::Publication { topic, payload, .. } = publication else { return None };
        if *topic != self.topic {
            return None;
        }
        let read: Option<Value> = serde_json::from_slice(payload).ok();
        if let Some(id) = read.as_ref().and_then(|decision| decision.get("id")).and_then(Value::as_str)
            && !self.ids.insert(id.to_owned())
        {
            self.repetitions += 1;
            return None;
        }
        Some(Fact::Consumed { topic: topic.clone(), payload: payload.clone() })
    }

    /// Decisions that were received again.
    pub const fn repetitions(&self) -> u64 {
        self.repetitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(topic: &str, payload: &'static str) -> Fact {
        Fact::Publication { topic: topic.to_owned(), payload: payload.into(), user_properties: Vec::new() }
    }

    #[test]
    fn each_decision_is_consumed_once() {
        let mut consumer = Consumer::new("decisions".to_owned());
        let (first, second) = (publication("decisions", r#"{"id": "a"}"#), publication("decisions", r#"{"id": "b"}"#));
        assert!(consumer.take(&first).is_some());
        assert!(consumer.take(&second).is_some());
        assert!(consumer.take(&first).is_none());
        assert_eq!(consumer.repetitions(), 1);
    }

    #[test]
    fn other_topics_are_none_of_its_business() {
        let mut consumer = Consumer::new("decisions".to_owned());
        assert!(consumer.take(&publication("state", r#"{"id": "a"}"#)).is_none());
        assert!(consumer.take(&Fact::BrokerWentBack).is_none());
    }

    #[test]
    fn a_payload_without_an_id_is_shown() {
        let mut consumer = Consumer::new("decisions".to_owned());
        assert!(consumer.take(&publication("decisions", "no JSON")).is_some());
    }
}
