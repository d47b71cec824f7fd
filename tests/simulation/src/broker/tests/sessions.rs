//! Order, packet identifiers, windows, subscriptions, and the life of a session.

use std::collections::VecDeque;

use super::*;

#[test]
fn messages_go_out_in_the_order_taken() {
    let mut broker = broker(|_| {});
    subscribed(&mut broker);
    publish(&mut broker, 3, NOW);
    assert_eq!(delivered(&mut broker), [(1, 1, false), (2, 2, false), (3, 3, false)]);
    assert_eq!(broker.waiting(BRIDGE), [1, 2, 3]);
}

#[test]
fn unacknowledged_messages_come_first_with_dup_on_the_next_connection() {
    let mut broker = broker(|_| {});
    let first = subscribed(&mut broker);
    publish(&mut broker, 3, NOW);
    puback(&mut broker, first, 1);
    broker.lost(first, NOW);
    publish(&mut broker, 1, NOW);
    broker.take_output();
    attach(&mut broker, connect(), NOW);
    assert_eq!(delivered(&mut broker), [(2, 2, true), (3, 3, true), (4, 4, false)]);
    assert_eq!(promises(&mut broker), [""; 0]);
}

#[test]
fn receive_maximum_bounds_what_is_on_its_way() {
    let mut broker = broker(|_| {});
    let connection = attach(&mut broker, Connect { receive_maximum: 2, ..connect() }, NOW);
    broker.handle(connection, subscription("quotes/#", None), NOW);
    publish(&mut broker, 4, NOW);
    assert_eq!(delivered(&mut broker), [(1, 1, false), (2, 2, false)]);
    puback(&mut broker, connection, 1);
    assert_eq!(delivered(&mut broker), [(3, 3, false)]);
}

#[test]
fn the_broker_may_send_fewer_than_receive_maximum() {
    let mut broker = broker(|options| options.max_inflight = Some(1));
    let connection = subscribed(&mut broker);
    publish(&mut broker, 2, NOW);
    assert_eq!(delivered(&mut broker), [(1, 1, false)]);
    puback(&mut broker, connection, 1);
    assert_eq!(delivered(&mut broker), [(2, 2, false)]);
}

#[test]
fn a_backlog_is_written_at_once_and_a_pingresp_comes_behind_it() {
    let mut broker = broker(|options| options.writing = Writing::AllAtOnce);
    let connection = subscribed(&mut broker);
    broker.lost(connection, NOW);
    publish(&mut broker, 500, NOW);
    let connection = attach(&mut broker, Connect { receive_maximum: 2, ..connect() }, NOW);
    broker.handle(connection, ClientPacket::Pingreq, NOW);
    let packets = packets(&mut broker);
    assert_eq!(packets.iter().filter(|packet| matches!(packet, ServerPacket::Publish(_))).count(), 500);
    assert_eq!(packets.last(), Some(&ServerPacket::Pingresp));
}

#[test]
fn a_paced_broker_writes_the_rest_when_it_is_woken() {
    let mut broker = broker(|options| options.writing = Writing::Paced(2));
    let connection = subscribed(&mut broker);
    broker.lost(connection, NOW);
    publish(&mut broker, 5, NOW);
    let connection = attach(&mut broker, connect(), NOW);
    broker.handle(connection, ClientPacket::Pingreq, NOW);
    assert_eq!(delivered(&mut broker).len(), 2);
    let mut at = NOW;
    for expected in [2, 1] {
        at = broker.wake().unwrap();
        broker.advance(at);
        assert_eq!(delivered(&mut broker).len(), expected);
    }
    assert_eq!(at, NOW + millis(2));
    assert_eq!(broker.wake(), None);
}

#[test]
fn packet_identifiers_come_again_and_none_is_given_twice() {
    let mut broker = broker(|options| options.highest_packet_id = 3);
    let connection = subscribed(&mut broker);
    publish(&mut broker, 5, NOW);
    assert_eq!(delivered(&mut broker), [(1, 1, false), (2, 2, false), (3, 3, false)]);
    puback(&mut broker, connection, 1);
    assert_eq!(delivered(&mut broker), [(4, 1, false)]);
    puback(&mut broker, connection, 2);
    puback(&mut broker, connection, 3);
    assert_eq!(delivered(&mut broker), [(5, 2, false)]);
    assert_eq!(acknowledged(&mut broker), [1, 2, 3]);
}

