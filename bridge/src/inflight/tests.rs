use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use intuition_api::v1::{self, Tick, tick::Content};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::message::{MAX_TICKS, Marks};

const WIDE: Bounds = Bounds { ticks: 32_768, message_ticks: MAX_TICKS, bytes: 64 << 20 };

fn arrival(epoch: u64, packet_id: u16) -> Arrival {
    Arrival {
        epoch,
        packet_id,
        duplicate: false,
        marks: Marks::default(),
        topic: "quotes".to_owned(),
        subscription_ids: vec![1],
        payload_sha256: [0; 32],
        envelope_sha256: [0; 32],
        payload_size: 1,
        payload: Bytes::from_static(b"1"),
        arrived_micros: 0,
        ticks: vec![Tick::default()],
    }
}

/// The last of the positions in an outcome; 0 for none.
fn through(position: u64) -> Ranges {
    (position > 0).then_some(position).into_iter().collect()
}

/// Everything up to a position is done.
fn published(position: u64) -> impl Fn(u64, u64) -> bool {
    move |_, last| last <= position
}

fn batch(inflight: &mut Inflight) -> Vec<(u64, u32)> {
    let batch = inflight.next_batch(1_000, 1 << 20);
    batch.iter().map(|delivery| (delivery.number, delivery.packet_id)).collect()
}

#[test]
fn a_delivery_is_acknowledged_when_its_positions_are_published() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    inflight.push(arrival(1, 11));
    assert_eq!(batch(&mut inflight), [(1, 10), (2, 11)]);
    inflight.outcome(2, through(0)).unwrap();
    assert_eq!(inflight.acknowledge(published(0)), []);
    inflight.outcome(1, through(5)).unwrap();
    assert_eq!(inflight.acknowledge(published(4)), []);
    let acks = [Ack { packet_id: 10, number: 1 }, Ack { packet_id: 11, number: 2 }];
    assert_eq!(inflight.acknowledge(published(5)), acks);
    assert_eq!(inflight.acknowledge(published(5)), [], "each is given once");
}

#[test]
fn delivery_waits_for_its_own_positions_alone() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    inflight.push(arrival(1, 11));
    batch(&mut inflight);
    inflight.outcome(1, [7, 2, 3].into_iter().collect()).unwrap();
    inflight.outcome(2, Ranges::default()).unwrap();
    let done = |positions: Ranges| move |first, last| positions.covers(first, last);
    assert_eq!(inflight.acknowledge(done([1, 2, 3, 4, 5, 6].into_iter().collect())), []);
    assert_eq!(inflight.acknowledge(done([2, 7].into_iter().collect())), []);
    assert_eq!(inflight.acknowledge(done([2, 3, 7].into_iter().collect())).len(), 2);
}

#[test]
fn delivery_is_in_flight_until_its_puback_was_written() {
    let mut inflight = Inflight::new(Bounds { ticks: 10_001, message_ticks: MAX_TICKS, bytes: 1 << 20 });
    inflight.connected(1, false);
    inflight.push(arrival(1, 1));
    inflight.push(arrival(1, 2));
    batch(&mut inflight);
    inflight.outcome(1, through(0)).unwrap();
    inflight.outcome(2, through(0)).unwrap();
    assert_eq!(inflight.acknowledge(published(0)).len(), 2);
    assert_eq!((inflight.unacknowledged_ticks(), inflight.has_room()), (2, false));
    inflight.written(7, 2);
    assert_eq!(inflight.unacknowledged_ticks(), 2, "another connection's");
    inflight.written(1, 1);
    assert_eq!((inflight.unacknowledged_ticks(), inflight.has_room()), (1, true));
    inflight.disconnected();
    assert_eq!(inflight.unacknowledged(), 0, "it can be written no more, and the broker sends it again");
}

