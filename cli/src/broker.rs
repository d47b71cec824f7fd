//! The embedded broker: MQTT 5 on a free port of the loopback interface, everything in memory, no file written.

use std::net::{Ipv4Addr, SocketAddr};

use mqtt5::broker::{
    MqttBroker,
    config::{BrokerConfig, StorageBackend, StorageConfig},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Largest MQTT packet, bytes: the bound of the bridge, too.
const MAX_PACKET_BYTES: usize = 4 * 1024 * 1024;

/// Errors of the embedded broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// The set-up failed, or no port was free.
    #[error("cannot start the embedded broker")]
    Start(#[source] Box<mqtt5::MqttError>),
    /// The broker reported no address, or ended before it listened.
    #[error("the embedded broker ended before it was ready")]
    End,
}

/// Starts the broker in a task of `tasks` and gives its address, once it takes connections. It runs until `shutdown`.
pub(crate) async fn start(tasks: &TaskTracker, shutdown: CancellationToken) -> Result<SocketAddr, BrokerError> {
    let storage = StorageConfig { backend: StorageBackend::Memory, ..StorageConfig::default() };
    let config = BrokerConfig {
        bind_addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        max_packet_size: MAX_PACKET_BYTES,
        storage_config: storage,
        sys_topics_enabled: false,
        ..BrokerConfig::default()
    };
    let failed = |error| BrokerError::Start(Box::new(error));
    let mut broker = MqttBroker::with_config(config).await.map_err(failed)?;
    let address = broker.local_addr().ok_or(BrokerError::End)?;
    let mut ready = broker.ready_receiver();
    let handle = broker.shutdown_handle();
    tasks.spawn(async move {
        let running = broker.run();
        tokio::pin!(running);
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = shutdown.cancelled() => {
                handle.shutdown();
                running.await
            }
        };
        if let Err(error) = outcome {
            tracing::error!(error = &error as &dyn std::error::Error, "the embedded broker failed");
        }
    });
    ready.wait_for(|ready| *ready).await.map_err(|_| BrokerError::End)?;
    Ok(address)
}
