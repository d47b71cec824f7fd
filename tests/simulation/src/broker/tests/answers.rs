//! Publications of clients, last wills and takeovers.

use super::*;

fn puback_of(packet_id: u16, code: u8) -> ServerPacket {
    ServerPacket::Puback { packet_id, code }
}

fn publishing(broker: &mut Broker) -> ConnectionId {
    let connection = attach(broker, connect(), NOW);
    broker.take_output();
    connection
}

fn send(broker: &mut Broker, connection: ConnectionId, publish: Publish, now: Time) {
    broker.handle(connection, ClientPacket::Publish(publish), now);
}

fn facts_of(broker: &mut Broker) -> Vec<String> {
    let facts = broker.take_facts().into_iter();
    facts
        .filter_map(|fact| match fact {
            Fact::Publication { topic, .. } => Some(format!("taken {topic}")),
            Fact::Refused { topic, code } => Some(format!("refused {topic} {code:02x}")),
            _ => None,
        })
        .collect()
}

#[test]
fn a_publication_is_taken_and_answered() {
    for (reports, code) in [(false, 0), (true, code::NO_MATCHING_SUBSCRIBERS)] {
        let mut broker = broker(|options| options.reports_no_subscribers = reports);
        let connection = publishing(&mut broker);
        send(&mut broker, connection, publication(5, "decisions"), NOW);
        assert_eq!(packets(&mut broker), [puback_of(5, code)]);
        assert_eq!(facts_of(&mut broker), ["taken decisions"]);
    }
}

#[test]
fn late_pubacks_keep_their_order() {
    let mut broker = broker(|options| options.puback_delay = millis(1)..=millis(50));
    let connection = publishing(&mut broker);
    for packet_id in 1..=20 {
        send(&mut broker, connection, publication(packet_id, "decisions"), NOW + millis(packet_id.into()));
    }
    let mut answered = Vec::new();
    loop {
        answered.extend(packets(&mut broker));
        let Some(at) = broker.wake() else { break };
        broker.advance(at);
    }
    assert_eq!(answered, (1..=20).map(|packet_id| puback_of(packet_id, 0)).collect::<Vec<_>>());
}

#[test]
fn a_refused_topic_is_answered_as_the_broker_does() {
    for (refusal, expected, ends) in [
        (Refusal::Answer, puback_of(1, 0x87), false),
        (Refusal::AnswerAndClose, puback_of(1, 0x87), true),
        (Refusal::Disconnect, ServerPacket::Disconnect { code: 0x87 }, true),
    ] {
        let mut broker = broker(|options| options.refusal = refusal);
        let connection = publishing(&mut broker);
        broker.refuse("a/dead-letter", 0x87, NOW + seconds(5));
        send(&mut broker, connection, publication(1, "a/dead-letter"), NOW);
        assert_eq!(packets(&mut broker), [expected]);
        assert_eq!(broker.take_closed().contains(&connection), ends);
        assert_eq!(facts_of(&mut broker), ["refused a/dead-letter 87"]);
    }
}

#[test]
fn a_refusal_ends_and_leaves_other_topics_alone() {
    let mut broker = broker(|_| {});
    let connection = publishing(&mut broker);
    broker.refuse("a/#", 0x87, NOW + seconds(5));
    send(&mut broker, connection, publication(1, "b"), NOW);
    send(&mut broker, connection, publication(2, "a/b"), NOW);
    send(&mut broker, connection, publication(3, "a/b"), NOW + seconds(5));
    assert_eq!(packets(&mut broker), [puback_of(1, 0), puback_of(2, 0x87), puback_of(3, 0)]);
}

#[test]
fn a_connection_that_ends_by_a_refusal_reads_no_more() {
    let mut broker = broker(|options| {
        options.refusal = Refusal::AnswerAndClose;
        options.puback_delay = millis(10)..=millis(10);
    });
    let connection = publishing(&mut broker);
    broker.refuse("letters", 0x87, seconds(60));
    send(&mut broker, connection, publication(1, "decisions"), NOW);
    send(&mut broker, connection, publication(2, "letters"), NOW);
    send(&mut broker, connection, publication(3, "decisions"), NOW);
    broker.advance(NOW + millis(10));
    assert_eq!(packets(&mut broker), [puback_of(1, 0), puback_of(2, 0x87)]);
    assert_eq!(broker.take_closed(), [connection]);
    assert_eq!(facts_of(&mut broker), ["taken decisions", "refused letters 87"]);
}

#[test]
fn too_large_packet_is_refused_or_violates_an_announced_bound() {
    for (announces_packet_size, expected) in [(true, vec!["capabilities"]), (false, vec![])] {
        let mut broker = broker(|options| {
            options.max_packet_size = Some(99);
            options.announces_packet_size = announces_packet_size;
        });
        let connection = publishing(&mut broker);
        send(&mut broker, connection, publication(1, "letters"), NOW);
        assert_eq!(packets(&mut broker), [puback_of(1, code::PACKET_TOO_LARGE)]);
        assert_eq!(promises(&mut broker), expected);
    }
}