#[test]
fn message_without_ticks_is_acknowledged_in_its_turn_and_not_sent() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 1));
    inflight.push(Arrival { ticks: vec![], ..arrival(1, 2) });
    inflight.push(arrival(1, 3));
    assert_eq!(batch(&mut inflight), [(1, 1), (3, 3)]);
    assert_eq!(inflight.without_outcome(), 2);
    inflight.outcome(3, through(0)).unwrap();
    assert_eq!(inflight.acknowledge(published(0)), []);
    inflight.outcome(1, through(0)).unwrap();
    let numbers: Vec<u64> = inflight.acknowledge(published(0)).iter().map(|ack| ack.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    inflight.written(1, 3);
    assert_eq!((inflight.unacknowledged(), inflight.bytes), (0, 0));
}

#[test]
fn message_taken_after_its_session_was_lost_has_no_packet_id() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, true);
    inflight.disconnected();
    inflight.connected(2, false);
    inflight.push(arrival(1, 10));
    inflight.push(arrival(2, 10));
    assert_eq!(batch(&mut inflight), [(1, 0), (2, 10)]);
}

#[test]
fn messages_that_need_no_outcome_are_bounded_too() {
    let mut inflight = Inflight::new(Bounds { ticks: 10_001, message_ticks: MAX_TICKS, bytes: 1 << 20 });
    inflight.connected(1, false);
    inflight.push(arrival(1, 1));
    inflight.pass(1, 2, 0);
    assert!(!inflight.has_room());
}

#[test]
fn a_new_stream_gets_what_has_no_outcome_under_the_same_number() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    for packet_id in 1..=3 {
        inflight.push(arrival(1, packet_id));
    }
    assert_eq!(batch(&mut inflight).len(), 3);
    inflight.outcome(1, through(7)).unwrap();
    inflight.stream_opened();
    assert_eq!(inflight.outcome(2, through(0)), Err(UnknownDelivery(2)), "nothing was sent on this stream");
    assert_eq!(batch(&mut inflight), [(2, 2), (3, 3)]);
}

#[test]
fn a_marker_goes_between_what_came_before_and_behind_the_subscription() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    inflight.push(arrival(1, 11));
    inflight.mark(7);
    inflight.push(arrival(1, 12));
    assert_eq!(inflight.take_marker(), None, "what came before it is not sent yet");
    assert_eq!(batch(&mut inflight), [(1, 10), (2, 11)]);
    assert_eq!(batch(&mut inflight), [], "nothing passes it");
    assert_eq!(inflight.take_marker(), Some(7));
    assert_eq!(inflight.take_marker(), None);
    assert_eq!(batch(&mut inflight), [(3, 12)]);
    inflight.mark(8);
    inflight.stream_opened();
    assert_eq!(inflight.take_marker(), None, "a new stream gets its own");
    assert_eq!(batch(&mut inflight).len(), 3);
}

#[test]
fn without_the_session_earlier_packet_ids_mean_nothing() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    inflight.connected(2, false);
    inflight.push(arrival(2, 10));
    assert_eq!(batch(&mut inflight), [(1, 0), (2, 10)]);
    inflight.outcome(1, through(0)).unwrap();
    inflight.outcome(2, through(0)).unwrap();
    assert_eq!(inflight.acknowledge(published(0)), [Ack { packet_id: 10, number: 2 }]);
}

#[test]
fn what_waited_while_its_connection_ended_is_sent_as_interrupted() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    inflight.push(arrival(1, 0));
    inflight.disconnected();
    inflight.connected(2, true);
    inflight.push(arrival(2, 10));
    let batch = inflight.next_batch(10, 1 << 20);
    let interrupted: Vec<bool> = batch.iter().map(|delivery| delivery.interrupted).collect();
    assert_eq!(interrupted, [true, false, false], "what cannot be redelivered is not, what came since is not");
}

