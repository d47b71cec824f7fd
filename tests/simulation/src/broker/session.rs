//! A session: its subscriptions, and the messages that its client has not acknowledged.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use intuition_api::topic;

use super::{
    ids::PacketIds,
    options::{Options, Overlap, Writing},
    packets::{Delivery, Subscribe},
};
use crate::facts::{Body, ConnectionId, MessageId, Time};

/// How long [`Writing::Paced`] waits between two groups of messages.
const PACE: Duration = Duration::from_millis(1);

#[derive(Debug, Clone)]
struct Subscription {
    filter: String,
    id: Option<u32>,
}

/// A message of a session.
#[derive(Debug, Clone)]
struct Held {
    /// 0: of no publisher.
    message: MessageId,
    body: Rc<Body>,
    subscription_ids: Vec<u32>,
    retained: bool,
    /// `None` until the broker writes it the first time.
    packet_id: Option<u16>,
}

/// The message of a PUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// The oldest message without a PUBACK; `Some`: no further copy of it is left.
    InOrder(Option<MessageId>),
    /// A later message.
    OutOfOrder(Option<MessageId>),
    /// None that was written on this connection.
    Unknown,
}

/// Whether a session took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// The session holds it.
    Held,
    /// No subscription matches.
    NotSubscribed,
    /// The queue is full.
    Overflow,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    subscriptions: Vec<Subscription>,
    /// Unacknowledged messages in the order taken. Those with a packet identifier come first.
    messages: VecDeque<Held>,
    /// How many of them were written on the connection of now.
    written: usize,
    ids: PacketIds,
    pub(super) connection: Option<ConnectionId>,
    receive_maximum: u16,
    expiry: Duration,
    expires_at: Option<Time>,
    next_write: Time,
}

impl Session {
    pub(super) fn new(highest_packet_id: u16) -> Self {
        Self {
            subscriptions: Vec::new(),
            messages: VecDeque::new(),
            written: 0,
            ids: PacketIds::new(highest_packet_id),
            connection: None,
            receive_maximum: 0,
            expiry: Duration::ZERO,
            expires_at: None,
            next_write: Time::ZERO,
        }
    }

    pub(super) fn attach(&mut self, connection: ConnectionId, receive_maximum: u16, expiry: Duration, now: Time) {
        self.connection = Some(connection);
        self.written = 0;
        self.receive_maximum = receive_maximum.max(1);
        self.expiry = expiry;
        self.expires_at = None;
        self.next_write = now;
    }

    /// The connection is gone; the next one gets all unacknowledged messages.
    pub(super) fn detach(&mut self, now: Time) {
        self.connection = None;
        self.written = 0;
        self.expires_at = Some(now + self.expiry);
    }

    /// Whether a broker keeps the session when it starts again.
    pub(super) const fn is_durable(&self) -> bool {
        !self.expiry.is_zero()
    }

    pub(super) const fn expires_at(&self) -> Option<Time> {
        self.expires_at
    }

    pub(super) fn subscribe(&mut self, subscribe: &Subscribe) {
        let subscription = Subscription { filter: subscribe.filter.clone(), id: subscribe.subscription_id };
        match self.subscriptions.iter_mut().find(|held| held.filter == subscription.filter) {
            Some(held) => *held = subscription,
            None => self.subscriptions.push(subscription),
        }
    }

