mod course;

use intuition_api::v1::{Quote, tick::Content, tick_outcome::Kind};

use super::*;
use crate::{
    ledger::{Changes, Ledger, memory::MemoryLedger},
    sources::Missing,
};

const SESSION: &str = "session-1";
const WINDOW: u64 = Sizes::DESIGN.window;

/// A delivery, as `recognise` sees it.
#[derive(Clone)]
struct Case {
    run: u64,
    session: &'static str,
    others: &'static [&'static str],
    delivery: Delivery,
}

fn tick(source: &str, seq: Option<i64>, id: &str) -> Tick {
    let quote = Quote { sid: "GOOG".to_owned(), price: "345".to_owned(), time_micros: 0, ..Quote::default() };
    Tick { source: source.to_owned(), seq, id: id.to_owned(), content: Some(Content::Quote(quote)), ..Tick::default() }
}

/// The same with the hash of its content.
fn hashed(tick: Tick, content: u8) -> Tick {
    Tick { content_sha256: vec![content; 32].into(), ..tick }
}

fn case(number: u64, tick: Tick, payload: u8) -> Case {
    batch(number, vec![tick], payload)
}

fn batch(number: u64, ticks: Vec<Tick>, payload: u8) -> Case {
    let delivery = Delivery {
        number,
        topic: "quotes".to_owned(),
        packet_id: 7,
        payload_sha256: vec![payload; 32].into(),
        connection: 1,
        ticks,
        ..Delivery::default()
    };
    Case { run: 1, session: SESSION, others: &[], delivery }
}

impl Case {
    fn redelivered(mut self, connection: u64) -> Self {
        self.delivery.connection = connection;
        self.delivery.duplicate = true;
        self
    }
}

/// Identities over a ledger.
struct Bench {
    identities: Identities,
    sources: Sources,
    ledger: MemoryLedger,
    sizes: Sizes,
    pending: Changes,
}

impl Default for Bench {
    fn default() -> Self {
        Self::sized(Sizes::DESIGN)
    }
}

impl Bench {
    fn sized(sizes: Sizes) -> Self {
        let identities = Identities::load(&[], Vec::new(), sizes);
        let ledger = MemoryLedger::with_sizes("default/test", "3f9c2a71", sizes);
        Self { identities, sources: Sources::default(), ledger, sizes, pending: Changes::default() }
    }

    /// Recognises without booking anything.
    fn look(&mut self, case: &Case) -> Vec<Recognition> {
        self.run(case, false).0
    }

    /// Recognises ticks, and books the new ones as the engine does.
    fn take(&mut self, case: &Case) -> Vec<Recognition> {
        self.run(case, true).0
    }

    fn run(&mut self, case: &Case, book: bool) -> (Vec<Recognition>, Vec<Missing>) {
        let session: Arc<str> = case.session.into();
        let others: Vec<Arc<str>> = case.others.iter().map(|&other| other.into()).collect();
        let Case { run, delivery, .. } = case;
        let envelope = Envelope { delivery, run: *run, session: &session, others: &others };
        let ranks = ranks(delivery);
        let earlier = self.identities.earlier(&self.sources, envelope, &ranks, &mut self.ledger).unwrap();
        let (mut recognitions, mut gaps) = (Vec::new(), Vec::new());
        for (index, (rank, tick)) in (0..).zip(ranks.into_iter().zip(&delivery.ticks)) {
            let recognised = self.identities.recognise(&self.sources, envelope, index, rank, earlier.as_ref());
            let recognition = &recognised.recognition;
            let fresh = matches!(recognition, Recognition::Fresh | Recognition::Reused);
            let has_row = fresh || matches!(recognition, Recognition::Conflict | Recognition::WentBack { .. });
            if book && fresh {
                let seq = tick.seq.filter(|_| class_of(tick) == Class::Sequence);
                gaps.extend(seq.and_then(|seq| self.sources.take(&delivery.topic, &tick.source, (seq, rank))));
            }
            if book && has_row {
                let (reference, mut row) =
                    self.identities.reserve(&self.sources, envelope, (index, rank), tick, &recognised);
                let kind = if fresh { Kind::NoSignal } else { Kind::DeadLettered };
                row.outcome = Outcome { kind, ..outcome(row.ordinal) };
                self.identities.settle(reference, row.outcome.clone());
                self.pending.window.push(row);
            }
            recognitions.push(recognised.recognition);
        }
        (recognitions, gaps)
    }

