//! Our types as the client library's, and back.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use intuition_common::secret::Secret;
use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        MqttOptions,
        mqttbytes::{
            QoS,
            v5::{LastWill, LastWillProperties, Publish},
        },
    },
};

use super::{Incoming, Options, credentials::Presented};

const KEEP_ALIVE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT_SECONDS: u64 = 5;
/// What the broker may send us.
const MAX_PACKET_BYTES: u32 = 4 * 1024 * 1024;

/// A message as the library gives it.
pub(super) fn incoming(publish: Publish) -> Incoming {
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
        room: None,
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

/// The library's settings for a connection.
pub(super) fn library_options(options: &Options, presented: Presented) -> MqttOptions {
    let mut library = MqttOptions::new(&options.client_id, &options.address.host, options.address.port);
    if let Some(config) = presented.tls {
        library.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    if presented.username.is_some() || presented.password.is_some() {
        let password = presented.password.as_ref().map_or("", Secret::reveal);
        library.set_credentials(presented.username.unwrap_or_default(), password);
    }
    if let Some(will) = options.last_will.clone() {
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
    let mut network = library.network_options();
    network.set_tcp_nodelay(true);
    library.set_network_options(network);
    library
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
