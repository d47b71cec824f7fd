//! The events of a run, in their order.
//!
//! - `queue`: what is planned. `network`: delays and partitions. `crash`: when a process dies.
//! - `mqtt`: between clients and the broker. `grpc`: between bridges and runtimes. `calls`: the operator's.
//! - `publishers`: their messages. `processes`: how processes start and end. `faults`: which faults happen. `settle`: the end.

mod calls;
pub mod crash;
mod faults;
mod grpc;
mod mqtt;
mod network;
mod processes;
mod publishers;
mod queue;
mod settle;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bridge::machine::StreamEvent;
use intuition_api::v1::{self, process_request};
use intuition_common::clock::{Clock, Now};
use rand::{RngExt as _, rngs::ChaCha8Rng};
use tokio::time::Instant;

use self::{crash::Crash, faults::Faults, grpc::Streams, mqtt::Connections, network::Network, queue::Queue};
use crate::{
    broker::{Broker, ClientPacket, Options, ServerPacket},
    consumer::Consumer,
    facts::{ConnectionId, Fact, RunId, Time, Violation},
    plan::{Plan, Stream, generator},
    process::{
        algorithm::Algorithms,
        bridge::{Bridge, StreamId},
        operator::Operator,
        runtime::{Answer, Call, CallId, Runtime},
    },
    publisher::Publisher,
    storage::{Disk, Event as DiskEvent},
};

/// Takes each fact; an error ends the run.
pub type Sink<'a> = dyn FnMut(Time, &Fact) -> Result<(), Violation> + 'a;

/// The wall clock at the beginning, microseconds since the Unix epoch: 2026-01-02T00:00:00Z.
const BEGINNING: i64 = 1_767_312_000_000_000;
/// Client id of the connection that quotes come on.
const CLIENT_ID: &str = "intuition.default.simulated";
/// When the bridge goes away for a backlog: it has subscribed.
const BACKLOG_FROM: Time = Time::from_secs(1);
/// Events of one run at most: more is a loop.
const MOST_EVENTS: u64 = 40_000_000;

/// What happens.
enum Event {
    Publisher(usize),
    PublisherAnswer { publisher: usize, ok: bool },
    ToBroker(ConnectionId, ClientPacket),
    BrokerLost(ConnectionId),
    Broker,
    ToClient(ConnectionId, ServerPacket),
    ClientLost(ConnectionId),
    Bridge(RunId),
    Runtime(RunId),
    Opening(StreamId, Box<v1::Open>),
    ToRuntime(StreamId, Box<process_request::Message>),
    RuntimeLost { stream: StreamId, has_broken: bool },
    ToBridge(StreamId, Box<StreamEvent>),
    Algorithms,
    Operator,
    Call(CallId, Box<Call>),
    Answer(CallId, Box<Answer>),
    StartBridge,
    StartRuntime,
    Backlog,
    Fault,
    FaultsEnd,
    Look,
}

/// Who is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sleeper {
    Bridge(RunId),
    Runtime(RunId),
    Broker,
    Algorithms,
    Operator,
    Publisher(usize),
}

/// The wall clock of all processes.
#[derive(Default)]
struct WallClock(AtomicI64);

impl Clock for WallClock {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See the module.
struct World<'a> {
    plan: Plan,
    sink: &'a mut Sink<'a>,
    now: Time,
    base: Instant,
    wall: Arc<WallClock>,
    /// What the wall clock has jumped, microseconds.
    jumped: i64,
    queue: Queue<Event>,
    /// When a sleeper is woken; later wakes of it are void.
    wakes: BTreeMap<Sleeper, Time>,
    network: Network,
    broker: Broker,
    publishers: Vec<Publisher>,
    consumer: Consumer,
    disk: Disk,
    algorithms: Algorithms,
    operator: Operator,
    bridges: BTreeMap<RunId, Bridge>,
    runtimes: BTreeMap<RunId, Runtime>,
    crashes: BTreeMap<RunId, Crash>,
    /// A process does nothing before.
    frozen: BTreeMap<RunId, Time>,
    connections: Connections,
    streams: Streams,
    calls: calls::Calls,
    faults: Faults,
    /// Bridges that end without a successor: each stops, or runs beside another bridge.
    leaving: BTreeSet<RunId>,
    /// Seeds of processes.
    seeds: ChaCha8Rng,
    runs: RunId,
    /// The URL of the broker, as the next bridge has it.
    broker_url: &'static str,
    settling: settle::Settling,
    is_over: bool,
}

