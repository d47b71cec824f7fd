//! Connects one algo-runtime to MQTT: quotes in, decisions out, nothing lost.
//!
//! The way of a quote: a connection of `intuition-mqtt` hands a message over, [`message`] reads ticks out of it, [`inflight`]
//! numbers it and keeps it until it is acknowledged, [`runtime`] carries it to the algorithm and brings back its outcome with
//! the entries to publish, [`outbox`] holds these in three send queues until the broker has them, [`render`] writes them as
//! JSON. Only then is the message acknowledged. [`subscriptions`] keeps the broker's session to the channels of the algorithm.
//!
//! `message`, `inflight`, `outbox`, `subscriptions` and `render` are pure: no I/O, no clock, no client. So is [`machine`], which
//! puts them together. The driver, one task, connects it to the world.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "unit tests read clocks"))]

mod config;
mod driver;
pub mod inflight;
pub mod machine;
pub mod message;
pub mod metrics;
pub mod outbox;
mod readiness;
pub mod render;
pub mod runtime;
pub mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use intuition_api::v1::OutboxEntry;
use intuition_common::{
    clock::{Clock, Now},
    heartbeat::Heartbeat,
    readiness::Readiness,
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    config::{Config, ConfigError, Limits, MqttConfig, Session},
    message::MAX_TICKS,
    metrics::Metrics,
    readiness::{BROKER, PARTS, PUBLISHER, PUBLISHING, RUNTIME, SUBSCRIPTIONS},
};
use self::{
    machine::{Machine, Sinks},
    runtime::RuntimeError,
};
use intuition_mqtt::LinkError;

/// The dependencies of a bridge.
pub struct BridgeDeps {
    /// Readiness of the parts, made with [`PARTS`].
    pub readiness: Readiness,
    /// Counters and gauges.
    pub metrics: Metrics,
    /// Gives the time at which a message arrived.
    pub clock: Arc<dyn Clock>,
    /// Beaten at every turn of the driver, at least every 10 seconds until the shutdown.
    pub heartbeat: Heartbeat,
    /// Receives every outbox entry once the broker has it; decisions come in order.
    pub published: Option<mpsc::UnboundedSender<Published>>,
}

/// An outbox entry that the broker took.
#[derive(Debug, Clone)]
pub struct Published {
    /// The topic of the publication.
    pub topic: String,
    /// The published payload.
    pub payload: Bytes,
    /// The entry as the runtime sent it.
    pub entry: OutboxEntry,
}

/// Errors that keep a bridge from starting, or end it.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The configuration is wrong.
    #[error(transparent)]
    Configure(#[from] ConfigError),
    /// The connection to the broker cannot be set up.
    #[error("cannot set up the connection to the broker")]
    Connect(#[source] LinkError),
    /// The runtime's address cannot be used.
    #[error(transparent)]
    FindRuntime(RuntimeError),
    /// The task of a connection to the broker is gone.
    #[error("the task of the {0} connection to the broker ended by itself: start the bridge again, and report the log")]
    LoseConnection(&'static str),
}

impl BridgeError {
    /// Whether the configuration is the cause, and not the machine or the bridge.
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::LoseConnection(_))
    }
}

/// Runs a bridge until `shutdown` is cancelled. Faults of broker, runtime and network are waited out, and shown on
/// `deps.readiness`. A task of the bridge that ends by itself is an error.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the machine")]
pub async fn run(config: Config, deps: BridgeDeps, shutdown: CancellationToken) -> Result<(), BridgeError> {
    let BridgeDeps { readiness, metrics, clock, heartbeat, published } = deps;
    let sinks = Sinks { readiness, metrics, published };
    let (machine, connections) = Machine::new(&config, sinks, rand::random(), Now::read(clock.as_ref()))?;
    let endpoint = runtime::endpoint(&config.runtime_url).map_err(BridgeError::FindRuntime)?;
    let tasks = TaskTracker::new();
    let driver = driver::Driver::new(machine, connections, endpoint, clock, heartbeat, &tasks)?;
    driver.run(shutdown).await?;
    tasks.close();
    tasks.wait().await;
    Ok(())
}
