//! Facts about the requests of a bridge to its connections, for the checker.

use intuition_api::v1;
use intuition_mqtt::{Event, Request};

use super::{Bridge, Done};
use crate::facts::Fact;

impl Bridge {
    /// Keeps acknowledgements that were handed to the connection.
    pub(super) fn note_acks(&mut self, request: &Request) {
        let Request::Acknowledge { epoch, acks } = request else { return };
        if self.acks.0 != *epoch {
            self.acks = (*epoch, Vec::new());
        }
        self.acks.1.extend(acks.iter().map(|ack| ack.number));
    }

    /// Counts the acknowledgements of the current connection in a report to the runtime.
    pub(super) fn note_confirmation(&mut self, report: &v1::Acknowledged, done: &mut Done) {
        let (epoch, numbers) = &self.acks;
        let count = numbers.iter().filter(|number| **number <= report.through).count() as u64;
        if *epoch == report.connection
            && let Some(connection) = self.clients.first().and_then(|client| client.connection_of(*epoch))
        {
            done.confirmed.push((connection, count));
        }
    }

    /// Tells the checker of a publication.
    pub(super) fn note_publication(&mut self, request: &Request, done: &mut Done) {
        if let Request::Publish { token, message, .. } = request {
            let (topic, payload) = (message.topic.clone(), message.payload.clone());
            self.publishing.insert(*token, (topic.clone(), payload.clone()));
            done.facts.push(Fact::Publishing { bridge: self.run, topic, payload });
        }
    }

    /// Tells the checker of a refusal.
    pub(super) fn note_answer(&mut self, event: &Event, done: &mut Done) {
        match event {
            Event::Connected { .. } => self.publishing.clear(),
            Event::Published { token, code } => {
                let publication = self.publishing.remove(token).filter(|_| !code.is_success());
                let bridge = self.run;
                done.facts.extend(publication.map(|(topic, payload)| Fact::RefusedTo { bridge, topic, payload }));
            }
            _ => {}
        }
    }
}