/// Runs the world of a plan to its end, or to the first violation.
pub fn run(plan: &Plan, sink: &mut Sink<'_>) -> Result<(), Violation> {
    let mut sink = |at: Time, fact: &Fact| sink(at, fact);
    let mut world = World::new(plan, &mut sink)?;
    world.begin();
    world.work()
}

impl<'a> World<'a> {
    #[expect(clippy::disallowed_methods, reason = "tokio's clock stands still in a run")]
    fn new(plan: &Plan, sink: &'a mut Sink<'a>) -> Result<Self, Violation> {
        let no_disk = |error: std::io::Error| Violation { promise: "simulation", text: format!("no disk: {error}") };
        let mut broker = Broker::new(Options::draw(&mut generator(plan.seed, Stream::Broker), plan.scale), plan.seed);
        broker.follow(CLIENT_ID);
        let publishers = Publisher::draw(plan, plan.published);
        let subscribe = plan.other_filters.is_none().then(|| plan.filters.clone());
        let channels = [Some(&plan.filters), plan.other_filters.as_ref()];
        let channels = channels.map(|filters| filters.unwrap_or(&plan.filters).clone());
        let symbols = vec!["GOOG".to_owned()];
        Ok(Self {
            sink,
            now: Time::ZERO,
            base: Instant::now(),
            wall: Arc::default(),
            jumped: 0,
            queue: Queue::new(),
            wakes: BTreeMap::new(),
            network: Network::new(generator(plan.seed, Stream::Network), plan.scale),
            broker,
            publishers,
            consumer: Consumer::new("intuition/default/simulated/decisions".to_owned()),
            disk: Disk::new(plan.runtime.in_files, plan.runtime.sizes.engine, plan.seed, plan.runtime.retention)
                .map_err(no_disk)?,
            algorithms: Algorithms::new(generator(plan.seed, Stream::Algorithm), channels, plan.scale),
            operator: Operator::new(
                generator(plan.seed, Stream::Operator),
                (plan.calls, plan.active),
                subscribe,
                symbols,
            ),
            bridges: BTreeMap::new(),
            runtimes: BTreeMap::new(),
            crashes: BTreeMap::new(),
            frozen: BTreeMap::new(),
            connections: Connections::default(),
            streams: Streams::default(),
            calls: calls::Calls::default(),
            faults: Faults::new(generator(plan.seed, Stream::Faults), plan),
            leaving: BTreeSet::new(),
            seeds: generator(plan.seed, Stream::Processes),
            runs: 0,
            broker_url: "mqtt://broker",
            settling: settle::Settling::default(),
            is_over: false,
            plan: plan.clone(),
        })
    }

    fn begin(&mut self) {
        self.queue.plan(Time::ZERO, Event::StartRuntime);
        self.queue.plan(Time::ZERO, Event::StartBridge);
        for at in self.faults.times() {
            self.queue.plan(at, Event::Fault);
        }
        if self.plan.has_backlog {
            self.queue.plan(BACKLOG_FROM.min(self.plan.published), Event::Backlog);
        }
        self.queue.plan(self.plan.active, Event::FaultsEnd);
        for publisher in 0..self.publishers.len() {
            self.wake_publisher(publisher);
        }
        self.wake_operator();
    }

