//! The batches in which values and quotes reach an algorithm.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::algorithm::{Algorithm, AlgorithmSettings, Answer, Event, FieldErrors, SavedState};

#[test]
fn values_come_in_front_of_their_quote_in_the_batch() {
    let mut wired = up();
    wired.deliver(joined(1, 2, "10"));
    let batch = wired.batch(A);
    assert_eq!(events(&batch), ["i-0", "i-1", "10"]);
    let Some(input_event::Kind::Indicator(indicator)) = &batch.events[0].kind else { panic!("values") };
    assert_eq!((indicator.sid.as_str(), indicator.time_micros), ("GOOG", 5));
    let [IndicatorValue { name, value }] = indicator.values.as_slice() else { panic!("one value") };
    assert_eq!((name.as_str(), value.as_str()), ("value", "10"));
    let numbers: Vec<u64> = batch.events.iter().map(|event| event.event).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn batch_holds_at_most_256_events_and_cuts_no_group() {
    let mut wired = up();
    let ticks = (1..=100).flat_map(|seq| joined(seq, 2, &seq.to_string())).collect();
    wired.deliver(ticks);
    let first = wired.buy_quotes();
    assert_eq!((first.len(), first.last().map(String::as_str)), (255, Some("85")));
    let second = wired.buy_quotes();
    assert_eq!((second.len(), second[0].as_str(), second[2].as_str()), (45, "i-0", "86"));
    assert_eq!(wired.bench.engine.tally().ticks(), 100);
}

#[test]
fn run_of_values_longer_than_a_batch_is_cut() {
    let mut wired = up();
    wired.deliver(joined(1, 300, "10"));
    assert_eq!(wired.buy_quotes().len(), 256);
    let rest = wired.buy_quotes();
    assert_eq!((rest.len(), rest.last().map(String::as_str)), (45, Some("10")));
    // The same where the group does not begin the batch.
    wired.deliver([joined(2, 0, "20"), joined(3, 300, "30")].concat());
    assert_eq!(wired.buy_quotes(), ["20"]);
    assert_eq!((wired.buy_quotes().len(), wired.buy_quotes().len()), (256, 45));
}

#[test]
fn values_without_a_quote_are_told_too() {
    let mut wired = up();
    wired.deliver(vec![values("a", "1"), values("b", "2")]);
    assert_eq!(wired.buy_quotes(), ["a", "b"]);
    assert_eq!(kinds(&wired.told()), [Kind::NoSignal, Kind::NoSignal]);
    // They are no part of the next delivery's group.
    let alone = wired.bench.delivery("quotes", vec![values("c", "1")]);
    let next = wired.bench.delivery("quotes", joined(1, 1, "10"));
    wired.take(&[alone, next]);
    wired.fail(A);
    wired.come_up(A, "algo", &["quotes"]);
    assert_eq!(wired.buy_quotes(), ["c"]);
    assert_eq!(wired.buy_quotes(), ["i-0", "10"]);
}

#[test]
fn failing_backend_gets_each_quote_with_its_values_at_every_size() {
    let mut wired = up();
    let ticks = (1..=8).flat_map(|seq| joined(seq, 3, &seq.to_string())).collect();
    wired.deliver(ticks);
    let mut sizes = Vec::new();
    for _ in 0..5 {
        let batch = events(&wired.batch(A));
        assert!(batch.chunks(4).all(|group| group.len() == 4 && group[..3] == ["i-0", "i-1", "i-2"]), "{batch:?}");
        sizes.push(batch.len() / 4);
        wired.fail(A);
        wired.come_up(A, "algo", &["quotes"]);
    }
    assert_eq!(sizes, [8, 4, 2, 1, 1]);
    assert_eq!(wired.buy_quotes(), ["i-0", "i-1", "i-2", "1"]);
}

#[test]
fn group_at_which_a_backend_fails_is_rejected_with_its_quote() {
    let mut wired = up();
    wired.deliver([joined(1, 2, "10"), joined(2, 1, "20")].concat());
    // Both at once, then five times the first group.
    let mut asked = Vec::new();
    for _ in 0..6 {
        asked.push(events(&wired.batch(A)).len());
        wired.fail(A);
        wired.come_up(A, "algo", &["quotes"]);
    }
    assert_eq!(asked, [5, 3, 3, 3, 3, 3]);
    assert_eq!(wired.buy_quotes(), ["i-0", "20"]);
    let told = wired.told();
    let expected = [Kind::NoSignal, Kind::NoSignal, Kind::DeadLettered, Kind::NoSignal, Kind::Decided];
    assert_eq!(kinds(&told), expected);
    assert_eq!(told.outcomes[0].ticks[2].reason, "Rejected");
    wired.verify();
}

#[test]
fn values_that_wait_for_an_answer_are_asked_again_after_a_restart() {
    let mut wired = up();
    let delivery = wired.deliver(joined(1, 1, "10"));
    assert_eq!(events(&wired.batch(A)), ["i-0", "10"]);
    wired.restart(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired.take(std::slice::from_ref(&delivery));
    assert_eq!(wired.buy_quotes(), ["i-0", "10"]);
    let first = wired.told();
    wired.restart(at(A, 1));
    wired.come_up(A, "algo", &["quotes"]);
    wired.take(&[delivery]);
    assert!(wired.is_idle(A), "they have their outcomes");
    assert_eq!(kinds(&wired.told()), kinds(&first));
}

/// Keeps the events of each call.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Vec<Event>>>>);

impl Algorithm for Recorder {
    fn channels(&self) -> Vec<String> {
        vec!["quotes".to_owned()]
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Answer> {
        self.0.lock().unwrap().push(events.to_vec());
        events.iter().map(|_| Answer::default()).collect()
    }

    fn reconfigure(&mut self, _: &AlgorithmSettings) -> Result<(), FieldErrors> {
        Ok(())
    }

    fn take_changes(&mut self) -> SavedState {
        SavedState::new()
    }
}

/// Each tick of the deliveries is a quote (0), a dead letter (1) or values (2, 3).
fn deliveries() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0_u8..4, 1..9), 1..6)
}

