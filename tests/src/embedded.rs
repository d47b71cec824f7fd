//! The broker that `intuition run` embeds, here in the test's own process.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use mqtt5::broker::{
    BrokerConfig, MqttBroker,
    config::{StorageBackend, StorageConfig},
};
use tokio::task::JoinSet;

use crate::{ports, wait};

/// An embedded broker. What it holds is in memory.
pub struct Embedded {
    port: u16,
    running: JoinSet<()>,
    stop: mqtt5::broker::BrokerShutdownHandle,
}

impl Embedded {
    /// Starts one on a free port.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_on(ports::free()?).await
    }

    /// Where it listens, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it, with everything that it held, and starts a new one on the same port.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop.shutdown();
        tokio::time::timeout(wait::PATIENCE, self.running.join_next()).await.context("the broker stops")?;
        *self = Self::start_on(self.port).await?;
        Ok(())
    }

    async fn start_on(port: u16) -> anyhow::Result<Self> {
        let storage = StorageConfig { backend: StorageBackend::Memory, ..StorageConfig::default() };
        let config = BrokerConfig {
            bind_addresses: vec![(Ipv4Addr::LOCALHOST, port).into()],
            storage_config: storage,
            sys_topics_enabled: false,
            ..BrokerConfig::default()
        };
        let mut broker = MqttBroker::with_config(config).await.context("starting the embedded broker")?;
        let stop = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let mut running = JoinSet::new();
        running.spawn(async move {
            if let Err(error) = broker.run().await {
                report(&error.to_string());
            }
        });
        tokio::time::timeout(wait::PATIENCE, ready.wait_for(|ready| *ready)).await.context("the broker is ready")??;
        Ok(Self { port, running, stop })
    }
}

#[expect(clippy::print_stderr, reason = "cargo test keeps what is printed for the tests that fail")]
fn report(error: &str) {
    eprintln!("the embedded broker ended: {error}");
}
