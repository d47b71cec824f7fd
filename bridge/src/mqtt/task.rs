//! The task that polls one connection.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use intuition_common::{backoff::Backoff, secret::Secret};
use rumqttc::{
    Outgoing, TlsConfiguration, Transport,
    v5::{
        AsyncClient, ConnectionError, Event as Polled, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{
                ConnAck, Filter, LastWill, LastWillProperties, Packet, Publish, PublishProperties, RetainForwardRule,
                SubscribeProperties,
            },
        },
    },
};
use tokio::{sync::mpsc, time};

use super::{Code, Event, Incoming, LinkError, Message, Options, Request, codes, tls};

/// Requests handed to the client library and not yet written by it.
const QUEUED: usize = 1024;
/// How long events may find no room before the connection is given up: well below what the broker waits for a ping.
const PATIENCE: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT_SECONDS: u64 = 5;
/// What the broker may send us, and what every broker takes unless it says less.
const MAX_PACKET_BYTES: u32 = 4 * 1024 * 1024;
/// A connection shorter than this counts as a failed attempt: not every broker says that somebody else took the session.
const STEADY: Duration = Duration::from_secs(5);
/// The pause after somebody else took the session: two that fight for it must not do so at full speed.
const TAKEN_OVER_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Task {
    eventloop: EventLoop,
    client: AsyncClient,
    requests: mpsc::UnboundedReceiver<Request>,
    events: mpsc::Sender<Event>,
    underway: Underway,
    epoch: u64,
    /// Refusals of our own that found no room among the events.
    answers: VecDeque<Event>,
}

/// What was handed to the client library on this connection.
#[derive(Default)]
struct Underway {
    /// The connection's epoch; `None` before its CONNACK.
    epoch: Option<u64>,
    max_packet_size: Option<u32>,
    /// Handed over and not yet written.
    queued: usize,
    /// Tokens of what waits to be written, in order; the packet ids are given out when it is.
    publishes: VecDeque<u64>,
    subscribes: VecDeque<u64>,
    unsubscribes: VecDeque<u64>,
    /// Tokens of what was written and has no answer, by packet id.
    published: HashMap<u16, u64>,
    subscribed: HashMap<u16, u64>,
    unsubscribed: HashMap<u16, u64>,
}

enum Step {
    Polled(Box<Result<Polled, ConnectionError>>),
    Closed,
}

