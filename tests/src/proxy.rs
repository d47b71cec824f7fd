//! A TCP proxy before a broker: it can slow the link down and reset every connection.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::ports;

/// Bytes that one read may bring: small enough for an even pace on a slow link.
const CHUNK: usize = 16 * 1024;

/// A proxy on 127.0.0.1. It ends with all its connections when it is dropped.
pub struct Proxy {
    port: u16,
    /// Cancelled and replaced by each [`Proxy::reset`].
    connections: Arc<Mutex<CancellationToken>>,
    /// Aborted with the proxy, and with it every connection.
    _task: JoinSet<()>,
}

impl Proxy {
    /// A proxy that passes everything on to `upstream` at once.
    pub async fn start(upstream: u16) -> anyhow::Result<Self> {
        Self::start_with(upstream, None).await
    }

    /// A proxy that passes on at most so many bytes a second in the direction of the client.
    pub async fn slow(upstream: u16, bytes_per_second: u32) -> anyhow::Result<Self> {
        Self::start_with(upstream, Some(bytes_per_second)).await
    }

    async fn start_with(upstream: u16, pace: Option<u32>) -> anyhow::Result<Self> {
        let port = ports::free()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let connections = Arc::new(Mutex::new(CancellationToken::new()));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, upstream, pace, Arc::clone(&connections)));
        Ok(Self { port, connections, _task: task })
    }

    /// As the bridge takes it.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Resets every connection that is open now. New ones are accepted.
    pub fn reset(&self) {
        let mut current = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *current).cancel();
    }
}

async fn accept(listener: TcpListener, upstream: u16, pace: Option<u32>, connections: Arc<Mutex<CancellationToken>>) {
    let mut pairs = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let reset = connections.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pairs.spawn(async move {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else { return };
            // Without lingering a closed socket sends RST, and its unsent bytes are lost as on a broken link.
            if client.set_zero_linger().and(server.set_zero_linger()).is_err() {
                return;
            }
            reset.run_until_cancelled(join(client, server, pace)).await;
        });
    }
}

async fn join(client: TcpStream, server: TcpStream, pace: Option<u32>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, None) => {}
        () = pass(from_server, to_client, pace) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pace: Option<u32>) {
    let mut bytes = vec![0; CHUNK];
    let mut due = Instant::now();
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if let Some(pace) = pace {
            sleep_until(due).await;
            let share = f64::from(u32::try_from(read).unwrap_or(u32::MAX)) / f64::from(pace);
            due = due.max(Instant::now()) + Duration::from_secs_f64(share);
        }
        let Some(chunk) = bytes.get(..read) else { return };
        if to.write_all(chunk).await.is_err() {
            return;
        }
    }
}
