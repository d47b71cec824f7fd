use intuition_api::v1::{Quote, tick::Content, tick_outcome::Kind};

use super::*;
use crate::{ledger::WINDOW, sources::Missing};

const SESSION: &str = "session-1";

/// A delivery of one tick, as `recognise` sees it.
struct Case {
    run: u64,
    session: &'static str,
    delivery: Delivery,
}

fn tick(source: &str, seq: Option<i64>, id: &str) -> Tick {
    let quote = Quote { sid: "GOOG".to_owned(), price: "345".to_owned(), time_micros: 0 };
    Tick { source: source.to_owned(), seq, id: id.to_owned(), content: Some(Content::Quote(quote)), ..Tick::default() }
}

fn case(number: u64, tick: Tick, payload: u8) -> Case {
    let delivery = Delivery {
        number,
        topic: "quotes".to_owned(),
        packet_id: 7,
        payload_sha256: vec![payload; 32].into(),
        connection: 1,
        ticks: vec![tick],
        ..Delivery::default()
    };
    Case { run: 1, session: SESSION, delivery }
}

impl Case {
    fn redelivered(mut self, connection: u64) -> Self {
        self.delivery.connection = connection;
        self.delivery.duplicate = true;
        self
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope { delivery: &self.delivery, run: self.run, session: self.session }
    }

    fn tick(&self) -> &Tick {
        &self.delivery.ticks[0]
    }
}

/// Identities, and the last numbers beside them.
#[derive(Default)]
struct Known {
    identities: Identities,
    sources: Sources,
}

impl Known {
    fn evict(&mut self) -> Vec<(Class, u64)> {
        self.identities.evict()
    }
}

fn recognise(known: &mut Known, case: &Case) -> Recognition {
    known.identities.recognise(&known.sources, case.envelope(), 0, case.tick())
}

/// Recognises, and books what is fresh as the engine does.
fn take(known: &mut Known, case: &Case) -> (Recognition, Option<Missing>) {
    let recognition = recognise(known, case);
    if recognition != Recognition::Fresh {
        return (recognition, None);
    }
    let (topic, tick) = (&case.delivery.topic, case.tick());
    let is_numbered = class_of(tick) == Class::Sequence;
    let seq = tick.seq.filter(|_| is_numbered);
    let gap = seq.and_then(|seq| known.sources.take(topic, &tick.source, (seq, 0)));
    let outcome =
        Outcome { kind: Kind::NoSignal, reason: String::new(), first_position: 0, positions: 0, first_seq: 0, seqs: 0 };
    known.identities.reserve(case.envelope(), 0, case.tick(), outcome);
    (recognition, gap)
}

fn seen(recognition: Recognition) -> Option<SeenBy> {
    match recognition {
        Recognition::Seen(_, by) => Some(by),
        _ => None,
    }
}

#[test]
fn the_bridge_s_number_finds_a_delivery_whatever_it_carries() {
    for tick in [tick("", None, ""), tick("", None, "a"), tick("s", Some(1), "")] {
        let mut identities = Known::default();
        let first = case(1, tick, 0);
        assert_eq!(take(&mut identities, &first).0, Recognition::Fresh);
        assert_eq!(seen(recognise(&mut identities, &first)), Some(SeenBy::Number));
    }
}

#[test]
fn a_sequence_is_decided_once_and_what_it_leaves_out_is_a_gap() {
    let mut identities = Known::default();
    let numbered = |number, seq| case(number, tick("s", Some(seq), ""), 0);
    assert_eq!(take(&mut identities, &numbered(1, 5)), (Recognition::Fresh, None));
    let (recognition, gap) = take(&mut identities, &numbered(2, 9));
    assert_eq!(recognition, Recognition::Fresh);
    assert_eq!(gap, Some((6, 8)));
    assert_eq!(seen(recognise(&mut identities, &numbered(3, 5))), Some(SeenBy::Sequence));
    assert_eq!(recognise(&mut identities, &numbered(4, 7)), Recognition::WentBack { mark: 9 });
    assert_eq!(recognise(&mut identities, &numbered(5, 7).redelivered(2)), Recognition::Forgotten);
    let mut replayed = numbered(6, 7);
    replayed.delivery.replay = true;
    assert_eq!(recognise(&mut identities, &replayed), Recognition::Forgotten);
    let other = case(7, tick("t", Some(1), ""), 0);
    assert_eq!(take(&mut identities, &other), (Recognition::Fresh, None));
}

