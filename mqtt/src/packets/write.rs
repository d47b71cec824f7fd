//! The packets that this client writes.

use bytes::BytesMut;
use intuition_common::secret::Secret;
use rumqttc::v5::mqttbytes::{
    QoS,
    v5::{
        self, ConnectProperties, Filter, LastWill, LastWillProperties, Login, PingReq, PubAck, PublishProperties,
        RetainForwardRule, Subscribe, SubscribeProperties, Unsubscribe,
    },
};

use super::MAX_PACKET_BYTES;
use crate::{Code, Message, Options, codes, credentials::Presented, output::Output};

/// Longest text that MQTT can carry.
const MAX_TEXT_BYTES: usize = 65_535;

/// Writes a CONNECT. An error: it is too long for MQTT.
pub(crate) fn connect(
    options: &Options,
    will: Option<&Message>,
    presented: &Presented,
    output: &mut BytesMut,
) -> Result<(), Code> {
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(u32::try_from(options.session_expiry.as_secs()).unwrap_or(u32::MAX));
    properties.receive_maximum = Some(options.receive_maximum);
    properties.max_packet_size = Some(MAX_PACKET_BYTES);
    let connect = v5::Connect {
        keep_alive: u16::try_from(options.keep_alive.as_secs()).unwrap_or(u16::MAX),
        client_id: options.client_id.clone(),
        clean_start: options.clean_start,
        properties: Some(properties),
    };
    let will = will.cloned().map(|will| LastWill {
        topic: will.topic.into(),
        message: will.payload,
        qos: QoS::AtLeastOnce,
        retain: will.retain,
        properties: Some(LastWillProperties {
            delay_interval: None,
            payload_format_indicator: None,
            message_expiry_interval: will.expiry_seconds,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        }),
    });
    let password = presented.password.as_ref().map_or("", Secret::reveal);
    let username = presented.username.as_deref().unwrap_or_default();
    let login = (!username.is_empty() || !password.is_empty()).then(|| Login::new(username, password));
    write(&v5::Packet::Connect(connect, will, login), None, output)
}

impl Output for BytesMut {
    fn publish(&mut self, message: Message, packet_id: u16, max_packet_size: Option<u32>) -> Result<(), Code> {
        write_publish(message, Some(packet_id), max_packet_size, self)
    }

    fn publish_unconfirmed(&mut self, message: Message, max_packet_size: Option<u32>) -> Result<(), Code> {
        write_publish(message, None, max_packet_size, self)
    }

    fn subscribe(&mut self, filter: String, subscription_id: Option<u32>, packet_id: u16) -> Result<(), Code> {
        let id = subscription_id.and_then(|id| usize::try_from(id).ok());
        let properties = id.map(|id| SubscribeProperties { id: Some(id), user_properties: Vec::new() });
        write_subscribe(filter, RetainForwardRule::Never, properties, packet_id, self)
    }

    fn look_up(&mut self, filter: String, packet_id: u16) -> Result<(), Code> {
        write_subscribe(filter, RetainForwardRule::OnEverySubscribe, None, packet_id, self)
    }

    fn unsubscribe(&mut self, filter: String, packet_id: u16) -> Result<(), Code> {
        check_filter(&filter)?;
        let mut unsubscribe = Unsubscribe::new(filter, None);
        unsubscribe.pkid = packet_id;
        write(&v5::Packet::Unsubscribe(unsubscribe), None, self)
    }

    fn puback(&mut self, packet_id: u16) {
        // A packet of four bytes: there is nothing in it that could fail.
        drop(PubAck::new(packet_id, None).write(self));
    }

    fn ping(&mut self) {
        drop(PingReq::write(self));
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// With `QoS` 1 under a packet identifier, otherwise with `QoS` 0.
fn write_publish(
    message: Message,
    packet_id: Option<u16>,
    max_packet_size: Option<u32>,
    output: &mut BytesMut,
) -> Result<(), Code> {
    let Message { topic, payload, retain, expiry_seconds, user_properties } = message;
    if topic.is_empty() || topic.len() > MAX_TEXT_BYTES || topic.contains(['+', '#', '\0']) {
        return Err(codes::TOPIC_NAME_INVALID);
    }
    let longest = user_properties.iter().map(|(key, value)| key.len().max(value.len())).max();
    if longest.is_some_and(|longest| longest > MAX_TEXT_BYTES) {
        return Err(codes::PACKET_TOO_LARGE);
    }
    let properties =
        PublishProperties { message_expiry_interval: expiry_seconds, user_properties, ..PublishProperties::default() };
    let qos = if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    let mut publish = v5::Publish::new(topic, qos, payload, Some(properties));
    publish.pkid = packet_id.unwrap_or_default();
    publish.retain = retain;
    write(&v5::Packet::Publish(publish), max_packet_size, output)
}

fn write_subscribe(
    filter: String,
    retained: RetainForwardRule,
    properties: Option<SubscribeProperties>,
    packet_id: u16,
    output: &mut BytesMut,
) -> Result<(), Code> {
    check_filter(&filter)?;
    let mut filter = Filter::new(filter, QoS::AtLeastOnce);
    filter.retain_forward_rule = retained;
    let mut subscribe = Subscribe::new(filter, properties);
    subscribe.pkid = packet_id;
    write(&v5::Packet::Subscribe(subscribe), None, output)
}

fn check_filter(filter: &str) -> Result<(), Code> {
    let is_valid = rumqttc::v5::mqttbytes::valid_filter(filter) && filter.len() <= MAX_TEXT_BYTES;
    if is_valid { Ok(()) } else { Err(codes::TOPIC_FILTER_INVALID) }
}

/// Writes a DISCONNECT after which the broker publishes no last will.
pub(crate) fn disconnect(output: &mut BytesMut) -> Result<(), Code> {
    let disconnect = v5::Disconnect::new(v5::DisconnectReasonCode::NormalDisconnection);
    write(&v5::Packet::Disconnect(disconnect), None, output)
}

/// All or nothing.
fn write(packet: &v5::Packet, max_size: Option<u32>, output: &mut BytesMut) -> Result<(), Code> {
    // The codec finds the flags of a CONNECT by their place in the whole buffer.
    let mut tail = output.split_off(output.len());
    let written = packet.write(&mut tail, max_size);
    if written.is_ok() {
        output.unsplit(tail);
    }
    written.map(|_| ()).map_err(|_| codes::PACKET_TOO_LARGE)
}
