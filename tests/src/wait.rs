//! Waiting for a condition, with a deadline. The only place that pauses.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How long a condition may take on a busy machine before the test gives up.
pub const PATIENCE: Duration = Duration::from_mins(if cfg!(feature = "cluster") { 3 } else { 1 });

const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it has an answer. An error of the probe ends it at once; none within `limit` is an error that names
/// `what`.
pub async fn until_within<T>(
    limit: Duration,
    what: &str,
    probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    until_every(PAUSE, limit, what, probe).await
}

/// [`until_within`] for a probe that is not to be asked more often than once in `pause`.
pub async fn until_every<T>(
    pause: Duration,
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe().await? {
            return Ok(answer);
        }
        if start.elapsed() > limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        tokio::time::sleep(pause).await;
    }
}

/// [`until_within`] the usual [`PATIENCE`].
pub async fn until<T>(what: &str, probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    until_within(PATIENCE, what, probe).await
}
