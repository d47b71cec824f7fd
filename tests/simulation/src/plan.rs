//! The parameters of a run, drawn from its seed.

use std::time::Duration;

use algo_runtime::{ledger::Retention, responses, sizes::Sizes as EngineSizes, writer};
use bridge::{Limits, inflight::Bounds, outbox};
use intuition_api::bounds::LARGEST_MESSAGE_BYTES;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

/// One seed in so many runs with the sizes of production and a backlog of [`LARGE_BACKLOG`] quotes.
pub const LARGE_EVERY: u64 = 200;
/// The most quotes and unusable elements of a publisher's message.
pub const LONGEST_MESSAGE: usize = 6;
/// Quotes that wait in a large run.
pub const LARGE_BACKLOG: u64 = 100_000;

/// Small: the bound up to which messages are filled, and the largest that gRPC carries. The longest dead letter goes alone, and
/// fits.
const SMALL_MESSAGE_BYTES: usize = 512;
const SMALL_LARGEST_MESSAGE_BYTES: usize = 4 << 10;

/// Time in which the publishers of a large run publish.
const LARGE_PUBLISHED: Duration = Duration::from_mins(1);
/// Time from then on in which faults happen: the backlog drains in some seconds.
const LARGE_DRAINED: Duration = Duration::from_secs(12);

/// Parts of a run that have a generator of their own, so that a change of one part leaves the choices of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The plan itself.
    Plan = 0,
    /// Delays of the network.
    Network = 1,
    /// Publishers.
    Publishers = 2,
    /// The broker.
    Broker = 3,
    /// When faults happen, and which.
    Faults = 4,
    /// The operator's calls.
    Operator = 5,
    /// The remote algorithm.
    Algorithm = 6,
    /// Seeds of processes.
    Processes = 7,
    /// Filters of the channels.
    Filters = 8,
    /// Filters of the second remote algorithm.
    OtherFilters = 9,
    /// Limits of the journal.
    Retention = 10,
}

/// The generator of a part of the run of a seed.
pub fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(stream as u64);
    generator
}

/// The bounds of the broker and of both processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Shrunk, some down to 8, so that their edges are met.
    Small,
    /// Those of production.
    Real,
}

/// The parameters of bridges.
#[derive(Debug, Clone)]
pub struct BridgePlan {
    /// Bounds.
    pub limits: Limits,
    /// Bounds of a connection to the broker.
    pub connection: intuition_mqtt::Sizes,
    /// Receive Maximum of its CONNECT.
    pub receive_maximum: u16,
    /// Events of a connection that wait for the machine.
    pub event_capacity: usize,
    /// It speaks as the release before did.
    pub is_older: bool,
}

/// The parameters of runtimes.
#[derive(Debug, Clone)]
pub struct RuntimePlan {
    /// Bounds.
    pub sizes: writer::Sizes,
    /// It speaks as the release before did.
    pub is_older: bool,
    /// The ledger is in real files.
    pub in_files: bool,
    /// When old entries of a journal in real files are dropped; `None`: never.
    pub retention: Option<Retention>,
    /// The largest message that gRPC carries. A larger one ends its stream.
    pub largest_message: usize,
}

/// The parameters of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// See the module.
    pub seed: u64,
    /// Sizes.
    pub scale: Scale,
    /// Quotes that publishers make, without repetitions.
    pub quotes: u64,
    /// Most places of one message.
    pub message_ticks: usize,
    /// Time in which publishers publish.
    pub published: Duration,
    /// No bridge is there from the second second to the end of `published`, so that all quotes wait at the broker.
    pub has_backlog: bool,
    /// Faults happen from this time on.
    pub faults_from: Duration,
    /// The end of the faults.
    pub active: Duration,
    /// Faults beside the crashes.
    pub faults: u32,
    /// Crashes.
    pub crashes: u32,
    /// Calls of the operator that change something.
    pub calls: u32,
    /// Processes of the release before take their turns. The window is that of production then: with a bridge that does not
    /// report acknowledgements, no more than the window is promised.
    pub mixes_releases: bool,
    /// Filters of the channels, which all together match every topic of a publisher.
    pub filters: Vec<String>,
    /// The filters of the second remote algorithm, which match every topic of a publisher too. `None`: all algorithms have the same.
    pub other_filters: Option<Vec<String>>,
    /// Bridges.
    pub bridge: BridgePlan,
    /// Runtimes.
    pub runtime: RuntimePlan,
}

