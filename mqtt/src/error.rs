//! Errors of a connection.

use std::{error::Error, fmt, io, path::PathBuf, time::Duration};

use intuition_api::reason;

use super::{Code, packets::Malformed};

/// An error of a connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A file with a user name or a password cannot be read.
    #[error("cannot read the credentials {}", path.display())]
    ReadCredential {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file of authorities cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    ReadCaFile {
        /// The configured path.
        path: PathBuf,
        /// The cause.
        source: rustls_pki_types::pem::Error,
    },
    /// The file of authorities holds no certificates that can be used.
    #[error("cannot use the CA file {}", path.display())]
    UseCaFile {
        /// The configured path.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// The file of authorities is empty.
    #[error("there is no PEM certificate in the CA file {}", .0.display())]
    EmptyCaFile(PathBuf),
    /// There is no trusted authority.
    #[error(
        "this machine trusts no certificate authority: name one by --mqtt-ca-file, or as ca.crt in --mqtt-credentials-dir"
    )]
    NoCertificates,
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    SetUpTls(#[source] rustls::Error),
    /// The broker cannot be trusted, or does not trust us.
    #[error("no secure connection to the broker")]
    Secure(#[source] Box<dyn Error + Send + Sync>),
    /// The broker answered with a refusal.
    #[error("the broker refused the connection: {} (0x{:02x}){}", .0.name, .0.value, advice(*.0))]
    Refuse(Code),
    /// The broker refused a connection without a user name.
    #[error(
        "the broker refused the connection: {} (0x{:02x}); {} holds no username: does the Secret that is mounted there exist?",
        code.name, code.value, folder.display()
    )]
    RefuseNameless {
        /// The broker's reason code.
        code: Code,
        /// The folder that should hold the user name.
        folder: PathBuf,
    },
    /// The broker ended the connection with a reason.
    #[error("the broker ended the connection: {} (0x{:02x}){}", .0.name, .0.value, advice(*.0))]
    End(Code),
    /// The broker cannot be reached, or the connection broke.
    #[error("no connection to the broker")]
    Reach(#[source] Box<dyn Error + Send + Sync>),
    /// The broker has not answered a request in time. The connection was given up.
    #[error("the broker has not {awaited} for {} s: it may be overloaded, or limit the rate of this client", answer_timeout.as_secs_f64())]
    NoAnswer {
        /// The oldest request without an answer.
        awaited: Awaited,
        /// The time without an answer.
        answer_timeout: Duration,
    },
    /// The broker sent something that MQTT 5 does not allow, or that this client does not take.
    #[error("the broker broke the protocol")]
    BreakProtocol(#[source] Malformed),
    /// The broker closes each connection right after it accepted it, and gives no reason.
    #[error(
        "the broker closed {connections} connections in a row shortly after it accepted them: probably another process uses \
         the client id {client_id:?} too; stop that one, or give one of the two another client id prefix"
    )]
    ClientIdInUse {
        /// The client id that is used twice.
        client_id: String,
        /// Connections in a row.
        connections: u32,
        /// The error of the last connection.
        source: Box<LinkError>,
    },
    /// Given up in favour of another process; the next attempt is made after a pause.
    #[error("another process has taken over: the connection was given up for now")]
    StandDown,
    /// The connection was given up, so that the broker redelivers unacknowledged messages.
    #[error(
        "the connection is made again, so that the broker redelivers messages with outcomes that are lost with the ledger"
    )]
    Renew,
}

/// An answer that the broker owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// A PUBACK, for a publication to this topic.
    Publish(String),
    /// A SUBACK, for this filter.
    Subscribe(String),
    /// An UNSUBACK, for this filter.
    Unsubscribe(String),
    /// Room in the socket for more bytes.
    Flush,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(topic) => write!(f, "answered a PUBLISH to `{topic}`"),
            Self::Subscribe(filter) => write!(f, "answered a SUBSCRIBE to `{filter}`"),
            Self::Unsubscribe(filter) => write!(f, "answered an UNSUBSCRIBE from `{filter}`"),
            Self::Flush => write!(f, "read from the connection"),
        }
    }
}

/// The cure of a refusal, where there is a special one.
const fn advice(code: Code) -> &'static str {
    match code.value {
        0x84 => ": the connection needs MQTT 5, so use a broker, or a listener of this one, that speaks it",
        0x8e => ": another client has the same client id, so stop it, or give one of the two another client id prefix",
        0x9b => ": publications have QoS 1, so raise the Maximum QoS of the broker",
        _ => "",
    }
}

impl LinkError {
    /// CamelCase code.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::ReadCredential { .. } => "BadCredentials",
            Self::ReadCaFile { .. } | Self::UseCaFile { .. } | Self::EmptyCaFile(_) => "BadCertificate",
            Self::NoCertificates => "NoCertificates",
            Self::SetUpTls(_) | Self::Secure(_) => "TlsFailed",
            Self::Refuse(code) | Self::RefuseNameless { code, .. } | Self::End(code) => code.name,
            Self::Reach(_) => reason::UNREACHABLE,
            Self::NoAnswer { .. } => "NoAnswer",
            Self::BreakProtocol(_) => "ProtocolError",
            Self::ClientIdInUse { .. } => "ClientIdInUse",
            Self::StandDown => "TakenOver",
            Self::Renew => reason::LEDGER_WENT_BACK,
        }
    }

    /// User name, password or rights are wrong. Another attempt helps only after a change at the broker.
    pub const fn is_refused_identity(&self) -> bool {
        matches!(self, Self::Refuse(Code { value: 0x86 | 0x87, .. }))
    }

    /// The broker refuses this client, and may count its attempts against it (0x86, 0x87, 0x8A, 0x8C).
    pub const fn is_refused_client(&self) -> bool {
        match self {
            Self::Refuse(code) | Self::RefuseNameless { code, .. } => matches!(code.value, 0x86 | 0x87 | 0x8a | 0x8c),
            _ => false,
        }
    }

    /// The broker has more to do than it can, or than it grants this client (0x89, 0x97, 0x9F).
    pub const fn is_overload(&self) -> bool {
        match self {
            Self::Refuse(code) | Self::RefuseNameless { code, .. } | Self::End(code) => {
                matches!(code.value, 0x89 | 0x97 | 0x9f)
            }
            _ => false,
        }
    }

    /// Another client works under the same client id.
    pub const fn is_taken_over(&self) -> bool {
        matches!(self, Self::End(Code { value: 0x8e, .. }) | Self::StandDown | Self::ClientIdInUse { .. })
    }
}
