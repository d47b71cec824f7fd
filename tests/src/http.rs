//! Just enough HTTP for the pages of our processes and the local exchange.

use std::net::Ipv4Addr;

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Status and body of a page on 127.0.0.1; `None` while no server answers.
pub async fn get(port: u16, path: &str) -> anyhow::Result<Option<(u16, String)>> {
    exchange(port, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")).await
}

/// Status and body of the answer to a POST; `None` while no server answers.
pub async fn post(port: u16, path: &str, body: &str) -> anyhow::Result<Option<(u16, String)>> {
    let length = body.len();
    exchange(port, &format!("POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")).await
}

async fn exchange(port: u16, request: &str) -> anyhow::Result<Option<(u16, String)>> {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return Ok(None);
    };
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