    fn commit(&mut self) {
        let evict = self.identities.evict(0);
        let changes = Changes { evict, ..std::mem::take(&mut self.pending) };
        self.ledger.commit(&changes).unwrap();
    }

    /// As after kill -9 of the runtime. Uncommitted changes are gone.
    fn restart(&mut self) {
        self.pending = Changes::default();
        let snapshot = self.ledger.snapshot().unwrap();
        self.identities = Identities::load(&snapshot.window, snapshot.older, self.sizes);
    }

    /// Rows in the ledger.
    fn rows(&mut self) -> u64 {
        let snapshot = self.ledger.snapshot().unwrap();
        snapshot.window.len() as u64
            + snapshot.older.iter().map(|stretch| stretch.last + 1 - stretch.first).sum::<u64>()
    }
}

fn outcome(position: u64) -> Outcome {
    let kind = Kind::NoSignal;
    Outcome { kind, reason: String::new(), first_position: position, positions: 0, first_seq: 0, seqs: 0 }
}

fn seen(recognitions: &[Recognition]) -> Vec<Option<SeenBy>> {
    let by = |recognition: &Recognition| match recognition {
        Recognition::Seen(_, by) => Some(*by),
        _ => None,
    };
    recognitions.iter().map(by).collect()
}

const FRESH: [Recognition; 1] = [Recognition::Fresh];

#[test]
fn the_bridge_s_number_finds_a_delivery_whatever_it_carries() {
    for tick in [tick("", None, ""), tick("", None, "a"), tick("s", Some(1), ""), hashed(tick("", Some(1), ""), 1)] {
        let mut bench = Bench::default();
        let first = case(1, tick, 0);
        assert_eq!(bench.take(&first), FRESH);
        assert_eq!(seen(&bench.look(&first)), [Some(SeenBy::Number)]);
    }
}

#[test]
fn a_sequence_is_decided_once_and_what_it_leaves_out_is_a_gap() {
    let mut bench = Bench::default();
    let numbered = |number, seq| case(number, tick("s", Some(seq), ""), 0);
    assert_eq!(bench.run(&numbered(1, 5), true), (FRESH.to_vec(), vec![]));
    let (recognitions, gaps) = bench.run(&numbered(2, 9), true);
    assert_eq!(recognitions, FRESH);
    assert_eq!(gaps, [(6, 8)]);
    assert_eq!(seen(&bench.look(&numbered(3, 5))), [Some(SeenBy::Sequence)]);
    assert_eq!(bench.look(&numbered(4, 7)), [Recognition::WentBack { mark: 9 }]);
    assert_eq!(bench.look(&numbered(5, 7).redelivered(2)), [Recognition::Forgotten]);
    let mut replayed = numbered(6, 7);
    replayed.delivery.replay = true;
    assert_eq!(bench.look(&replayed), [Recognition::Forgotten]);
    assert_eq!(bench.take(&case(7, tick("t", Some(1), ""), 0)), FRESH);
}

#[test]
fn restart_of_a_source_with_other_quotes_is_no_repetition() {
    let mut bench = Bench::default();
    let numbered = |number, seq, content| case(number, hashed(tick("s", Some(seq), ""), content), content);
    bench.take(&numbered(1, 1, 1));
    bench.take(&numbered(2, 2, 2));
    assert_eq!(seen(&bench.take(&numbered(3, 1, 1))), [Some(SeenBy::Sequence)]);
    assert_eq!(bench.take(&numbered(4, 1, 9)), [Recognition::Conflict]);
    // Each content has its own answer from then on.
    assert_eq!(seen(&bench.look(&numbered(5, 1, 1))), [Some(SeenBy::Sequence)]);
    assert_eq!(seen(&bench.look(&numbered(6, 1, 9))), [Some(SeenBy::Sequence)]);
}

