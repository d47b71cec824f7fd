//! The connection that quotes come on.

use std::time::Duration;

use bytes::Bytes;
use intuition_api::v1::{Delivery, Filter};
use intuition_common::backoff::Backoff;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::warnings;
use crate::{
    board::{self, Board},
    config::Limits,
    inflight::{Arrival, Bounds, Inflight, KEPT_PAYLOAD_BYTES},
    message::{Envelope, Inputs},
    metrics::Metrics,
    mqtt::{Event, Events, Incoming, Link},
    render,
    subscriptions::{Step, Subscriptions},
};

pub(super) struct Quotes {
    link: Link,
    events: Events,
    epoch: u64,
    pub(super) inflight: Inflight,
    pub(super) subscriptions: Subscriptions,
    /// The broker tells by which subscriptions it sends a message.
    takes_identifiers: bool,
    /// The subscriptions were settled when they were last shown.
    is_settled: bool,
    /// The inputs of the current channels: each message is read by those in force when it arrives.
    pub(super) inputs: Inputs,
    backoff: Backoff,
    /// When refused subscriptions are tried again.
    retry_at: Option<Instant>,
}

impl Quotes {
    pub(super) fn new(link: Link, events: Events, own: Vec<String>, bounds: Bounds) -> Self {
        Self {
            link,
            events,
            epoch: 0,
            inflight: Inflight::new(bounds),
            subscriptions: Subscriptions::new(own),
            takes_identifiers: true,
            is_settled: false,
            inputs: Inputs::default(),
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
            retry_at: None,
        }
    }

    /// The next event, or `None` once the connection's task has ended. No message while there is no room: the connection
    /// stops reading then, and its end shows all the same. May be abandoned at any time.
    pub(super) async fn next(&mut self) -> Option<Event> {
        if self.inflight.has_room() { self.events.recv().await } else { self.events.recv_control().await }
    }

    /// The next event that is neither a message nor an answer to a subscription.
    pub(super) async fn next_control(&mut self) -> Option<Event> {
        self.events.recv_control().await
    }

    pub(super) fn connected(&mut self, epoch: u64, session_present: bool, takes_identifiers: bool) -> Vec<Step> {
        self.epoch = epoch;
        self.takes_identifiers = takes_identifiers;
        self.inflight.connected(epoch, session_present);
        self.subscriptions.connected(session_present)
    }

    pub(super) fn disconnected(&mut self) {
        self.inflight.disconnected();
        self.subscriptions.disconnected();
    }

    /// Leaves the broker's session to whoever has taken over.
    pub(super) fn stand_down(&self) {
        self.link.stand_down(self.epoch);
    }

    pub(super) fn take(&mut self, message: Incoming, now_micros: i64, metrics: &Metrics) {
        if message.retained {
            metrics.retained.inc();
            self.inflight.pass(message.epoch, message.packet_id);
            return;
        }
        // A letter that came back as a quote would become a letter again, without end.
        if render::is_dead_letter(&message.user_properties) {
            metrics.dead_letters_passed.inc();
            self.inflight.pass(message.epoch, message.packet_id);
            return;
        }
        let envelope = Envelope {
            payload: &message.payload,
            user_properties: &message.user_properties,
            listing: self.inputs.on(&message.topic),
            arrived_micros: now_micros,
        };
        let parsed = envelope.parse();
        metrics.read(parsed.notes);
        // Every symbol of it is without a price now.
        if parsed.ticks.is_empty() {
            self.inflight.pass(message.epoch, message.packet_id);
            return;
        }
        self.inflight.push(Arrival {
            epoch: message.epoch,
            packet_id: message.packet_id,
            duplicate: message.duplicate,
            replay: envelope.is_replay(),
            sparse: envelope.is_sparse(),
            ticks: parsed.ticks,
            envelope_sha256: envelope.sha256(),
            topic: message.topic,
            subscription_ids: message.subscription_ids,
            payload_sha256: Sha256::digest(&message.payload).into(),
            payload_size: message.payload.len(),
            payload: kept(message.payload),
            arrived_micros: now_micros,
        });
    }

    pub(super) fn next_batch(&mut self, limits: &Limits, metrics: &Metrics) -> Vec<Delivery> {
        let subscriptions = &self.subscriptions;
        self.inflight.next_batch(limits.batch_deliveries, limits.batch_bytes, |arrival| {
            let is_copy = subscriptions.is_copy(&arrival.topic, &arrival.subscription_ids);
            if is_copy {
                metrics.overlaps.inc();
            }
            is_copy
        })
    }

    /// `is_done`: whether all outbox positions of a range are done.
    pub(super) fn acknowledge(&mut self, is_done: impl Fn(u64, u64) -> bool) {
        let acks = self.inflight.acknowledge(is_done);
        if !acks.is_empty() {
            self.link.acknowledge(self.epoch, acks);
        }
    }

    pub(super) fn subscribe(&self, token: u64, filter: Filter) {
        self.link.subscribe(self.epoch, token, filter.filter, filter.subscription_id);
    }

    pub(super) fn unsubscribe(&self, token: u64, filter: String) {
        self.link.unsubscribe(self.epoch, token, filter);
    }

    /// Shows how far the subscriptions are, and plans another attempt after a refusal.
    pub(super) fn show(&mut self, board: &mut Board, now: Instant) {
        let was_settled = std::mem::replace(&mut self.is_settled, self.subscriptions.is_settled());
        if self.is_settled && was_settled {
            return;
        }
        if self.is_settled {
            self.backoff.reset();
            self.retry_at = None;
            board.have(board::SUBSCRIPTIONS);
            // Not before: a filter that leaves may overlap one that comes.
            warnings::of_subscriptions(&self.subscriptions, self.takes_identifiers, board);
        } else if let Some(trouble) = self.subscriptions.trouble() {
            board.lack(board::SUBSCRIPTIONS, trouble.reason(), &trouble.to_string());
            if trouble.is_worth_retrying() && self.retry_at.is_none() {
                self.retry_at = Some(now + self.backoff.pause());
            }
        } else if self.retry_at.is_none() {
            board.await_part(board::SUBSCRIPTIONS, "Subscribing", "waits for broker and runtime");
        }
    }

    pub(super) fn retry_when_due(&mut self, now: Instant) -> Option<Vec<Step>> {
        self.retry_at.take_if(|at| *at <= now)?;
        Some(self.subscriptions.retry())
    }

    pub(super) const fn wake(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Disconnects and waits for the task to end.
    pub(super) async fn farewell(&mut self) {
        self.link.disconnect();
        while self.events.recv().await.is_some() {}
    }
}

/// What is kept of a payload: a copy of its beginning where it is long, since a slice would keep the whole of it.
fn kept(payload: Bytes) -> Bytes {
    match payload.get(..KEPT_PAYLOAD_BYTES) {
        Some(beginning) if payload.len() > KEPT_PAYLOAD_BYTES => Bytes::copy_from_slice(beginning),
        _ => payload,
    }
}
