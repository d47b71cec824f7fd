//! Random courses of crashes, lost connections and restarts against a broker in memory: every number reaches the subscriber, in order
//! and with its mark where it may come twice, and none is invented.

use std::collections::{BTreeSet, VecDeque};

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use super::*;

/// Courses of each kind.
const SEEDS: u64 = 6;
const STEPS: usize = 1_000;

/// A broker with one retained message, and a subscriber that is always there.
#[derive(Default)]
struct Broker {
    retained: Option<Bytes>,
    /// Quotes as the subscriber saw them: the number, and whether it was marked.
    seen: Vec<(u64, bool)>,
    /// Packets on their way to the broker.
    requests: VecDeque<Request>,
    /// Packets on their way back.
    answers: VecDeque<Event>,
}

impl Broker {
    /// Takes the next packet.
    fn take(&mut self, epoch: u64) {
        match self.requests.pop_front() {
            Some(Request::LookUp { token, filter, .. }) => {
                let retained = self.retained.clone().map(|payload| Incoming::new(epoch, 1, filter, payload));
                self.answers.extend(retained.map(Event::Message));
                self.answers.push_back(Event::Subscribed { token, code: success() });
            }
            Some(Request::Publish { token, message, .. }) => {
                if message.retain {
                    self.retained = Some(message.payload);
                } else if message.topic == POSITION_TOPIC {
                    let mut marker = Incoming::new(epoch, 2, message.topic, message.payload);
                    marker.user_properties = message.user_properties;
                    self.answers.push_back(Event::Message(marker));
                } else {
                    let published = Published { token, message };
                    self.seen.push((published.seq(), published.is_marked("replay")));
                }
                self.answers.push_back(Event::Published { token, code: success() });
            }
            _ => {}
        }
    }

    /// The connection is cut: packets on their way are lost.
    fn cut(&mut self) {
        self.requests.clear();
        self.answers.clear();
    }
}

struct Course {
    random: ChaCha8Rng,
    beginning: Beginning,
    world: World,
    broker: Broker,
    /// The next number of the started source; `None`: it is not started.
    next: Option<u64>,
    /// The numbers that exist at the origin.
    made: u64,
    /// The first number that a run has to publish.
    first: Option<u64>,
    is_connected: bool,
}

