//! Events of the two connections to the broker.

use intuition_api::v1::{Holding, process_request};
use intuition_common::{clock::Now, exit::with_causes};
use intuition_mqtt::Event;
use tokio::time::Instant;

use super::{Machine, runtime_stream::RuntimeStream, warnings};
use crate::{
    metrics::link::{PUBLISHING, SUBSCRIBING},
    readiness,
    subscriptions::Step,
};

impl Machine {
    pub(super) fn on_subscriber(&mut self, event: Event, now: Now) {
        let Now { instant: now, micros } = now;
        match event {
            Event::Connected { epoch, asked, session_present, capabilities } => {
                self.metrics.connected(SUBSCRIBING);
                self.readiness.set_ready(readiness::BROKER);
                self.broker.connected(&capabilities, &mut self.readiness);
                if !session_present {
                    // Packet ids begin anew: nothing may reach the runtime as if it were of the session before.
                    self.stream.lose_broker_session(asked, now, &mut self.actions);
                    self.subscriber.subscriptions.stream_ended();
                    self.loss_reported = self.had_session;
                    if self.had_session {
                        self.report_loss(now);
                    }
                }
                self.had_session = self.keeps_session;
                let takes_identifiers = capabilities.subscription_ids;
                let steps =
                    self.subscriber.connected(epoch, session_present, takes_identifiers, (asked, &self.metrics));
                self.stream.allow();
                if self.stream.is_standing_down(now) {
                    self.subscriber.stand_down(&mut self.actions);
                }
                self.perform(steps);
            }
            Event::Disconnected(error) => {
                self.metrics.inbound.disconnected(SUBSCRIBING, error.reason());
                self.readiness.set_missing(readiness::BROKER, error.reason(), &with_causes(&error));
                self.subscriber.disconnected();
            }
            Event::Message(message) => self.subscriber.take(message, micros, &self.metrics),
            Event::Subscribed { token, code } => {
                let steps = self.subscriber.subscriptions.subscribed(token, code);
                self.perform(steps);
            }
            Event::Unsubscribed { token, code } => {
                let steps = self.subscriber.subscriptions.unsubscribed(token, code);
                self.perform(steps);
            }
            Event::AcksWritten { epoch, through } => {
                self.subscriber.written(epoch, through, micros, &self.metrics);
            }
            Event::AcksConfirmed { epoch, through } => self.stream.acknowledged(epoch, through, &mut self.actions),
            Event::Published { .. } => {}
        }
        self.subscriber.update_readiness_and_retry(&mut self.readiness, now);
    }

    pub(super) fn on_publisher(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected { epoch, capabilities, .. } => {
                self.metrics.connected(PUBLISHING);
                if !warnings::of_publisher(&capabilities, &mut self.readiness) {
                    return;
                }
                self.publisher.connected(epoch, capabilities, now);
                if self.stream.is_standing_down(now) {
                    self.publisher.stand_down(&mut self.actions);
                }
            }
            Event::Disconnected(error) => {
                self.metrics.inbound.disconnected(PUBLISHING, error.reason());
                self.readiness.set_missing(readiness::PUBLISHER, error.reason(), &with_causes(&error));
                self.publisher.disconnected(&error, &mut self.readiness, &self.metrics, now);
            }
            Event::Published { token, code } => {
                self.publisher.answered(token, code, &mut self.readiness, &self.metrics, now);
            }
            Event::Message(_)
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::AcksWritten { .. }
            | Event::AcksConfirmed { .. } => {}
        }
    }

    /// The broker has no session, although it was to keep one.
    pub(super) fn report_loss(&mut self, now: Instant) {
        let RuntimeStream { broker_url, client_id, .. } = &self.stream;
        self.metrics.sessions_lost.inc();
        tracing::warn!(broker = broker_url, client_id, "{}", warnings::SESSION_LOST);
        self.broker.lost_session(now, &mut self.readiness);
    }

    pub(super) fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Hold(filters) => {
                    let holding = process_request::Message::Holding(Holding { filters });
                    self.stream.send(holding, &mut self.actions);
                }
                Step::Mark(channels_version) => self.subscriber.inflight.mark(channels_version),
                Step::Subscribe { token, filter } => self.actions.push(self.subscriber.subscribe(token, filter)),
                Step::Unsubscribe { token, filter } => self.actions.push(self.subscriber.unsubscribe(token, filter)),
            }
        }
    }
}