#[test]
fn the_connack_has_the_capabilities() {
    let mut broker = broker(|options| {
        options.max_packet_size = Some(4_096);
        options.subscription_ids = false;
        options.receive_maximum = 8;
    });
    attach(&mut broker, connect(), NOW);
    let ServerPacket::Connack { session_present, capabilities, .. } = packets(&mut broker).remove(0) else {
        panic!("no CONNACK")
    };
    assert!(!session_present && !capabilities.subscription_ids);
    assert_eq!((capabilities.max_packet_size, capabilities.receive_maximum), (Some(4_096), 8));
}

#[test]
fn more_publications_than_the_broker_takes_break_the_protocol() {
    let mut broker = broker(|options| {
        options.receive_maximum = 1;
        options.puback_delay = seconds(1)..=seconds(1);
    });
    let connection = publishing(&mut broker);
    send(&mut broker, connection, publication(1, "decisions"), NOW);
    send(&mut broker, connection, publication(2, "decisions"), NOW);
    assert_eq!(promises(&mut broker), ["receive-maximum"]);
    assert_eq!(broker.take_closed(), [connection]);
}

#[test]
fn a_packet_identifier_in_use_breaks_the_protocol() {
    let mut broker = broker(|options| options.puback_delay = seconds(1)..=seconds(1));
    let connection = publishing(&mut broker);
    send(&mut broker, connection, publication(1, "decisions"), NOW);
    send(&mut broker, connection, publication(1, "decisions"), NOW);
    assert_eq!(promises(&mut broker), ["packet-identifiers"]);
}

#[test]
fn the_first_packet_is_a_connect() {
    let mut broker = broker(|_| {});
    let connection = broker.accept();
    broker.handle(connection, ClientPacket::Pingreq, NOW);
    assert_eq!(promises(&mut broker), ["protocol"]);
    assert_eq!(broker.take_closed(), [connection]);
}

/// The retained state that a subscriber sees.
fn state(broker: &mut Broker) -> Option<Rc<Body>> {
    let watcher = attach(broker, Connect { client_id: "watcher".to_owned(), clean_start: true, ..connect() }, NOW);
    let subscribe = Subscribe { packet_id: 1, filter: "state".to_owned(), subscription_id: None, retained: true };
    broker.handle(watcher, ClientPacket::Subscribe(subscribe), NOW);
    deliveries(broker).pop().map(|delivery| delivery.body)
}

#[test]
fn a_lost_connection_publishes_the_will_and_a_disconnect_does_not() {
    let mut broker = broker(|_| {});
    let connection = attach(&mut broker, Connect { will: Some(will()), ..connect() }, NOW);
    broker.handle(connection, ClientPacket::Disconnect, NOW);
    assert_eq!(state(&mut broker), None);
    assert!(broker.take_closed().contains(&connection));
    let connection = attach(&mut broker, Connect { will: Some(will()), ..connect() }, NOW);
    broker.lost(connection, NOW);
    assert_eq!(state(&mut broker).map(|body| body.payload.clone()), Some("offline".into()));
    assert!(!broker.take_closed().contains(&connection));
}

#[test]
fn a_retained_will_is_refused_where_nothing_is_retained() {
    let mut broker = broker(|options| options.retain = false);
    let connection = attach(&mut broker, Connect { will: Some(will()), ..connect() }, NOW);
    let code_of = |packet| if let ServerPacket::Connack { code, .. } = packet { code } else { 0 };
    assert_eq!(packets(&mut broker).into_iter().map(code_of).collect::<Vec<_>>(), [code::RETAIN_NOT_SUPPORTED]);
    assert_eq!(broker.take_closed(), [connection]);
}

#[test]
fn a_takeover_ends_the_connection_before_announced_or_not() {
    let announced = vec![ServerPacket::Disconnect { code: code::SESSION_TAKEN_OVER }];
    for (takeover, expected) in [(Takeover::Announced, announced), (Takeover::Silent, vec![])] {
        let mut broker = broker(|options| options.takeover = takeover);
        let first = subscribed(&mut broker);
        publish(&mut broker, 2, NOW);
        broker.take_output();
        let second = attach(&mut broker, connect(), NOW);
        let (of_first, of_second): (Vec<_>, Vec<_>) =
            broker.take_output().into_iter().partition(|(connection, _)| *connection == first);
        assert_eq!(of_first.into_iter().map(|(_, packet)| packet).collect::<Vec<_>>(), expected);
        assert_eq!(of_second.len(), 3);
        assert!(matches!(of_second.first(), Some((_, ServerPacket::Connack { session_present: true, .. }))));
        assert_eq!(broker.take_closed(), [first]);
        puback(&mut broker, first, 1);
        assert_eq!(broker.waiting(BRIDGE), [1, 2]);
        puback(&mut broker, second, 1);
        assert_eq!(broker.waiting(BRIDGE), [2]);
    }
}