impl Plan {
    /// The run of a seed.
    pub fn new(seed: u64) -> Self {
        let mut draw = generator(seed, Stream::Plan);
        let scale = if seed % LARGE_EVERY == LARGE_EVERY - 1 { Scale::Real } else { Scale::Small };
        match scale {
            Scale::Small => Self::small(seed, &mut draw),
            Scale::Real => Self::real(seed, &mut draw),
        }
    }

    fn small(seed: u64, draw: &mut ChaCha8Rng) -> Self {
        let message_ticks = draw.random_range(LONGEST_MESSAGE..=10);
        // At least one message fits; the runtime keeps twice what a bridge may hold.
        let beside = draw.random_range(1..=24_usize);
        // Now and then so much waits in the outbox that it fills several messages.
        let ticks = message_ticks + if seed % 8 == 5 { 6 * beside } else { beside };
        let active = Duration::from_secs(draw.random_range(20..=240));
        let mixes_releases = draw.random_bool(0.15);
        // By default the window of production is twice the bound of a bridge. A bridge can be configured up to the window.
        let held = ticks as u64;
        let window = match mixes_releases {
            true => EngineSizes::DESIGN.window,
            false if seed.is_multiple_of(4) => held.max(8),
            false => (2 * held).max(16),
        };
        let page = draw.random_range(1..=16);
        Self {
            seed,
            scale: Scale::Small,
            quotes: draw.random_range(150..=350),
            message_ticks,
            published: active,
            has_backlog: draw.random_bool(0.05),
            faults_from: Duration::ZERO,
            active,
            faults: draw.random_range(4..=14),
            crashes: draw.random_range(1..=5),
            calls: draw.random_range(0..=8),
            mixes_releases,
            filters: filters(seed),
            other_filters: other_filters(seed),
            bridge: BridgePlan {
                limits: Limits {
                    unacknowledged: Bounds { ticks, message_ticks, bytes: draw.random_range(8 << 10..=1 << 20) },
                    batches: draw.random_range(1..=4),
                    batch_deliveries: draw.random_range(1..=8),
                    batch_bytes: draw.random_range(1 << 10..=16 << 10),
                    publishes: draw.random_range(1..=16),
                    publish_bytes: draw.random_range(1 << 10..=64 << 10),
                    outbox_bytes: draw.random_range(8 << 10..=4 << 20),
                    outbox: outbox::Sizes::default(),
                    ..Limits::default()
                },
                connection: intuition_mqtt::Sizes {
                    waiting_bytes: draw.random_range(4 << 10..=64 << 10),
                    write_ahead: draw.random_range(256..=4 << 10),
                    acks_per_confirmation: draw.random_range(1..=16),
                    unanswered_pings: draw.random_range(1..=8),
                },
                receive_maximum: draw.random_range(1..=32),
                event_capacity: draw.random_range(1..=16),
                is_older: false,
            },
            runtime: RuntimePlan {
                sizes: writer::Sizes {
                    group_ticks: draw.random_range(1..=16),
                    page,
                    message_bytes: SMALL_MESSAGE_BYTES,
                    report_entries: draw.random_range(1..=16),
                    responses: responses::Sizes {
                        full_bytes: draw.random_range(8 << 10..=64 << 10),
                        most_bytes: 1 << 20,
                        last_bytes: 4 << 10,
                    },
                    engine: small_engine(window, ticks + message_ticks, draw),
                    ..writer::Sizes::default()
                },
                is_older: false,
                in_files: draw.random_bool(0.12),
                retention: retention(seed, window),
                largest_message: SMALL_LARGEST_MESSAGE_BYTES,
            },
        }
    }

