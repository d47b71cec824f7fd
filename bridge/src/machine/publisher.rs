//! The connection that decisions, dead letters, publications and the state go out on.

mod outgoing;
mod rate;
mod state;
mod undeliverable;
mod values;

use std::time::Duration;

use intuition_api::{
    topic::OwnTopics,
    v1::{Opened, OutboxEntry},
};
use intuition_common::{
    backoff::Backoff,
    clock::Now,
    planted::{self, Mistake},
};
use tokio::{sync::mpsc, time::Instant};

pub(super) use self::outgoing::Outgoing;
use self::{rate::Rate, state::State, undeliverable::Undeliverable, values::Values};
use super::Action;
use crate::{
    Published,
    config::Limits,
    metrics::Metrics,
    outbox::{self, Change, Content as _, Cost, Outbox, Room},
    readiness::{self, ReadinessReporter},
    runtime::RuntimeError,
};
use intuition_mqtt::{Capabilities, Code, LinkError, Message, Request};

/// Names the state topic's messages; positions begin at 1.
const STATE_TOKEN: u64 = 0;
/// Bits of a token that hold the position. The bits above count the outboxes of this process: a PUBACK that belongs to the
/// ledger before must not answer an entry of this one.
const POSITION_BITS: u32 = 48;
/// Names the values of indicators. No entry has it: it would be of the 65,536th outbox of a process.
const VALUE_TOKEN: u64 = u64::MAX;

pub(super) struct Publisher {
    /// The epoch of the connection; `None` without one.
    epoch: Option<u64>,
    /// Most messages under way on a connection. The broker may take fewer.
    max_publishes: usize,
    window: usize,
    /// The broker keeps retained messages.
    retains: bool,
    pub(super) outbox: Outbox<Outgoing>,
    /// Times that the outbox began anew.
    generation: u64,
    pub(super) room: Room,
    undeliverable: Undeliverable,
    topics: OwnTopics,
    account: String,
    session: String,
    published: Option<mpsc::UnboundedSender<Published>>,
    backoff: Backoff,
    /// The time of the next attempt at a refused entry in strict order.
    retry_at: Option<Instant>,
    rate: Rate,
    /// The rate holds back an entry.
    is_throttled: bool,
    state: State,
    /// `None`: the account is no indicator's.
    values: Option<Values>,
}

