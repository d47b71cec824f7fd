//! Edges of bounds that are small, and chance that comes from a seed.

use intuition_api::{capability, v1::Positions};

use super::{far::*, *};
use crate::backend::LinkCommand;

fn of(sid: &str, source: &str, seq: i64) -> Tick {
    let quote = Quote { sid: sid.to_owned(), price: "10".to_owned(), time_micros: 5, ..Quote::default() };
    Tick { content: Some(Content::Quote(quote)), source: source.to_owned(), seq: Some(seq), ..Tick::default() }
}

fn reasons(committed: &v1::Committed) -> Vec<&str> {
    committed.outcomes.iter().flat_map(|outcome| &outcome.ticks).map(|tick| tick.reason.as_str()).collect()
}

#[test]
fn ninth_source_and_ninth_symbol_are_refused_where_the_bounds_are_eight() {
    let sizes = Sizes { sources: 8, symbols: 8, ..Sizes::DESIGN };
    let mut bench = Bench::on_disk_sized(sizes, eager());
    let first = bench.send((0..8).map(|number| of(&format!("S{number}"), &number.to_string(), 1)).collect());
    assert_eq!(reasons(&first), [""; 8]);
    for seq in 2..4 {
        let mixed = bench.send(vec![of("S1", "new", seq), of("new", "1", seq), of("S1", "2", seq)]);
        assert_eq!(reasons(&mixed), ["TooManySources", "TooManySymbols", ""]);
        let letters: Vec<_> = mixed.entries.iter().filter_map(|entry| entry.content.clone()).collect();
        let Some(outbox_entry::Content::DeadLetter(letter)) = letters.first() else { panic!("{letters:?}") };
        assert!(letter.causes.iter().all(|cause| cause.message.contains("8 s")), "{letter:?}");
        bench.restart(eager());
    }
}

#[test]
fn redelivery_beyond_a_window_of_eight_is_answered_from_either_ledger() {
    let sizes = Sizes { window: 8, stretch_rows: 4, turn_ticks: 4, packet_page: 1, ..Sizes::DESIGN };
    let cents = Policy::from_parts("fixed-amount", None, Some("0.01")).unwrap();
    let settings = settings("random", &json!({"seed": 1}), cents);
    for mut bench in [Bench::sized(sizes, settings.clone()), Bench::on_disk_sized(sizes, settings)] {
        let open = Open {
            account: ACCOUNT.to_owned(),
            broker_url: BROKER.to_owned(),
            run: 9,
            client_id: "client".to_owned(),
            capabilities: capability::OF_BRIDGE.map(str::to_owned).to_vec(),
            ..Open::default()
        };
        bench.open_with(1, &open).unwrap();
        // Equal packets: which one is repeated shows by the place among the deliveries of the later connection.
        let tick = |place: i64| match place % 3 {
            0 => quote("10"),
            1 => Tick { id: place.to_string(), ..quote("10") },
            _ => numbered(place, "10"),
        };
        let sent: Vec<Delivery> = (0..90).map(|place| bench.delivery("quotes", vec![tick(place)])).collect();
        let first: Vec<v1::Committed> =
            sent.iter().map(|delivery| bench.process(std::slice::from_ref(delivery))).collect();
        let snapshot = bench.ledger.snapshot().unwrap();
        assert_eq!((snapshot.window.len(), snapshot.older.iter().map(|rows| rows.last).max()), (24, Some(22)));
        bench.open_with(2, &Open { session_present: true, ..open }).unwrap();
        for (delivery, first) in sent.iter().zip(&first) {
            bench.delivered += 1;
            let again = Delivery { number: bench.delivered, duplicate: true, connection: 2, ..delivery.clone() };
            let told = bench.process(&[again]);
            let (first, again) = (&first.outcomes[0].ticks[0], &told.outcomes[0].ticks[0]);
            assert_eq!((&first.seqs, first.kind), (&again.seqs, again.kind));
            assert_eq!((again.seen_by(), told.entries.len()), (SeenBy::Packet, 0));
        }
        // A report that covers a new delivery: the broker has read every PUBACK before it.
        let new = bench.send(vec![quote("11")]);
        assert_eq!(kinds(&new), [Kind::Decided]);
        bench.engine.acknowledged(v1::Acknowledged { through: bench.delivered, connection: 1 });
        bench.commit();
        assert!(bench.ledger.snapshot().unwrap().older.is_empty());
    }
}

#[test]
fn ticks_and_reports_beyond_small_bounds_are_refused_and_name_them() {
    let sizes = Sizes { waiting_ticks: 8, report_ranges: 1, ..Sizes::DESIGN };
    let mut wired = Wired::over(Bench::sized(sizes, at(A, 1)));
    wired.send(0..8);
    let next = wired.bench.delivery("quotes", vec![quote("10")]);
    let error = wired.bench.engine.take(vec![next]).unwrap_err();
    assert!(error.to_string().contains("at most 8 of"), "{error}");
    let done = vec![Positions { first: 1, last: 1 }, Positions { first: 3, last: 3 }];
    let error = wired.bench.report(&Published { done, ..Published::default() }).unwrap_err();
    assert!(error.to_string().contains("at most 1"), "{error}");
}

