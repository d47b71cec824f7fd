//! The connection that quotes come on.

mod copies;
mod lost;

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use intuition_api::{
    reason::SUBSCRIBING,
    v1::{Delivery, Filter},
};
use intuition_common::{
    backoff::Backoff,
    planted::{self, Mistake},
};
use intuition_mqtt::{Incoming, Request};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use self::{copies::Copies, lost::LostSessions};
use super::{Action, seeds::Seeds, warnings};
use crate::{
    config::Limits,
    inflight::{Arrival, Inflight, KEPT_PAYLOAD_BYTES, cost},
    message::{Envelope, Inputs, OnTopic},
    metrics::Metrics,
    readiness::{self, ReadinessReporter},
    render,
    subscriptions::{Step, SubscriptionError, Subscriptions},
};

/// Bound on remembered connections. More are in flight only if each brings messages and ends before an outcome.
const MAX_CONNECTION_TIMES: usize = 16;

pub(super) struct QuoteSubscriber {
    epoch: u64,
    /// The last connections with the times of their CONNECT, oldest first.
    asked: VecDeque<(u64, Instant)>,
    /// The first connection of the broker's session.
    session_since: u64,
    /// The sessions before, which the broker has lost.
    lost: LostSessions,
    copies: Copies,
    /// The filters of the session are known: it began on a connection of this process, or the runtime has named those that it
    /// holds and those that are wanted. Nothing is sent before.
    knows_filters: bool,
    pub(super) inflight: Inflight,
    /// Bytes of the largest delivery in its encoded form.
    delivery_bytes: usize,
    pub(super) subscriptions: Subscriptions,
    /// The broker supports Subscription Identifiers.
    takes_identifiers: bool,
    /// The subscriptions were settled at the last report.
    is_settled: bool,
    /// The inputs of the current channels: each message is read by those in force when it arrives.
    pub(super) inputs: Inputs,
    backoff: Backoff,
    /// The time of the next attempt at refused subscriptions.
    retry_at: Option<Instant>,
}