    fn real(seed: u64, draw: &mut ChaCha8Rng) -> Self {
        Self {
            seed,
            scale: Scale::Real,
            quotes: LARGE_BACKLOG,
            message_ticks: bridge::MAX_TICKS,
            published: LARGE_PUBLISHED,
            has_backlog: true,
            faults_from: LARGE_PUBLISHED,
            active: LARGE_PUBLISHED + LARGE_DRAINED,
            faults: draw.random_range(0..=6),
            crashes: draw.random_range(0..=3),
            calls: draw.random_range(0..=4),
            mixes_releases: false,
            filters: filters(seed),
            other_filters: None,
            bridge: BridgePlan {
                limits: Limits::default(),
                connection: intuition_mqtt::Sizes::default(),
                receive_maximum: 1_024,
                event_capacity: 1_024,
                is_older: false,
            },
            runtime: RuntimePlan {
                sizes: writer::Sizes::default(),
                is_older: false,
                in_files: false,
                retention: None,
                largest_message: LARGEST_MESSAGE_BYTES,
            },
        }
    }
}

/// One filter in most runs; otherwise several that overlap, so that some brokers send copies of a message.
fn filters(seed: u64) -> Vec<String> {
    let mut draw = generator(seed, Stream::Filters);
    let drawn: &[&str] = match draw.random_range(0..10) {
        0 => &["quotes/#", "quotes/+"],
        1 => &["quotes/+", "quotes/#"],
        2 => &["+/+", "quotes/#", "quotes/+"],
        _ => &["quotes/#"],
    };
    drawn.iter().map(|filter| (*filter).to_owned()).collect()
}

/// In half of the runs a number of decisions, from 0 to some checkpoints.
fn retention(seed: u64, window: u64) -> Option<Retention> {
    let mut draw = generator(seed, Stream::Retention);
    let decisions = draw.random_range(0..=window * 4);
    draw.random_bool(0.5).then_some(Retention { decisions: Some(decisions), age_seconds: None })
}

/// In some runs each algorithm names its channels, and the second one has one filter more, or that one alone, so that the
/// bridge changes its subscriptions with the algorithm.
fn other_filters(seed: u64) -> Option<Vec<String>> {
    let mut draw = generator(seed, Stream::OtherFilters);
    let mut filters = filters(seed);
    let further =
        ["quotes/+", "+/+", "quotes/#"].into_iter().find(|further| filters.iter().all(|known| known != further))?;
    filters.push(further.to_owned());
    let is_drawn = draw.random_bool(0.2);
    if draw.random_bool(0.5) {
        filters = vec![further.to_owned()];
    }
    is_drawn.then_some(filters)
}

/// Small bounds of an engine whose bridge has up to `waiting_ticks` ticks under way.
fn small_engine(window: u64, waiting_ticks: usize, draw: &mut ChaCha8Rng) -> EngineSizes {
    EngineSizes {
        window,
        stretch_rows: draw.random_range(1..=8),
        evicted_stretches: 2,
        acknowledged_rows: draw.random_range(1..=window),
        packet_page: draw.random_range(1..=8),
        turn_ticks: draw.random_range(1..=8),
        turn_bytes: draw.random_range(1 << 10..=64 << 10),
        waiting_ticks,
        batch_events: draw.random_range(1..=8),
        strikes: draw.random_range(2..=5),
        calm_batches: draw.random_range(1..=8),
        letter_causes: draw.random_range(2..=8),
        checkpoint_entries: (window / 8).max(1),
        packed_marks: 2,
        mark_changes: 4,
        ..EngineSizes::DESIGN
    }
}