impl Task {
    pub(super) fn new(
        options: Options,
        requests: mpsc::UnboundedReceiver<Request>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, LinkError> {
        let (client, mut eventloop) = AsyncClient::new(library_options(options)?, QUEUED);
        let mut network = eventloop.options.network_options();
        network.set_tcp_nodelay(true);
        eventloop.options.set_network_options(network);
        Ok(Self {
            eventloop,
            client,
            requests,
            events,
            underway: Underway::default(),
            epoch: 0,
            answers: VecDeque::new(),
        })
    }

    /// Keeps the connection until it is told to end, or nobody is left to talk to.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let began = time::Instant::now();
            let Some(error) = self.connection().await else { return };
            if self.underway.epoch.is_some() && began.elapsed() >= STEADY {
                backoff.reset();
            }
            let pause = if error.is_taken_over() { TAKEN_OVER_PAUSE } else { backoff.pause() };
            self.forget();
            // However long it takes: without room for this there is none for messages either.
            if self.events.send(Event::Disconnected(error)).await.is_err() || !self.rest(pause).await {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end. `None`: told to end.
    async fn connection(&mut self) -> Option<LinkError> {
        loop {
            while let Some(answer) = self.answers.pop_front() {
                if let Err(error) = self.emit(answer).await {
                    return error;
                }
            }
            let event = match self.step().await {
                Step::Closed => return None,
                Step::Polled(polled) => match *polled {
                    // Nothing comes after our own farewell.
                    Ok(Polled::Outgoing(Outgoing::Disconnect)) => return None,
                    Ok(polled) => self.understand(polled),
                    Err(error) => return self.last_answers().await.or(Some(codes::link_error(error))),
                },
            };
            if let Some(event) = event
                && let Err(error) = self.emit(event).await
            {
                return error;
            }
        }
    }

    /// What the broker answered right before the connection ended: mosquitto 2.0.11 with `max_queued_messages 0` ends it
    /// with every PUBACK that refuses, and the refusal must not be lost.
    async fn last_answers(&mut self) -> Option<LinkError> {
        for polled in std::mem::take(&mut self.eventloop.state.events) {
            // Messages come again on the next connection.
            if let Polled::Incoming(Packet::Publish(_) | Packet::ConnAck(_)) = polled {
                continue;
            }
            if let Some(event) = self.understand(polled)
                && let Err(Some(error)) = self.emit(event).await
            {
                return Some(error);
            }
        }
        None
    }

    /// Polls until something happens, passing requests on meanwhile. The poll is never abandoned half way: that would
    /// start the handshake over, or lose a packet half written.
    async fn step(&mut self) -> Step {
        let polling = self.eventloop.poll();
        tokio::pin!(polling);
        loop {
            tokio::select! {
                polled = &mut polling => return Step::Polled(Box::new(polled)),
                request = self.requests.recv(), if self.underway.queued < QUEUED => {
                    let Some(request) = request else { return Step::Closed };
                    if matches!(request, Request::Disconnect) {
                        // Without a connection there is nobody to say farewell to.
                        if self.underway.epoch.is_none() || self.client.try_disconnect().is_err() {
                            return Step::Closed;
                        }
                    } else if let Some(answer) = self.underway.submit(&self.client, request)
                        // A refusal of our own must not wait for the broker to say something.
                        && let Err(mpsc::error::TrySendError::Full(answer)) = self.events.try_send(answer)
                    {
                        self.answers.push_back(answer);
                    }
                }
            }
        }
    }

    /// Hands an event over. `Err(None)`: nobody takes events any more.
    async fn emit(&mut self, event: Event) -> Result<(), Option<LinkError>> {
        match self.events.try_send(event) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(None),
            Err(mpsc::error::TrySendError::Full(event)) => {
                match time::timeout(PATIENCE, self.events.send(event)).await {
                    Ok(sent) => sent.map_err(|_| None),
                    Err(_) => Err(Some(LinkError::Overflow)),
                }
            }
        }
    }

    /// Makes what was under way void, in the client library too: it would send it again on the next connection.
    fn forget(&mut self) {
        // Again, after the library's own: acknowledgements may have been queued since.
        self.eventloop.clean();
        self.eventloop.pending.clear();
        self.eventloop.state.events.clear();
        self.eventloop.state.collision = None;
        self.underway = Underway::default();
        self.answers.clear();
    }

    /// Waits before the next attempt. False: told to end.
    async fn rest(&mut self, pause: Duration) -> bool {
        let until = time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = time::sleep_until(until) => return true,
                () = self.events.closed() => return false,
                request = self.requests.recv() => match request {
                    None | Some(Request::Disconnect) => return false,
                    // Of an epoch that has ended.
                    Some(_) => {}
                },
            }
        }
    }

    fn understand(&mut self, polled: Polled) -> Option<Event> {
        match polled {
            Polled::Incoming(Packet::ConnAck(connack)) => Some(self.connected(&connack)),
            Polled::Incoming(Packet::Publish(publish)) => Some(Event::Message(incoming(publish))),
            Polled::Incoming(packet) => self.underway.answered(&packet),
            Polled::Outgoing(outgoing) => {
                self.underway.written(&outgoing);
                None
            }
        }
    }

    fn connected(&mut self, connack: &ConnAck) -> Event {
        self.epoch += 1;
        let properties = connack.properties.as_ref();
        self.underway.epoch = Some(self.epoch);
        self.underway.max_packet_size = properties.and_then(|properties| properties.max_packet_size);
        Event::Connected {
            epoch: self.epoch,
            session_present: connack.session_present,
            receive_maximum: properties.and_then(|properties| properties.receive_max).unwrap_or(u16::MAX),
        }
    }
}

