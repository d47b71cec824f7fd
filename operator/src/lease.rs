//! Leader election on a `Lease` (`coordination.k8s.io/v1`), by the rules of client-go's `leaderelection`.
//!
//! - A holder renews the Lease every two seconds. It leads for ten seconds from the *begin* of its last successful renewal,
//!   however long an answer takes, a call hangs or the process is stopped.
//! - Another replica waits until the Lease has not changed for the holder's lease duration of fifteen seconds, by its own
//!   monotonic clock from the moment when it *saw* the last change. Clocks of two machines are never compared.
//! - Every write names the version that was read. Of concurrent writes one succeeds, and a late call changes nothing.
//!
//! Between two leaders there are five seconds, for clocks of different speed. This is not a fence: a call that a leader sent
//! before it was stopped may arrive under its successor. All writes are therefore server-side applies under fixed names,
//! where a short overlap is harmless.
//!
//! `rules` decides, `store` is the API server, this file drives both.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge: it hands the time to the rules of the election, and draws the seed of the pauses"
)]

mod rules;
#[cfg(test)]
mod simulation;
mod store;

use std::{sync::Arc, time::Duration};

use intuition_common::{clock::Clock, exit::with_causes};
use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::Api;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use self::{
    rules::{Step, View},
    store::{CallError, Store},
};

/// Durations of the election. The defaults are client-go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long other electors wait for an unchanged Lease. Written into the Lease, in whole seconds.
    pub lease: Duration,
    /// How long a holder leads without a successful renewal; well below `lease`.
    pub renew_deadline: Duration,
    /// Delay between two renewals, and about the delay between two attempts of other electors.
    pub retry: Duration,
    /// Deadline of one call.
    pub call: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
            call: Duration::from_secs(5),
        }
    }
}

/// Errors that end an election. Errors that may pass are retried.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// A permanent refusal: no permission, no such namespace, no usable name.
    #[error("the API server refuses the Lease {name}: {message}")]
    Refuse {
        /// Name of the Lease.
        name: String,
        /// The API server's message.
        message: String,
    },
}

/// One replica in an election.
pub struct Election<S = Api<Lease>> {
    elector: Elector<S>,
}

impl Election {
    /// An election for the Lease `name` in the API's namespace. `identity` names the replica for people; a random part
    /// is added, so that a process never takes another's lead for its own.
    pub fn new(api: Api<Lease>, name: &str, identity: &str, clock: Arc<dyn Clock>) -> Self {
        Self::with(api, name, identity, clock, Timing::default(), ChaCha8Rng::from_rng(&mut rand::rng()))
    }
}

#[expect(private_bounds, reason = "the API server is the only store outside the tests")]
impl<S: Store> Election<S> {
    fn with(
        store: S,
        name: &str,
        identity: &str,
        clock: Arc<dyn Clock>,
        timing: Timing,
        mut random: ChaCha8Rng,
    ) -> Self {
        let view = View::new(name, &format!("{identity}_{:08x}", random.random::<u32>()), timing.lease, Instant::now());
        Self { elector: Elector { store, view, clock, timing, random } }
    }

    /// The holder identity in the Lease.
    pub fn identity(&self) -> &str {
        self.elector.view.identity()
    }

    /// Waits until this replica leads. `None` if `shutdown` was cancelled before.
    pub async fn acquire(self, shutdown: &CancellationToken) -> Result<Option<Leadership>, LeaseError> {
        let won = self.compete(shutdown).await?;
        Ok(won.map(|(mut leadership, renewal)| {
            leadership.task.spawn(renewal);
            leadership
        }))
    }

