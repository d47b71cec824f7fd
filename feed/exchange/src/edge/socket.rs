//! The task of one WebSocket connection: it opens, reads frames into events, and sends on request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};
use url::Url;
use web_client::{Stream, dial};

use crate::session::{ConnectionId, Event};

/// Largest frame, and largest message of several frames, bytes.
const MAX_MESSAGE: usize = 4 << 20;
/// Most bytes of text frames that wait for the loop, of all connections: two of the largest.
pub(super) const MAX_WAITING: usize = 2 * MAX_MESSAGE;
const READ_BUFFER: usize = 64 << 10;
/// Most bytes that wait for a slow socket: subscriptions and pongs.
const MAX_WRITE: usize = 1 << 20;
/// Longest time for the upgrade, for sending one frame, and for closing.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request to the task. Closing its channel closes the connection.
#[derive(Debug)]
pub(super) enum Command {
    /// Send a text frame.
    Send(String),
    /// Send a ping frame.
    Ping,
}

/// An event on its way to the loop. It holds its bytes of [`MAX_WAITING`] until it is taken.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) event: Event,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// The environment of a connection.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) id: ConnectionId,
    pub(super) url: Url,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) events: mpsc::Sender<Incoming>,
    /// Room for the bytes of events, of all connections.
    pub(super) room: Arc<Semaphore>,
}

impl Socket {
    /// Runs the connection to its end.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<Command>) {
        let opened = tokio::select! {
            opened = self.open() => opened,
            // The session gave the attempt up.
            () = closed(&mut commands) => return,
        };
        let ended = match opened {
            Ok(socket) => self.serve(socket, commands).await,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = ended {
            self.report(Event::Ended(self.id, reason)).await;
        }
    }

    /// False: the session is gone.
    async fn report(&self, event: Event) -> bool {
        let bytes = match &event {
            Event::Text(_, text) => {
                let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
                Arc::clone(&self.room).acquire_many_owned(bytes).await.ok()
            }
            _ => None,
        };
        self.events.send(Incoming { event, _bytes: bytes }).await.is_ok()
    }

    async fn open(&self) -> Result<WebSocketStream<Box<dyn Stream>>, String> {
        let stream = dial(&self.url, self.tls.as_ref()).await.map_err(|error| error.to_string())?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        match timeout(TIMEOUT, client_async_with_config(self.url.as_str(), stream, Some(config))).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(format!("the exchange refuses the upgrade to a WebSocket: {}", shown(&error))),
            Err(_) => Err("the exchange does not answer the upgrade to a WebSocket".to_owned()),
        }
    }

    /// Returns the reason for the end. `None`: the session asked for it, or is gone.
    async fn serve(
        &self,
        mut socket: WebSocketStream<Box<dyn Stream>>,
        mut commands: mpsc::Receiver<Command>,
    ) -> Option<String> {
        if !self.report(Event::Opened(self.id)).await {
            return None;
        }
        loop {
            tokio::select! {
                frame = socket.next() => match self.event(frame) {
                    Ok(event) => {
                        if !self.report(event).await {
                            return None;
                        }
                    }
                    Err(reason) => return Some(reason),
                },
                command = commands.recv() => {
                    let frame = match command {
                        Some(Command::Send(text)) => Message::text(text),
                        Some(Command::Ping) => Message::Ping(Bytes::new()),
                        None => {
                            // The peer may be gone; its answer is of no use.
                            drop(timeout(TIMEOUT, socket.close(None)).await);
                            return None;
                        }
                    };
                    match timeout(TIMEOUT, socket.send(frame)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return Some(shown(&error)),
                        Err(_) => return Some("the exchange does not read".to_owned()),
                    }
                }
            }
        }
    }

    fn event(&self, frame: Option<Result<Message, Error>>) -> Result<Event, String> {
        match frame {
            Some(Ok(Message::Text(text))) => Ok(Event::Text(self.id, text.as_str().to_owned())),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {
                Ok(Event::Frame(self.id))
            }
            Some(Ok(Message::Close(None))) => Err("the exchange closed it".to_owned()),
            Some(Ok(Message::Close(Some(frame)))) => {
                let text = intuition_common::text::printable(&frame.reason).into_owned();
                Err(format!("the exchange closed it with code {}: {text}", u16::from(frame.code)))
            }
            Some(Err(error)) => Err(shown(&error)),
            None => Err("the exchange ended it".to_owned()),
        }
    }
}

/// Returns once the channel of commands is closed.
async fn closed(commands: &mut mpsc::Receiver<Command>) {
    while commands.recv().await.is_some() {}
}

fn shown(error: &Error) -> String {
    intuition_common::text::printable(&error.to_string()).into_owned()
}