    /// Whether there was such a subscription.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|held| held.filter != filter);
        self.subscriptions.len() < before
    }

    /// Takes a message in, as one copy or several.
    pub(super) fn queue(&mut self, message: MessageId, body: &Rc<Body>, options: &Options) -> Queued {
        let mut matching =
            self.subscriptions.iter().filter(|held| topic::matches(&held.filter, &body.topic)).map(|held| held.id);
        let Some(first) = matching.next() else { return Queued::NotSubscribed };
        if options.queue_limit.is_some_and(|limit| self.messages.len() - self.written >= limit) {
            return Queued::Overflow;
        }
        let held =
            |ids| Held { message, body: Rc::clone(body), subscription_ids: ids, retained: false, packet_id: None };
        match options.overlap {
            Overlap::OneCopy => {
                let ids = first.into_iter().chain(matching.flatten()).collect();
                self.messages.push_back(held(ids));
            }
            Overlap::CopyForEach => {
                self.messages.extend(std::iter::once(first).chain(matching).map(|id| held(id.into_iter().collect())));
            }
        }
        Queued::Held
    }

    /// Takes in a retained message for a new subscription.
    pub(super) fn queue_retained(&mut self, body: &Rc<Body>, subscription_id: Option<u32>) {
        let subscription_ids = subscription_id.into_iter().collect();
        let held = Held { message: 0, body: Rc::clone(body), subscription_ids, retained: true, packet_id: None };
        self.messages.push_back(held);
    }

    /// The messages that the broker writes now.
    pub(super) fn write(&mut self, options: &Options, now: Time) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        if self.connection.is_none() {
            return deliveries;
        }
        let most = match options.writing {
            Writing::WithinReceiveMaximum => {
                let window = options.max_inflight.map_or(self.receive_maximum, |most| most.min(self.receive_maximum));
                usize::from(window).saturating_sub(self.written)
            }
            Writing::AllAtOnce => usize::MAX,
            Writing::Paced(_) if now < self.next_write => 0,
            Writing::Paced(most) => most,
        };
        while deliveries.len() < most {
            let Some(held) = self.messages.get_mut(self.written) else { break };
            let Some(packet_id) = held.packet_id.or_else(|| self.ids.give()) else { break };
            deliveries.push(Delivery {
                message: held.message,
                body: Rc::clone(&held.body),
                packet_id,
                duplicate: held.packet_id.is_some(),
                retained: held.retained,
                subscription_ids: held.subscription_ids.clone(),
            });
            held.packet_id = Some(packet_id);
            self.written += 1;
        }
        if matches!(options.writing, Writing::Paced(_)) && !deliveries.is_empty() {
            self.next_write = now + PACE;
        }
        deliveries
    }

    /// When [`Self::write`] has more to write without anything else that happens.
    pub(super) fn next_write(&self, options: &Options) -> Option<Time> {
        let is_waiting = matches!(options.writing, Writing::Paced(_))
            && self.connection.is_some()
            && self.messages.get(self.written).is_some_and(|held| held.packet_id.is_some() || self.ids.is_any_free());
        is_waiting.then_some(self.next_write)
    }

    /// A PUBACK of the client.
    pub(super) fn acknowledge(&mut self, packet_id: u16) -> Acknowledged {
        let place = self.messages.iter().take(self.written).position(|held| held.packet_id == Some(packet_id));
        let Some(place) = place else { return Acknowledged::Unknown };
        let Some(held) = self.messages.remove(place) else { return Acknowledged::Unknown };
        self.written -= 1;
        self.ids.release(packet_id);
        let is_last_copy = self.messages.get(place).is_none_or(|next| next.message != held.message);
        let message = (held.message != 0 && is_last_copy).then_some(held.message);
        if place == 0 { Acknowledged::InOrder(message) } else { Acknowledged::OutOfOrder(message) }
    }

    /// Whether there are publishers' messages without a PUBACK.
    pub(super) fn is_waiting(&self) -> bool {
        self.messages.iter().any(|held| held.message != 0)
    }

    /// Its filters, in order.
    pub(super) fn filters(&self) -> Vec<String> {
        let filters: std::collections::BTreeSet<&String> = self.subscriptions.iter().map(|held| &held.filter).collect();
        filters.into_iter().cloned().collect()
    }

    /// Publishers' messages without a PUBACK, each once, in the order taken.
    pub(super) fn waiting(&self) -> Vec<MessageId> {
        let mut waiting: Vec<_> =
            self.messages.iter().map(|held| held.message).filter(|message| *message != 0).collect();
        waiting.dedup();
        waiting
    }
}
