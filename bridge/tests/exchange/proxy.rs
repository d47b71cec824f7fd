//! A TCP proxy in front of the broker, which can slow connections down and cut them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Connections so far.
    accepted: AtomicUsize,
    /// About 1 MB a second from the broker.
    is_slow: AtomicBool,
    cut: std::sync::Mutex<CancellationToken>,
}

impl Proxy {
    /// Starts one in front of a broker's port.
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let proxy = Self { url, state: Arc::default() };
        let running = proxy.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                running.state.accepted.fetch_add(1, Ordering::SeqCst);
                let Ok(broker) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let ((client_read, client_write), (broker_read, broker_write)) =
                    (client.into_split(), broker.into_split());
                let cut = running.state.cut.lock().unwrap().clone();
                for (from, to, is_throttled) in [(client_read, broker_write, false), (broker_read, client_write, true)]
                {
                    let (state, cut) = (Arc::clone(&running.state), cut.clone());
                    #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
                    tokio::spawn(cut.run_until_cancelled_owned(pump(from, to, state, is_throttled)));
                }
            }
        });
        proxy
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn set_slow(&self, is_slow: bool) {
        self.state.is_slow.store(is_slow, Ordering::SeqCst);
    }

    /// Drops all connections with the bytes on their way.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.state.cut.lock().unwrap()).cancel();
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>, is_throttled: bool) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if is_throttled && state.is_slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(16)).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
}
