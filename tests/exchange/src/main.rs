//! `local-exchange`: the server as a process, for demos and tests in a cluster.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use local_exchange::{Faults, Server, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// A local exchange that speaks the public protocols of Binance, Kraken and Coinbase.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9443")]
    listen: SocketAddr,
    /// An instrument as BTC/USD; several times for more.
    #[arg(long = "symbol", default_values = ["BTC/USD", "ETH/USD"])]
    symbols: Vec<String>,
    /// Prices and sizes follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first trade of each instrument.
    #[arg(long, default_value_t = 1_000)]
    first_number: u64,
    /// The first number follows from the clock, so that an exchange that is started again goes on above its numbers. The trades between are
    /// missing.
    #[arg(long, conflicts_with = "first_number")]
    numbers_by_clock: bool,
    /// Trades of each instrument in a second. 0: those that the control endpoint asks for alone.
    #[arg(long, default_value_t = 5)]
    trades_per_second: u32,
    /// Time between two trades, in microseconds. Without it, trades have the time of the clock.
    #[arg(long)]
    step_micros: Option<i64>,
    /// Faults from the start, as JSON: the body of POST /control/faults.
    #[arg(long)]
    faults: Option<String>,
    /// Certificates for TLS, PEM.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key for TLS, PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// More than an exchange gives in a second.
const NUMBERS_PER_SECOND: u64 = 1_000;

impl Args {
    #[expect(clippy::disallowed_methods, reason = "an edge: the process has just started")]
    fn first_number(&self) -> u64 {
        let seconds = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        if self.numbers_by_clock { seconds * NUMBERS_PER_SECOND } else { self.first_number }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    let settings = Settings {
        first_number: args.first_number(),
        listen: args.listen,
        symbols: args.symbols,
        seed: args.seed,
        trades_per_second: args.trades_per_second,
        step_micros: args.step_micros,
        tls: args.tls_cert.zip(args.tls_key),
        ..Settings::default()
    };
    let faults: Faults = args.faults.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
    let server = Server::start(settings).await?;
    server.hub().set(|current| *current = faults);
    tracing::info!(url = server.url("/ws"), rest = server.rest_url(), "the exchange is open");
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
