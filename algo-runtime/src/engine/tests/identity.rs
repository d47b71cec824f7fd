//! How the engine answers repetitions.

use intuition_api::{capability, v1::Acknowledged};

use super::*;

fn hashed(tick: Tick, content: u8) -> Tick {
    Tick { content_sha256: vec![content; 32].into(), ..tick }
}

/// A redelivery on another connection.
fn again(bench: &mut Bench, delivery: &Delivery) -> Delivery {
    bench.delivered += 1;
    Delivery { number: bench.delivered, duplicate: true, connection: 2, ..delivery.clone() }
}

fn open_as(bench: &mut Bench, client_id: &str, broker_url: &str, session_present: bool) -> v1::Opened {
    let open = Open {
        account: ACCOUNT.to_owned(),
        broker_url: broker_url.to_owned(),
        session_present,
        run: 9,
        client_id: client_id.to_owned(),
        capabilities: capability::OF_BRIDGE.map(str::to_owned).to_vec(),
        ..Open::default()
    };
    bench.open_with(1, &open).unwrap()
}

#[test]
fn a_batch_repeated_with_another_cut_decides_each_quote_once() {
    let ids: fn(i64) -> Tick = |number| Tick { id: format!("x{number}"), ..quote("10") };
    let numbers: fn(i64) -> Tick = |number| numbered(number, "10");
    for tick in [ids, numbers] {
        let mut bench = Bench::new(eager());
        bench.send(vec![hashed(tick(1), 1), hashed(tick(2), 2)]);
        let second = bench.send(vec![hashed(tick(2), 2), hashed(tick(3), 3)]);
        assert_eq!(kinds(&second), [Kind::Decided, Kind::Decided]);
        assert_eq!(second.outcomes[0].ticks[0].seqs, [2], "the outcome of the first time");
        assert_eq!(bench.engine.account().decisions, 3);
    }
}

#[test]
fn other_content_under_an_identity_is_a_dead_letter_that_names_the_remedy() {
    let mut bench = Bench::new(eager());
    bench.send(vec![hashed(numbered(1, "10"), 1), hashed(Tick { id: "x".to_owned(), ..quote("10") }, 1)]);
    for (tick, reason, remedy) in [
        (hashed(numbered(1, "11"), 2), "IdentityConflict", "the symbol into `source`"),
        (hashed(Tick { id: "x".to_owned(), ..quote("11") }, 2), "IdentityConflict", "leave out an id"),
        (hashed(numbered(0, "11"), 3), "SequenceWentBack", "intuition sources reset"),
    ] {
        let committed = bench.send(vec![tick]);
        assert_eq!(committed.outcomes[0].ticks[0].reason, reason);
        let Some(outbox_entry::Content::DeadLetter(letter)) = &committed.entries[0].content else { panic!() };
        assert!(letter.message.contains(remedy), "{}", letter.message);
    }
}

#[test]
fn bare_quote_in_flight_is_recognised_under_another_url_of_its_broker() {
    let mut bench = Bench::on_disk(eager());
    open_as(&mut bench, "client", BROKER, false);
    let delivery = bench.delivery("quotes", vec![quote("10")]);
    bench.process(std::slice::from_ref(&delivery));
    open_as(&mut bench, "client", "mqtts://localhost:8883", true);
    let repeated = again(&mut bench, &delivery);
    let committed = bench.process(&[repeated]);
    assert_eq!(committed.outcomes[0].ticks[0].seen_by(), SeenBy::Packet);
    // After a stay at another broker, and a restart, the first URL has its session still.
    open_as(&mut bench, "client", "mqtt://elsewhere:1883", false);
    bench.restart(eager());
    open_as(&mut bench, "client", BROKER, true);
    let repeated = again(&mut bench, &delivery);
    let committed = bench.process(&[repeated]);
    assert_eq!(committed.outcomes[0].ticks[0].seqs, [1]);
    assert_eq!(bench.engine.account().decisions, 1);
    assert_eq!(bench.engine.tally().count(counter::AMBIGUOUS), 2);
}

#[test]
fn further_ticks_of_a_redelivery_are_counted_and_never_decided() {
    let mut bench = Bench::new(eager());
    let delivery = bench.delivery("quotes", vec![bad("NotAQuote")]);
    bench.process(std::slice::from_ref(&delivery));
    let mut repeated = again(&mut bench, &delivery);
    repeated.ticks = vec![Tick { id: "a".to_owned(), ..quote("1") }, Tick { id: "b".to_owned(), ..quote("2") }];
    let committed = bench.process(&[repeated]);
    assert_eq!(kinds(&committed), [Kind::DeadLettered, Kind::Forgotten]);
    assert!(committed.entries.is_empty());
    let tally = bench.engine.tally();
    assert_eq!((tally.count(counter::REPARSED), tally.count(counter::AMBIGUOUS)), (1, 0));
}

