//! Candidates over a bad network, in simulated time: at no time do two lead.
//!
//! Requests and answers are lost or late, also later than anybody waits; processes are stopped and go on, crash, give the
//! lead back; wall clocks are hours apart, and some clocks run slowly. The seed is in the message of what fails.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Mutex, MutexGuard},
    task::Poll,
};

use kube::core::Status;
use tokio::{sync::oneshot, time::sleep};
use tokio_util::task::TaskTracker;

use super::*;

const CANDIDATES: usize = 4;
const STORM: Duration = Duration::from_mins(30);
/// Longer than it takes to find out that a holder has gone, and to take the Lease.
const CALM: Duration = Duration::from_mins(1);

/// The API server and what the candidates believe.
struct World {
    lease: Option<Lease>,
    version: u64,
    lines: Vec<Line>,
    tokens: Vec<Option<LeaderToken>>,
    wins: usize,
    random: ChaCha8Rng,
    seed: u64,
}

/// How a elector fares.
#[derive(Clone, Copy)]
struct Line {
    /// Of the requests, and again of the answers.
    lost: f64,
    /// Longest, each way.
    delay: Duration,
    /// The process does nothing until then.
    frozen_until: Instant,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn new(seed: u64) -> Self {
        let good = Line { lost: 0.0, delay: Duration::from_millis(50), frozen_until: Instant::now() };
        Self(Arc::new(Mutex::new(World {
            lease: None,
            version: 0,
            lines: vec![good; CANDIDATES],
            tokens: vec![None; CANDIDATES],
            wins: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
            seed,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl World {
    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.random.random::<f64>())
    }

    fn leaders(&self) -> Vec<usize> {
        let held = |index: &usize| self.tokens[*index].as_ref().is_some_and(LeaderToken::is_held);
        (0..CANDIDATES).filter(held).collect()
    }

    fn check(&self) {
        assert!(self.leaders().len() <= 1, "seed {}: {:?} lead at the same time", self.seed, self.leaders());
    }

    fn answer(&mut self, request: Request) -> Result<Option<Lease>, CallError> {
        let refuse = |code, reason: &str| {
            Err(CallError::Answer(kube::Error::Api(Status::failure("no", reason).with_code(code).boxed())))
        };
        let version = self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
        let lease = match request {
            Request::Get => return Ok(self.lease.clone()),
            Request::Create(_) if version.is_some() => return refuse(409, "AlreadyExists"),
            Request::Replace(_) if version.is_none() => return refuse(404, "NotFound"),
            Request::Replace(lease) if lease.metadata.resource_version != version => return refuse(409, "Conflict"),
            Request::Create(lease) | Request::Replace(lease) => lease,
        };
        self.store(lease);
        Ok(self.lease.clone())
    }

    fn store(&mut self, mut lease: Lease) {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease);
    }

    /// Something happens to somebody.
    fn strike(&mut self) {
        let index = self.random.random_range(0..CANDIDATES);
        let (now, freeze) = (Instant::now(), self.up_to(Duration::from_secs(40)));
        let line = &mut self.lines[index];
        match self.random.random_range(0..6) {
            0 => line.frozen_until = now + freeze,
            1 => (line.lost, line.delay) = (1.0, Duration::ZERO),
            2 => (line.lost, line.delay) = (0.3, Duration::from_secs(8)),
            3 | 4 => (line.lost, line.delay) = (0.0, Duration::from_millis(50)),
            // Somebody labels the Lease.
            _ => {
                if let Some(lease) = self.lease.clone() {
                    self.store(lease);
                }
            }
        }
    }
}

enum Request {
    Get,
    Create(Lease),
    Replace(Lease),
}

/// A elector's connection to the API server.
#[derive(Clone)]
struct Connection {
    shared: Shared,
    index: usize,
    tasks: TaskTracker,
}

impl Connection {
    async fn call(&self, request: Request) -> Result<Option<Lease>, CallError> {
        let (mut sender, answer) = oneshot::channel();
        let (there, back, request_is_lost, answer_is_lost) = {
            let mut world = self.shared.world();
            let Line { lost, delay, .. } = world.lines[self.index];
            let (there, back) = (world.up_to(delay), world.up_to(delay));
            (there, back, world.random.random_bool(lost), world.random.random_bool(lost))
        };
        let shared = self.shared.clone();
        // A task of its own: what was sent arrives whether or not anybody still waits for the answer.
        self.tasks.spawn(async move {
            sleep(there).await;
            let answer = if request_is_lost { None } else { Some(shared.world().answer(request)) };
            sleep(back).await;
            match answer {
                Some(answer) if !answer_is_lost => drop(sender.send(answer)),
                // Until nobody waits any more.
                _ => sender.closed().await,
            }
        });
        answer.await.unwrap()
    }
}

impl Store for Connection {
    async fn get(&self, _: &str) -> Result<Option<Lease>, CallError> {
        self.call(Request::Get).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        Ok(self.call(Request::Create(lease.clone())).await?.unwrap())
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, CallError> {
        Ok(self.call(Request::Replace(lease.clone())).await?.unwrap())
    }
}

/// A wall clock that is wrong.
struct Skewed {
    by_micros: i64,
    start: Instant,
}

impl Clock for Skewed {
    fn now_micros(&self) -> i64 {
        let elapsed = i64::try_from(self.start.elapsed().as_micros()).unwrap();
        1_800_000_000_000_000 + self.by_micros + elapsed
    }
}

/// A process that stands for election again and again: started anew whenever it has lost, crashed or given the lead back.
async fn process(connection: Connection) {
    let Connection { shared, index, .. } = connection.clone();
    loop {
        let (election, tenure, crashes) = {
            let world = &mut *shared.world();
            let hours = world.random.random_range(-5..=5);
            let clock = Skewed { by_micros: hours * 3_600_000_000, start: Instant::now() };
            // A clock that runs a fifth slower than the others' is five times as wrong as the rules allow for drift.
            let slow = 1.0 + world.random.random::<f64>() / 5.0;
            let timing = Timing { renew_deadline: Timing::default().renew_deadline.mul_f64(slow), ..Timing::default() };
            let random = ChaCha8Rng::from_rng(&mut world.random);
            let name = format!("elector-{index}");
            let election = Election::with(connection.clone(), "operator", &name, Arc::new(clock), timing, random);
            (election, world.up_to(Duration::from_mins(3)), world.random.random_bool(0.5))
        };
        let (leadership, renewal) = election.compete(&CancellationToken::new()).await.unwrap().unwrap();
        {
            let mut world = shared.world();
            world.tokens[index] = Some(leadership.token.clone());
            world.wins += 1;
            world.check();
        }
        let mut renewal = pin!(renewal);
        tokio::select! {
            () = &mut renewal => {}
            () = sleep(tenure) => {
                if !crashes {
                    leadership.stop.cancel();
                    // Nothing acts as the leader any more.
                    shared.world().tokens[index] = None;
                    renewal.await;
                }
            }
        }
        let restart = {
            let mut world = shared.world();
            world.tokens[index] = None;
            world.up_to(Duration::from_secs(5))
        };
        sleep(restart).await;
    }
}

/// Runs a process, but for when it is stopped.
async fn freezing(shared: Shared, index: usize, process: impl Future<Output = ()>) {
    let mut process = pin!(process);
    loop {
        let thaw = shared.world().lines[index].frozen_until;
        tokio::time::sleep_until(thaw).await;
        // One step: it may have been stopped since.
        let mut begun = false;
        poll_fn(|context| {
            if begun {
                return Poll::Ready(());
            }
            begun = true;
            process.as_mut().poll(context)
        })
        .await;
    }
}

async fn simulate(seed: u64) -> usize {
    let (shared, tasks) = (Shared::new(seed), TaskTracker::new());
    let mut processes = JoinSet::new();
    for index in 0..CANDIDATES {
        let connection = Connection { shared: shared.clone(), index, tasks: tasks.clone() };
        processes.spawn(freezing(shared.clone(), index, process(connection)));
    }
    let end = Instant::now() + STORM;
    while Instant::now() < end {
        let pause = {
            let mut world = shared.world();
            world.strike();
            world.up_to(Duration::from_secs(10))
        };
        watch(&shared, pause).await;
    }
    {
        let mut world = shared.world();
        let good = Line { lost: 0.0, delay: Duration::from_millis(50), frozen_until: Instant::now() };
        world.lines.fill(good);
    }
    assert!(watch(&shared, CALM).await, "seed {seed}: nobody leads though everything works");
    let world = shared.world();
    world.wins
}

/// Looks at everybody all the time. True: somebody led.
async fn watch(shared: &Shared, how_long: Duration) -> bool {
    let end = Instant::now() + how_long;
    let mut led = false;
    while Instant::now() < end {
        {
            let world = shared.world();
            world.check();
            led |= !world.leaders().is_empty();
        }
        sleep(Duration::from_millis(100)).await;
    }
    led
}

#[tokio::test(start_paused = true)]
async fn at_no_time_do_two_lead() {
    let mut wins = 0;
    for seed in 0..20 {
        wins += simulate(seed).await;
    }
    assert!(wins > 500, "so few changes of the lead show nothing: {wins}");
}
