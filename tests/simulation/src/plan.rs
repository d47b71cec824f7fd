//! The parameters of a run, drawn from its seed.

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

/// One seed in so many runs with the sizes of production and a backlog of [`LARGE_BACKLOG`] quotes.
pub const LARGE_EVERY: u64 = 200;
/// Quotes that wait in a large run.
pub const LARGE_BACKLOG: u64 = 100_000;

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

/// The parameters of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// See the module.
    pub seed: u64,
    /// Sizes.
    pub scale: Scale,
    /// Quotes that publishers make, without repetitions.
    pub quotes: u64,
}

impl Plan {
    /// The run of a seed.
    pub fn new(seed: u64) -> Self {
        let mut draw = generator(seed, Stream::Plan);
        let scale = if seed % LARGE_EVERY == LARGE_EVERY - 1 { Scale::Real } else { Scale::Small };
        let quotes = match scale {
            Scale::Small => draw.random_range(100..=400),
            Scale::Real => LARGE_BACKLOG,
        };
        Self { seed, scale, quotes }
    }
}
