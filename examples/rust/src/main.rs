//! The binary `breakout`: see the library's documentation.

use std::{
    error::Error,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use breakout::server::{Address, Bound};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves a breakout algorithm to Intuition.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true)]
struct Args {
    /// Where to listen: `host:port` or `unix:/path`.
    #[arg(long, env = "INTUITION_ADDR", default_value = "127.0.0.1:50051")]
    addr: Address,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { addr } = Args::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
    match serve(addr).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or Ctrl-C.
async fn serve(addr: Address) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let bound = Bound::open(addr).await?;
    tracing::info!("breakout listens on {}", bound.address());
    let shutdown = CancellationToken::new();
    let serving = bound.serve(shutdown.clone());
    tokio::pin!(serving);
    tokio::select! {
        outcome = &mut serving => return Ok(outcome?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    shutdown.cancel();
    Ok(serving.await?)
}