#[test]
fn tick_is_rejected_after_as_many_failures_as_the_bounds_name() {
    let sizes = Sizes { batch_events: 2, strikes: 2, ..Sizes::DESIGN };
    let mut wired = Wired::over(Bench::sized(sizes, at(A, 1)));
    wired.come_up(A, "algo", &["quotes"]);
    wired.send(0..4);
    for asked in [vec!["1", "2"], vec!["1"], vec!["1"]] {
        assert_eq!(prices(&wired.batch(A)), asked);
        wired.fail(A);
        wired.come_up(A, "algo", &["quotes"]);
    }
    let told: Vec<String> =
        std::iter::from_fn(|| (!wired.is_idle(A)).then(|| wired.answer(A, "")).map(|p| p.join(","))).collect();
    assert_eq!(told, ["2", "3,4"]);
    let told = wired.told();
    assert_eq!(kinds(&told), [Kind::DeadLettered, Kind::Decided, Kind::Decided, Kind::Decided]);
    let Some(outbox_entry::Content::DeadLetter(letter)) = &told.entries[0].content else { panic!("{told:?}") };
    assert!(letter.message.contains("failed 2 times"), "{letter:?}");
}

/// Decides and sizes by chance, without a seed in the settings.
fn by_chance() -> Settings {
    let settings = settings("random", &json!({}), Policy::from_parts("random-fraction", None, None).unwrap());
    Settings { live: LiveSettings { threshold: 0.5, ..settings.live }, ..settings }
}

/// The journal of an account that takes a seed into its settings and out of them again.
fn journal(ledger: MemoryLedger, seed: u64) -> Vec<String> {
    let mut ledger: Box<dyn Ledger> = Box::new(ledger);
    let settings = by_chance();
    let engine = Engine::start(ledger.snapshot().unwrap(), &settings, Sizes::DESIGN, seed, 0).unwrap();
    let mut bench = Bench { ledger, dir: None, sizes: Sizes::DESIGN, settings, engine, delivered: 0, ids: 0 };
    bench.commit();
    bench.open(true);
    for parameters in ["{}", r#"{"seed":3}"#, "{}"] {
        bench
            .engine
            .begin_swap(
                LiveSettings {
                    parameters: serde_json::from_str(parameters).unwrap(),
                    ..bench.engine.settings.live().clone()
                },
                0,
            )
            .unwrap();
        bench.send((0..20).map(|_| quote("10")).collect());
    }
    let decisions = bench.ledger.decisions(1, usize::MAX).unwrap();
    decisions.iter().map(|entry| format!("{} {:?}", entry.amount, entry.trade)).collect()
}

#[test]
fn engines_with_one_seed_over_copies_of_one_ledger_do_the_same() {
    let new = || MemoryLedger::new(ACCOUNT, "3f9c2a71");
    let first = journal(new(), 1);
    assert!(first.len() > 10, "{first:?}");
    assert_eq!(first, journal(new(), 1));
    let other = journal(new(), 2);
    assert_ne!(first.first(), other.first());
    let seeded = |journal: &[String]| journal.iter().any(|entry| other.contains(entry));
    assert!(!seeded(&first), "the sums that are left differ, also under the seed of the settings");
}

#[test]
fn pauses_between_calls_of_a_backend_come_from_the_seed() {
    let pauses = |seed: u64| {
        let mut ledger = MemoryLedger::new(ACCOUNT, "3f9c2a71");
        let settings = at(A, 1);
        let engine = Engine::start(ledger.snapshot().unwrap(), &settings, Sizes::DESIGN, seed, 0).unwrap();
        let bench =
            Bench { ledger: Box::new(ledger), dir: None, sizes: Sizes::DESIGN, settings, engine, delivered: 0, ids: 0 };
        let mut wired = Wired::over(bench);
        let pause = |wired: &mut Wired, address: &str| match wired.order(address) {
            LinkCommand::Call { pause, .. } => pause,
            order => panic!("{order:?}"),
        };
        let mut drawn = Vec::new();
        for address in [A, B] {
            pause(&mut wired, address);
            for _ in 0..8 {
                wired.fail(address);
                drawn.push(pause(&mut wired, address));
            }
            if address == A {
                wired.move_to(B, 2);
            }
        }
        drawn
    };
    assert_eq!(pauses(1), pauses(1));
    assert_ne!(pauses(1), pauses(2));
    assert_ne!(pauses(1)[..8], pauses(1)[8..], "each backend has pauses of its own");
}
