use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use bridge::message::{Envelope, Inputs};
use intuition_api::v1::{Tick, tick::Content};

use super::*;

const SPAN: Duration = Duration::from_mins(1);

/// The ticks that the bridge reads.
fn parse(body: &Body) -> Vec<Tick> {
    let inputs = Inputs::default();
    let envelope = Envelope {
        payload: &body.payload,
        user_properties: &body.user_properties,
        input: inputs.on(&body.topic),
        arrived_micros: 0,
    };
    envelope.parse().ticks
}

/// A tick as its publisher made it; its serial is not known.
fn place(tick: &Tick) -> (Option<Quote>, String) {
    let Some(Content::Quote(quote)) = &tick.content else {
        let Some(Content::Unusable(unusable)) = &tick.content else { panic!("a tick without content") };
        return (None, unusable.reason.clone());
    };
    let identity = match (tick.seq, tick.id.as_str()) {
        (Some(seq), "") if tick.source.is_empty() => Identity::NumberAlone(seq),
        (Some(seq), "") => Identity::Numbered { source: tick.source.clone(), seq },
        (None, "") => Identity::Bare,
        (None, id) => Identity::Id(id.to_owned()),
        both => panic!("two identities: {both:?}"),
    };
    (Some(Quote { serial: 0, identity, symbol: quote.sid.clone(), price: quote.price.clone() }), String::new())
}

fn is_dead_letter(body: &Body) -> bool {
    body.user_properties.iter().any(|(name, _)| name == DEAD_LETTER)
}

/// Publishes everything. `answer` is the broker's answer to a message; `None`: the answer is lost.
fn run(publishers: &mut [Publisher], mut answer: impl FnMut(&Outgoing) -> Option<bool>) -> (Vec<Outgoing>, Time) {
    let mut published = Vec::new();
    let mut end = Time::ZERO;
    for publisher in publishers {
        while let Some(now) = publisher.wake() {
            let outgoing = publisher.next(now).unwrap();
            assert_eq!(publisher.wake(), None);
            match answer(&outgoing) {
                Some(ok) => publisher.answered(ok, now),
                None => publisher.lost_answer(now),
            }
            published.push(outgoing);
            end = end.max(now);
        }
        assert!(publisher.is_finished());
    }
    (published, end)
}

fn quotes(body: &Body) -> impl Iterator<Item = &Quote> {
    body.places.iter().filter_map(|place| if let Place::Quote(quote) = place { Some(quote) } else { None })
}

/// Every second answer of a run is lost.
fn stuttering(seed: u64) -> (Plan, Vec<Outgoing>) {
    let plan = Plan::new(seed);
    let mut turn = 0;
    let (published, _) = run(&mut Publisher::draw(&plan, SPAN), |_| {
        turn += 1;
        match turn % 3 {
            0 => None,
            1 if turn % 5 == 0 => Some(false),
            _ => Some(true),
        }
    });
    (plan, published)
}

#[test]
fn the_bridge_reads_exactly_what_the_places_name() {
    for seed in 0..40 {
        for Outgoing { body, .. } in stuttering(seed).1 {
            if is_dead_letter(&body) {
                assert!(body.places.is_empty());
                continue;
            }
            let made = body.places.iter().map(|place| match place {
                Place::Quote(quote) => (Some(Quote { serial: 0, ..quote.clone() }), String::new()),
                Place::Unusable(reason) => (None, (*reason).to_owned()),
            });
            let read: Vec<_> = parse(&body).iter().map(place).collect();
            assert_eq!(read, made.collect::<Vec<_>>(), "seed {seed}: {:?}", body.payload);
        }
    }
}

#[test]
fn every_unusable_value_has_the_reason_that_the_bridge_gives() {
    let elements = unusable::ELEMENTS.iter().map(|(json, reason)| (json.as_bytes(), *reason));
    for (payload, reason) in elements.chain(unusable::MESSAGES) {
        let payload = Bytes::copy_from_slice(payload);
        let body = Body { topic: "quotes".to_owned(), payload, user_properties: Vec::new(), places: Vec::new() };
        let read: Vec<_> = parse(&body).iter().map(place).collect();
        assert_eq!(read, [(None, reason.to_owned())], "{:?}", body.payload);
    }
}

#[test]
fn all_quotes_are_made_and_each_symbol_and_price_names_one() {
    for seed in 0..40 {
        let (plan, published) = stuttering(seed);
        let mut names: HashMap<(String, String), Serial> = HashMap::new();
        let mut serials = BTreeSet::new();
        for quote in published.iter().flat_map(|outgoing| quotes(&outgoing.body)) {
            serials.insert(quote.serial);
            let known = names.entry((quote.symbol.clone(), quote.price.clone())).or_insert(quote.serial);
            assert_eq!(*known, quote.serial);
        }
        assert_eq!(serials, (1..=plan.quotes).collect());
    }
}

#[test]
fn a_repetition_keeps_serial_identity_and_content() {
    let mut repeated = 0;
    for seed in 0..20 {
        let mut known: BTreeMap<Serial, Quote> = BTreeMap::new();
        for quote in stuttering(seed).1.iter().flat_map(|outgoing| quotes(&outgoing.body)) {
            if let Some(before) = known.insert(quote.serial, quote.clone()) {
                assert_eq!(before, *quote);
                repeated += 1;
            }
        }
    }
    assert!(repeated > 500, "{repeated}");
}