impl Underway {
    /// Hands a request over, or answers it.
    fn submit(&mut self, client: &AsyncClient, request: Request) -> Option<Event> {
        match request {
            Request::Publish { epoch, token, message } if self.epoch == Some(epoch) => {
                self.publish(client, token, message).err().map(|code| Event::Published { token, code })
            }
            Request::Subscribe { epoch, token, filter, subscription_id } if self.epoch == Some(epoch) => {
                let mut filter = Filter::new(filter, QoS::AtLeastOnce);
                filter.retain_forward_rule = RetainForwardRule::Never;
                let id = usize::try_from(subscription_id).ok();
                let properties = SubscribeProperties { id, user_properties: Vec::new() };
                if client.try_subscribe_many_with_properties([filter], properties).is_err() {
                    return Some(Event::Subscribed { token, code: codes::TOPIC_FILTER_INVALID });
                }
                self.queued += 1;
                self.subscribes.push_back(token);
                None
            }
            Request::Unsubscribe { epoch, token, filter } if self.epoch == Some(epoch) => {
                if client.try_unsubscribe(filter).is_err() {
                    return Some(Event::Unsubscribed { token, code: codes::TOPIC_FILTER_INVALID });
                }
                self.queued += 1;
                self.unsubscribes.push_back(token);
                None
            }
            Request::Acknowledge { epoch, packet_id } if self.epoch == Some(epoch) && packet_id != 0 => {
                let publish = Publish { qos: QoS::AtLeastOnce, pkid: packet_id, ..Publish::default() };
                if client.try_ack(&publish).is_ok() {
                    self.queued += 1;
                }
                None
            }
            _ => None,
        }
    }

    fn publish(&mut self, client: &AsyncClient, token: u64, message: Message) -> Result<(), Code> {
        // Generous for the header: the library ends the connection over a packet that is too large.
        let properties: usize = message.user_properties.iter().map(|(key, value)| key.len() + value.len() + 5).sum();
        let size = message.payload.len() + message.topic.len() + properties + 32;
        if self.max_packet_size.is_some_and(|max| u32::try_from(size).is_ok_and(|size| size > max)) {
            return Err(codes::PACKET_TOO_LARGE);
        }
        if message.topic.is_empty() || message.topic.len() > 65_535 || message.topic.contains(['+', '#', '\0']) {
            return Err(codes::TOPIC_NAME_INVALID);
        }
        let properties = PublishProperties {
            message_expiry_interval: message.expiry_seconds,
            user_properties: message.user_properties,
            ..PublishProperties::default()
        };
        client
            .try_publish_with_properties(message.topic, QoS::AtLeastOnce, message.retain, message.payload, properties)
            .map_err(|_| codes::TOPIC_NAME_INVALID)?;
        self.queued += 1;
        self.publishes.push_back(token);
        Ok(())
    }

    /// The library wrote a packet: those of one kind in the order they were handed over.
    fn written(&mut self, outgoing: &Outgoing) {
        let (waiting, underway, packet_id) = match outgoing {
            Outgoing::Publish(packet_id) => (&mut self.publishes, &mut self.published, packet_id),
            Outgoing::Subscribe(packet_id) => (&mut self.subscribes, &mut self.subscribed, packet_id),
            Outgoing::Unsubscribe(packet_id) => (&mut self.unsubscribes, &mut self.unsubscribed, packet_id),
            Outgoing::PubAck(_) => {
                self.queued = self.queued.saturating_sub(1);
                return;
            }
            _ => return,
        };
        self.queued = self.queued.saturating_sub(1);
        if let Some(token) = waiting.pop_front() {
            underway.insert(*packet_id, token);
        }
    }