    /// The lead, and the future that renews it while it is polled.
    async fn compete(
        mut self,
        shutdown: &CancellationToken,
    ) -> Result<Option<(Leadership, impl Future<Output = ()> + Send + use<S>)>, LeaseError> {
        let mut logged = String::new();
        loop {
            let Some(result) = shutdown.run_until_cancelled(self.elector.try_acquire()).await else {
                // The interrupted attempt may have acquired the Lease.
                self.elector.release_lease().await;
                return Ok(None);
            };
            let pause = self.elector.pause();
            let (until, news) = match result {
                Ok(AcquireResult::Won(until)) => return Ok(Some(self.elector.lead(until))),
                Ok(AcquireResult::Held(free_at)) => {
                    let news = format!("{} leads", self.elector.view.holder());
                    ((Instant::now() + pause).min(free_at + pause / 8), news)
                }
                Ok(AcquireResult::Raced) => (Instant::now() + pause, String::new()),
                Err(error) if error.is_permanent() => {
                    let message = error.to_string();
                    return Err(LeaseError::Refuse { name: self.elector.view.name().to_owned(), message });
                }
                Err(error) => {
                    (Instant::now() + pause, format!("cannot read or write the Lease: {}", with_causes(&error)))
                }
            };
            if !news.is_empty() && news != logged {
                tracing::info!(identity = self.identity(), "waiting for the lead: {news}");
                logged = news;
            }
            if shutdown.run_until_cancelled(time::sleep_until(until)).await.is_none() {
                return Ok(None);
            }
        }
    }
}

/// The lead. A task renews it while this value lives.
pub struct Leadership {
    token: LeaderToken,
    stop: CancellationToken,
    task: JoinSet<()>,
}

/// Whether this replica leads. Clones share the state.
#[derive(Clone)]
pub struct LeaderToken {
    lost: CancellationToken,
    until: watch::Receiver<Instant>,
}

impl LeaderToken {
    /// Whether this replica leads at this moment, by the clock. Right also after the process was stopped for a while,
    /// before the renewing task has run.
    pub fn is_held(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.until.borrow()
    }
}

impl Leadership {
    /// Cancelled when the lead is lost, released or dropped. The work of a leader has to stop at once then.
    pub fn lost(&self) -> CancellationToken {
        self.token.lost.clone()
    }

    /// The token to check before each step of a leader.
    pub fn token(&self) -> LeaderToken {
        self.token.clone()
    }

    /// See [`LeaderToken::is_held`].
    pub fn is_held(&self) -> bool {
        self.token.is_held()
    }