#[test]
fn quotes_without_an_answer_are_batched_anew_with_new_ones() {
    let mut rebatched = 0;
    for seed in 0..20 {
        let published = stuttering(seed).1;
        let mut seen: BTreeSet<Serial> = BTreeSet::new();
        for outgoing in &published {
            let serials: Vec<_> = quotes(&outgoing.body).map(|quote| quote.serial).collect();
            rebatched += u32::from(
                serials.iter().any(|serial| seen.contains(serial))
                    && serials.iter().any(|serial| !seen.contains(serial)),
            );
            seen.extend(serials);
        }
    }
    assert!(rebatched > 20, "{rebatched}");
}

#[test]
fn numbers_are_dense_but_for_a_new_beginning_and_numbers_left_out() {
    let (mut beginnings, mut conflicts, mut holes) = (0, 0, 0);
    for seed in 0..60 {
        let plan = Plan::new(seed);
        let (published, _) = run(&mut Publisher::draw(&plan, SPAN), |_| Some(true));
        let mut highest: BTreeMap<&str, i64> = BTreeMap::new();
        let mut numbers: BTreeMap<(&str, i64), Serial> = BTreeMap::new();
        for quote in published.iter().flat_map(|outgoing| quotes(&outgoing.body)) {
            let Identity::Numbered { source, seq } = &quote.identity else { continue };
            let highest = highest.entry(source).or_default();
            let skipped = i64::from(quote.serial.is_multiple_of(numbering::SKIP_EVERY));
            assert!(*seq <= *highest + 1 + skipped, "a hole before {source} {seq}");
            holes += u32::from(*seq > *highest + 1);
            beginnings += u32::from(*seq == 1 && *highest > 3);
            *highest = (*highest).max(*seq);
            conflicts += u32::from(*numbers.entry((source, *seq)).or_insert(quote.serial) != quote.serial);
        }
    }
    assert!(beginnings > 5 && conflicts > 50 && holes > 50, "{beginnings} {conflicts} {holes}");
}

#[test]
fn quotes_of_one_message_have_different_identities() {
    for seed in 0..60 {
        for outgoing in stuttering(seed).1 {
            let named: Vec<_> = quotes(&outgoing.body)
                .map(|quote| &quote.identity)
                .filter(|identity| **identity != Identity::Bare)
                .collect();
            assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
            assert!(outgoing.body.places.len() <= LONGEST_MESSAGE);
        }
    }
}

#[test]
fn a_refused_message_is_published_again_as_it_is() {
    let plan = Plan::new(3);
    let mut publisher = Publisher::draw(&plan, SPAN).remove(0);
    publisher.marks_replays = false;
    let first = publisher.next(publisher.wake().unwrap()).unwrap();
    publisher.answered(false, SPAN);
    assert_eq!(publisher.next(Time::ZERO), None);
    assert_eq!(publisher.next(publisher.wake().unwrap()), Some(first));
}

#[test]
fn some_repetitions_are_marked_as_replays_once() {
    let plan = Plan::new(3);
    let mut publisher = Publisher::draw(&plan, SPAN).remove(0);
    publisher.marks_replays = true;
    let first = publisher.next(publisher.wake().unwrap()).unwrap();
    for _ in 0..2 {
        publisher.answered(false, SPAN);
        let again = publisher.next(publisher.wake().unwrap()).unwrap();
        let mut expected = first.body.user_properties.clone();
        expected.push(("replay".to_owned(), "true".to_owned()));
        assert_eq!((&again.body.payload, &again.body.user_properties), (&first.body.payload, &expected));
    }
}

#[test]
fn publishing_takes_about_the_span() {
    for seed in 0..20 {
        let (_, end) = run(&mut Publisher::draw(&Plan::new(seed), SPAN), |_| Some(true));
        assert!(end > SPAN / 4 && end < SPAN * 4, "seed {seed}: {end:?}");
    }
}

#[test]
fn one_seed_gives_one_run_and_every_kind_of_publisher_occurs() {
    assert_eq!(stuttering(5).1, stuttering(5).1);
    assert_ne!(stuttering(5).1, stuttering(6).1);
    let kinds: Vec<_> =
        (0..20).flat_map(|seed| Publisher::draw(&Plan::new(seed), SPAN)).map(|publisher| publisher.kind()).collect();
    for kind in [Kind::Numbered, Kind::Named, Kind::NumberAlone, Kind::Bare] {
        assert!(kinds.contains(&kind));
    }
}

#[test]
fn special_messages_occur() {
    let published: Vec<_> = (0..40).flat_map(|seed| stuttering(seed).1).collect();
    let count = |fits: &dyn Fn(&Outgoing) -> bool| published.iter().filter(|outgoing| fits(outgoing)).count();
    assert!(count(&|outgoing| outgoing.retain) > 20);
    assert!(count(&|outgoing| is_dead_letter(&outgoing.body)) > 20);
    assert!(count(&|outgoing| outgoing.body.payload.len() > 1_000) > 20);
    assert!(count(&|outgoing| outgoing.body.places.len() > 1) > 500);
    let is_mixed = |outgoing: &Outgoing| {
        outgoing.body.places.len() > 1 && outgoing.body.places.iter().any(|place| matches!(place, Place::Unusable(_)))
    };
    assert!(count(&is_mixed) > 20);
}

#[test]
fn a_large_run_has_more_messages_than_packet_identifiers() {
    let plan = Plan::new(crate::plan::LARGE_EVERY - 1);
    let (published, _) = run(&mut Publisher::draw(&plan, SPAN), |_| Some(true));
    assert!(published.len() > usize::from(u16::MAX));
    let made = published.iter().flat_map(|outgoing| quotes(&outgoing.body)).map(|quote| quote.serial);
    assert_eq!(made.collect::<BTreeSet<_>>().len(), usize::try_from(plan.quotes).unwrap());
}
