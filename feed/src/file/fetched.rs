//! The bytes of a fetched file, for the thread that reads its rows.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc;

use super::fetch::{FetchError, Item};
use crate::source::{Condition, SourceEvent};

/// The source cannot be reached.
const UNREACHABLE: &str = "FileUnreachable";

/// A fetched file. It shows on `events` when the server is away.
pub(super) struct Fetched {
    /// The URL, for people.
    name: String,
    items: mpsc::Receiver<Item>,
    events: mpsc::Sender<SourceEvent>,
    part: Bytes,
    has_ended: bool,
    was_missing: Arc<AtomicBool>,
}

/// The task of a fetch has ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("the fetch of the file was stopped")]
struct Stopped;

impl Fetched {
    /// `was_missing` is set whenever the server was reported as away.
    pub(super) const fn new(
        name: String,
        items: mpsc::Receiver<Item>,
        events: mpsc::Sender<SourceEvent>,
        was_missing: Arc<AtomicBool>,
    ) -> Self {
        Self { name, items, events, part: Bytes::new(), has_ended: false, was_missing }
    }

    /// Waits for the first bytes, or the end.
    pub(super) fn begin(&mut self) -> Result<(), FetchError> {
        match self.advance() {
            Ok(()) => Ok(()),
            Err(error) => match error.downcast::<FetchError>() {
                Ok(refused) => Err(refused),
                // The reading shows it.
                Err(_) => Ok(()),
            },
        }
    }

    /// Waits until there are bytes, or the end is known.
    fn advance(&mut self) -> io::Result<()> {
        while self.part.is_empty() && !self.has_ended {
            match self.items.blocking_recv() {
                Some(Item::Part(part)) => self.part = part,
                Some(Item::End) => self.has_ended = true,
                Some(Item::Cut) => self.show(SourceEvent::Disconnected { count: 1 }),
                Some(Item::Unreachable(cause)) => {
                    self.show(SourceEvent::Disconnected { count: 1 });
                    let message = format!("{}: {cause}", self.name);
                    self.was_missing.store(true, Ordering::Relaxed);
                    self.show(SourceEvent::Condition(Condition::Missing { reason: UNREACHABLE, message }));
                }
                Some(Item::Failed(error)) => return Err(io::Error::other(error)),
                None => return Err(io::Error::other(Stopped)),
            }
        }
        Ok(())
    }

    fn show(&self, event: SourceEvent) {
        // A receiver that is gone has stopped the fetch as well.
        drop(self.events.blocking_send(event));
    }
}

impl Read for Fetched {
    /// Fills the whole buffer but at the end: the kind of a file is recognised by its first bytes.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            self.advance()?;
            let count = room.len().min(self.part.len());
            if count == 0 {
                break;
            }
            self.part.copy_to_slice(room.get_mut(..count).unwrap_or_default());
            filled += count;
        }
        Ok(filled)
    }
}