/// A bridge that was frozen, or has waited for another one, may come back after the runtime has let the outcomes of the other one go.
#[test]
fn what_a_connection_before_the_stream_left_behind_is_not_sent_on_it() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    assert_eq!(batch(&mut inflight), [(1, 10)]);
    inflight.disconnected();
    inflight.stream_opened();
    assert_eq!((batch(&mut inflight), inflight.has_unsent()), (vec![], false), "the session may be gone");
    inflight.connected(2, true);
    inflight.push(arrival(2, 10));
    assert_eq!(batch(&mut inflight), [(2, 10)], "the broker has sent it again");
    inflight.outcome(2, through(0)).unwrap();
    assert_eq!(inflight.acknowledge(published(0)), [Ack { packet_id: 10, number: 2 }]);
    inflight.written(2, 2);
    assert_eq!((inflight.unacknowledged(), inflight.without_outcome()), (0, 0));
}

#[test]
fn a_message_that_waits_when_its_connection_ends_is_left_to_the_next_one() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.stream_opened();
    inflight.push(arrival(1, 10));
    inflight.push(arrival(1, 11));
    assert_eq!(inflight.next_batch(1, 1 << 20).len(), 1);
    inflight.disconnected();
    assert_eq!(batch(&mut inflight), []);
    inflight.connected(2, true);
    assert_eq!(batch(&mut inflight), []);
    inflight.outcome(1, through(0)).unwrap();
    inflight.acknowledge(published(0));
    assert_eq!(inflight.unacknowledged(), 0);
}

#[test]
fn without_the_session_the_stream_gets_deliveries_of_old_connections() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 10));
    inflight.disconnected();
    inflight.stream_opened();
    assert_eq!(batch(&mut inflight), []);
    inflight.connected(2, false);
    assert_eq!(batch(&mut inflight), [(1, 0)], "no broker sends it again");
}

#[test]
fn copies_and_passed_messages_are_acknowledged_in_their_turn() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(arrival(1, 1));
    inflight.push(arrival(1, 2));
    inflight.pass(1, 3, 0);
    let mut calls = 0;
    inflight.settle_copies(|_| {
        calls += 1;
        calls == 2
    });
    assert_eq!(batch(&mut inflight).len(), 1);
    assert_eq!(inflight.acknowledge(published(0)), []);
    inflight.outcome(1, through(0)).unwrap();
    let packet_ids: Vec<u16> = inflight.acknowledge(published(0)).iter().map(|ack| ack.packet_id).collect();
    assert_eq!(packet_ids, [1, 2, 3]);
}

#[test]
fn there_is_room_only_while_a_whole_message_fits() {
    let mut inflight = Inflight::new(Bounds { ticks: 10_001, message_ticks: MAX_TICKS, bytes: 1 << 20 });
    inflight.connected(1, false);
    assert!(inflight.has_room());
    inflight.push(arrival(1, 1));
    assert!(inflight.has_room());
    inflight.push(arrival(1, 2));
    assert!(!inflight.has_room());
    assert_eq!(batch(&mut inflight).len(), 2);
    inflight.outcome(1, through(0)).unwrap();
    inflight.acknowledge(published(0));
    inflight.written(1, 1);
    assert!(inflight.has_room());
}

#[derive(Debug, Clone)]
enum Happens {
    Message,
    Passed,
    Batch(usize),
    /// The runtime answers the oldest unanswered delivery with this many outbox entries.
    Outcome(u64),
    Puback,
    /// PUBACKs were written, all but so many.
    Written(usize),
    Reconnect(bool),
    StreamLost,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Message),
        1 => Just(Happens::Passed),
        3 => (1_usize..5).prop_map(Happens::Batch),
        4 => (0_u64..3).prop_map(Happens::Outcome),
        4 => Just(Happens::Puback),
        3 => (0_usize..3).prop_map(Happens::Written),
        1 => any::<bool>().prop_map(Happens::Reconnect),
        1 => Just(Happens::StreamLost),
    ]
}

