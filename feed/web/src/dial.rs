//! A byte stream to an address, with TLS where the scheme asks for it.

use std::{io, sync::Arc, time::Duration};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Url;

/// Longest time to connect, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The address has no host, or an unusable one.
    #[error("the address {0} has no usable host")]
    UseHost(Url),
    /// TCP cannot connect.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// The server is not trusted, or does not speak TLS.
    #[error("TLS with {address} fails: {source}")]
    Secure {
        /// Host and port.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// It took too long.
    #[error("no connection to {address} within {} seconds", CONNECT_TIMEOUT.as_secs())]
    TimeOut {
        /// Host and port.
        address: String,
    },
}

/// A byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to the host of `url`. `tls`: for the schemes `wss` and `https`; without it, they have no TLS either.
pub async fn dial(url: &Url, tls: Option<&Arc<ClientConfig>>) -> Result<Box<dyn Stream>, ReachError> {
    let host = url.host_str().ok_or_else(|| ReachError::UseHost(url.clone()))?;
    // Brackets of an IPv6 address belong to the URL alone.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_or_known_default().ok_or_else(|| ReachError::UseHost(url.clone()))?;
    let address = format!("{host}:{port}");
    let connect = async {
        let connected = TcpStream::connect((host.as_str(), port)).await;
        let tcp = connected.map_err(|source| ReachError::Connect { address: address.clone(), source })?;
        // Requests, subscriptions and pongs are small and must not wait for more.
        let nodelay = tcp.set_nodelay(true);
        nodelay.map_err(|source| ReachError::Connect { address: address.clone(), source })?;
        let Some(tls) = tls.filter(|_| matches!(url.scheme(), "wss" | "https")) else {
            return Ok(Box::new(tcp) as Box<dyn Stream>);
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| ReachError::UseHost(url.clone()))?;
        let secured = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        let secured = secured.map_err(|source| ReachError::Secure { address: address.clone(), source })?;
        Ok(Box::new(secured) as Box<dyn Stream>)
    };
    match timeout(CONNECT_TIMEOUT, connect).await {
        Ok(connected) => connected,
        Err(_) => Err(ReachError::TimeOut { address }),
    }
}
