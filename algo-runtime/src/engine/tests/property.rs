//! Any course of quotes, values of indicators, repetitions, restarts, settings, stops, sales by hand and lost sessions keeps the invariants,
//! over the ledger on disk.

use intuition_api::v1::{Batch, GivenUp, Positions, TradingState, outbox_entry::Content as Entry};
use proptest::prelude::*;

use super::*;
use crate::ledger::{OutboxContent, OutboxPage};

/// What can happen to an engine between two commits.
#[derive(Debug, Clone)]
enum Event {
    Quotes(Vec<(u8, u32)>),
    Again(usize),
    Restart,
    Published,
    /// Whether to report each position beyond `through` as done or given up, or to leave it.
    Done(Vec<u8>),
    /// A bridge that knows so many entries more than there are opens a stream.
    Back(u64),
    Cash(u32),
    Session,
    Stop(Option<TradingState>),
    Close(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let quotes = prop::collection::vec((0_u8..6, 1_u32..100_000), 1..5);
    let event = prop_oneof![
        6 => quotes.prop_map(Event::Quotes),
        3 => (0_usize..30).prop_map(Event::Again),
        1 => Just(Event::Restart),
        2 => Just(Event::Published),
        2 => prop::collection::vec(0_u8..3, 1..8).prop_map(Event::Done),
        1 => (0_u64..3).prop_map(Event::Back),
        1 => (0_u32..2_000_000).prop_map(Event::Cash),
        1 => Just(Event::Session),
        1 => prop_oneof![Just(None), Just(Some(TradingState::Reducing)), Just(Some(TradingState::Halted))]
            .prop_map(Event::Stop),
        1 => any::<u8>().prop_map(Event::Close),
    ];
    prop::collection::vec(event, 1..40)
}

fn identified(shape: u8, cents: u32, place: usize) -> Tick {
    let price = format!("{}.{:02}", cents / 100 + 1, cents % 100);
    match shape {
        0 => numbered(i64::try_from(place).unwrap() + i64::from(cents % 3), &price),
        1 => Tick { id: format!("id-{place}"), ..quote(&price) },
        2 => bad("BadPrice"),
        3 => indicators::values("sma", &price),
        4 => Tick { id: format!("id-{place}"), ..indicators::values("sma", &price) },
        _ => quote(&price),
    }
}

/// Reports entries beyond `through`: 1 done, 2 given up unless it is a decision.
fn some_done(bench: &mut Bench, fates: &[u8]) -> Published {
    let mut report = Published { through: bench.engine.published_through(), ..Published::default() };
    for (row, fate) in bench.ledger.outbox(OutboxPage::all(report.through)).unwrap().iter().zip(fates) {
        let position = row.position;
        match (fate, &row.content) {
            (0, _) | (2, OutboxContent::Decision(_)) => continue,
            (2, _) => {
                let topic = "dead-letter".to_owned();
                report.given_up.push(GivenUp { position, topic, reason: "NoAnswer".to_owned() });
            }
            _ => {}
        }
        report.done.push(Positions { first: position, last: position });
    }
    report
}

/// Opens as a bridge that has published so many entries more than there are. Returns whether the ledger has gone back.
fn back(bench: &mut Bench, more: u64) -> bool {
    let account = bench.engine.account();
    let through = bench.engine.position() + more;
    let published = Some(Published { through, ..Published::default() });
    let open = Open {
        account: ACCOUNT.to_owned(),
        broker_url: BROKER.to_owned(),
        session_present: true,
        run: 9,
        ledger_id: account.ledger_id,
        published,
        ..Open::default()
    };
    bench.open_with(1, &open).unwrap().restored
}

/// Ids of the decisions among these entries.
fn decision_ids(committed: &v1::Committed) -> impl Iterator<Item = String> {
    let id = |entry: &v1::OutboxEntry| match &entry.content {
        Some(Entry::Decision(decision)) => Some(decision.id.clone()),
        _ => None,
    };
    committed.entries.iter().filter_map(id)
}

/// Whether the trading state allows every decision among these entries.
fn allowed(state: TradingState, committed: &v1::Committed) -> bool {
    committed.entries.iter().all(|entry| match &entry.content {
        Some(Entry::Decision(decision)) if decision.origin == "manual" => state > TradingState::Active,
        Some(Entry::Decision(decision)) => match state {
            TradingState::Halted => false,
            TradingState::Reducing => decision.side() == v1::Side::Sell,
            _ => true,
        },
        _ => true,
    })
}

/// Bounds that a few deliveries go beyond.
const TINY: Sizes = Sizes {
    window: 16,
    stretch_rows: 3,
    evicted_stretches: 2,
    turn_ticks: 3,
    letter_causes: 2,
    counted_reasons: 1,
    gap_channels: 1,
    gaps: 2,
    close_requests: 2,
    ..Sizes::DESIGN
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_course_of_events_decides_once_and_keeps_the_money(events in events()) {
        run(Sizes::DESIGN, usize::MAX, events)?;
    }

    #[test]
    fn any_course_keeps_the_money_beyond_every_bound(events in events()) {
        // Of four ticks each: half a window.
        run(TINY, 2, events)?;
    }
}

/// `repeatable`: so many of the last deliveries may come again.
fn run(sizes: Sizes, repeatable: usize, events: Vec<Event>) -> Result<(), TestCaseError> {
    let mut bench = Bench::on_disk_sized(sizes, resource(1));
    let mut sent: Vec<(Delivery, v1::DeliveryOutcome)> = Vec::new();
    let mut generation = 1;
    let mut published = std::collections::BTreeSet::new();
    for event in events {
        match event {
            Event::Quotes(quotes) => {
                let ticks = quotes.iter().enumerate();
                let place = sent.len() * 10;
                let ticks = ticks.map(|(index, (shape, cents))| identified(*shape, *cents, place + index)).collect();
                let delivery = bench.delivery("quotes", ticks);
                let committed = bench.process(std::slice::from_ref(&delivery));
                prop_assert!(allowed(bench.engine.trading.state(), &committed), "{:?}", committed.entries);
                for id in decision_ids(&committed) {
                    prop_assert!(published.insert(id.clone()), "{id} has two contents");
                }
                sent.push((delivery, committed.outcomes[0].clone()));
            }
            Event::Again(which) if !sent.is_empty() => {
                let (delivery, outcome) = sent[sent.len() - 1 - which % sent.len().min(repeatable)].clone();
                let again = Batch { deliveries: vec![delivery] };
                let committed = bench.process(&again.deliveries);
                prop_assert!(committed.entries.is_empty());
                for (first, again) in outcome.ticks.iter().zip(&committed.outcomes[0].ticks) {
                    // What was forgotten stays so; all else is the first answer.
                    prop_assert_eq!(
                        (first.kind, &first.seqs, &first.positions),
                        (again.kind, &again.seqs, &again.positions)
                    );
                }
            }
            Event::Again(_) => {}
            Event::Restart => bench.restart(resource(generation)),
            Event::Published => {
                bench.published(bench.engine.position());
            }
            Event::Done(fates) => {
                let report = some_done(&mut bench, &fates);
                prop_assert_eq!(bench.report(&report), Ok(0));
                let (known, snapshot) = (bench.engine.outbox.done().clone(), bench.ledger.snapshot().unwrap());
                prop_assert_eq!(&snapshot.done, &known);
                let through = snapshot.account.published_through;
                let is_done = |position| position <= through || known.contains(position);
                prop_assert!(report.done.iter().all(|range| is_done(range.first)), "{:?}", report.done);
                // Nothing leaves the outbox before all in front of it are done.
                let left = bench.ledger.outbox(OutboxPage::all(0)).unwrap();
                let first = left.first().map_or(bench.engine.position() + 1, |row| row.position);
                prop_assert_eq!(first, through + 1);
                prop_assert!(!known.contains(first));
                prop_assert_eq!(left.len() as u64, bench.engine.account().unpublished);
            }
            Event::Back(more) => {
                prop_assert_eq!(back(&mut bench, more), more > 0);
                prop_assert_eq!(bench.engine.account().unpublished, 0);
            }
            Event::Cash(cents) => {
                generation += 1;
                bench.configure(generation, |settings| {
                    settings.starting_cash = format!("{}.{:02}", cents / 100, cents % 100);
                });
            }
            Event::Session => bench.open(false),
            Event::Stop(state) => closing::set(&mut bench, generation, state),
            Event::Close(id) => drop(closing::close(&mut bench, &id.to_string(), closing::all())),
        }
    }
    check_books(&mut bench)
}

/// The decisions have no holes, and the journal alone gives the same account.
fn check_books(bench: &mut Bench) -> Result<(), TestCaseError> {
    let decisions = bench.ledger.decisions(1, usize::MAX).unwrap();
    let seqs: Vec<u64> = decisions.iter().filter_map(|entry| Some(entry.trade.as_ref()?.seq)).collect();
    prop_assert_eq!(seqs, (1..=bench.engine.accounting.decisions()).collect::<Vec<u64>>());
    prop_assert!(decisions.iter().all(|entry| !entry.cash.is_negative()));
    let report = verify(bench.dir.as_ref().unwrap().path()).unwrap();
    let account = bench.engine.account();
    prop_assert_eq!(report.cash.to_string(), account.cash);
    prop_assert_eq!(report.realised.to_string(), account.realised);
    Ok(())
}
