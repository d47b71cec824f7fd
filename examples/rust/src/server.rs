//! The server around the service: the socket, health, reflection, and the way out.

use std::{fmt, io, net::SocketAddr, os::unix::fs::FileTypeExt as _, path::PathBuf, str::FromStr, time::Duration};

use futures::Stream;
use intuition_api::v1::{self, algorithm_server::AlgorithmServer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::{self, server::Connected};

use crate::service::Service;

/// How long calls in progress may take once the server is told to stop. Who only watches the health never hangs up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`; port 0 is a free one.
    Tcp(String),
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Text that is no [`Address`].
#[derive(Debug, thiserror::Error)]
#[error("is neither host:port nor unix:/path")]
pub struct AddressError;

/// What keeps it from serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or nobody's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: Address,
        /// Why not.
        source: io::Error,
    },
    /// The descriptors of the contract do not fit together.
    #[error("cannot offer reflection: {0}")]
    Reflect(#[source] tonic_reflection::server::Error),
    /// The connections could not be served any longer.
    #[error("cannot serve: {0}")]
    Serve(#[source] transport::Error),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(AddressError) };
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that is open, and not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    address: Address,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Bound {
    /// Opens the socket. One that a killed process left behind is replaced.
    pub async fn open(address: Address) -> Result<Self, ServeError> {
        match listen(&address).await {
            Ok((listener, None)) => Ok(Self { listener, address }),
            Ok((listener, Some(local))) => Ok(Self { listener, address: Address::Tcp(local.to_string()) }),
            Err(source) => Err(ServeError::Listen { address, source }),
        }
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves until `shutdown` is cancelled, and what is in progress then for five seconds more.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), ServeError> {
        let served = async {
            match self.listener {
                Listener::Tcp(listener) => serve(TcpListenerStream::new(listener), &shutdown).await,
                Listener::Unix(listener) => serve(UnixListenerStream::new(listener), &shutdown).await,
            }
        };
        let drain_deadline = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        let outcome = tokio::select! {
            outcome = served => outcome,
            () = drain_deadline => Ok(()),
        };
        if let Address::Unix(path) = &self.address {
            // Whoever comes next replaces it anyway.
            drop(tokio::fs::remove_file(path).await);
        }
        outcome
    }
}

async fn listen(address: &Address) -> io::Result<(Listener, Option<SocketAddr>)> {
    match address {
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address).await?;
            let local = listener.local_addr()?;
            Ok((Listener::Tcp(listener), Some(local)))
        }
        Address::Unix(path) => {
            let is_socket = tokio::fs::symlink_metadata(path).await.is_ok_and(|file| file.file_type().is_socket());
            if is_socket && UnixStream::connect(path).await.is_err() {
                tokio::fs::remove_file(path).await?;
            }
            Ok((Listener::Unix(UnixListener::bind(path)?), None))
        }
    }
}

async fn serve<C>(
    connections: impl Stream<Item = io::Result<C>> + Send,
    shutdown: &CancellationToken,
) -> Result<(), ServeError>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<AlgorithmServer<Service>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflect)?;
    transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(AlgorithmServer::new(Service::new(shutdown.clone())))
        .serve_with_incoming_shutdown(connections, shutdown.cancelled())
        .await
        .map_err(ServeError::Serve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_a_socket() {
        for text in ["127.0.0.1:50051", "[::1]:0", "localhost:80", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "50051", ":50051", "localhost", "localhost:x", "http://localhost:80", "unix:a.sock", "unix:"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
