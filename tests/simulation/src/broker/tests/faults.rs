//! Restarts, silence and lost answers.

use super::*;

/// A bridge that acknowledged message 1 of 3, all of them written; then the file was saved; then it acknowledged message 2,
/// and message 4 came.
fn saved_at_three() -> Broker {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    publish(&mut broker, 3, NOW);
    puback(&mut broker, connection, 1);
    broker.save();
    puback(&mut broker, connection, 2);
    publish(&mut broker, 1, NOW);
    broker.take_output();
    broker.take_facts();
    broker
}

#[test]
fn a_stop_in_order_keeps_sessions_and_messages() {
    let mut broker = saved_at_three();
    broker.restart(Memory::Kept, NOW);
    assert_eq!(broker.take_closed().len(), 1);
    attach(&mut broker, connect(), NOW);
    assert_eq!(delivered(&mut broker), [(3, 3, true), (4, 4, true)]);
    assert!(losses(&mut broker).is_empty());
}

#[test]
fn a_broker_without_memory_loses_sessions_and_messages() {
    let mut broker = saved_at_three();
    broker.restart(Memory::Lost, NOW);
    attach(&mut broker, connect(), NOW);
    assert!(matches!(packets(&mut broker).as_slice(), [ServerPacket::Connack { session_present: false, .. }]));
    assert_eq!(losses(&mut broker), [(3, Loss::Restart), (4, Loss::Restart)]);
    broker.restart(Memory::Older, NOW);
    assert!(broker.waiting(BRIDGE).is_empty());
}

#[test]
fn an_older_file_repeats_acknowledged_messages_and_loses_newer_ones() {
    let mut broker = saved_at_three();
    broker.restart(Memory::Older, NOW);
    let facts = broker.take_facts();
    assert!(matches!(facts.as_slice(), [Fact::BrokerWentBack, Fact::Lost { message: 4, loss: Loss::Restart, .. }]));
    attach(&mut broker, connect(), NOW);
    assert_eq!(delivered(&mut broker), [(2, 2, true), (3, 3, true)]);
    // Numbers of messages are not the broker's, and do not go back.
    assert_eq!(broker.publish(&body("quotes/goog"), false, NOW), Ok(5));
    assert_eq!(delivered(&mut broker), [(5, 4, false)]);
}

#[test]
fn messages_that_were_not_written_before_the_older_file_come_without_dup() {
    let mut broker = broker(|options| options.max_inflight = Some(1));
    let connection = subscribed(&mut broker);
    publish(&mut broker, 2, NOW);
    broker.save();
    puback(&mut broker, connection, 1);
    puback(&mut broker, connection, 2);
    broker.restart(Memory::Older, NOW);
    broker.take_output();
    let connection = attach(&mut broker, connect(), NOW);
    puback(&mut broker, connection, 1);
    assert_eq!(delivered(&mut broker), [(1, 1, true), (2, 2, false)]);
}

#[test]
fn a_killed_broker_publishes_no_will() {
    let mut broker = broker(|_| {});
    attach(&mut broker, Connect { will: Some(will()), ..connect() }, NOW);
    broker.restart(Memory::Kept, NOW);
    let watcher = attach(&mut broker, Connect { client_id: "watcher".to_owned(), ..connect() }, NOW);
    let subscribe = Subscribe { packet_id: 1, filter: "state".to_owned(), subscription_id: None, retained: true };
    broker.handle(watcher, ClientPacket::Subscribe(subscribe), NOW);
    assert!(deliveries(&mut broker).is_empty());
}

#[test]
fn a_frozen_broker_reads_everything_later_in_order() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    let until = NOW + seconds(40);
    broker.silence(Silence::Frozen, until);
    broker.handle(connection, ClientPacket::Pingreq, NOW);
    broker.lost(connection, NOW);
    attach(&mut broker, connect(), NOW);
    assert_eq!(broker.publish(&body("quotes/goog"), false, NOW), Err(code::SERVER_UNAVAILABLE));
    assert!(broker.take_output().is_empty());
    assert_eq!(broker.wake(), Some(until));
    broker.advance(until);
    let packets = packets(&mut broker);
    assert!(matches!(
        packets.as_slice(),
        [ServerPacket::Pingresp, ServerPacket::Connack { session_present: true, .. }]
    ));
    assert_eq!(broker.publish(&body("quotes/goog"), false, until), Ok(1));
}