#[test]
fn an_id_is_decided_once_and_conflicts_with_other_content() {
    let mut bench = Bench::default();
    let named = |number, content| case(number, hashed(tick("", None, "a"), content), content);
    assert_eq!(bench.take(&named(1, 0)), FRESH);
    assert_eq!(seen(&bench.look(&named(2, 0))), [Some(SeenBy::Id)]);
    assert_eq!(bench.look(&named(3, 1)), [Recognition::Conflict]);
    assert_eq!(bench.take(&case(4, hashed(tick("s", None, "a"), 1), 1)), FRESH);
    assert_eq!(bench.take(&case(5, hashed(tick("", None, "b"), 0), 0)), FRESH);
}

#[test]
fn without_the_hash_of_a_content_nothing_is_compared() {
    for identity in [tick("", None, "a"), tick("s", Some(1), "")] {
        let mut bench = Bench::default();
        assert_eq!(bench.take(&case(1, identity.clone(), 0)), FRESH);
        assert!(seen(&bench.look(&case(2, identity.clone(), 1)))[0].is_some());
        assert!(seen(&bench.look(&case(3, hashed(identity.clone(), 1), 1)))[0].is_some());
        let mut other = Bench::default();
        other.take(&case(1, hashed(identity.clone(), 1), 0));
        assert!(seen(&other.look(&case(2, identity, 1)))[0].is_some());
    }
}

#[test]
fn a_batch_that_is_cut_in_another_way_repeats_what_it_has_in_common() {
    let ids: fn(i64) -> Tick = |id| hashed(tick("", None, &id.to_string()), 0);
    let numbers: fn(i64) -> Tick = |seq| hashed(tick("s", Some(seq), ""), 0);
    for tick in [ids, numbers] {
        let mut bench = Bench::default();
        assert_eq!(bench.take(&batch(1, vec![tick(1), tick(2)], 1)), [Recognition::Fresh, Recognition::Fresh]);
        let recognitions = bench.take(&batch(2, vec![tick(2), tick(3)], 2));
        assert!(seen(&recognitions)[0].is_some());
        assert_eq!(recognitions[1], Recognition::Fresh);
    }
}

#[test]
fn one_identity_of_several_ticks_counts_them() {
    let mut bench = Bench::default();
    let one = || tick("", None, "message");
    assert_eq!(bench.take(&batch(1, vec![one(), one()], 1)), [Recognition::Fresh, Recognition::Fresh]);
    // The bridge ranks members of a map by name, wherever they stand.
    let ranked = |rank| Tick { ordinal: Some(rank), ..one() };
    let again = bench.look(&batch(2, vec![ranked(1), ranked(0), ranked(2)], 1));
    assert_eq!(again[2], Recognition::Fresh);
    let Recognition::Seen(known, _) = &again[0] else { panic!("{again:?}") };
    assert_eq!(bench.identities.outcome(known).unwrap().first_position, 2);
}

#[test]
fn a_number_without_a_source_repeats_only_the_same_content() {
    let mut bench = Bench::default();
    let unnamed = |number, content| case(number, hashed(tick("", Some(5), ""), content), content);
    assert_eq!(bench.run(&unnamed(1, 1), true), (FRESH.to_vec(), vec![]));
    assert_eq!(seen(&bench.look(&unnamed(2, 1))), [Some(SeenBy::Sequence)]);
    assert_eq!(bench.take(&unnamed(3, 2)), [Recognition::Reused]);
    assert_eq!(seen(&bench.look(&unnamed(4, 2))), [Some(SeenBy::Sequence)]);
    let far = case(5, hashed(tick("", Some(90), ""), 3), 3);
    assert_eq!(bench.run(&far, true), (FRESH.to_vec(), vec![]), "no gaps");
    assert_eq!(bench.take(&case(6, tick("", Some(5), ""), 1)), FRESH, "without a content hash");
}

#[test]
fn bare_ticks_are_seen_only_as_redelivery_of_session_packet_and_payload() {
    let mut bench = Bench::default();
    let plain = |number, payload| case(number, tick("", None, ""), payload);
    assert_eq!(bench.take(&plain(1, 0)), FRESH);
    assert_eq!(bench.look(&plain(2, 0)), FRESH, "not flagged DUP");
    assert_eq!(seen(&bench.look(&plain(3, 0).redelivered(2))), [Some(SeenBy::Packet)]);
    assert_eq!(bench.look(&plain(4, 1).redelivered(2)), FRESH, "another payload");
    let other = Case { session: "session-2", ..plain(5, 0).redelivered(3) };
    assert_eq!(bench.look(&other), FRESH, "another session");
    let alias = Case { others: &[SESSION], ..other };
    assert_eq!(seen(&bench.look(&alias)), [Some(SeenBy::Packet)], "the same broker under another URL");
}

