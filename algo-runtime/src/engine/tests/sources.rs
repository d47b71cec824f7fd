//! Sources through the engine: conflicts, resets, sources that were forgotten, gaps and limits.

use intuition_api::v1::{ForgetSourcesRequest, ResetSourceRequest, ResetSourceResponse};

use super::*;
use crate::sources::IDENTITY_BYTES;

fn from(source: &str, seq: i64) -> Tick {
    Tick { source: source.to_owned(), ..numbered(seq, "10") }
}

fn reset(bench: &mut Bench, era: u64, last: i64) -> ResetSourceResponse {
    let request = ResetSourceRequest {
        account: ACCOUNT.to_owned(),
        channel: "quotes".to_owned(),
        source: "feed".to_owned(),
        era,
        last,
        ..ResetSourceRequest::default()
    };
    let response = bench.engine.reset_source(&request, 77).unwrap();
    bench.commit();
    response
}

fn forget(bench: &mut Bench, source: &str, idle_seconds: u64) -> v1::ForgetSourcesResponse {
    let source = source.to_owned();
    let request = ForgetSourcesRequest { source, idle_seconds, ..ForgetSourcesRequest::default() };
    let response = bench.engine.forget_sources(&request, 10_000_000).unwrap();
    bench.commit();
    response
}

/// Buys at every quote, for a cent.
fn thrifty() -> Settings {
    settings("random", &json!({"seed": 1}), Policy::from_parts("fixed-amount", None, Some("0.01")).unwrap())
}

fn reasons(committed: &v1::Committed) -> Vec<&str> {
    committed.outcomes.iter().flat_map(|outcome| &outcome.ticks).map(|tick| tick.reason.as_str()).collect()
}

fn refusal(response: &ResetSourceResponse) -> &str {
    response.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str())
}

#[test]
fn ten_dead_letters_in_a_row_are_a_conflict_until_a_tick_is_accepted() {
    let mut bench = Bench::on_disk(eager());
    bench.send(vec![numbered(100, "10")]);
    for seq in 1..=9 {
        assert_eq!(reasons(&bench.send(vec![numbered(seq, "10")])), ["SequenceWentBack"]);
    }
    assert!(bench.engine.account().sources.is_empty());
    // A repetition and another source's quote neither add to it nor end it.
    bench.send(vec![numbered(100, "10")]);
    bench.send(vec![from("other", 1)]);
    bench.send(vec![numbered(10, "10")]);
    bench.restart(eager());
    let account = bench.engine.account();
    let [source] = account.sources.as_slice() else { panic!("{:?}", account.sources) };
    assert_eq!((source.channel.as_str(), source.name.as_str()), ("quotes", "feed"));
    assert_eq!((source.conflicts, source.conflict_reason.as_str()), (10, "SequenceWentBack"));
    assert!(source.conflict_message.contains("on quotes stands at 100"), "{}", source.conflict_message);
    assert_eq!((source.era, source.last, account.source_count), (0, Some(100), 2));
    bench.send(vec![numbered(101, "10")]);
    assert!(bench.engine.account().sources.is_empty());
    bench.restart(eager());
    assert!(bench.engine.account().sources.is_empty());
}

#[test]
fn an_id_without_a_source_is_in_conflict_by_its_channel() {
    let mut bench = Bench::new(eager());
    for content in 0..11 {
        let content_sha256 = vec![content; 32].into();
        bench.send(vec![Tick { id: "goog".to_owned(), content_sha256, ..quote("10") }]);
    }
    let account = bench.engine.account();
    let [source] = account.sources.as_slice() else { panic!("{:?}", account.sources) };
    assert_eq!((source.channel.as_str(), source.name.as_str(), source.conflicts), ("quotes", "", 10));
    assert_eq!(source.conflict_reason, "IdentityConflict");
    // A quote without any identity proves nothing about ids.
    bench.send(vec![quote("10")]);
    assert_eq!(bench.engine.account().sources.len(), 1);
    bench.send(vec![Tick { id: "goog-2".to_owned(), ..quote("10") }]);
    assert!(bench.engine.account().sources.is_empty());
}

