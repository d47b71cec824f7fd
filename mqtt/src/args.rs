//! The flags of a process with a connection to a broker, each also by environment variable.

use std::{io, path::PathBuf};

use clap::Args;
use intuition_common::secret::Secret;

use super::{Credentials, Fixed};

/// The broker, and the login for it.
#[derive(Debug, Args)]
pub struct BrokerArgs {
    /// Broker: `mqtt://HOST[:1883]` or `mqtts://HOST[:8883]`.
    #[arg(short, long, env = "INTUITION_MQTT", value_name = "URL")]
    pub mqtt: String,
    /// User name, for a broker that asks for one.
    #[arg(long, env = "INTUITION_MQTT_USERNAME", value_name = "NAME")]
    pub mqtt_username: Option<String>,
    /// File with the password.
    #[arg(long, env = "INTUITION_MQTT_PASSWORD_FILE", value_name = "FILE")]
    pub mqtt_password_file: Option<PathBuf>,
    /// PEM file of the authorities to trust instead of the machine's own.
    #[arg(long, env = "INTUITION_MQTT_CA_FILE", value_name = "FILE")]
    pub mqtt_ca_file: Option<PathBuf>,
    /// Folder with the files `mqtt-username`, `mqtt-password`, `mqtt-ca.crt`, each optional, read again at every attempt to
    /// connect. Without any of them: `username`, `password`, `ca.crt`, for this release alone.
    #[arg(
        long,
        env = "INTUITION_MQTT_CREDENTIALS_DIR",
        value_name = "DIR",
        conflicts_with_all = ["mqtt_username", "mqtt_password_file", "mqtt_ca_file"]
    )]
    pub mqtt_credentials_dir: Option<PathBuf>,
}

/// The password file is missing, or is no text.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the password file {}", path.display())]
pub struct PasswordError {
    /// The value as given.
    path: PathBuf,
    /// The cause.
    source: io::Error,
}

impl BrokerArgs {
    /// The credentials that the flags name. Reads the password file.
    pub fn credentials(&self) -> Result<Credentials, PasswordError> {
        if let Some(folder) = &self.mqtt_credentials_dir {
            return Ok(Credentials::Folder(folder.clone()));
        }
        let read =
            |path: &PathBuf| Secret::from_file(path).map_err(|source| PasswordError { path: path.clone(), source });
        Ok(Credentials::Fixed(Fixed {
            username: self.mqtt_username.clone(),
            password: self.mqtt_password_file.as_ref().map(read).transpose()?,
            ca_file: self.mqtt_ca_file.clone(),
        }))
    }
}