    fn answered(&mut self, packet: &Packet) -> Option<Event> {
        match packet {
            Packet::PubAck(ack) => {
                let token = self.published.remove(&ack.pkid)?;
                Some(Event::Published { token, code: codes::puback(ack.reason) })
            }
            Packet::SubAck(ack) => {
                let token = self.subscribed.remove(&ack.pkid)?;
                let code = ack.return_codes.first().copied().map_or(codes::TOPIC_FILTER_INVALID, codes::suback);
                Some(Event::Subscribed { token, code })
            }
            Packet::UnsubAck(ack) => {
                let token = self.unsubscribed.remove(&ack.pkid)?;
                let code = ack.reasons.first().copied().map_or(codes::TOPIC_FILTER_INVALID, codes::unsuback);
                Some(Event::Unsubscribed { token, code })
            }
            _ => None,
        }
    }
}

fn incoming(publish: Publish) -> Incoming {
    let properties = publish.properties.unwrap_or_default();
    let ids = &properties.subscription_identifiers;
    let mut subscription_ids: Vec<u32> = ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect();
    let payload = after_stray_identifiers(publish.payload, &mut subscription_ids);
    Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload,
        packet_id: publish.pkid,
        duplicate: publish.dup,
        retained: publish.retain,
        subscription_ids,
        user_properties: properties.user_properties,
    }
}

/// rumqttc 0.25.1 counts one byte too many for each Subscription Identifier and so takes the last ones of several for
/// payload. 0x0B, the property's number, cannot begin JSON: what begins with it after two identifiers is one.
fn after_stray_identifiers(mut payload: Bytes, ids: &mut Vec<u32>) -> Bytes {
    while ids.len() >= 2 && payload.first() == Some(&0x0b) {
        let mut rest = payload.slice(1..);
        let mut id = 0_u32;
        for place in 0..4 {
            let Some(byte) = rest.first().copied() else { return payload };
            rest.advance(1);
            id |= u32::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        ids.push(id);
        payload = rest;
    }
    payload
}

fn library_options(options: Options) -> Result<MqttOptions, LinkError> {
    let mut library = MqttOptions::new(options.client_id, options.address.host, options.address.port);
    if options.address.tls {
        let config = tls::client_config(options.ca_file.as_deref())?;
        library.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    if options.username.is_some() || options.password.is_some() {
        let password = options.password.as_ref().map_or("", Secret::reveal);
        library.set_credentials(options.username.unwrap_or_default(), password);
    }
    if let Some(will) = options.last_will {
        let properties = LastWillProperties {
            delay_interval: None,
            payload_format_indicator: None,
            message_expiry_interval: will.expiry_seconds,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        library.set_last_will(LastWill {
            topic: will.topic.into(),
            message: will.payload,
            qos: QoS::AtLeastOnce,
            retain: will.retain,
            properties: Some(properties),
        });
    }
    let expiry = u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX);
    library
        .set_clean_start(options.clean_start)
        .set_session_expiry_interval(Some(expiry))
        .set_receive_maximum(Some(options.receive_maximum))
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_manual_acks(true)
        .set_keep_alive(KEEP_ALIVE)
        .set_connection_timeout(CONNECT_TIMEOUT_SECONDS);
    Ok(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_that_the_library_takes_for_payload_are_given_back() {
        for (payload, ids, expected_payload, expected_ids) in [
            (&b"{\"a\":1}"[..], vec![1, 2], &b"{\"a\":1}"[..], vec![1, 2]),
            (b"\x0b\x03{}", vec![1, 2], b"{}", vec![1, 2, 3]),
            (b"\x0b\x80\x01\x0b\x04{}", vec![1, 2], b"{}", vec![1, 2, 128, 4]),
            (b"\x0b\x03", vec![1], b"\x0b\x03", vec![1]),
            (b"\x0b", vec![1, 2], b"\x0b", vec![1, 2]),
        ] {
            let mut found = ids;
            let rest = after_stray_identifiers(Bytes::from_static(payload), &mut found);
            assert_eq!((&rest[..], found), (expected_payload, expected_ids));
        }
    }
}