#[test]
fn reset_source_begins_again_and_the_same_reset_does_nothing_later() {
    let mut bench = Bench::on_disk(eager());
    for seq in 1..=5 {
        bench.send(vec![numbered(seq, "10")]);
    }
    assert_eq!(refusal(&reset(&mut bench, 0, 4)), "OtherLast");
    assert_eq!(refusal(&reset(&mut bench, 1, 5)), "OtherEra");
    let applied = reset(&mut bench, 0, 5);
    assert!(applied.applied && applied.refusal.is_none());
    assert_eq!(applied.source.map(|source| (source.era, source.last)), Some((1, None)));
    bench.restart(eager());
    // Numbers above the old last one need no new era; those below are decided because of it.
    let again = bench.send(vec![numbered(3, "10")]);
    assert_eq!(reasons(&again), [""]);
    bench.send(vec![numbered(5, "10")]);
    for _ in 0..2 {
        let repeated = reset(&mut bench, 0, 5);
        assert!(!repeated.applied && repeated.refusal.is_none(), "{repeated:?}");
        assert_eq!(repeated.source.map(|source| (source.era, source.last)), Some((1, Some(5))));
        bench.restart(eager());
    }
    let account = bench.engine.account();
    assert_eq!((account.sources.len(), account.sources[0].era, account.last_gap.unwrap().first), (1, 1, 4));
}

#[test]
fn a_reset_names_its_resource_and_a_source_that_there_is() {
    let mut bench = Bench::new(resource(1));
    bench.send(vec![numbered(5, "10")]);
    assert_eq!(refusal(&reset(&mut bench, 0, 5)), "OtherUid");
    assert_eq!(forget(&mut bench, "feed", 0).refusal.unwrap().reason, "OtherUid");
    let request = |source: &str| ResetSourceRequest {
        resource_uid: "u-1".to_owned(),
        channel: "quotes".to_owned(),
        source: source.to_owned(),
        last: 5,
        ..ResetSourceRequest::default()
    };
    let unknown = bench.engine.reset_source(&request("nyse"), 1).unwrap();
    assert_eq!((refusal(&unknown), unknown.source.as_ref()), ("UnknownSource", None));
    assert!(bench.engine.reset_source(&request(""), 1).is_err());
    assert!(bench.engine.reset_source(&request(&"x".repeat(257)), 1).is_err());
    assert!(bench.engine.reset_source(&request("feed"), 1).unwrap().applied);
}

#[test]
fn quotes_of_a_source_that_was_forgotten_are_dead_letters_from_then_on() {
    let mut bench = Bench::on_disk(eager());
    bench.send(vec![numbered(5, "10")]);
    bench.send(vec![from("other", 5)]);
    let wrong = [("", 0), ("feed", 1)];
    for (source, idle_seconds) in wrong {
        let request =
            ForgetSourcesRequest { source: source.to_owned(), idle_seconds, ..ForgetSourcesRequest::default() };
        assert!(bench.engine.forget_sources(&request, 1).is_err());
    }
    assert_eq!(forget(&mut bench, "nyse", 0).refusal.unwrap().reason, "UnknownSource");
    let idle = forget(&mut bench, "", 100);
    assert_eq!((idle.forgotten, idle.refusal), (0, None));
    assert_eq!(forget(&mut bench, "feed", 0).forgotten, 1);
    for _ in 0..2 {
        let dead = bench.send(vec![numbered(6, "10")]);
        assert_eq!(reasons(&dead), ["SourceForgotten"], "numbered 6, and the same again");
        assert_eq!(reasons(&bench.send(vec![numbered(7, "10")])), ["SourceForgotten"]);
        bench.restart(eager());
    }
    assert_eq!(bench.engine.account().source_count, 1);
    assert_eq!(forget(&mut bench, "", 9).forgotten, 1, "idle since the first second");
}