    fn work(mut self) -> Result<(), Violation> {
        for _ in 0..MOST_EVENTS {
            let Some((at, event)) = self.queue.next() else { break };
            self.now = self.now.max(at);
            self.wall.0.store(self.micros(), Ordering::Relaxed);
            self.happen(event)?;
            if self.is_over {
                return Ok(());
            }
        }
        Err(Violation { promise: "simulation", text: format!("the run has no end at {:?}", self.now) })
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::ToClient(..)
            | Event::ClientLost(_)
            | Event::Opening(..)
            | Event::ToRuntime(..)
            | Event::RuntimeLost { .. }
            | Event::ToBridge(..) => self.arrive(event),
            Event::Publisher(publisher) => self.publish(publisher),
            Event::PublisherAnswer { publisher, ok } => {
                self.answer_publisher(publisher, ok);
                Ok(())
            }
            Event::ToBroker(connection, packet) => self.reach_broker(connection, packet),
            Event::BrokerLost(connection) => {
                self.broker.lost(connection, self.now);
                self.see_to_broker()
            }
            Event::Broker => {
                if self.is_woken(Sleeper::Broker) {
                    self.broker.advance(self.now);
                }
                self.see_to_broker()
            }
            Event::Bridge(run) => {
                if self.is_woken(Sleeper::Bridge(run)) {
                    self.work_bridge(run)
                } else {
                    Ok(())
                }
            }
            Event::Runtime(run) => {
                if self.is_woken(Sleeper::Runtime(run)) {
                    self.work_runtime(run)
                } else {
                    Ok(())
                }
            }
            Event::Algorithms => {
                if self.is_woken(Sleeper::Algorithms) {
                    self.work_algorithms();
                }
                Ok(())
            }
            Event::Operator => {
                if self.is_woken(Sleeper::Operator) {
                    self.work_operator();
                }
                Ok(())
            }
            Event::Call(id, call) => self.reach_call(id, *call),
            Event::Answer(id, answer) => self.reach_answer(id, *answer),
            Event::StartBridge => {
                let is_served = self.bridges.keys().any(|run| !self.leaving.contains(run));
                if is_served { Ok(()) } else { self.start_bridge() }
            }
            Event::StartRuntime => {
                if self.runtimes.is_empty() {
                    self.start_runtime()
                } else {
                    Ok(())
                }
            }
            Event::Backlog => self.begin_backlog(),
            Event::Fault => self.inject(),
            Event::FaultsEnd => self.end_faults(),
            Event::Look => self.look(),
        }
    }

    /// Something arrives at a process, which works on it later.
    fn arrive(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::ToClient(connection, packet) => self.reach_client(connection, packet),
            Event::ClientLost(connection) => self.lose_client(connection),
            Event::Opening(stream, open) => self.reach_opening(stream, *open)?,
            Event::ToRuntime(stream, message) => self.reach_runtime(stream, *message),
            Event::RuntimeLost { stream, has_broken } => self.lose_runtime(stream, has_broken),
            Event::ToBridge(stream, event) => self.reach_bridge(stream, *event),
            _ => {}
        }
        Ok(())
    }

    /// Tells the checker.
    fn tell(&mut self, fact: &Fact) -> Result<(), Violation> {
        (self.sink)(self.now, fact)
    }

    fn micros(&self) -> i64 {
        let passed = i64::try_from(self.now.as_micros()).unwrap_or(i64::MAX);
        BEGINNING.saturating_add(passed).saturating_add(self.jumped)
    }

    fn clocks(&self) -> Now {
        Now { instant: self.base + self.now, micros: self.micros() }
    }

    /// The virtual time of an instant.
    fn time_of(&self, instant: Instant) -> Time {
        instant.saturating_duration_since(self.base)
    }

    fn wake_at(&mut self, sleeper: Sleeper, at: Time) {
        let at = at.max(self.now);
        if self.wakes.get(&sleeper).is_some_and(|planned| *planned <= at) {
            return;
        }
        self.wakes.insert(sleeper, at);
        let event = match sleeper {
            Sleeper::Bridge(run) => Event::Bridge(run),
            Sleeper::Runtime(run) => Event::Runtime(run),
            Sleeper::Broker => Event::Broker,
            Sleeper::Algorithms => Event::Algorithms,
            Sleeper::Operator => Event::Operator,
            Sleeper::Publisher(index) => Event::Publisher(index),
        };
        self.queue.plan(at, event);
    }

    /// Whether a wake is the one that counts; then it is used up.
    fn is_woken(&mut self, sleeper: Sleeper) -> bool {
        let is_due = self.wakes.get(&sleeper).is_some_and(|at| *at <= self.now);
        if is_due {
            self.wakes.remove(&sleeper);
        }
        is_due
    }

    /// Passes on what happened on the disk.
    fn see_to_disk(&mut self) -> Result<(), Violation> {
        for event in self.disk.take_events() {
            let fact = match event {
                DiskEvent::Opened(run, snapshot) => Fact::LedgerOpened { run, snapshot: (*snapshot).into() },
                DiskEvent::Committed(run, changes) => Fact::Committed { run, changes: (*changes).into() },
                DiskEvent::Failed(fault) => Fact::Injected(match fault {
                    crate::storage::CommitFault::Refused => "commit: failed, nothing is there",
                    crate::storage::CommitFault::DurableAllTheSame => "commit: failed, and is there",
                }),
                DiskEvent::Replaced(replaced) => Fact::LedgerReplaced { replaced },
                DiskEvent::Dropped => Fact::Injected("ledger: old entries dropped"),
                DiskEvent::NotDropped(text) => return Err(Violation { promise: "books", text }),
            };
            self.tell(&fact)?;
        }
        Ok(())
    }

    fn seed(&mut self) -> u64 {
        self.seeds.random()
    }

    fn run(&mut self) -> RunId {
        self.runs += 1;
        self.runs
    }

    fn is_frozen(&self, run: RunId) -> Option<Time> {
        self.frozen.get(&run).copied().filter(|until| *until > self.now)
    }
}

/// A short while.
const SOON: Duration = Duration::from_micros(300);