impl QuoteSubscriber {
    /// `own`: the account's own topics, which must not be subscribed to. The seeds have that of the pauses, and the
    /// number before the first subscription identifier.
    pub(super) fn new(own: Vec<String>, limits: &Limits, seeds: &Seeds) -> Self {
        Self {
            epoch: 0,
            asked: VecDeque::new(),
            session_since: 0,
            lost: LostSessions::default(),
            copies: Copies::default(),
            knows_filters: false,
            inflight: Inflight::new(limits.unacknowledged),
            delivery_bytes: limits.delivery_bytes,
            subscriptions: Subscriptions::new(own, seeds.subscription_id),
            takes_identifiers: true,
            is_settled: false,
            inputs: Inputs::default(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30), seeds.subscriber),
            retry_at: None,
        }
    }

    pub(super) fn connected(
        &mut self,
        epoch: u64,
        session_present: bool,
        takes_identifiers: bool,
        (asked, metrics): (Instant, &Metrics),
    ) -> Vec<Step> {
        self.epoch = epoch;
        self.asked.push_back((epoch, asked));
        if self.asked.len() > MAX_CONNECTION_TIMES {
            self.asked.pop_front();
        }
        self.takes_identifiers = takes_identifiers;
        self.inflight.connected(epoch, session_present);
        let steps = self.subscriptions.connected(session_present);
        if !session_present {
            let since = std::mem::replace(&mut self.session_since, epoch);
            self.lost.push(since, self.subscriptions.take_lost());
            let lost = &mut self.lost;
            self.inflight.settle_copies(|arrival| {
                // Those of earlier sessions were looked at when the broker lost them.
                let is_copy = (since..epoch).contains(&arrival.epoch) && lost.is_copy(arrival);
                if is_copy {
                    metrics.overlaps.inc();
                }
                is_copy
            });
            self.knows_filters = true;
        }
        steps
    }

    /// The runtime names the filters that the session holds. `restored`: by a ledger that has gone back. `takes_indicators`: it takes
    /// values of indicators.
    pub(super) fn stream_opened(&mut self, held: Vec<Filter>, restored: bool, takes_indicators: bool) {
        self.inflight.stream_opened();
        self.inflight.runtime_takes_indicators(takes_indicators);
        self.subscriptions.opened(held, restored);
    }

    /// The runtime names the wanted filters. The first time, messages that arrived earlier are checked for copies now.
    pub(super) fn wanted(&mut self, version: u64, filters: Vec<String>, metrics: &Metrics) -> Vec<Step> {
        let steps = self.subscriptions.wanted(version, filters);
        if !std::mem::replace(&mut self.knows_filters, true) {
            self.settle_copies(metrics);
        }
        steps
    }

    fn settle_copies(&mut self, metrics: &Metrics) {
        let (copies, subscriptions) = (&mut self.copies, &self.subscriptions);
        self.inflight.settle_copies(|arrival| {
            let is_copy = copies.is_copy(arrival, subscriptions);
            if is_copy {
                metrics.overlaps.inc();
            }
            is_copy
        });
    }

    pub(super) fn disconnected(&mut self) {
        self.inflight.disconnected();
        self.subscriptions.disconnected();
    }

    /// Another bridge delivered at this time. Connections with an earlier CONNECT are dead, noticed or not.
    pub(super) fn superseded(&mut self, at: Instant, actions: &mut Vec<Action>) {
        let Some((through, _)) = self.asked.iter().rev().find(|(_, asked)| *asked <= at).copied() else { return };
        self.inflight.superseded(through);
        if through == self.epoch {
            self.renew(actions);
        }
    }

    /// Connects again, so that the broker redelivers unacknowledged messages.
    pub(super) fn renew(&self, actions: &mut Vec<Action>) {
        actions.push(Action::Subscribing(Request::Renew { epoch: self.epoch }));
    }

    /// Leaves the broker's session to the bridge that has taken over.
    pub(super) fn stand_down(&self, actions: &mut Vec<Action>) {
        actions.push(Action::Subscribing(Request::StandDown { epoch: self.epoch }));
    }

    pub(super) fn take(&mut self, message: Incoming, now_micros: i64, metrics: &Metrics) {
        metrics.inbound.received(message.payload.len(), message.duplicate);
        if message.retained && !planted::is(Mistake::RetainedTraded) {
            metrics.retained.inc();
            self.inflight.pass(message.epoch, message.packet_id, now_micros);
            return;
        }
        // A letter that came back as a quote would become a letter again, without end.
        if render::is_dead_letter(&message.user_properties) && !planted::is(Mistake::DeadLettersRead) {
            metrics.dead_letters_passed.inc();
            self.inflight.pass(message.epoch, message.packet_id, now_micros);
            return;
        }
        let envelope = Envelope {
            payload: &message.payload,
            user_properties: &message.user_properties,
            input: OnTopic::default(),
            arrived_micros: now_micros,
        };
        // The topic is borrowed for the reading alone: it goes on with the arrival.
        let parsed = Envelope { input: self.inputs.on(&message.topic), ..envelope }.parse();
        metrics.read(parsed.notes);
        // No symbol of the message has a price now.
        if parsed.ticks.is_empty() {
            self.inflight.pass(message.epoch, message.packet_id, now_micros);
            return;
        }
        let arrival = Arrival {
            epoch: message.epoch,
            packet_id: message.packet_id,
            duplicate: message.duplicate && !planted::is(Mistake::DupDropped),
            marks: envelope.marks(),
            ticks: parsed.ticks,
            envelope_sha256: envelope.sha256(),
            topic: message.topic,
            subscription_ids: message.subscription_ids,
            payload_sha256: Sha256::digest(&message.payload).into(),
            payload_size: message.payload.len(),
            payload: kept(&message.payload),
            arrived_micros: now_micros,
        };
        // Checked on arrival: a filter may be gone when the message is sent.
        let is_copy = if arrival.epoch < self.session_since {
            self.lost.is_copy(&arrival)
        } else {
            self.knows_filters && self.copies.is_copy(&arrival, &self.subscriptions)
        };
        if is_copy {
            metrics.overlaps.inc();
            self.inflight.pass(arrival.epoch, arrival.packet_id, now_micros);
            return;
        }
        self.inflight.push(fitting(arrival, &envelope, self.delivery_bytes));
    }

    pub(super) fn next_batch(&mut self, limits: &Limits) -> Vec<Delivery> {
        if !self.knows_filters || self.inflight.under_way() >= limits.batches * limits.batch_bytes {
            return Vec::new();
        }
        self.inflight.next_batch(limits.batch_deliveries, limits.batch_bytes)
    }

    /// `is_done`: whether all outbox positions of a range are done.
    pub(super) fn acknowledge(&mut self, is_done: impl Fn(u64, u64) -> bool, actions: &mut Vec<Action>) {
        let acks = self.inflight.acknowledge(is_done);
        if !acks.is_empty() {
            actions.push(Action::Subscribing(Request::Acknowledge { epoch: self.epoch, acks }));
        }
    }

    /// PUBACKs up to that of a delivery were written to the socket.
    pub(super) fn written(&mut self, epoch: u64, through: u64, now_micros: i64, metrics: &Metrics) {
        self.inflight.written(epoch, through);
        for arrived_micros in self.inflight.take_acknowledged() {
            metrics.inbound.acknowledged(now_micros.saturating_sub(arrived_micros));
        }
    }

    pub(super) fn subscribe(&self, token: u64, filter: Filter) -> Action {
        let Filter { filter, subscription_id } = filter;
        Action::Subscribing(Request::Subscribe { epoch: self.epoch, token, filter, subscription_id })
    }

    pub(super) const fn unsubscribe(&self, token: u64, filter: String) -> Action {
        Action::Subscribing(Request::Unsubscribe { epoch: self.epoch, token, filter })
    }

    /// Reports the state of the subscriptions, and schedules a retry if the broker refused one.
    pub(super) fn update_readiness_and_retry(&mut self, readiness: &mut ReadinessReporter, now: Instant) {
        let was_settled = std::mem::replace(&mut self.is_settled, self.subscriptions.is_settled());
        if !(self.is_settled && was_settled) {
            self.update_readiness(readiness);
            self.schedule_retry(now);
        }
    }

    fn update_readiness(&self, readiness: &mut ReadinessReporter) {
        if self.is_settled {
            readiness.set_ready(readiness::SUBSCRIPTIONS);
            // Only when settled: a filter on its way out may overlap a new one.
            warnings::of_subscriptions(&self.subscriptions, self.takes_identifiers, readiness);
        } else if let Some(error) = self.subscriptions.error() {
            readiness.set_missing(readiness::SUBSCRIPTIONS, error.reason(), &error.to_string());
        } else if self.retry_at.is_none() {
            readiness.set_pending(readiness::SUBSCRIPTIONS, SUBSCRIBING, "waits for broker and runtime");
        }
    }

    fn schedule_retry(&mut self, now: Instant) {
        if self.is_settled {
            self.backoff.reset();
            self.retry_at = None;
        } else if self.retry_at.is_none()
            && self.subscriptions.error().is_some_and(SubscriptionError::is_worth_retrying)
        {
            self.retry_at = Some(now + self.backoff.pause());
        }
    }

    pub(super) fn retry_when_due(&mut self, now: Instant) -> Option<Vec<Step>> {
        self.retry_at.take_if(|at| *at <= now)?;
        Some(self.subscriptions.retry())
    }

    pub(super) const fn wake(&self) -> Option<Instant> {
        self.retry_at
    }
}

/// The part of a payload that is kept, as a copy: a slice would keep all bytes that came with it in one read.
fn kept(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload.get(..KEPT_PAYLOAD_BYTES).unwrap_or(payload))
}

/// The arrival, or one unusable tick of it where its delivery would be larger than the runtime takes.
fn fitting(arrival: Arrival, envelope: &Envelope<'_>, largest: usize) -> Arrival {
    let encoded = cost::encoded(&arrival);
    if encoded <= largest {
        return arrival;
    }
    Arrival { ticks: vec![envelope.too_large(encoded, largest)], ..arrival }
}

#[cfg(test)]
mod tests;
