use bytes::BytesMut;

use super::*;

fn underway(receive_maximum: u16) -> Underway {
    with(Capabilities { receive_maximum, ..Capabilities::UNLIMITED })
}

fn with(capabilities: Capabilities) -> Underway {
    Underway::new(capabilities, Duration::from_secs(30))
}

fn refusals(events: &[Event]) -> Vec<u8> {
    let code = |event: &Event| if let Event::Published { code, .. } = event { code.value } else { 0 };
    events.iter().map(code).collect()
}

fn message(payload: &str) -> Message {
    Message::new("decisions".to_owned(), payload.to_owned().into())
}

/// Packet identifiers of the PUBLISH packets without properties of the topic `decisions`.
fn packet_ids(output: &BytesMut) -> Vec<u16> {
    let mut rest = &output[..];
    let mut ids = Vec::new();
    while let [_, length, packet @ ..] = rest {
        ids.push(u16::from_be_bytes([packet[11], packet[12]]));
        rest = &packet[usize::from(*length)..];
    }
    ids
}

#[test]
fn broker_gets_no_more_publications_than_its_receive_maximum() {
    let (mut underway, mut output) = (underway(2), BytesMut::new());
    for token in 1..=4 {
        underway.publish(token, message("x"));
    }
    assert!(underway.publish_waiting(&mut output, usize::MAX, Instant::now()).is_empty());
    assert_eq!(packet_ids(&output), [1, 2]);
    output.clear();
    let answer = underway.published(2, codes::code(0));
    assert!(matches!(answer, Some(Event::Published { token: 2, .. })));
    assert!(underway.published(2, codes::code(0)).is_none(), "answered already");
    underway.publish_waiting(&mut output, usize::MAX, Instant::now());
    assert_eq!(packet_ids(&output), [3]);
}

#[test]
fn packet_identifiers_in_use_are_passed_over() {
    let (mut underway, mut output) = (underway(u16::MAX), BytesMut::new());
    underway.subscribe(1, "quotes".to_owned(), 1);
    underway.take_turns(&mut output, Instant::now());
    underway.last_packet_id = u16::MAX;
    underway.publish(2, message("x"));
    output.clear();
    underway.publish_waiting(&mut output, usize::MAX, Instant::now());
    assert_eq!(packet_ids(&output), [2]);
    assert!(underway.published(1, codes::code(0)).is_none(), "1 is a subscription's");
    assert!(underway.subscribed(1, codes::code(0)).is_some());
}

#[test]
fn publication_that_the_broker_cannot_take_is_answered_and_not_sent() {
    let (mut underway, mut output) =
        (with(Capabilities { max_packet_size: Some(40), ..Capabilities::UNLIMITED }), BytesMut::new());
    underway.publish(1, message(&"x".repeat(40)));
    underway.publish(2, Message { topic: "a/#".to_owned(), ..message("x") });
    let refused = underway.publish_waiting(&mut output, usize::MAX, Instant::now());
    assert_eq!(refusals(&refused), [0x95, 0x90]);
    assert!(output.is_empty());
}

#[test]
fn publication_that_the_broker_would_end_the_connection_over_is_not_sent() {
    let retained = Message { retain: true, ..message("x") };
    let (mut underway, mut output) = (with(Capabilities { retain: false, ..Capabilities::UNLIMITED }), BytesMut::new());
    underway.publish(1, retained);
    let refused = underway.publish_waiting(&mut output, usize::MAX, Instant::now());
    assert_eq!((refusals(&refused), output.len()), (vec![0x9a], 0));
    underway.publish(2, message("x"));
    assert!(underway.publish_waiting(&mut output, usize::MAX, Instant::now()).is_empty());
    let (mut underway, mut output) = (with(Capabilities { max_qos: 0, ..Capabilities::UNLIMITED }), BytesMut::new());
    underway.publish(1, message("x"));
    let refused = underway.publish_waiting(&mut output, usize::MAX, Instant::now());
    assert_eq!((refusals(&refused), output.len()), (vec![0x9b], 0));
}

#[test]
fn subscriptions_take_turns_and_leave_publications_alone() {
    let (mut underway, mut output) = (underway(1), BytesMut::new());
    let now = Instant::now();
    for token in 1..=2 {
        underway.subscribe(token, "quotes".to_owned(), 1);
    }
    underway.subscribe(3, "no/#/filter".to_owned(), 1);
    underway.unsubscribe(4, "quotes".to_owned());
    underway.publish(5, message("x"));
    assert!(underway.publish_waiting(&mut output, usize::MAX, now).is_empty());
    let mut kinds = Vec::new();
    for packet_id in 2..=4 {
        output.clear();
        let refused = underway.take_turns(&mut output, now);
        assert_eq!(refused.len(), usize::from(packet_id == 4), "the filter that no broker takes is answered here");
        kinds.extend(output.first().map(|first| first >> 4));
        output.clear();
        assert!(underway.take_turns(&mut output, now).is_empty() && output.is_empty(), "one has no answer yet");
        if packet_id == 4 {
            assert!(
                underway.subscribed(packet_id, codes::code(0)).is_none(),
                "the UNSUBSCRIBE has the next identifier"
            );
        } else {
            assert!(underway.subscribed(packet_id, codes::code(0)).is_some());
        }
    }
    assert_eq!(kinds, [8, 8, 10]);
}

#[test]
fn unconfirmed_publications_are_answered_as_they_are_written_and_take_no_place_in_the_window() {
    let (mut underway, mut output) = (underway(1), BytesMut::new());
    let retained = || Message { retain: true, ..message("x") };
    underway.publish(1, message("x"));
    underway.publish_waiting(&mut output, usize::MAX, Instant::now());
    output.clear();
    (2..=4).for_each(|token| underway.publish_unconfirmed(token, retained()));
    let tokens = |events: Vec<Event>| -> Vec<(u64, u8)> {
        let answer = |event: Event| match event {
            Event::Published { token, code } => (token, code.value),
            other => panic!("{other:?}"),
        };
        events.into_iter().map(answer).collect()
    };
    assert_eq!(tokens(underway.publish_unconfirmed_waiting(&mut output, 1)), [(2, 0)], "until the output is full");
    assert_eq!(output[0], 0x31, "a PUBLISH with QoS 0, retained");
    assert_eq!(output.len(), 2 + 2 + "decisions".len() + 1 + 1, "without a packet identifier");
    assert_eq!(tokens(underway.publish_unconfirmed_waiting(&mut output, usize::MAX)), [(3, 0), (4, 0)]);

    let mut without = with(Capabilities { retain: false, ..Capabilities::UNLIMITED });
    without.publish_unconfirmed(5, retained());
    assert_eq!(tokens(without.publish_unconfirmed_waiting(&mut output, usize::MAX)), [(5, 0x9a)]);
}
