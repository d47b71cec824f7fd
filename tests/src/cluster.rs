//! What the tests in a real cluster stand on. They do what a person does, through `kubectl` and `helm`, and wait by
//! watching; nothing here knows our crates.
//!
//! - [`in_namespace`], [`alone`]: a test in a namespace of its own, and one that breaks what the others stand on.
//! - [`algo`]: a `TradingAlgo`, what it asks for and what it says; [`market`]: its quotes and decisions;
//!   [`books`]: whether the cash is exact.
//! - [`namespace`], [`object`], [`shell`]: objects and the commands on them; [`diagnosis`]: what a failed test shows.
//! - [`installation`]: the chart, installed once; [`previous`]: the release before; [`node`]: nodes that fail;
//!   [`broker`]: a broker for one test; [`forward`]: a way to one from here; [`history`]: real prices.
//! - [`publication`]: a `Feed` and its quotes; [`exchange`]: a local exchange for it.
//! - [`rights`]: what the operator may do and did; [`pods`]: the pods of an algorithm.
//! - [`figures`]: what was measured; [`environment`]: where the cluster, the repository and the images are.

pub mod algo;
pub mod algorithm;
pub mod books;
pub mod broker;
pub mod diagnosis;
pub mod environment;
pub mod exchange;
pub mod figures;
pub mod forward;
pub mod history;
pub mod indicator;
pub mod installation;
pub mod market;
pub mod namespace;
pub mod node;
pub mod object;
pub mod pods;
pub mod previous;
pub mod publication;
pub mod rights;
pub mod shell;

use std::{panic::AssertUnwindSafe, time::Duration};

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use tokio::sync::Semaphore;

use self::namespace::Namespace;

/// How long a condition in a cluster may take on a busy machine before the test gives up.
pub const PATIENCE: Duration = Duration::from_mins(4);

/// Tests at a time: they mostly wait, and more than these would disturb each other on two cores.
const AT_A_TIME: u32 = 4;

static TURNS: Semaphore = Semaphore::const_new(AT_A_TIME as usize);

/// Runs a test in a namespace of its own, with the chart installed. A failure shows what was there; the namespace goes
/// either way.
pub async fn in_namespace(name: &str, test: impl AsyncFnOnce(&Namespace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let _turn = TURNS.acquire().await?;
    run(name, test).await
}

/// [`in_namespace`] while no other test of this executable runs.
pub async fn alone(name: &str, test: impl AsyncFnOnce(&Namespace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let _turns = TURNS.acquire_many(AT_A_TIME).await?;
    run(name, async |namespace| {
        installation::is_whole(namespace.client()).await.context("the cluster is not as the test before found it")?;
        test(namespace).await
    })
    .await
}

async fn run(name: &str, test: impl AsyncFnOnce(&Namespace) -> anyhow::Result<()>) -> anyhow::Result<()> {
    installation::ensure().await?;
    let namespace = Namespace::create(name).await?;
    // A panic must not leave the namespace behind either.
    let outcome = AssertUnwindSafe(test(&namespace)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("the test panicked")));
    if let Err(error) = &outcome {
        diagnosis::show(namespace.name(), error).await;
        installation::forget().await;
    }
    let removed = namespace.delete().await;
    outcome.and(removed).with_context(|| format!("in namespace {}", namespace.name()))
}