#[test]
fn equal_packets_of_one_connection_count_as_several() {
    let mut bench = Bench::default();
    let plain = |number| case(number, tick("", None, ""), 0);
    assert_eq!(bench.take(&plain(1)), FRESH);
    assert_eq!(bench.take(&plain(2)), FRESH);
    // All three come back; the third had never been decided.
    assert_eq!(seen(&bench.look(&plain(3).redelivered(2))), [Some(SeenBy::Packet)]);
    assert_eq!(seen(&bench.look(&plain(4).redelivered(2))), [Some(SeenBy::Packet)]);
    assert_eq!(bench.look(&plain(5).redelivered(2)), FRESH);
    // The same two deliveries once more, on a new stream: each finds the row that it claimed.
    assert_eq!(seen(&bench.look(&plain(3).redelivered(2))), [Some(SeenBy::Packet)]);
    assert_eq!(seen(&bench.look(&plain(4).redelivered(2))), [Some(SeenBy::Packet)]);
}

#[test]
fn delivery_held_over_a_lost_connection_may_be_decided_by_another_bridge() {
    let mut bench = Bench::default();
    let held = |number| {
        let mut held = case(number, tick("", None, ""), 0);
        held.delivery.interrupted = true;
        held
    };
    // Of the same bridge: decided before it came, on an earlier connection, it is another quote.
    let mut earlier = case(1, tick("", None, ""), 0);
    earlier.delivery.connection = 0;
    assert_eq!(bench.take(&earlier), FRESH);
    assert_eq!(bench.look(&held(2)), FRESH);
    // By another bridge while this one was frozen, it is the same.
    let other = Case { run: 2, ..case(1, tick("", None, ""), 0) };
    assert_eq!(bench.take(&other), FRESH);
    assert_eq!(seen(&bench.look(&held(3))), [Some(SeenBy::Packet)]);
}

/// The process dies after so many rows of a delivery.
fn cut(bench: &mut Bench, rows: usize) {
    bench.pending.window.truncate(rows);
    bench.commit();
    bench.restart();
}

#[test]
fn a_delivery_that_is_decided_in_parts_is_recognised_as_a_whole() {
    const SMALL: Sizes = Sizes { window: 8, packet_page: 2, ..Sizes::DESIGN };
    let bare = |number, connection| {
        batch(number, vec![tick("", None, ""), tick("", None, ""), tick("", None, "")], 0).redelivered(connection)
    };
    // The rows are in memory, or in the ledger alone.
    for (sizes, others) in [(Sizes::DESIGN, 1), (SMALL, 20)] {
        let mut bench = Bench::sized(sizes);
        assert_eq!(bench.take(&bare(1, 1)), [Recognition::Fresh, Recognition::Fresh, Recognition::Fresh]);
        cut(&mut bench, 1);
        let second = bench.take(&bare(2, 2));
        assert_eq!(seen(&second), [Some(SeenBy::Packet), None, None]);
        cut(&mut bench, 1);
        // The bridge sends the same one again.
        let again = bench.take(&bare(2, 2));
        assert_eq!(seen(&again), [Some(SeenBy::Packet), Some(SeenBy::Number), None]);
        bench.commit();
        for number in 3..3 + others {
            bench.take(&case(number, tick("", None, ""), 1));
            bench.commit();
        }
        bench.restart();
        // Its ticks may have their turns apart, and it is looked up for each.
        for _ in 0..2 {
            assert_eq!(seen(&bench.look(&bare(30, 3))), [Some(SeenBy::Packet); 3]);
        }
        // Another message with the same bytes, whose packet id was given again.
        assert_eq!(bench.look(&bare(31, 3)), [Recognition::Fresh, Recognition::Fresh, Recognition::Fresh]);
    }
}