#[test]
fn a_full_queue_drops_the_message_and_its_publisher_hears_of_success() {
    let mut broker = broker(|options| {
        options.queue_limit = Some(2);
        options.max_inflight = Some(1);
    });
    subscribed(&mut broker);
    publish(&mut broker, 4, NOW);
    assert_eq!(losses(&mut broker), [(4, Loss::Overflow)]);
    assert_eq!(broker.waiting(BRIDGE), [1, 2, 3]);
}

#[test]
fn a_message_that_no_subscription_selects_is_lost_for_the_bridge_alone() {
    let mut broker = broker(|_| {});
    publish(&mut broker, 1, NOW);
    let connection = subscribed(&mut broker);
    attach(&mut broker, Connect { client_id: "bridge-publisher".to_owned(), ..connect() }, NOW);
    broker.publish(&body("other"), false, NOW).unwrap();
    broker.handle(connection, ClientPacket::Unsubscribe { packet_id: 7, filter: "quotes/#".to_owned() }, NOW);
    broker.handle(connection, ClientPacket::Unsubscribe { packet_id: 8, filter: "quotes/#".to_owned() }, NOW);
    publish(&mut broker, 1, NOW);
    let lost = |message| (message, Loss::NotSubscribed);
    assert_eq!(losses(&mut broker), [lost(1), lost(2), lost(3)]);
    let answers: Vec<_> = packets(&mut broker).into_iter().skip(1).collect();
    let unsuback = |packet_id, code| ServerPacket::Unsuback { packet_id, code };
    assert_eq!(answers, [unsuback(7, 0), unsuback(8, code::NO_SUBSCRIPTION_EXISTED)]);
}

#[test]
fn pubacks_out_of_order_or_of_unknown_packets_break_the_protocol() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    publish(&mut broker, 3, NOW);
    puback(&mut broker, connection, 2);
    puback(&mut broker, connection, 2);
    assert_eq!(promises(&mut broker), ["acknowledgement-order", "acknowledgement-order"]);
    assert_eq!(broker.waiting(BRIDGE), [1, 3]);
}

#[test]
fn puback_of_the_previous_connection_acknowledges_nothing_unwritten() {
    let mut broker = broker(|_| {});
    let first = attach(&mut broker, Connect { receive_maximum: 2, ..connect() }, NOW);
    broker.handle(first, subscription("quotes/#", None), NOW);
    publish(&mut broker, 2, NOW);
    broker.lost(first, NOW);
    puback(&mut broker, first, 1);
    let second = attach(&mut broker, Connect { receive_maximum: 1, ..connect() }, NOW);
    puback(&mut broker, second, 2);
    assert_eq!(promises(&mut broker), ["acknowledgement-order"]);
    assert_eq!(broker.waiting(BRIDGE), [1, 2]);
}

#[test]
fn overlapping_subscriptions_get_a_copy_each_and_the_last_puback_counts() {
    let mut broker = broker(|options| options.overlap = Overlap::CopyForEach);
    let connection = attach(&mut broker, connect(), NOW);
    broker.handle(connection, subscription("quotes/#", Some(7)), NOW);
    broker.handle(connection, subscription("quotes/+", Some(8)), NOW);
    publish(&mut broker, 1, NOW);
    let copies = deliveries(&mut broker);
    assert_eq!(copies.iter().map(|copy| copy.subscription_ids.clone()).collect::<Vec<_>>(), [[7], [8]]);
    assert_eq!(broker.waiting(BRIDGE), [1]);
    puback(&mut broker, connection, 1);
    assert_eq!(acknowledged(&mut broker), [0; 0]);
    puback(&mut broker, connection, 2);
    assert_eq!(acknowledged(&mut broker), [1]);
}

#[test]
fn overlapping_subscriptions_get_one_copy_with_all_identifiers() {
    let mut broker = broker(|_| {});
    let connection = attach(&mut broker, connect(), NOW);
    broker.handle(connection, subscription("quotes/#", Some(7)), NOW);
    broker.handle(connection, subscription("quotes/goog", Some(8)), NOW);
    broker.handle(connection, subscription("quotes/goog", Some(9)), NOW);
    publish(&mut broker, 1, NOW);
    let copies = deliveries(&mut broker);
    assert_eq!(copies.into_iter().map(|copy| copy.subscription_ids).collect::<Vec<_>>(), [[7, 9]]);
}

