//! Any course of quotes, batches, reconnects, restarts and acknowledgements decides each quote once.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

/// A step of the course.
#[derive(Debug, Clone)]
enum Event {
    /// Quotes in one message: for each how it is identified, and whether it repeats an earlier one of the publisher.
    Publish(Vec<(u8, Option<usize>)>),
    /// The bridge takes so many messages from the broker.
    Deliver(usize),
    /// The broker reads the acknowledgements of so many.
    Acknowledge(usize),
    /// The connection ends and the session goes on, perhaps under another URL.
    Reconnect(bool),
    /// The bridge dies.
    Bridge,
    /// The runtime dies.
    Runtime,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let quotes = prop::collection::vec((0_u8..4, prop::option::weighted(0.3, 0_usize..20)), 1..4);
    let event = prop_oneof![
        6 => quotes.prop_map(Event::Publish),
        6 => (1_usize..4).prop_map(Event::Deliver),
        3 => (1_usize..4).prop_map(Event::Acknowledge),
        1 => any::<bool>().prop_map(Event::Reconnect),
        1 => Just(Event::Bridge),
        1 => Just(Event::Runtime),
    ];
    prop::collection::vec(event, 1..60)
}

/// A message at the broker.
#[derive(Clone)]
struct Message {
    quotes: Vec<(usize, Tick)>,
    payload: [u8; 32],
    packet_id: u32,
    sent: bool,
}

struct World {
    bench: Bench,
    /// Of each quote how often it was decided.
    decided: BTreeMap<usize, u32>,
    quotes: Vec<(u8, Tick)>,
    queue: VecDeque<Message>,
    /// Sent on this connection and not read as acknowledged.
    inflight: VecDeque<(u64, Message)>,
    published: u32,
    number: u64,
    connection: u64,
    run: u64,
    url: &'static str,
}

impl World {
    fn publish(&mut self, quotes: &[(u8, Option<usize>)]) {
        let quotes = quotes.iter().map(|(kind, repeats)| {
            // A publisher can repeat only identified quotes.
            let known = repeats.and_then(|place| self.quotes.get(place)).filter(|(kind, _)| *kind > 0).cloned();
            let again = known.and_then(|quote| Some((self.quotes.iter().position(|other| *other == quote)?, quote.1)));
            again.unwrap_or_else(|| {
                let place = self.quotes.len();
                let seq = i64::try_from(place).unwrap();
                let tick = match kind {
                    0 => tick("", None, ""),
                    1 => tick("", None, &format!("id-{place}")),
                    2 => tick("feed", Some(seq), ""),
                    _ => tick("", Some(seq), ""),
                };
                let tick = hashed(tick, u8::try_from(place % 251).unwrap());
                self.quotes.push((*kind, tick.clone()));
                (place, tick)
            })
        });
        let mut quotes: Vec<(usize, Tick)> = quotes.collect();
        // Within one message the ticks of one identity are counted.
        quotes.sort_by_key(|(place, _)| *place);
        quotes.dedup_by_key(|(place, _)| *place);
        self.published += 1;
        let mut payload = [0; 32];
        payload[..4].copy_from_slice(&self.published.to_be_bytes());
        self.queue.push_back(Message { quotes, payload, packet_id: 0, sent: false });
    }

    fn deliver(&mut self) {
        let Some(mut message) = self.queue.pop_front() else { return };
        let duplicate = std::mem::replace(&mut message.sent, true);
        if !duplicate {
            message.packet_id = self.published % 5 + 1;
        }
        self.number += 1;
        let ticks = message.quotes.iter().map(|(_, tick)| tick.clone()).collect();
        let mut case = batch(self.number, ticks, 0);
        (case.run, case.session) = (self.run, self.url);
        case.others = &["one", "two"];
        case.delivery.connection = self.connection;
        case.delivery.packet_id = message.packet_id;
        case.delivery.duplicate = duplicate;
        case.delivery.payload_sha256 = message.payload.to_vec().into();
        case.delivery.envelope_sha256 = message.payload.to_vec().into();
        let recognitions = self.bench.take(&case);
        for ((place, _), recognition) in message.quotes.iter().zip(&recognitions) {
            assert!(!matches!(recognition, Recognition::Conflict | Recognition::Reparsed), "{recognition:?}");
            let times = self.decided.entry(*place).or_default();
            *times += u32::from(matches!(recognition, Recognition::Fresh | Recognition::Reused));
            assert!(*times <= 1, "quote {place} is decided again");
        }
        self.bench.commit();
        self.inflight.push_back((self.number, message));
    }

    fn acknowledge(&mut self) {
        let Some((through, _)) = self.inflight.pop_front() else { return };
        self.bench.identities.acknowledged(Acknowledged { through, connection: self.connection });
        self.bench.commit();
    }

    fn reconnect(&mut self, alias: bool) {
        while let Some((_, message)) = self.inflight.pop_back() {
            self.queue.push_front(message);
        }
        self.connection += 1;
        if alias {
            self.url = if self.url == "one" { "two" } else { "one" };
        }
        self.bench.identities.open(self.url.into(), self.run, true);
    }
}

/// Bounds that a few deliveries go beyond.
const TINY: Sizes = Sizes {
    window: 4,
    stretch_rows: 2,
    evicted_stretches: 2,
    acknowledged_rows: 2,
    connections: 1,
    runs: 1,
    claims: 2,
    packet_page: 1,
    ..Sizes::DESIGN
};

/// Without the repetitions of publishers, which are recognised within the window alone (ADR 0021).
fn beyond_the_window(event: Event) -> Event {
    match event {
        Event::Publish(quotes) => Event::Publish(quotes.into_iter().map(|(kind, _)| (kind, None)).collect()),
        event => event,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_course_decides_each_quote_once(events in events()) {
        World::run(Sizes::DESIGN, events)?;
    }

    #[test]
    fn redeliveries_are_recognised_however_short_the_window_is(events in events()) {
        World::run(TINY, events.into_iter().map(beyond_the_window))?;
    }
}

impl World {
    fn run(sizes: Sizes, events: impl IntoIterator<Item = Event>) -> Result<(), TestCaseError> {
        let mut world = Self {
            bench: Bench::sized(sizes),
            decided: BTreeMap::new(),
            quotes: Vec::new(),
            queue: VecDeque::new(),
            inflight: VecDeque::new(),
            published: 0,
            number: 0,
            connection: 0,
            run: 1,
            url: "one",
        };
        world.reconnect(false);
        for event in events {
            match event {
                Event::Publish(quotes) => world.publish(&quotes),
                Event::Deliver(count) => (0..count).for_each(|_| world.deliver()),
                Event::Acknowledge(count) => (0..count).for_each(|_| world.acknowledge()),
                Event::Reconnect(alias) => world.reconnect(alias),
                Event::Bridge => {
                    world.run += 1;
                    (world.number, world.connection) = (0, 0);
                    world.reconnect(false);
                }
                Event::Runtime => {
                    world.bench.restart();
                    world.bench.identities.open(world.url.into(), world.run, true);
                }
            }
        }
        while !world.queue.is_empty() {
            world.deliver();
        }
        let decided: Vec<_> = world.decided.into_iter().collect();
        prop_assert_eq!(decided, (0..world.quotes.len()).map(|place| (place, 1)).collect::<Vec<_>>());
        Ok(())
    }
}
