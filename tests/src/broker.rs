//! One broker or the other, for the tests that must hold with both.

use std::path::Path;

use crate::{
    embedded::Embedded,
    mosquitto::{Config, Mosquitto},
};

/// A broker that a test talks to.
pub enum Broker {
    /// A real mosquitto.
    Mosquitto(Mosquitto),
    /// The one in the process.
    Embedded(Embedded),
}

/// Which broker a test wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Broker::Mosquitto`] without persistence.
    Mosquitto,
    /// [`Broker::Mosquitto`] with `persistence true`.
    PersistentMosquitto,
    /// [`Broker::Embedded`].
    Embedded,
}

impl Broker {
    /// Starts one with its files below `folder`.
    pub async fn start(kind: Kind, folder: &Path) -> anyhow::Result<Self> {
        let config = Config { persistence: kind == Kind::PersistentMosquitto, ..Config::default() };
        Ok(match kind {
            Kind::Embedded => Self::Embedded(Embedded::start().await?),
            _ => Self::Mosquitto(Mosquitto::start(&folder.join("mosquitto"), &config).await?),
        })
    }

    /// Where it listens, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Mosquitto(broker) => broker.port(),
            Self::Embedded(broker) => broker.port(),
        }
    }

    /// As the bridge takes it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port())
    }

    /// Ends it so that it forgets everything, and starts it again on the same port.
    pub async fn lose_everything(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Mosquitto(broker) => {
                broker.kill()?;
                broker.start_again().await
            }
            Self::Embedded(broker) => broker.restart().await,
        }
    }
}
