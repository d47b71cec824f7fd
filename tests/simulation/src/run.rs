//! Runs of many seeds on several threads.

#![expect(clippy::disallowed_methods, reason = "an edge: it measures the time of the runs")]

use std::{
    collections::BTreeMap,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    check::{Bounds, Checker},
    coverage::{Coverage, Recorder},
    facts::{Fact, Time, Violation},
    plan::Plan,
};

/// Hears each fact in order. An error ends the run.
pub type Sink<'a> = &'a mut dyn FnMut(Time, &Fact) -> Result<(), Violation>;

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Plays the run of a plan. The error is that of the sink, or a violation that the world has seen itself.
    pub play: fn(&Plan, Sink<'_>) -> Result<(), Violation>,
    /// The bounds of the processes in it.
    pub bounds: fn(&Plan) -> Bounds,
}

/// The name of the violation of a run that panicked.
pub const PANIC: &str = "panic";

/// Time between two lines about the progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// Plays one seed and checks it. `hear` hears each fact before it is checked.
pub fn one(world: World, seed: u64, hear: &mut dyn FnMut(Time, &Fact)) -> (Coverage, Result<(), Violation>) {
    let mut recorder = Recorder::default();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let plan = Plan::new(seed);
        let mut checker = Checker::new((world.bounds)(&plan));
        (world.play)(&plan, &mut |at, fact| {
            hear(at, fact);
            recorder.take(fact);
            checker.take(at, fact)
        })?;
        checker.finish()
    }));
    let result = played.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Violation { promise: PANIC, text })
    });
    (recorder.finish(), result)
}

/// What many runs came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Of all runs.
    pub coverage: Coverage,
    /// By seed.
    pub failures: BTreeMap<u64, Violation>,
}

/// Which seeds, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The first.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Threads, at least one.
    pub threads: usize,
    /// No seed is begun once so many have failed.
    pub failures: usize,
}

/// Plays seeds on several threads. Each seed is one run of `play`; a line about the progress goes to `progress` now and
/// then.
pub fn many(
    request: Request,
    play: impl Fn(u64) -> (Coverage, Result<(), Violation>) + Sync,
    progress: &mut (dyn Write + Send),
) -> io::Result<Summary> {
    let (taken, failed) = (AtomicU64::new(0), AtomicUsize::new(0));
    let all = Mutex::new((Summary::default(), Instant::now(), progress, Ok(())));
    std::thread::scope(|scope| {
        for _ in 0..request.threads.max(1) {
            scope.spawn(|| {
                while failed.load(Ordering::Relaxed) < request.failures {
                    let place = taken.fetch_add(1, Ordering::Relaxed);
                    if place >= request.seeds {
                        break;
                    }
                    let seed = request.from.wrapping_add(place);
                    let (coverage, result) = play(seed);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    let (summary, told, progress, written) = &mut *all;
                    summary.coverage.merge(&coverage);
                    if let Err(violation) = result {
                        failed.fetch_add(1, Ordering::Relaxed);
                        summary.failures.insert(seed, violation);
                    }
                    if told.elapsed() >= PROGRESS && written.is_ok() {
                        *told = Instant::now();
                        let (runs, failures) = (summary.coverage.runs(), summary.failures.len());
                        *written = writeln!(progress, "{runs} of {} seeds, {failures} failed", request.seeds);
                    }
                }
            });
        }
    });
    let (summary, _, _, written) = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    written.map(|()| summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(plan: &Plan, sink: Sink<'_>) -> Result<(), Violation> {
        assert!(plan.seed != 7, "seed 7 panics");
        sink(Time::ZERO, &Fact::Injected("reset"))?;
        sink(
            Time::from_secs(1),
            &Fact::Measured { what: "messages in memory", value: usize::try_from(plan.seed).unwrap(), bound: 10 },
        )?;
        sink(Time::from_secs(2), &Fact::FaultsEnded)
    }

    const WORLD: World = World { play: story, bounds: |_| Bounds { window: 8, least_trial: Time::from_secs(5) } };

    fn request(from: u64, seeds: u64, failures: usize) -> Request {
        Request { from, seeds, threads: 2, failures }
    }

    #[test]
    fn every_seed_is_played_once_and_failures_have_their_seed() {
        let play = |seed| one(WORLD, seed, &mut |_, _| {});
        let summary = many(request(5, 8, usize::MAX), play, &mut io::sink()).unwrap();
        assert_eq!((summary.coverage.runs(), summary.coverage.of("fault: reset")), (8, 7));
        let promises: Vec<_> = summary.failures.iter().map(|(seed, violation)| (*seed, violation.promise)).collect();
        // The stories of the others end before they have come to rest.
        assert_eq!(
            promises,
            [
                (5, "settled"),
                (6, "settled"),
                (7, PANIC),
                (8, "settled"),
                (9, "settled"),
                (10, "settled"),
                (11, "bounds"),
                (12, "bounds")
            ]
        );
        assert!(summary.failures[&7].text.contains("seed 7 panics"));
        assert_eq!(summary.failures[&12].text, "at 1.000000 s: messages in memory is 12, and at most 10 is promised");
    }

    #[test]
    fn no_seed_is_begun_after_the_allowed_failures() {
        let play = |seed| one(WORLD, seed, &mut |_, _| {});
        let summary = many(request(0, 1_000_000, 3), play, &mut io::sink()).unwrap();
        assert!((3..=4).contains(&summary.failures.len()), "{:?}", summary.failures);
    }
}