impl Course {
    fn new(seed: u64, beginning: Beginning) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            beginning,
            world: World::new(beginning, |_| {}),
            broker: Broker::default(),
            next: None,
            made: 10,
            first: None,
            is_connected: false,
        }
    }

    /// A process with a name of its own.
    fn another(&mut self) -> World {
        let mut world = World::new(self.beginning, |_| {});
        world.machine.nonce = self.random.random();
        world
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Broker(request) => {
                    if self.is_connected {
                        self.broker.requests.push_back(request);
                    }
                }
                Action::Start(position) => {
                    let beginning = if self.beginning == Beginning::First { 1 } else { self.made + 1 };
                    let next = position.numbers.get(SOURCE_NAME).map_or(beginning, |last| last + 1);
                    // A run that begins at the present, before any quote reached the broker, may begin anew.
                    let is_new = self.beginning == Beginning::Present && position.numbers.is_empty();
                    if is_new || self.first.is_none() {
                        self.first = Some(next);
                    }
                    self.next = Some(next);
                }
                Action::Stop => self.next = None,
            }
        }
    }

    fn cut(&mut self, error: LinkError) {
        self.broker.cut();
        self.is_connected = false;
        let actions = self.world.step(Input::Broker(Event::Disconnected(error)));
        self.carry_out(actions);
    }

    fn step(&mut self) {
        match self.random.random_range(0..300) {
            0 => {
                // kill -9.
                self.broker.cut();
                (self.world, self.next, self.is_connected) = (self.another(), None, false);
            }
            1 if self.is_connected => self.cut(LinkError::Reach("cut".into())),
            2 if self.is_connected => self.cut(LinkError::End(codes::code(0x8e))),
            3 if self.is_connected => self.restart(),
            4..=40 if !self.is_connected => {
                self.is_connected = true;
                let actions = self.world.connect();
                self.carry_out(actions);
            }
            41..=100 => {
                self.made += self.random.random_range(0..300);
                self.feed();
            }
            101..=110 => {
                self.world.now.instant += Duration::from_millis(self.random.random_range(1..150));
                let actions = self.world.advance();
                self.carry_out(actions);
            }
            111..=200 => {
                let epoch = self.world.epoch;
                (0..self.random.random_range(1..200)).for_each(|_| self.broker.take(epoch));
            }
            _ => {
                for _ in 0..self.random.random_range(1..200) {
                    let Some(event) = self.broker.answers.pop_front() else { break };
                    let actions = self.world.step(Input::Broker(event));
                    self.carry_out(actions);
                }
            }
        }
    }

    /// SIGTERM, and another start.
    fn restart(&mut self) {
        self.world.machine.begin_shutdown(self.world.now);
        for _ in 0..20 {
            let actions = self.world.advance();
            self.carry_out(actions);
            let epoch = self.world.epoch;
            (0..100).for_each(|_| self.broker.take(epoch));
            while let Some(event) = self.broker.answers.pop_front() {
                let actions = self.world.step(Input::Broker(event));
                self.carry_out(actions);
            }
        }
        assert!(matches!(self.world.machine.phase(), Phase::Disconnecting { .. }), "{:?}", self.world.machine.phase());
        self.broker.cut();
        (self.world, self.next, self.is_connected) = (self.another(), None, false);
    }

    /// The source gives a batch of the numbers that exist.
    fn feed(&mut self) {
        let Some(next) = self.next.filter(|_| self.world.machine.takes_quotes()) else { return };
        let end = self.made.min(next + 299);
        if next > end {
            return;
        }
        let quotes = (next..=end).map(quote).collect();
        self.next = Some(end + 1);
        let actions = self.world.step(Input::Source(SourceEvent::Quotes { quotes, state: None }));
        self.carry_out(actions);
    }

    /// Lets everything arrive.
    fn settle(&mut self) {
        if !self.is_connected {
            self.is_connected = true;
            let actions = self.world.connect();
            self.carry_out(actions);
        }
        for _ in 0..10_000 {
            self.feed();
            let epoch = self.world.epoch;
            (0..50).for_each(|_| self.broker.take(epoch));
            while let Some(event) = self.broker.answers.pop_front() {
                let actions = self.world.step(Input::Broker(event));
                self.carry_out(actions);
            }
            self.world.now.instant += Duration::from_millis(5);
            let actions = self.world.advance();
            self.carry_out(actions);
            let machine = &self.world.machine;
            if self.next == Some(self.made + 1) && machine.waiting.is_empty() && machine.flight.len() == 0 {
                return;
            }
        }
        panic!("it does not settle: {:?}", self.world.missing());
    }

    fn check(&self, seed: u64) {
        let first = self.first.expect("it began");
        let last = self.next.expect("the source is started") - 1;
        let mut numbers = BTreeSet::new();
        let mut highest = 0;
        for (seq, is_marked) in &self.broker.seen {
            assert!(*is_marked || *seq > highest, "seed {seed}: {seq} behind {highest} without its mark");
            assert!(*seq <= self.made, "seed {seed}: {seq} is invented");
            if !numbers.contains(seq) && *seq > first {
                assert!(numbers.contains(&(seq - 1)), "seed {seed}: {seq} before {}", seq - 1);
            }
            numbers.insert(*seq);
            highest = highest.max(*seq);
        }
        let missing = (first..=last).find(|seq| !numbers.contains(seq));
        assert_eq!(missing, None, "seed {seed}: of {first} to {last}");
        assert_eq!(self.world.metrics.gaps.get(), 0, "seed {seed}");
    }
}

#[test]
fn every_number_reaches_the_subscriber_in_order() {
    for beginning in [Beginning::First, Beginning::Present] {
        let (mut quotes, mut repeated) = (0, 0);
        for seed in 0..SEEDS {
            let mut course = Course::new(seed, beginning);
            (0..STEPS).for_each(|_| course.step());
            course.settle();
            course.check(seed);
            quotes += course.broker.seen.len();
            repeated += course.broker.seen.iter().filter(|(_, is_marked)| *is_marked).count();
        }
        assert!(quotes > 10_000 && repeated > 1_000, "{quotes} quotes, {repeated} marked");
    }
}