#[test]
fn subscriptions_that_the_broker_cannot_make_are_refused() {
    let mut broker = broker(|options| options.subscription_ids = false);
    let connection = attach(&mut broker, connect(), NOW);
    broker.take_output();
    broker.handle(connection, subscription("quotes#", None), NOW);
    broker.handle(connection, subscription("quotes/#", Some(7)), NOW);
    let suback = |code| ServerPacket::Suback { packet_id: 1, code };
    let refused = [suback(code::TOPIC_FILTER_INVALID), suback(code::SUBSCRIPTION_IDS_NOT_SUPPORTED)];
    assert_eq!(packets(&mut broker), refused);
    assert_eq!(promises(&mut broker), ["capabilities"]);
}

#[test]
fn retained_messages_are_sent_where_they_are_asked_for() {
    for (ignores_retain_handling, retained, expected) in [(false, false, 0), (false, true, 1), (true, false, 1)] {
        let mut broker = broker(|options| options.ignores_retain_handling = ignores_retain_handling);
        broker.publish(&body("quotes/goog"), true, NOW).unwrap();
        let connection = attach(&mut broker, connect(), NOW);
        let subscribe = Subscribe { packet_id: 1, filter: "quotes/#".to_owned(), subscription_id: None, retained };
        broker.handle(connection, ClientPacket::Subscribe(subscribe), NOW);
        let copies = deliveries(&mut broker);
        assert_eq!(copies.len(), expected);
        assert!(copies.iter().all(|copy| copy.retained && copy.message == 0));
    }
}

#[test]
fn an_empty_payload_ends_a_retained_message() {
    let mut broker = broker(|options| options.ignores_retain_handling = true);
    broker.publish(&body("quotes/goog"), true, NOW).unwrap();
    let mut empty = Body::clone(&body("quotes/goog"));
    empty.payload.clear();
    broker.publish(&Rc::new(empty), true, NOW).unwrap();
    subscribed(&mut broker);
    assert!(broker.waiting(BRIDGE).is_empty());
    assert_eq!(broker.wake(), None);
}

#[test]
fn a_session_expires_with_its_messages() {
    let mut broker = broker(|options| options.session_expiry = Some(seconds(60)));
    let connection = subscribed(&mut broker);
    publish(&mut broker, 2, NOW);
    broker.lost(connection, NOW);
    assert_eq!(broker.wake(), Some(NOW + seconds(60)));
    broker.advance(NOW + seconds(59));
    assert_eq!(broker.waiting(BRIDGE), [1, 2]);
    broker.advance(NOW + seconds(60));
    assert_eq!(losses(&mut broker), [(1, Loss::SessionEnded), (2, Loss::SessionEnded)]);
    broker.take_output();
    attach(&mut broker, connect(), NOW + seconds(60));
    let connack = packets(&mut broker).remove(0);
    let ServerPacket::Connack { session_present, code, capabilities } = connack else { panic!("no CONNACK") };
    assert_eq!((session_present, code, capabilities.session_expiry), (false, 0, Some(60)));
}

#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    let mut broker = broker(|_| {});
    attach(&mut broker, Connect { session_expiry: Duration::ZERO, ..connect() }, NOW);
    attach(&mut broker, connect(), NOW);
    let present = packets(&mut broker).into_iter().filter_map(|packet| match packet {
        ServerPacket::Connack { session_present, .. } => Some(session_present),
        _ => None,
    });
    assert_eq!(present.collect::<Vec<_>>(), [false, false]);
}

#[test]
fn a_clean_start_discards_the_session() {
    let mut broker = broker(|_| {});
    let connection = subscribed(&mut broker);
    publish(&mut broker, 1, NOW);
    broker.lost(connection, NOW);
    broker.take_output();
    attach(&mut broker, Connect { clean_start: true, ..connect() }, NOW);
    assert_eq!(losses(&mut broker), [(1, Loss::SessionEnded)]);
    assert!(matches!(packets(&mut broker).as_slice(), [ServerPacket::Connack { session_present: false, .. }]));
}

#[test]
fn a_backlog_of_100_000_drains_in_linear_time() {
    for writing in [Writing::AllAtOnce, Writing::WithinReceiveMaximum] {
        let mut broker = broker(|options| options.writing = writing);
        let connection = subscribed(&mut broker);
        broker.lost(connection, NOW);
        publish(&mut broker, 100_000, NOW);
        let connection = attach(&mut broker, connect(), NOW);
        let mut waiting: VecDeque<_> = delivered(&mut broker).into();
        let mut expected = 1;
        while let Some((message, packet_id, _)) = waiting.pop_front() {
            assert_eq!(message, expected);
            expected += 1;
            puback(&mut broker, connection, packet_id);
            waiting.extend(delivered(&mut broker));
        }
        assert_eq!(expected, 100_001);
        assert_eq!(promises(&mut broker), [""; 0]);
    }
}