    /// Releases the lead, so that the next leader need not wait. To be called when no work of the leader is under way.
    pub async fn release(mut self) {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

/// Reads and writes the Lease.
struct Elector<S> {
    store: S,
    view: View,
    clock: Arc<dyn Clock>,
    timing: Timing,
    /// Jitter, so that electors do not act in step.
    random: ChaCha8Rng,
}

/// The result of an attempt.
enum AcquireResult {
    /// The Lease is acquired, and with it the lead until this time.
    Won(Instant),
    /// Another replica holds the Lease, at least until this time.
    Held(Instant),
    /// Another write was faster, or our own was without effect.
    Raced,
}

impl<S: Store> Elector<S> {
    /// Reads the Lease and acquires it if the rules allow.
    async fn try_acquire(&mut self) -> Result<AcquireResult, CallError> {
        self.look().await?;
        self.try_write().await
    }

    async fn look(&mut self) -> Result<(), CallError> {
        let found = within(self.timing.call, self.store.get(self.view.name())).await?;
        // Taken after the call: the Lease that was read is not newer than this.
        self.view.see(found, Instant::now());
        Ok(())
    }

    /// Writes the Lease from its last known version, if the rules allow.
    async fn try_write(&mut self) -> Result<AcquireResult, CallError> {
        // Taken before the call: other replicas may have seen the change that early.
        let began = Instant::now();
        let (written, was_there) = match self.view.next(began, self.wall_time()) {
            Step::Wait(until) => return Ok(AcquireResult::Held(until)),
            Step::Create(lease) => (within(self.timing.call, self.store.create(&lease)).await, false),
            Step::Replace(lease) => (within(self.timing.call, self.store.replace(&lease)).await, true),
        };
        match written {
            Ok(lease) => {
                self.view.see(Some(lease), Instant::now());
                let until = began + self.timing.renew_deadline;
                Ok(if Instant::now() < until { AcquireResult::Won(until) } else { AcquireResult::Raced })
            }
            Err(error) if error.is_conflict() || was_there && error.is_missing() => Ok(AcquireResult::Raced),
            Err(error) => Err(error),
        }
    }

    /// The lead until this time, and the future that renews it.
    fn lead(self, until: Instant) -> (Leadership, impl Future<Output = ()> + Send + use<S>) {
        tracing::info!(identity = self.view.identity(), lease = self.view.name(), "leading");
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let (sender, receiver) = watch::channel(until);
        // The lead is lost however the renewal ends, also if it is dropped early.
        let (guard, stopped) = (lost.clone().drop_guard(), stop.clone());
        let renewal = async move {
            self.renew(&sender, &stopped).await;
            drop(guard);
        };
        (Leadership { token: LeaderToken { lost, until: receiver }, stop, task: JoinSet::new() }, renewal)
    }

    /// Renews the Lease until it is stopped or has lost the lead.
    async fn renew(mut self, until: &watch::Sender<Instant>, stop: &CancellationToken) {
        let mut must_look = false;
        loop {
            let deadline = *until.borrow();
            tokio::select! {
                () = stop.cancelled() => return self.release_lease().await,
                () = time::sleep_until(deadline.min(Instant::now() + self.timing.retry)) => {}
            }
            let Some(result) = stop.run_until_cancelled(time::timeout_at(deadline, self.try_renew(must_look))).await
            else {
                return self.release_lease().await;
            };
            let Ok(result) = result else {
                tracing::error!(
                    identity = self.view.identity(),
                    "lost the lead: the Lease could not be renewed in time"
                );
                return;
            };
            must_look = !matches!(result, Ok(AcquireResult::Won(_)));
            match result {
                Ok(AcquireResult::Won(next)) => {
                    until.send_replace(next);
                }
                Ok(AcquireResult::Held(_)) => {
                    let (identity, holder) = (self.view.identity(), self.view.holder());
                    tracing::error!(identity, holder, "lost the lead: another replica holds the Lease");
                    return;
                }
                Ok(AcquireResult::Raced) => {}
                Err(error) => {
                    tracing::warn!(identity = self.view.identity(), "cannot renew the Lease: {}", with_causes(&error));
                }
            }
        }
    }

    /// Renews from the last known version, or reads the Lease first.
    async fn try_renew(&mut self, must_look: bool) -> Result<AcquireResult, CallError> {
        if !must_look {
            let result = self.try_write().await?;
            if !matches!(result, AcquireResult::Raced) {
                return Ok(result);
            }
        }
        self.try_acquire().await
    }

    /// Releases the Lease if it is ours. After a failure the next leader only waits longer.
    async fn release_lease(mut self) {
        let mut released = self.clear().await;
        if released.as_ref().is_err_and(CallError::is_conflict) {
            // An interrupted renewal arrived in between.
            released = self.clear().await;
        }
        match released {
            Ok(true) => tracing::info!(identity = self.view.identity(), "released leadership"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!("cannot release leadership, the next leader waits for it: {}", with_causes(&error));
            }
        }
    }

    /// `false` if another replica holds the Lease.
    async fn clear(&mut self) -> Result<bool, CallError> {
        self.look().await?;
        let Some(lease) = self.view.released(self.wall_time()) else { return Ok(false) };
        within(self.timing.call, self.store.replace(&lease)).await.map(|_| true)
    }

    /// A delay with jitter, so that electors do not act in step.
    fn pause(&mut self) -> Duration {
        self.timing.retry.mul_f64(1.0 + self.random.random::<f64>())
    }

    fn wall_time(&self) -> Timestamp {
        // Both types have the same range.
        Timestamp::from_microsecond(self.clock.now_micros()).unwrap_or_default()
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    time::timeout(limit, call).await.unwrap_or(Err(CallError::TimeOut(limit)))
}
