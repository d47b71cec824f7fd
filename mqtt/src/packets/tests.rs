use std::time::Duration;

use super::*;
use crate::{Capabilities, Message, Output as _};

fn read_all(bytes: &[u8]) -> Vec<Packet> {
    let mut buffer = BytesMut::from(bytes);
    let mut packets = Vec::new();
    while let Some(packet) = take(&mut buffer).unwrap() {
        packets.push(packet);
    }
    assert!(buffer.is_empty(), "nothing is left: {buffer:?}");
    packets
}

fn read_one(bytes: &[u8]) -> Packet {
    let mut packets = read_all(bytes);
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

/// A PUBLISH on topic `q` with these properties.
fn publish(properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, b'q', 0, 9, u8::try_from(properties.len()).unwrap()];
    body.extend_from_slice(properties);
    body.extend_from_slice(payload);
    let mut packet = vec![0x32, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    packet
}

fn incoming(properties: &[u8], payload: &[u8]) -> Incoming {
    let Packet::Message(message) = read_one(&publish(properties, payload)) else { panic!("a message") };
    message
}

#[test]
fn packet_is_taken_once_it_is_complete() {
    let bytes = publish(&[], b"{}");
    let mut buffer = BytesMut::new();
    for byte in &bytes[..bytes.len() - 1] {
        buffer.put_u8(*byte);
        assert!(take(&mut buffer).unwrap().is_none());
    }
    buffer.put_slice(&[bytes[bytes.len() - 1], 0xd0]);
    assert!(matches!(take(&mut buffer).unwrap(), Some(Packet::Message(_))));
    assert!(take(&mut buffer).unwrap().is_none());
    buffer.put_u8(0);
    assert!(matches!(take(&mut buffer).unwrap(), Some(Packet::Pong)));
}

#[test]
fn answers_without_property_length_and_with_unknown_codes_are_read() {
    for (bytes, value, name) in [
        (&[0x40, 2, 0, 7][..], 0, "Success"),
        (&[0x40, 3, 0, 7, 0x95], 0x95, "PacketTooLarge"),
        (&[0x40, 4, 0, 7, 0x87, 0], 0x87, "NotAuthorized"),
        (&[0x40, 3, 0, 7, 0xee], 0xee, "UnspecifiedError"),
    ] {
        let Packet::Published { packet_id: 7, code } = read_one(bytes) else { panic!("{bytes:?}") };
        assert_eq!((code.value, code.name), (value, name));
    }
    for (bytes, value) in [
        (&[0xe0, 0][..], 0),
        (&[0xe0, 1, 0x9a], 0x9a),
        (&[0xe0, 2, 0x8e, 0], 0x8e),
        (&[0xe0, 6, 0x98, 4, 0x1f, 0, 1, b'x'], 0x98),
    ] {
        assert!(matches!(read_one(bytes), Packet::Ended(code) if code.value == value), "{bytes:?}");
    }
    let granted = read_one(&[0x90, 4, 0, 7, 0, 1]);
    assert!(matches!(granted, Packet::Subscribed { packet_id: 7, code: Code { value: 1, name: "Granted" } }));
    let refused = read_one(&[0x90, 8, 0, 7, 4, 0x1f, 0, 1, b'x', 0xa1]);
    assert!(matches!(refused, Packet::Subscribed { packet_id: 7, code: Code { value: 0xa1, .. } }));
    assert!(
        matches!(read_one(&[0xb0, 4, 0, 7, 0, 0x11]), Packet::Unsubscribed { packet_id: 7, code } if code.is_success())
    );
}

#[test]
fn connack_is_read_in_all_its_forms() {
    let Packet::Accepted(accepted) = read_one(&[0x20, 2, 1, 0]) else { panic!("accepted") };
    assert!(accepted.session_present);
    assert_eq!((accepted.capabilities, accepted.keep_alive), (Capabilities::UNLIMITED, None));
    let properties = [0x20, 14, 0, 0, 11, 0x21, 0, 20, 0x27, 0, 1, 0, 0, 0x13, 0, 60];
    let Packet::Accepted(accepted) = read_one(&properties) else { panic!("accepted") };
    let bounded = Capabilities { receive_maximum: 20, max_packet_size: Some(65_536), ..Capabilities::UNLIMITED };
    assert_eq!((accepted.capabilities, accepted.keep_alive), (bounded, Some(Duration::from_mins(1))));
    let poor = [0x20, 14, 0, 0, 11, 0x24, 1, 0x25, 0, 0x29, 0, 0x11, 0, 0, 0, 60];
    let Packet::Accepted(accepted) = read_one(&poor) else { panic!("accepted") };
    let expected = Capabilities {
        max_qos: 1,
        retain: false,
        subscription_ids: false,
        session_expiry: Some(60),
        ..Capabilities::UNLIMITED
    };
    assert_eq!(accepted.capabilities, expected);
    for (reason, name) in [(0x87, "NotAuthorized"), (1, "UnsupportedProtocolVersion"), (5, "NotAuthorized")] {
        assert!(matches!(read_one(&[0x20, 2, 0, reason]), Packet::Refused(code) if code.name == name));
    }
}

#[test]
fn subscription_identifiers_and_user_properties_come_in_any_order() {
    let user = [0x26, 0, 1, b'k', 0, 1, b'v'];
    for (properties, ids, users) in [
        (vec![], vec![], 0),
        (vec![0x0b, 1], vec![1], 0),
        (vec![0x0b, 1, 0x0b, 2], vec![1, 2], 0),
        (vec![0x0b, 1, 0x0b, 2, 0x0b, 3], vec![1, 2, 3], 0),
        (vec![0x0b, 1, 0x0b, 2, 0x0b, 0x80, 0x01, 0x0b, 4], vec![1, 2, 128, 4], 0),
        ([&[0x0b, 1, 0x0b, 2, 0x0b, 3, 0x0b, 4, 0x0b, 5, 0x0b, 6, 0x0b, 7][..], &user].concat(), (1..=7).collect(), 1),
        ([&user[..], &[0x0b, 1, 0x0b, 2, 0x0b, 3]].concat(), vec![1, 2, 3], 1),
    ] {
        // 0x0b in front of the payload is not an identifier.
        for payload in [&b"{\"a\":1}"[..], b"", b"\x0b\x03{}"] {
            let message = incoming(&properties, payload);
            assert_eq!((&message.payload[..], &message.subscription_ids), (payload, &ids), "{properties:?}");
            assert_eq!(message.user_properties.len(), users, "{properties:?}");
        }
    }
}

#[test]
fn packets_that_no_broker_sends_are_malformed() {
    for bytes in [
        &[0xf0, 2, 0x18, 0][..],
        &[0x62, 2, 0, 1],
        &[0x10, 2, 0, 0],
        &[0x34, 6, 0, 1, b'q', 0, 9, 0],
        &[0x32, 3, 0, 9, b'q'],
        &[0x40, 1, 0],
        &[0x90, 3, 0, 7, 0],
        &[0x20, 1, 0],
        &[0x32, 0xff, 0xff, 0xff, 0x7f],
    ] {
        assert!(take(&mut BytesMut::from(bytes)).is_err(), "{bytes:?}");
    }
}

#[test]
fn refused_packet_leaves_nothing_in_the_output() {
    let mut output = BytesMut::from(&b"before"[..]);
    let message = Message::new("a".to_owned(), Bytes::from(vec![0; 100]));
    assert_eq!(publish_of(&message, Some(50), &mut output), Err(codes::PACKET_TOO_LARGE));
    let long = Message { user_properties: vec![("k".to_owned(), "v".repeat(70_000))], ..message.clone() };
    assert_eq!(publish_of(&long, None, &mut output), Err(codes::PACKET_TOO_LARGE));
    assert_eq!(output.subscribe("a/#/b".to_owned(), Some(1), 1), Err(codes::TOPIC_FILTER_INVALID));
    assert_eq!(&output[..], b"before");
    publish_of(&message, Some(120), &mut output).unwrap();
    assert_eq!(output[..9], *b"before\x32\x6a\x00");
}

fn publish_of(message: &Message, max: Option<u32>, output: &mut BytesMut) -> Result<(), Code> {
    output.publish(message.clone(), 1, max)
}

#[test]
fn message_counts_the_memory_of_its_user_properties() {
    // 20 empty ones of 5 bytes each.
    let message = incoming(&[0x26, 0, 0, 0, 0].repeat(20), b"1");
    assert_eq!(message.user_properties.len(), 20);
    assert!(message.size >= 20 * size_of::<(String, String)>(), "{}", message.size);
}