#[test]
fn a_delivery_that_is_decided_in_parts_under_two_urls_is_recognised() {
    let bare = |number, connection, session| {
        let others = &[SESSION, "session-2"];
        let delivery = batch(number, vec![tick("", None, ""), tick("", None, "")], 0).redelivered(connection);
        Case { session, others, ..delivery }
    };
    let mut bench = Bench::default();
    assert_eq!(bench.take(&bare(1, 1, SESSION)), [Recognition::Fresh, Recognition::Fresh]);
    cut(&mut bench, 1);
    assert_eq!(seen(&bench.take(&bare(2, 2, "session-2"))), [Some(SeenBy::Packet), None]);
    bench.commit();
    bench.restart();
    assert_eq!(seen(&bench.look(&bare(3, 3, "session-2"))), [Some(SeenBy::Packet); 2]);
}

#[test]
fn bridge_without_connection_numbers_may_repeat_a_delivery_twice() {
    let mut bench = Bench::default();
    let mut first = case(1, tick("", None, ""), 0);
    first.delivery.connection = 0;
    assert_eq!(bench.take(&first), FRESH);
    for number in 2..5 {
        let repeated = bench.take(&case(number, tick("", None, ""), 0).redelivered(0));
        assert_eq!(seen(&repeated), [Some(SeenBy::Packet)], "{number}");
    }
}

/// Its packet id means nothing once the broker has lost the session.
#[test]
fn a_bare_redelivery_of_a_session_that_is_gone_is_not_decided_again() {
    let mut bench = Bench::default();
    let gone = |number, tick| {
        let mut gone = case(number, tick, 0).redelivered(2);
        (gone.session, gone.delivery.packet_id) = ("session-2", 0);
        gone
    };
    assert_eq!(bench.take(&case(1, tick("", None, ""), 0)), FRESH);
    assert_eq!(bench.look(&gone(2, tick("", None, ""))), [Recognition::Forgotten]);
    // Others are recognised by what they carry.
    assert_eq!(bench.look(&gone(3, tick("", None, "x"))), FRESH);
    assert_eq!(bench.look(&gone(4, tick("s", Some(1), ""))), FRESH);
    assert_eq!(bench.take(&case(5, tick("", None, "x"), 1)), FRESH);
    assert_eq!(seen(&bench.look(&gone(6, tick("", None, "x")))), [Some(SeenBy::Id)]);
    // A number means another quote once its source was reset.
    assert_eq!(bench.take(&case(10, tick("reset", Some(1), ""), 2)), FRESH);
    bench.sources.settle("quotes", "reset", (1, 0), 1);
    assert_eq!(bench.sources.reset("quotes", "reset", (0, 1), 2), Ok(true));
    assert_eq!(bench.look(&gone(11, tick("reset", Some(1), ""))), [Recognition::Forgotten]);
    // The first delivery of a message, held while the broker lost its memory, has no outcome yet.
    let mut first = gone(7, tick("", None, ""));
    first.delivery.duplicate = false;
    assert_eq!(bench.look(&first), FRESH);
}

/// Another bridge may have had it, before the rows that are in memory.
#[test]
fn redelivery_of_a_session_that_is_gone_is_forgotten_with_rows_that_left() {
    const SMALL: Sizes = Sizes { window: 8, ..Sizes::DESIGN };
    let gone = |number, tick| {
        let mut gone = case(number, tick, 0).redelivered(2);
        (gone.session, gone.delivery.packet_id) = ("session-2", 0);
        gone
    };
    let named: fn(u64) -> Tick = |id| hashed(tick("", None, &id.to_string()), 1);
    let numbered: fn(u64) -> Tick = |id| hashed(tick("", Some(id.cast_signed()), ""), 1);
    for tick in [named, numbered] {
        let mut bench = Bench::sized(SMALL);
        for number in 1..=8 {
            assert_eq!(bench.take(&case(number, tick(number), 0)), FRESH);
            bench.commit();
        }
        assert_eq!(bench.look(&gone(20, tick(9))), FRESH, "all rows are in memory");
        assert_eq!(bench.take(&case(9, tick(9), 0)), FRESH);
        bench.commit();
        for forgotten in [tick(1), tick(10), Tick { content_sha256: vec![2; 32].into(), ..tick(9) }] {
            assert_eq!(bench.look(&gone(20, forgotten)), [Recognition::Forgotten]);
        }
        assert!(matches!(bench.look(&gone(20, tick(9)))[..], [Recognition::Seen(..)]));
        assert_eq!(bench.look(&case(20, tick(10), 5).redelivered(2)), FRESH, "the session is there");
    }
}