#[test]
fn unnamed_number_that_comes_again_with_other_content_is_counted() {
    let mut bench = Bench::new(eager());
    let unnamed = |content| hashed(Tick { seq: Some(1), ..quote("1") }, content);
    bench.send(vec![unnamed(1)]);
    let repeated = bench.send(vec![unnamed(1)]);
    assert_eq!(repeated.outcomes[0].ticks[0].seqs, [1]);
    let other = bench.send(vec![unnamed(2)]);
    assert_eq!(other.outcomes[0].ticks[0].seqs, [2]);
    let tally = bench.engine.tally();
    assert_eq!(tally.count(counter::DECIDED), 2);
    assert_eq!((tally.count(counter::SEQ_REUSED), tally.count(counter::DUPLICATES)), (1, 1));
    assert_eq!((tally.count(counter::GAPS), tally.marks.len()), (0, 0));
}

/// A backlog beyond the window, on disk: rows that left memory are found in the ledger.
#[test]
fn a_redelivery_beyond_the_window_is_answered_from_the_ledger() {
    let mut bench = Bench::on_disk(eager());
    open_as(&mut bench, "client", BROKER, false);
    let rest = u32::try_from(Sizes::DESIGN.window).unwrap();
    let first = bench.delivery("other", vec![quote("10"), Tick { id: "x".to_owned(), ..quote("11") }]);
    bench.process(std::slice::from_ref(&first));
    // Many ticks in few deliveries: the ledger holds rows, the broker deliveries.
    for class in [quote("12"), Tick { id: "y".to_owned(), ..quote("12") }] {
        let ticks = (0..rest).map(|rank| Tick { ordinal: Some(rank), ..class.clone() }).collect::<Vec<_>>();
        for ticks in ticks.chunks(8_192) {
            let mut delivery = bench.delivery("other", ticks.to_vec());
            delivery.packet_id = 2;
            bench.process(&[delivery]);
        }
    }
    let repeated = again(&mut bench, &first);
    let committed = bench.process(std::slice::from_ref(&repeated));
    let by: Vec<SeenBy> = committed.outcomes[0].ticks.iter().map(v1::TickOutcome::seen_by).collect();
    assert_eq!((by, kinds(&committed)), (vec![SeenBy::Packet; 2], vec![Kind::NotSubscribed; 2]));
    // A publisher's own repetition of the id had no row of its packet.
    let mut retry = bench.delivery("other", vec![Tick { id: "x".to_owned(), ..quote("11") }]);
    (retry.duplicate, retry.packet_id, retry.connection) = (true, 3, 2);
    let committed = bench.process(&[retry]);
    assert_eq!(committed.outcomes[0].ticks[0].seen_by(), SeenBy::Packet);
    // Once the broker has read the PUBACK of everything, the rows go.
    let through = bench.delivered - 2;
    bench.engine.acknowledged(Acknowledged { through, connection: 1 });
    bench.commit();
    assert!(bench.ledger.snapshot().unwrap().older.is_empty());
}

#[test]
fn each_side_shows_what_it_can_do() {
    let mut bench = Bench::new(eager());
    let opened = open_as(&mut bench, "client", BROKER, true);
    assert_eq!(opened.capabilities, capability::OF_RUNTIME);
    let account = bench.engine.account();
    assert_eq!(account.capabilities, capability::OF_RUNTIME);
    assert_eq!(account.bridge_capabilities, capability::OF_BRIDGE);
}

#[test]
fn redelivery_that_a_changed_format_reads_as_other_quotes_is_not_decided() {
    for ticks in [vec![hashed(quote("20"), 2)], vec![hashed(quote("20"), 2), hashed(quote("30"), 3)]] {
        let mut bench = Bench::new(eager());
        let first = bench.delivery("quotes", vec![hashed(quote("10"), 1)]);
        let first = Delivery { envelope_sha256: vec![7; 32].into(), ..first };
        assert_eq!(kinds(&bench.process(std::slice::from_ref(&first))), [Kind::Decided]);
        // The pods start again with the new format, and the broker delivers again.
        bench.restart(eager());
        bench.open(true);
        let repeated = Delivery { ticks, ..again(&mut bench, &first) };
        let seen = kinds(&bench.process(&[repeated]));
        assert!(!seen[1..].contains(&Kind::Decided), "{seen:?}");
        assert_eq!(bench.engine.account().decisions, 1, "{seen:?}");
    }
}