/// What is expected, kept by delivery number.
#[derive(Default)]
struct Model {
    epoch: u64,
    next_number: u64,
    next_packet_id: u16,
    /// Packet id and epoch.
    came: BTreeMap<u64, (u64, u16)>,
    at_runtime: Vec<u64>,
    decided: BTreeMap<u64, u64>,
    committed: u64,
    published: u64,
    acknowledged: BTreeSet<u64>,
    /// Of this connection, in order.
    handed_out: Vec<u64>,
    written: u64,
}

impl Model {
    fn come(&mut self) -> u16 {
        self.next_number += 1;
        self.next_packet_id += 1;
        self.came.insert(self.next_number, (self.epoch, self.next_packet_id));
        self.next_packet_id
    }

    fn check(&mut self, acks: &[Ack]) {
        for ack in acks {
            let number = ack.number;
            let came = self.came.get(&number);
            assert_eq!(came, Some(&(self.epoch, ack.packet_id)), "never on a connection that has ended");
            self.handed_out.push(number);
            assert!(self.acknowledged.insert(number), "acknowledged once");
            let before = self.came.iter().filter(|(earlier, (epoch, _))| **earlier <= number && *epoch == self.epoch);
            for (earlier, _) in before {
                assert!(self.acknowledged.contains(earlier), "in the order they came");
            }
            assert!(self.decided[&number] <= self.published, "everything in its outcome is published");
        }
    }
}

proptest! {
    #[test]
    fn only_published_prefixes_are_acknowledged_and_nothing_is_forgotten(
        script in proptest::collection::vec(happens(), 1..120)
    ) {
        let (mut inflight, mut model) = (Inflight::new(WIDE), Model::default());
        model.epoch = 1;
        inflight.connected(1, false);
        for step in script {
            match step {
                Happens::Message => inflight.push(arrival(model.epoch, model.come())),
                Happens::Passed => {
                    let packet_id = model.come();
                    model.decided.insert(model.next_number, 0);
                    inflight.pass(model.epoch, packet_id, 0);
                }
                Happens::Batch(size) => {
                    let batch = inflight.next_batch(size, 1 << 20);
                    for delivery in &batch {
                        prop_assert!(!model.decided.contains_key(&delivery.number), "sent again after its outcome");
                        prop_assert!(model.at_runtime.last().is_none_or(|last| *last < delivery.number));
                        model.at_runtime.push(delivery.number);
                    }
                }
                Happens::Outcome(entries) if !model.at_runtime.is_empty() => {
                    let number = model.at_runtime.remove(0);
                    let last = if entries == 0 { 0 } else { model.committed + entries };
                    model.committed += entries;
                    model.decided.insert(number, last);
                    inflight.outcome(number, through(last)).unwrap();
                }
                Happens::Outcome(_) => prop_assert!(inflight.outcome(u64::MAX, through(0)).is_err()),
                Happens::Puback => model.published = (model.published + 1).min(model.committed),
                Happens::Written(all_but) => {
                    if let Some(number) = model.handed_out.iter().rev().nth(all_but) {
                        model.written = model.written.max(*number);
                        inflight.written(model.epoch, *number);
                    }
                }
                Happens::Reconnect(session_present) => {
                    model.epoch += 1;
                    model.handed_out.clear();
                    inflight.connected(model.epoch, session_present);
                    if !session_present {
                        model.at_runtime.clear();
                        inflight.stream_opened();
                    }
                }
                Happens::StreamLost => {
                    model.at_runtime.clear();
                    inflight.stream_opened();
                }
            }
            let acks = inflight.acknowledge(published(model.published));
            model.check(&acks);
            let waiting = model.handed_out.iter().filter(|number| **number > model.written).count();
            prop_assert!(inflight.unacknowledged() >= waiting, "in flight until it is written");
        }
        // At the end everything is answered and published: nothing is left behind.
        inflight.stream_opened();
        for delivery in inflight.next_batch(usize::MAX, usize::MAX) {
            model.decided.insert(delivery.number, 0);
            inflight.outcome(delivery.number, through(0)).unwrap();
        }
        model.published = model.committed;
        let acks = inflight.acknowledge(published(model.published));
        model.check(&acks);
        inflight.written(model.epoch, u64::MAX);
        prop_assert_eq!(inflight.unacknowledged(), 0);
        prop_assert_eq!(inflight.unacknowledged_ticks(), 0);
        prop_assert_eq!(inflight.bytes, 0);
        prop_assert_eq!(inflight.without_outcome(), 0);
        let current = model.came.iter().filter(|(_, (epoch, _))| *epoch == model.epoch);
        for (number, _) in current {
            prop_assert!(model.acknowledged.contains(number), "delivery {} was never acknowledged", number);
        }
    }
}