#[test]
fn redelivery_is_recognised_when_its_bytes_parse_differently() {
    let enveloped = |mut case: Case| {
        case.delivery.envelope_sha256 = vec![3; 32].into();
        case
    };
    let mut bench = Bench::default();
    bench.take(&enveloped(batch(1, vec![hashed(tick("", None, ""), 1), hashed(tick("", None, ""), 2)], 0)));
    let more = (1..=3).map(|id| hashed(tick("", None, &id.to_string()), id)).collect();
    let again = bench.look(&enveloped(batch(2, more, 0).redelivered(2)));
    assert_eq!(seen(&again), [Some(SeenBy::Packet), Some(SeenBy::Packet), None]);
    assert_eq!(again[2], Recognition::Reparsed, "the number of ticks is another");
    let fewer = vec![hashed(tick("", None, "x"), 1)];
    assert_eq!(seen(&bench.look(&enveloped(batch(3, fewer, 0).redelivered(3)))), [Some(SeenBy::Packet)]);

    // The second tick had no row: it repeated another delivery.
    let mut bench = Bench::default();
    bench.take(&case(1, hashed(tick("", None, "b"), 2), 9));
    bench.take(&enveloped(batch(2, vec![hashed(tick("", None, "a"), 1), hashed(tick("", None, "b"), 2)], 0)));
    let same = vec![hashed(tick("", None, "a"), 1), hashed(tick("", None, "b"), 2)];
    let again = bench.look(&enveloped(batch(3, same, 0).redelivered(2)));
    assert_eq!(seen(&again), [Some(SeenBy::Packet), Some(SeenBy::Id)]);
    let other = vec![hashed(tick("", None, "a"), 7), hashed(tick("", None, "c"), 8)];
    let again = bench.look(&enveloped(batch(4, other, 0).redelivered(3)));
    assert_eq!(again[1], Recognition::Reparsed, "the first content is another");
}

#[test]
fn redeliveries_differ_by_user_properties_or_else_by_payload() {
    let mut bench = Bench::default();
    let enveloped = |number, id: &str, envelope: u8| {
        let mut case = case(number, tick("", None, id), 0);
        case.delivery.envelope_sha256 = vec![envelope; 32].into();
        case
    };
    bench.take(&enveloped(1, "a", 1));
    assert_eq!(seen(&bench.look(&enveloped(2, "", 1).redelivered(2))), [Some(SeenBy::Packet)]);
    assert_eq!(bench.look(&enveloped(3, "", 2).redelivered(3)), FRESH);
    // A bridge of v0.1.0, before or after: messages of one payload differ in their identity.
    assert_eq!(seen(&bench.look(&case(4, tick("", None, ""), 0).redelivered(4))), [Some(SeenBy::Packet)]);
    assert_eq!(bench.look(&case(5, tick("", None, "b"), 0).redelivered(5)), FRESH);
}

#[test]
fn outcomes_are_kept_for_a_whole_window_and_not_longer() {
    let mut bench = Bench::default();
    bench.identities.open(SESSION.into(), 1, false);
    for number in 1..=WINDOW + 1 {
        bench.take(&case(number, tick("", None, &number.to_string()), 0));
    }
    bench.commit();
    let again = |number: u64| case(WINDOW + 1 + number, tick("", None, &number.to_string()), 0);
    assert_eq!(bench.look(&again(1)), FRESH);
    assert_eq!(seen(&bench.look(&again(2))), [Some(SeenBy::Id)]);
    assert_eq!(bench.rows(), WINDOW);
    // The other windows are not touched by it, and marks stay for ever.
    assert!(bench.identities.evict(0).is_empty());
}

