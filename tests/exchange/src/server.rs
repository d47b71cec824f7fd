//! The listener: plain or with TLS, until it is dropped.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::interval,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    http::Service,
    hub::Hub,
    market::{Instrument, are_distinct},
};

pub use crate::socket::Times;

/// The settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on. Port 0: any.
    pub listen: SocketAddr,
    /// The instruments, `BTC/USD`.
    pub symbols: Vec<String>,
    /// Prices and sizes follow from it.
    pub seed: u64,
    /// Number of each instrument's first trade.
    pub first_number: u64,
    /// Trades that each instrument makes in a second by itself. 0: those that are asked for alone.
    pub trades_per_second: u32,
    /// Time between two trades. `None`: trades have the time of the clock.
    pub step_micros: Option<i64>,
    /// Limits of the protocols.
    pub times: Times,
    /// Certificates and key, PEM. `None`: no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            symbols: vec!["BTC/USD".to_owned(), "ETH/USD".to_owned()],
            seed: 1,
            first_number: 1_000,
            trades_per_second: 0,
            step_micros: None,
            times: Times::default(),
            tls: None,
        }
    }
}

/// A server that runs. Dropping it ends it, with all of its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    is_secure: bool,
    hub: Hub,
    stop: CancellationToken,
}

impl Server {
    /// Starts a server.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        anyhow::ensure!(are_distinct(&settings.symbols), "two symbols have one spelling: {:?}", settings.symbols);
        let tls = settings.tls.as_ref().map(|(chain, key)| acceptor(chain, key)).transpose()?;
        let listener = TcpListener::bind(settings.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        let instruments =
            settings.symbols.iter().map(|name| Instrument::new(name, settings.seed, settings.first_number)).collect();
        let hub = Hub::new(instruments, settings.step_micros);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let is_secure = tls.is_some();
        let service = Service { hub: hub.clone(), times: settings.times, tasks: tasks.clone(), stop: stop.clone() };
        tasks.spawn(stop.clone().run_until_cancelled_owned(listen(listener, tls, service, stop.clone())));
        if let Some(pause) = Duration::from_secs(1).checked_div(settings.trades_per_second) {
            tasks.spawn(stop.clone().run_until_cancelled_owned(trade(hub.clone(), pause)));
        }
        Ok(Self { address, is_secure, hub, stop })
    }

    /// The market, the faults, the record.
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The address that it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Address of a WebSocket: `/ws` Binance, `/v2` Kraken, `/` Coinbase.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Address for REST.
    pub fn rest_url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn acceptor(chain: &PathBuf, key: &PathBuf) -> anyhow::Result<TlsAcceptor> {
    let read = |path: &PathBuf| format!("cannot read {}", path.display());
    let chain = CertificateDer::pem_file_iter(chain).with_context(|| read(chain))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| read(key))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, service: Service, stop: CancellationToken) {
    loop {
        // An error of one connection, or too many open files: the next one may do.
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let (tls, service, tasks) = (tls.clone(), service.clone(), service.tasks.clone());
        let connection = async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(tcp).await {
                        serve(stream, service).await;
                    }
                }
                None => serve(tcp, service).await,
            }
        };
        tasks.spawn(stop.clone().run_until_cancelled_owned(connection));
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, service: Service) {
    let answer = service_fn(move |request| service.clone().answer(request));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
    // A client that goes away is no error of the server.
    drop(connection.with_upgrades().await);
}

async fn trade(hub: Hub, pause: Duration) {
    let mut ticks = interval(pause);
    loop {
        ticks.tick().await;
        for place in 0..hub.instruments() {
            hub.make_one(place);
        }
    }
}