#[test]
fn an_id_is_decided_once_and_conflicts_with_another_payload() {
    let mut identities = Known::default();
    assert_eq!(take(&mut identities, &case(1, tick("", None, "a"), 0)).0, Recognition::Fresh);
    assert_eq!(seen(recognise(&mut identities, &case(2, tick("", None, "a"), 0))), Some(SeenBy::Id));
    assert_eq!(recognise(&mut identities, &case(3, tick("", None, "a"), 1)), Recognition::Conflict);
    assert_eq!(take(&mut identities, &case(4, tick("s", None, "a"), 1)).0, Recognition::Fresh);
    assert_eq!(take(&mut identities, &case(5, tick("", None, "b"), 0)).0, Recognition::Fresh);
}

#[test]
fn without_identity_only_a_redelivery_of_the_same_session_packet_and_payload_was_seen() {
    let mut identities = Known::default();
    let plain = |number, payload| case(number, tick("", None, ""), payload);
    assert_eq!(take(&mut identities, &plain(1, 0)).0, Recognition::Fresh);
    assert_eq!(recognise(&mut identities, &plain(2, 0)), Recognition::Fresh, "not flagged DUP");
    assert_eq!(seen(recognise(&mut identities, &plain(3, 0).redelivered(2))), Some(SeenBy::Packet));
    assert_eq!(recognise(&mut identities, &plain(4, 1).redelivered(2)), Recognition::Fresh, "another payload");
    let mut other = plain(5, 0).redelivered(3);
    other.session = "session-2";
    assert_eq!(recognise(&mut identities, &other), Recognition::Fresh, "another session");
    let mut orphan = plain(6, 0).redelivered(3);
    orphan.delivery.packet_id = 0;
    assert_eq!(recognise(&mut identities, &orphan), Recognition::Fresh, "of a lost session");
}

#[test]
fn equal_packets_of_one_connection_count_as_several() {
    let mut identities = Known::default();
    let plain = |number| case(number, tick("", None, ""), 0);
    assert_eq!(take(&mut identities, &plain(1)).0, Recognition::Fresh);
    assert_eq!(take(&mut identities, &plain(2)).0, Recognition::Fresh);
    // All three come back; the third had never been decided.
    assert_eq!(seen(recognise(&mut identities, &plain(3).redelivered(2))), Some(SeenBy::Packet));
    assert_eq!(seen(recognise(&mut identities, &plain(4).redelivered(2))), Some(SeenBy::Packet));
    assert_eq!(recognise(&mut identities, &plain(5).redelivered(2)), Recognition::Fresh);
    // The same two deliveries once more, on a new stream: each finds the row that it claimed.
    assert_eq!(seen(recognise(&mut identities, &plain(3).redelivered(2))), Some(SeenBy::Packet));
    assert_eq!(seen(recognise(&mut identities, &plain(4).redelivered(2))), Some(SeenBy::Packet));
}

#[test]
fn what_was_held_while_its_connection_ended_may_have_been_decided_through_another_bridge() {
    let mut identities = Known::default();
    let held = |number| {
        let mut held = case(number, tick("", None, ""), 0);
        held.delivery.interrupted = true;
        held
    };
    // Of the same bridge: decided before it came, on an earlier connection, it is another quote.
    let mut earlier = case(1, tick("", None, ""), 0);
    earlier.delivery.connection = 0;
    assert_eq!(take(&mut identities, &earlier).0, Recognition::Fresh);
    assert_eq!(recognise(&mut identities, &held(2)), Recognition::Fresh);
    // By another bridge while this one was frozen, it is the same.
    let mut other = case(1, tick("", None, ""), 0);
    other.run = 2;
    assert_eq!(take(&mut identities, &other).0, Recognition::Fresh);
    assert_eq!(seen(recognise(&mut identities, &held(3))), Some(SeenBy::Packet));
}

#[test]
fn outcomes_are_kept_for_a_whole_window_and_not_longer() {
    let mut identities = Known::default();
    for number in 1..=WINDOW + 1 {
        take(&mut identities, &case(number, tick("", None, &number.to_string()), 0));
        identities.evict();
    }
    let again = |number: u64| case(WINDOW + 1 + number, tick("", None, &number.to_string()), 0);
    assert_eq!(recognise(&mut identities, &again(1)), Recognition::Fresh);
    assert_eq!(seen(recognise(&mut identities, &again(2))), Some(SeenBy::Id));
    // The other windows are not touched by it.
    assert!(identities.evict().is_empty());
}
