//! The bytes of a connection: TCP, or TLS over it.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use futures::FutureExt as _;
use rumqttc::tokio_rustls::{TlsConnector, client::TlsStream};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest, Ready},
    net::TcpStream,
};

use super::{Address, LinkError, dial, protocol::Work};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

pub(super) enum Socket {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// A step of a socket.
pub(super) enum Step {
    Wrote,
    /// Everything written so far is at the operating system.
    Flushed,
    /// So many bytes; 0: the broker has closed the connection.
    Read(usize),
}

/// Which half failed.
pub(super) enum Failed {
    Write(io::Error),
    Read(io::Error),
}

impl Socket {
    /// Connects; `tls` as it was set up for the address.
    pub(super) async fn connect(address: &Address, tls: Option<Arc<ClientConfig>>) -> Result<Self, LinkError> {
        let reach = |error: io::Error| LinkError::Reach(Box::new(error));
        let tcp = dial::dial(address).await.map_err(reach)?;
        tcp.set_nodelay(true).map_err(reach)?;
        let Some(config) = tls else { return Ok(Self::Plain(tcp)) };
        let name =
            ServerName::try_from(address.bare_host().to_owned()).map_err(|error| LinkError::Secure(Box::new(error)))?;
        let secured = TlsConnector::from(config).connect(name, tcp).await;
        secured.map(|stream| Self::Secure(Box::new(stream))).map_err(|error| LinkError::Secure(Box::new(error)))
    }

    /// Does the first step of `work` that is possible: writes from `output`, flushes, or reads to the end of `input`. May be
    /// abandoned at any time.
    pub(super) async fn step(
        &mut self,
        work: [Option<Work>; 2],
        output: &mut BytesMut,
        input: &mut BytesMut,
    ) -> Result<Step, Failed> {
        poll_fn(|context| {
            for work in work.into_iter().flatten() {
                let step = match work {
                    Work::Write => self.poll_write(context, output).map_ok(|()| Step::Wrote).map_err(Failed::Write),
                    Work::Flush => self.poll_flush(context).map_ok(|()| Step::Flushed).map_err(Failed::Write),
                    Work::Read => self.poll_read(context, input).map_ok(Step::Read).map_err(Failed::Read),
                };
                if step.is_ready() {
                    return step;
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Reads to the end of `input`.
    pub(super) async fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|context| self.poll_read(context, input)).await
    }

    /// Writes all of `output`.
    pub(super) async fn write_all(&mut self, output: &mut BytesMut) -> io::Result<()> {
        while !output.is_empty() {
            poll_fn(|context| self.poll_write(context, output)).await?;
        }
        poll_fn(|context| self.poll_flush(context)).await
    }

    /// Writes all of `output`, ends the sending half, and returns when the peer has ended its own. Bytes of the peer are read
    /// and dropped meanwhile: a socket that is closed with unread bytes resets the connection, and the peer may lose the end
    /// of `output` over that.
    pub(super) async fn close(&mut self, output: &mut BytesMut) -> io::Result<()> {
        let mut dropped = BytesMut::new();
        while !output.is_empty() {
            dropped.clear();
            match self.step([Some(Work::Write), Some(Work::Read)], output, &mut dropped).await {
                Ok(Step::Read(0)) => return Ok(()),
                Ok(_) => {}
                Err(Failed::Write(error) | Failed::Read(error)) => return Err(error),
            }
        }
        self.write_all(output).await?;
        match self {
            Self::Plain(stream) => stream.shutdown().await?,
            Self::Secure(stream) => stream.shutdown().await?,
        }
        loop {
            dropped.clear();
            if self.read(&mut dropped).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Whether the peer has closed the connection, as far as the operating system knows without reading.
    pub(super) fn is_closed(&self) -> bool {
        let tcp = match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => stream.get_ref().0,
        };
        let ready = tcp.ready(Interest::READABLE).now_or_never();
        ready.is_some_and(|ready| ready.is_ok_and(Ready::is_read_closed))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, output: &mut BytesMut) -> Poll<io::Result<()>> {
        let written = match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, output),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_write(context, output),
        };
        written.map(|written| match written {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                output.advance(count);
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // Neither keeps anything between polls: a future of its own for each is as good as one for all.
        if input.capacity() == input.len() {
            input.reserve(READ_BYTES);
        }
        match self {
            Self::Plain(stream) => pin!(stream.read_buf(input)).poll(context),
            Self::Secure(stream) => pin!(stream.read_buf(input)).poll(context),
        }
    }
}