/// The ticks of deliveries with these shapes. Each event has its number as price or value, from 1. Beside them the groups: how
/// many ticks each spans, and its events.
fn ticks_and_groups(deliveries: &[Vec<u8>]) -> (Vec<Vec<Tick>>, Vec<(usize, Vec<u32>)>) {
    let (mut number, mut groups) = (0, Vec::new());
    let mut all = Vec::new();
    for shapes in deliveries {
        let (mut ticks, mut open): (Vec<Tick>, (usize, Vec<u32>)) = Default::default();
        for shape in shapes {
            number += u32::from(*shape != 1);
            match shape {
                0 => {
                    ticks.push(quote(&number.to_string()));
                    open.1.push(number);
                    groups.push((open.0 + 1, std::mem::take(&mut open.1)));
                    open.0 = 0;
                }
                1 => {
                    ticks.push(bad("BadPrice"));
                    open.0 += usize::from(!open.1.is_empty());
                }
                _ => {
                    ticks.push(values("i", &number.to_string()));
                    open.1.push(number);
                    open.0 += 1;
                }
            }
        }
        groups.extend(Some(open).filter(|(_, events)| !events.is_empty()));
        all.push(ticks);
    }
    (all, groups)
}

fn number(event: &Event) -> u32 {
    match event {
        Event::Quote(quote) => quote.price.to_string().parse().unwrap(),
        Event::Indicator(indicator) => indicator.values[0].1.to_string().parse().unwrap(),
    }
}

proptest! {
    #[test]
    fn no_group_is_in_two_calls_unless_it_is_longer_than_a_turn(shapes in deliveries(), turn_ticks in 1_usize..7) {
        let sizes = Sizes { turn_ticks, ..Sizes::DESIGN };
        let mut bench = Bench::sized(sizes, eager());
        let recorder = Recorder::default();
        bench.engine.deciders.replace_builtin(Box::new(recorder.clone()));
        let (ticks, groups) = ticks_and_groups(&shapes);
        let deliveries: Vec<_> = ticks.into_iter().map(|ticks| bench.delivery("quotes", ticks)).collect();
        let committed = bench.process(&deliveries);
        prop_assert_eq!(committed.outcomes.len(), deliveries.len());
        let calls: Vec<Vec<u32>> = recorder.0.lock().unwrap().iter().map(|call| call.iter().map(number).collect()).collect();
        let told: Vec<u32> = calls.iter().flatten().copied().collect();
        prop_assert_eq!(told, groups.iter().flat_map(|(_, events)| events.clone()).collect::<Vec<_>>());
        for (_, events) in groups.iter().filter(|(ticks, _)| *ticks <= turn_ticks) {
            let call = calls.iter().find(|call| call.contains(&events[0])).unwrap();
            prop_assert!(events.iter().all(|event| call.contains(event)), "{:?} in {:?}", events, calls);
        }
    }
}
