//! Free TCP ports.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::bail;

/// Below the range from which Linux takes the local ports of outgoing connections, so that none of those can take one
/// away between finding it and using it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on, never the same twice in a process.
pub fn free() -> anyhow::Result<u16> {
    // Test executables that run at the same time begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let offset = u32::from(NEXT.fetch_add(7, Ordering::Relaxed)) + u32::from(start);
        let port = FIRST + u16::try_from(offset % u32::from(COUNT))?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} on")
}

/// Whether somebody accepts connections there.
pub async fn answers(port: u16) -> bool {
    tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok()
}
