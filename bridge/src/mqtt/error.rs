//! Why there is no connection.

use std::{error::Error, io, path::PathBuf};

use super::{Code, packets::Malformed};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A file with a user name or a password cannot be read.
    #[error("cannot read the credentials {}", path.display())]
    ReadCredential {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The file of authorities cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    ReadCaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// The file of authorities holds something else.
    #[error("cannot use the CA file {}", path.display())]
    UseCaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The file of authorities holds none.
    #[error("there is no PEM certificate in the CA file {}", .0.display())]
    EmptyCaFile(PathBuf),
    /// Nobody to trust.
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
    #[error("the broker refused the connection: {} (0x{:02x})", .0.name, .0.value)]
    Refuse(Code),
    /// The broker answered with a refusal, and there was no user name to tell it.
    #[error(
        "the broker refused the connection: {} (0x{:02x}); {} holds no username: does the Secret that is mounted there exist?",
        code.name, code.value, folder.display()
    )]
    RefuseNameless {
        /// The broker's reason code.
        code: Code,
        /// Where the user name should be.
        folder: PathBuf,
    },
    /// The broker ended the connection with a reason.
    #[error("the broker ended the connection: {} (0x{:02x})", .0.name, .0.value)]
    End(Code),
    /// The broker cannot be reached, or the connection broke.
    #[error("no connection to the broker")]
    Reach(#[source] Box<dyn Error + Send + Sync>),
    /// The broker sent something that MQTT 5 does not allow, or that this client does not take.
    #[error("the broker broke the protocol")]
    BreakProtocol(#[source] Malformed),
    /// The broker closes each connection right after it accepted it, and gives no reason.
    #[error(
        "the broker closed {connections} connections in a row shortly after it accepted them: probably another bridge uses \
         the client id {client_id:?} too; stop that bridge, or give one of the two another client id prefix"
    )]
    ClientIdInUse {
        /// The client id that is used twice.
        client_id: String,
        /// Connections in a row.
        connections: u32,
        /// The end of the last one.
        source: Box<LinkError>,
    },
    /// Given up in favour of another bridge; the next attempt is made after a pause.
    #[error("another bridge has taken over: the connection was given up for now")]
    StandDown,
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
            Self::Reach(_) => "Unreachable",
            Self::BreakProtocol(_) => "ProtocolError",
            Self::ClientIdInUse { .. } => "ClientIdInUse",
            Self::StandDown => "TakenOver",
        }
    }

    /// User name and password, or what they may do, are wrong: trying again helps only once the broker is changed.
    pub const fn is_refused_identity(&self) -> bool {
        matches!(self, Self::Refuse(Code { value: 0x86 | 0x87, .. }))
    }

    /// Another client works under the same client id.
    pub(crate) const fn is_taken_over(&self) -> bool {
        matches!(self, Self::End(Code { value: 0x8e, .. }) | Self::StandDown | Self::ClientIdInUse { .. })
    }
}
