//! Just enough HTTP to read `/readyz` and `/metrics`.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Status and body of a page on 127.0.0.1; `None` while no server answers.
pub async fn get(port: u16, path: &str) -> anyhow::Result<Option<(u16, String)>> {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return Ok(None);
    };
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let mut answer = String::new();
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    if exchange.await.is_err() || answer.is_empty() {
        // It was killed under our hands.
        return Ok(None);
    }
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer without an end of its head")?;
    let status = head.split(' ').nth(1).context("an HTTP answer without a status")?.parse()?;
    Ok(Some((status, body.to_owned())))
}