/// Equal keys are the worst case of a window: each step must cost as if they were not.
#[test]
fn a_constant_id_and_equal_payloads_cost_no_walk_over_the_window() {
    let mut bench = Bench::default();
    bench.identities.open(SESSION.into(), 1, false);
    let rows = WINDOW + 3_000;
    let began = std::time::Instant::now();
    for number in 1..=rows {
        let content = &number.to_be_bytes()[..];
        let content = [content, content, content, content].concat();
        let constant = Tick { content_sha256: content.into(), ..tick("", None, "constant") };
        bench.take(&case(number, constant, 0));
        let mut plain = case(rows + number, tick("", None, ""), 0);
        plain.delivery.packet_id = u32::from(number % 2 == 0);
        bench.take(&plain);
        if number % 64 == 0 {
            bench.commit();
        }
    }
    bench.commit();
    // A walk for each of them would be thousands of millions of steps.
    assert!(began.elapsed().as_secs() < 120, "{:?}", began.elapsed());
    assert_eq!(bench.identities.window.in_memory().0 as u64, 2 * WINDOW);
}

/// Deliveries of one connection, none of which the broker is known to have acknowledged.
fn backlog(bench: &mut Bench, deliveries: u64, tick: impl Fn(u64) -> Tick) {
    bench.identities.open(SESSION.into(), 1, true);
    for number in 1..=deliveries {
        assert_eq!(bench.take(&packet(number, 1, number, tick(number))), FRESH);
        if number % 1_000 == 0 {
            bench.commit();
        }
    }
    bench.commit();
}

/// The delivery `number` of a message that was the `sent`-th.
fn packet(number: u64, connection: u64, sent: u64, tick: Tick) -> Case {
    let mut case = case(number, tick, 0);
    case.delivery.packet_id = u32::try_from((sent - 1) % 65_535 + 1).unwrap();
    case.delivery.connection = connection;
    case
}

#[test]
fn a_backlog_without_acknowledgements_is_recognised_as_a_whole() {
    // Both kinds in turn, 100,000 each: more than a window has, and more than there are packet ids.
    const BACKLOG: u64 = 200_000;
    let tick = |number: u64| match number % 2 {
        0 => hashed(tick("", None, &number.to_string()), 1),
        _ => tick("", None, ""),
    };
    let mut bench = Bench::default();
    backlog(&mut bench, BACKLOG, tick);
    assert_eq!(bench.rows(), BACKLOG);
    bench.restart();
    bench.identities.open(SESSION.into(), 1, true);
    for sent in 1..=BACKLOG {
        let again = packet(BACKLOG + sent, 2, sent, tick(sent));
        let again = bench.take(&Case { delivery: Delivery { duplicate: true, ..again.delivery }, ..again });
        let [Recognition::Seen(known, SeenBy::Packet)] = &again[..] else { panic!("{sent}: {again:?}") };
        assert_eq!(bench.identities.outcome(known).unwrap().first_position, sent.div_ceil(2), "its own outcome");
    }
    let (rows, stretches) = bench.identities.window.in_memory();
    assert!(rows as u64 <= 2 * WINDOW && stretches < 200, "{rows} rows, {stretches} stretches");
    // The broker answered behind a delivery that was new: nothing of the backlog comes again.
    let new = packet(2 * BACKLOG + 1, 2, BACKLOG + 1, tick(BACKLOG + 1));
    assert_eq!(bench.take(&new), FRESH);
    bench.identities.acknowledged(Acknowledged { through: 2 * BACKLOG, connection: 2 });
    bench.commit();
    assert_eq!(bench.rows(), BACKLOG + 1);
    bench.identities.acknowledged(Acknowledged { through: 2 * BACKLOG + 1, connection: 2 });
    bench.commit();
    assert_eq!(bench.rows(), 2 * WINDOW);
}

#[test]
fn an_acknowledged_row_is_found_by_its_packet_for_some_time_only() {
    for (more, found) in [(32_768, true), (32_769, false)] {
        let mut bench = Bench::default();
        bench.identities.open(SESSION.into(), 1, true);
        let bare = || tick("", None, "");
        bench.take(&packet(1, 1, 1, bare()));
        (2..=more + 1).for_each(|number| drop(bench.take(&packet(number, 1, number, bare()))));
        bench.identities.acknowledged(Acknowledged { through: 1, connection: 1 });
        let again = packet(more + 2, 2, 1, bare());
        let again = bench.look(&Case { delivery: Delivery { duplicate: true, ..again.delivery }, ..again });
        assert_eq!(seen(&again)[0].is_some(), found, "{more}");
    }
}