/// Ticks with identities of 256 bytes.
fn large(packet_id: u16, ticks: usize) -> Arrival {
    let tick = Tick { id: "i".repeat(256), source: "s".repeat(256), ..Tick::default() };
    Arrival { ticks: vec![tick; ticks], ..arrival(1, packet_id) }
}

#[test]
fn batch_stays_within_its_bytes_unless_a_single_delivery_is_larger() {
    const MOST: usize = 100_000;
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    for (packet_id, ticks) in [(1, 60), (2, 60), (3, 60), (4, 400), (5, 1), (6, 1)] {
        inflight.push(large(packet_id, ticks));
    }
    let mut batches = Vec::new();
    let mut under_way = 0;
    while inflight.has_unsent() {
        let deliveries = inflight.next_batch(100, MOST);
        batches.push(deliveries.iter().map(|delivery| delivery.number).collect::<Vec<_>>());
        let encoded = intuition_api::v1::Batch { deliveries }.encoded_len();
        assert!(encoded <= MOST || batches.last().unwrap().len() == 1, "{encoded}");
        under_way += encoded;
    }
    assert_eq!(batches, [vec![1, 2, 3], vec![4], vec![5, 6]]);
    let counted = inflight.under_way();
    // A few bytes more for each tick and delivery.
    assert!((under_way..under_way + 600 * 8 + 6 * 256).contains(&counted), "{counted} for {under_way}");
    for number in 1..=6 {
        inflight.outcome(number, Ranges::default()).unwrap();
    }
    assert_eq!(inflight.under_way(), 0);
}

#[test]
fn deliveries_of_a_stream_that_has_ended_are_not_under_way() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.push(large(1, 10));
    batch(&mut inflight);
    let under_way = inflight.under_way();
    inflight.stream_opened();
    assert_eq!(inflight.under_way(), 0);
    batch(&mut inflight);
    assert_eq!(inflight.under_way(), under_way);
}

#[test]
fn memory_of_everything_in_flight_is_bounded() {
    const BYTES: usize = 1 << 20;
    let mut inflight = Inflight::new(Bounds { ticks: usize::MAX, message_ticks: MAX_TICKS, bytes: BYTES });
    inflight.connected(1, false);
    inflight.push(large(1, 1_000));
    let ticks = 1_000 * (size_of::<Tick>() + 2 * 256);
    assert!((ticks..2 * ticks).contains(&inflight.bytes), "{}", inflight.bytes);
    while inflight.has_room() {
        inflight.pass(1, 2, 0);
    }
    let places = inflight.entries.len();
    assert!(places * size_of::<Entry>() <= BYTES, "{places} passed over");
    batch(&mut inflight);
    // Every other position: no two of them are neighbours.
    inflight.outcome(1, (0..1_000).map(|position| 2 * position).collect()).unwrap();
    assert!(inflight.bytes >= places * size_of::<Entry>() + 1_000 * 16, "positions count: {}", inflight.bytes);
    inflight.acknowledge(|_, _| true);
    inflight.written(1, u64::MAX);
    assert_eq!((inflight.bytes, inflight.entries.len()), (0, 0));
}