#[test]
fn a_broker_that_does_not_answer_takes_publications_and_answers_pings() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    broker.silence(Silence::Unanswering, NOW + seconds(40));
    broker.handle(connection, ClientPacket::Publish(publication(1, "decisions")), NOW);
    broker.handle(connection, subscription("quotes/goog", None), NOW);
    broker.handle(connection, ClientPacket::Pingreq, NOW);
    assert_eq!(packets(&mut broker), [ServerPacket::Pingresp]);
    assert!(broker.take_facts().iter().any(|fact| matches!(fact, Fact::Publication { .. })));
    broker.handle(connection, ClientPacket::Publish(publication(2, "decisions")), NOW + seconds(40));
    assert_eq!(packets(&mut broker), [ServerPacket::Puback { packet_id: 2, code: 0 }]);
}

#[test]
fn a_puback_is_lost_with_its_connection() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    broker.cut_at_publication(BRIDGE);
    broker.handle(connection, ClientPacket::Publish(publication(1, "decisions")), NOW);
    assert!(broker.take_output().is_empty());
    assert_eq!(broker.take_closed(), [connection]);
    assert!(broker.take_facts().iter().any(|fact| matches!(fact, Fact::Publication { .. })));
    let connection = attach(&mut broker, connect(), NOW);
    broker.take_output();
    broker.handle(connection, ClientPacket::Publish(publication(1, "decisions")), NOW);
    assert_eq!(packets(&mut broker), [ServerPacket::Puback { packet_id: 1, code: 0 }]);
}

#[test]
fn slow_pubacks_come_later() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    broker.slow(seconds(3), NOW + seconds(10));
    broker.handle(connection, ClientPacket::Publish(publication(1, "decisions")), NOW);
    assert_eq!(broker.wake(), Some(NOW + seconds(3)));
    broker.advance(NOW + seconds(3));
    assert_eq!(packets(&mut broker), [ServerPacket::Puback { packet_id: 1, code: 0 }]);
    broker.handle(connection, ClientPacket::Publish(publication(2, "decisions")), NOW + seconds(10));
    assert_eq!(packets(&mut broker).len(), 1);
}

#[test]
fn connections_are_refused_for_a_while() {
    let mut broker = broker(|_| {});
    broker.refuse_connections(code::SERVER_UNAVAILABLE, NOW + seconds(2));
    let first = attach(&mut broker, connect(), NOW);
    attach(&mut broker, connect(), NOW + seconds(2));
    let codes = packets(&mut broker).into_iter().map(|packet| match packet {
        ServerPacket::Connack { code, .. } => code,
        _ => u8::MAX,
    });
    assert_eq!(codes.collect::<Vec<_>>(), [code::SERVER_UNAVAILABLE, 0]);
    assert_eq!(broker.take_closed(), [first]);
}

#[test]
fn faults_end_at_once() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    let until = seconds(1_000);
    broker.refuse("#", 0x87, until);
    broker.slow(seconds(3), until);
    broker.cut_at_publication(BRIDGE);
    broker.silence(Silence::Frozen, until);
    broker.silence(Silence::Unanswering, until);
    broker.handle(connection, ClientPacket::Publish(publication(1, "decisions")), NOW);
    broker.end_faults(NOW);
    assert_eq!(packets(&mut broker), [ServerPacket::Puback { packet_id: 1, code: 0 }]);
}

#[test]
fn one_seed_gives_one_behaviour() {
    let run = |seed| {
        let options = Options::draw(&mut generator(seed, Stream::Broker), crate::plan::Scale::Small);
        let mut broker = Broker::new(Options { puback_delay: millis(0)..=millis(99), ..options }, seed);
        let connection = subscribed(&mut broker);
        let mut log = Vec::new();
        for packet_id in 1..=5 {
            broker.handle(connection, ClientPacket::Publish(publication(packet_id, "decisions")), NOW);
            log.push(format!("{:?} {:?}", broker.wake(), broker.take_output()));
        }
        log
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