#[test]
fn gaps_are_counted_by_channel_and_the_last_one_is_shown() {
    let mut bench = Bench::on_disk(eager());
    bench.send(vec![numbered(1, "10")]);
    bench.send(vec![numbered(4, "10")]);
    let other = [from("feed", 1), from("feed", 3)].map(|tick| bench.delivery("other", vec![tick]));
    bench.process(&other);
    bench.restart(eager());
    let tally = bench.engine.tally();
    assert_eq!(tally.count(counter::GAPS), 3);
    let by_channel: Vec<_> = tally.account.counters.iter().filter(|counter| counter.name == counter::GAPS).collect();
    let by_channel: Vec<_> = by_channel.iter().map(|counter| (counter.reason.as_str(), counter.value)).collect();
    assert_eq!(by_channel, [("", 3), ("other", 1), ("quotes", 2)]);
    let gap = tally.account.last_gap.unwrap();
    assert_eq!((gap.channel.as_str(), gap.source.as_str()), ("other", "feed"));
    assert_eq!((gap.first, gap.last, gap.seen_micros), (2, 2, 1_000));
}

#[test]
fn a_source_that_numbers_sparsely_leaves_no_gap() {
    let mut bench = Bench::new(eager());
    for seq in [1, 900] {
        let mut delivery = bench.delivery("quotes", vec![numbered(seq, "10")]);
        delivery.sparse = true;
        bench.process(&[delivery]);
    }
    assert_eq!((bench.engine.tally().count(counter::GAPS), bench.engine.account().last_gap), (0, None));
    bench.send(vec![numbered(902, "10")]);
    assert_eq!(bench.engine.tally().count(counter::GAPS), 1);
}

#[test]
fn gaps_of_ever_new_channels_are_counted_apart_up_to_a_bound() {
    let mut bench = Bench::new(eager());
    for channel in 0..1_100 {
        let topic = format!("quotes/{channel}");
        let deliveries = [1, 3].map(|seq| bench.delivery(&topic, vec![numbered(seq, "10")]));
        bench.process(&deliveries);
    }
    let tally = bench.engine.tally();
    let counters = tally.account.counters.iter().filter(|counter| counter.name == counter::GAPS);
    assert_eq!((tally.count(counter::GAPS), counters.count()), (1_100, 1_001));
}

#[test]
fn beyond_the_limit_of_sources_a_new_one_is_refused_and_the_others_go_on() {
    let mut bench = Bench::new(thrifty());
    let ticks = (0..Sizes::DESIGN.sources).map(|source| from(&source.to_string(), 1)).collect();
    bench.send(ticks);
    assert_eq!(bench.engine.account().source_count, 10_000);
    let mixed = bench.send(vec![from("new", 1), from("7", 2), Tick { id: "a".to_owned(), ..quote("10") }]);
    assert_eq!(reasons(&mixed), ["TooManySources", "", ""]);
    assert_eq!(forget(&mut bench, "7", 0).forgotten, 1);
    assert_eq!(reasons(&bench.send(vec![from("new", 2)])), [""]);
}

#[test]
fn beyond_the_limit_of_symbols_a_new_one_is_refused_also_after_a_restart() {
    let mut bench = Bench::on_disk(thrifty());
    let of = |sid: usize| {
        let quote = Quote { sid: format!("S{sid}"), price: "10".to_owned(), time_micros: 5, ..Quote::default() };
        Tick { content: Some(Content::Quote(quote)), ..Tick::default() }
    };
    bench.send((0..Sizes::DESIGN.symbols).map(of).collect());
    // Of a channel that the algorithm does not ask for no quote is taken.
    let other = bench.delivery("other", vec![of(Sizes::DESIGN.symbols + 1)]);
    bench.process(&[other]);
    let settings = bench.settings.clone();
    for _ in 0..2 {
        assert_eq!(reasons(&bench.send(vec![of(Sizes::DESIGN.symbols), of(7)])), ["TooManySymbols", ""]);
        bench.restart(settings.clone());
    }
}

#[test]
fn an_identity_that_is_too_long_is_refused_and_kept_nowhere() {
    let mut bench = Bench::new(eager());
    let long = "x".repeat(IDENTITY_BYTES + 1);
    let ticks = vec![
        from(&long, 1),
        Tick { id: long.clone(), ..quote("10") },
        from(&long[1..], 1),
        Tick { id: long[1..].to_owned(), ..quote("10") },
    ];
    let committed = bench.send(ticks);
    assert_eq!(reasons(&committed), ["IdentityTooLong", "IdentityTooLong", "", ""]);
    let snapshot = bench.ledger.snapshot().unwrap();
    assert!(snapshot.window.iter().all(|row| row.source != long && row.id != long));
    assert_eq!(snapshot.marks.len(), 1);
}