#[test]
fn times_of_arrival_are_given_once_their_pubacks_are_written() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    for packet_id in 1..=3 {
        inflight.push(Arrival { arrived_micros: i64::from(packet_id), ..arrival(1, packet_id) });
    }
    // Without a packet identifier nothing is acknowledged.
    inflight.push(Arrival { arrived_micros: 4, ..arrival(1, 0) });
    batch(&mut inflight);
    for number in 1..=4 {
        inflight.outcome(number, Ranges::default()).unwrap();
    }
    inflight.acknowledge(|_, _| true);
    assert_eq!((inflight.take_acknowledged(), inflight.oldest()), (vec![], Some(1)));
    inflight.written(1, 2);
    assert_eq!((inflight.take_acknowledged(), inflight.oldest()), (vec![1, 2], Some(3)));
    inflight.disconnected();
    assert_eq!((inflight.take_acknowledged(), inflight.oldest()), (vec![], None), "the third was not written");
}

#[test]
fn outcome_lost_with_its_ledger_is_not_acknowledged_here() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    for packet_id in 10..13 {
        inflight.push(arrival(1, packet_id));
    }
    assert_eq!(batch(&mut inflight).len(), 3);
    inflight.outcome(1, through(5)).unwrap();
    inflight.outcome(2, through(6)).unwrap();
    assert!(!inflight.ledger_changed(published(6)), "both are published");
    inflight.outcome(3, through(7)).unwrap();
    assert!(inflight.ledger_changed(published(6)));
    inflight.stream_opened();
    inflight.push(arrival(1, 13));
    // The other ledger has an entry 7 too.
    assert_eq!(inflight.acknowledge(published(9)), []);
    assert_eq!(batch(&mut inflight), [], "it would be decided before those that come again");
    inflight.disconnected();
    inflight.connected(2, true);
    assert_eq!((batch(&mut inflight), inflight.acknowledge(published(9))), (vec![], vec![]));
    assert_eq!(inflight.unacknowledged(), 0, "the broker sends all of it again");
}

/// Values and a quote, as many ticks as asked for, the quote last.
fn joined(values: usize, quotes: usize) -> Vec<Tick> {
    let indicator = v1::Indicator { name: "sma".to_owned(), sid: "A".to_owned(), ..v1::Indicator::default() };
    let values = vec![Tick { content: Some(Content::Indicator(Box::new(indicator))), ..Tick::default() }; values];
    let quote = v1::Quote { sid: "A".to_owned(), price: "1".to_owned(), ..v1::Quote::default() };
    let quotes = vec![Tick { content: Some(Content::Quote(quote)), ..Tick::default() }; quotes];
    [values, quotes].concat()
}

#[test]
fn bounds_are_free_again_behind_deliveries_without_their_values() {
    let mut inflight = Inflight::new(WIDE);
    inflight.connected(1, false);
    inflight.runtime_takes_indicators(false);
    for (packet_id, (values, quotes)) in (10..).zip([(3, 1), (2, 0), (0, 2)]) {
        inflight.push(Arrival { ticks: joined(values, quotes), ..arrival(1, packet_id) });
    }
    let sent = inflight.next_batch(1_000, 1 << 20);
    let ticks: Vec<_> = sent.iter().map(|delivery| (delivery.number, delivery.ticks.len())).collect();
    assert_eq!(ticks, [(1, 1), (3, 2)]);
    let encoded: usize = sent.iter().map(prost::Message::encoded_len).sum();
    assert!((encoded..encoded + 512).contains(&inflight.under_way()), "{encoded} of {}", inflight.under_way());
    inflight.outcome(1, through(0)).unwrap();
    inflight.outcome(3, through(0)).unwrap();
    assert_eq!(inflight.acknowledge(published(0)).len(), 3);
    inflight.written(1, 3);
    assert_eq!((inflight.ticks, inflight.bytes, inflight.open, inflight.under_way), (0, 0, 0, 0));
}