impl Publisher {
    /// `session`: the name of this run. `seed`: seed of the pauses.
    pub(super) fn new(
        topics: OwnTopics,
        account: String,
        session: String,
        limits: &Limits,
        published: Option<mpsc::UnboundedSender<Published>>,
        seed: u64,
    ) -> Self {
        Self {
            epoch: None,
            max_publishes: limits.publishes,
            window: 0,
            retains: true,
            outbox: Outbox::new(limits.deadlines, limits.publish_bytes, limits.outbox),
            generation: 0,
            room: Room::new(limits.outbox_bytes),
            undeliverable: Undeliverable::default(),
            values: topics.indicator().cloned().map(Values::new),
            topics,
            account,
            session,
            published,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(10), seed),
            retry_at: None,
            rate: Rate::new(),
            is_throttled: false,
            state: State::default(),
        }
    }

    pub(super) fn connected(&mut self, epoch: u64, capabilities: Capabilities, now: Instant) {
        self.epoch = Some(epoch);
        self.retains = capabilities.retain;
        self.window = self.max_publishes.min(usize::from(capabilities.receive_maximum));
        self.outbox.connected(self.window, now);
        self.state.connection_changed();
        if let Some(values) = &mut self.values {
            values.connection_changed();
        }
        // The attempt to send it again may have ended with the connection.
        if self.outbox.blocked().is_some() && self.retry_at.is_none() && !planted::is(Mistake::RetryLostAtReconnect) {
            self.retry_at = Some(now + self.backoff.pause());
        }
    }

    pub(super) fn disconnected(
        &mut self,
        error: &LinkError,
        readiness: &mut ReadinessReporter,
        metrics: &Metrics,
        now: Instant,
    ) {
        self.epoch = None;
        self.window = 0;
        let has_values = self.values.as_ref().is_some_and(Values::has_sent);
        let has_other = !self.state.is_answered() || has_values;
        match error {
            LinkError::End(code) if !has_other => self.outbox.ended_with(*code, now),
            LinkError::NoAnswer { .. } => self.rate.halve(now),
            _ => {}
        }
        self.outbox.disconnected(has_other, now);
        let is_about_a_message = matches!(error, LinkError::End(code) if outbox::may_be_about_a_message(*code));
        self.state.connection_ended(is_about_a_message, now);
        if let Some(values) = &mut self.values {
            values.connection_ended(is_about_a_message, now);
        }
        self.settle(readiness, metrics);
    }

    /// Leaves the session to the bridge that has taken over.
    pub(super) fn stand_down(&self, actions: &mut Vec<Action>) {
        if let Some(epoch) = self.epoch {
            actions.push(Action::Publishing(Request::StandDown { epoch }));
        }
    }

    /// Begins again with the entries of another ledger.
    pub(super) fn restart(&mut self) {
        self.outbox.restart();
        self.generation += 1;
        self.room.clear();
        self.retry_at = None;
    }

    /// A new stream to the runtime.
    pub(super) fn stream_opened(&mut self, opened: &Opened, readiness: &mut ReadinessReporter, metrics: &Metrics) {
        if !planted::is(Mistake::CreditOfEarlierStream) {
            self.room.stream_opened();
        }
        self.outbox.opened(opened.published_through, &opened.done);
        self.settle(readiness, metrics);
    }

    /// Takes an entry to be published.
    pub(super) fn take(&mut self, entry: OutboxEntry, now: Instant) -> Result<(), RuntimeError> {
        let (position, cost) = (entry.position, Cost::of(&entry));
        let violation = || RuntimeError::BreakContract(format!("outbox position {position} is empty"));
        let queue = Outgoing::queue(&entry).ok_or_else(violation)?;
        if self.outbox.get(position).is_none() || !planted::is(Mistake::CreditOfKnownEntries) {
            self.room.received(cost);
        }
        let pushed = self.outbox.push(position, queue, || Outgoing::new(&self.topics, entry, cost));
        if pushed.map_err(|error| RuntimeError::BreakContract(error.to_string()))? {
            self.room.enter(cost);
            if let Some(values) = &mut self.values
                && let Some(joined) = self.outbox.get(position).and_then(Outgoing::joined)
            {
                values.take(joined, now);
            }
        }
        Ok(())
    }

    /// Sends as much as the connection takes.
    pub(super) fn send(
        &mut self,
        readiness: &mut ReadinessReporter,
        metrics: &Metrics,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(epoch) = self.epoch else { return };
        self.outbox.expire(now);
        self.settle(readiness, metrics);
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            if let Some((position, outgoing)) = self.outbox.retry(now) {
                let message = outgoing.message(&self.account);
                actions.push(publish(epoch, token(self.generation, position), message));
            } else if self.outbox.blocked().is_some() {
                // Entries that were sent before the refusal still fill the window.
                self.retry_at = Some(now + self.backoff.pause());
            }
        }
        self.is_throttled = !self.rate.allows(now);
        while !self.is_throttled
            && let Some((position, outgoing)) = self.outbox.next_to_send(now)
        {
            let message = outgoing.message(&self.account);
            actions.push(publish(epoch, token(self.generation, position), message));
            self.rate.sent();
            self.is_throttled = !self.rate.allows(now);
        }
        self.send_values(false, now, actions);
    }

    /// Sends values of indicators, behind the entries. `is_last`: the bridge ends.
    pub(super) fn send_values(&mut self, is_last: bool, now: Instant, actions: &mut Vec<Action>) {
        let (Some(epoch), Some(values)) = (self.epoch.filter(|_| self.retains), &mut self.values) else { return };
        while let Some(message) = values.next_to_send(is_last, now) {
            actions.push(Action::Publishing(Request::PublishUnconfirmed { epoch, token: VALUE_TOKEN, message }));
        }
    }

    /// The broker answered a publish.
    pub(super) fn answered(
        &mut self,
        answered: u64,
        code: Code,
        readiness: &mut ReadinessReporter,
        metrics: &Metrics,
        now: Instant,
    ) {
        if answered == STATE_TOKEN {
            self.outbox.heard(code);
            self.state_answered(code, now);
            return;
        }
        if let Some(values) = self.values.as_mut().filter(|_| answered == VALUE_TOKEN) {
            values.answered();
            if code.is_success() {
                metrics.values.inc();
            }
            return;
        }
        let position = answered & ((1 << POSITION_BITS) - 1);
        if answered != token(self.generation, position) {
            self.outbox.heard(code);
            return;
        }
        self.rate.answered(now);
        if let Some(latency) = self.outbox.answered(position, code, now) {
            metrics.publish_latency.observe(latency);
        }
        if !code.is_success() {
            metrics.refused.inc();
            if let Some(entry) = self.outbox.get(position).filter(|outgoing| outgoing.is_strict()) {
                let topic = entry.topic();
                let message = format!("the broker refused to take `{topic}`: {} (0x{:02x})", code.name, code.value);
                readiness.set_missing(readiness::PUBLISHING, code.name, &message);
                self.retry_at.get_or_insert_with(|| now + self.backoff.pause());
            }
        }
        self.settle(readiness, metrics);
    }

    /// Counts and logs the changes of entries and topics.
    fn settle(&mut self, readiness: &mut ReadinessReporter, metrics: &Metrics) {
        let changes = self.outbox.take_changes();
        let topics_changed =
            changes.iter().any(|change| matches!(change, Change::Undeliverable(..) | Change::Deliverable(_)));
        for change in changes {
            match change {
                Change::Published(outgoing) => {
                    metrics.published.inc();
                    if outgoing.joined().is_some() {
                        metrics.joined.inc();
                    }
                    if !planted::is(Mistake::RoomNotReturned) {
                        self.room.leave(outgoing.cost());
                    }
                    if let Some(published) = &self.published {
                        let Message { topic, payload, .. } = outgoing.message(&self.account);
                        // Its receiver may have ended.
                        drop(published.send(Published { topic, payload, entry: outgoing.into_entry() }));
                    }
                }
                Change::GivenUp(outgoing, code) => {
                    self.undeliverable.count(outgoing.topic(), code, metrics);
                    self.room.leave(outgoing.cost());
                }
                Change::Dropped(outgoing) => self.room.leave(outgoing.cost()),
                Change::Undeliverable(topic, code) => Undeliverable::begin(&self.account, &topic, code),
                Change::Deliverable(topic) => Undeliverable::end(&self.account, &topic),
            }
        }
        if topics_changed {
            Undeliverable::show(&self.outbox, readiness);
        }
        if self.outbox.blocked().is_none() {
            self.backoff.reset();
            self.retry_at = None;
            readiness.set_ready(readiness::PUBLISHING);
        }
    }

    fn state_answered(&mut self, code: Code, now: Instant) {
        if self.state.answered(code, now) {
            tracing::warn!(algo = self.account, topic = self.topics.state(), reason = code.name, "state refused");
        }
    }

    /// Publishes whether the bridge is ready: when that changes, before the broker forgets it, and where the outbox needs a
    /// PUBACK. At a broker without retained messages for the last reason alone.
    pub(super) fn announce(&mut self, online: bool, now: Now, actions: &mut Vec<Action>) {
        let Now { instant: now, micros } = now;
        self.state.set(online, micros);
        let Some(epoch) = self.epoch else { return };
        let wants_probe = self.outbox.wants_probe(now);
        let is_due = if self.retains {
            self.state.is_due(wants_probe, now)
        } else {
            wants_probe && self.state.is_answered() && !self.state.is_held(now)
        };
        if is_due {
            let message = self.state.send(&self.topics, &self.account, &self.session, now);
            actions.push(publish(epoch, STATE_TOKEN, Message { retain: self.retains, ..message }));
        }
    }

    /// The time of the next work for [`Publisher::send`] or [`Publisher::announce`].
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        self.epoch?;
        // At a broker without retained messages the state is published as a probe alone, never for its time.
        let state = self.state.wake().filter(|_| self.retains);
        [self.wake_to_send(now), state].into_iter().flatten().min()
    }

    /// The time of the next work for [`Publisher::send`].
    pub(super) fn wake_to_send(&self, now: Instant) -> Option<Instant> {
        self.epoch?;
        let throttled = self.rate.next().filter(|_| self.is_throttled && self.outbox.unpublished() > 0);
        let values = self.values.as_ref().filter(|_| self.retains).and_then(|values| values.wake(now));
        [self.retry_at, self.outbox.wake(now), throttled, values].into_iter().flatten().min()
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.epoch.is_some()
    }

    /// The broker has not answered the last state.
    pub(super) const fn awaits_state(&self) -> bool {
        self.epoch.is_some() && !self.state.is_answered()
    }
}

const fn publish(epoch: u64, token: u64, message: Message) -> Action {
    Action::Publishing(Request::Publish { epoch, token, message })
}

/// The token of an entry. No ledger has 2^48 entries.
const fn token(generation: u64, position: u64) -> u64 {
    generation << POSITION_BITS | position
}
