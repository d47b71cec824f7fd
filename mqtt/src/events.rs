//! Events on their way from the connection's task, in two lanes.
//!
//! Messages, and the answers to subscriptions, keep their order and wait in a bounded lane: a full one stops the reading.
//! The other lane is for events that must not wait behind messages, such as the end of the connection.

use std::sync::Arc;

use intuition_common::planted::{self, Mistake};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{Event, Sizes};

/// The receiving side of a link's events.
#[derive(Debug)]
pub struct Events {
    control: mpsc::UnboundedReceiver<Event>,
    ordered: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; those about connections and publications overtake messages. `None`: the task has ended. May be
    /// abandoned at any time.
    pub async fn recv(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            Some(event) = self.control.recv() => Some(event),
            Some(event) = self.ordered.recv() => Some(event),
            else => None,
        }
    }

    /// The next event that is neither a message nor an answer to a subscription. `None`: the task has ended. May be
    /// abandoned at any time.
    pub async fn recv_control(&mut self) -> Option<Event> {
        self.control.recv().await
    }

    /// The next event, in the order of [`Events::recv`], if there is one now.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.control.try_recv().or_else(|_| self.ordered.try_recv()).ok()
    }

    /// The next event that is neither a message nor an answer to a subscription, if there is one now.
    pub fn try_recv_control(&mut self) -> Option<Event> {
        if planted::is(Mistake::NewsBehindMessages) {
            return None;
        }
        self.control.try_recv().ok()
    }
}

/// The senders' side of a link's events. Clones send into the same lanes.
#[derive(Debug, Clone)]
pub struct Lanes {
    // The channel needs no bound: each event in it answers a request, or is one of two for a connection.
    control: mpsc::UnboundedSender<Event>,
    ordered: mpsc::Sender<Event>,
    /// The bytes of [`Sizes::waiting_bytes`] that are left.
    room: Arc<Semaphore>,
    waiting_bytes: u32,
}

/// Lanes with a bound on the events in order, at least 1, and on the memory of the messages among them.
pub fn lanes(capacity: usize, sizes: &Sizes) -> (Lanes, Events) {
    let (control, control_receiver) = mpsc::unbounded_channel();
    let (ordered, ordered_receiver) = mpsc::channel(capacity);
    let waiting_bytes = u32::try_from(sizes.waiting_bytes).unwrap_or(u32::MAX);
    let room = Arc::new(Semaphore::new(usize::try_from(waiting_bytes).unwrap_or(Semaphore::MAX_PERMITS)));
    let lanes = Lanes { control, ordered, room, waiting_bytes };
    (lanes, Events { control: control_receiver, ordered: ordered_receiver })
}

impl Lanes {
    /// Sends an event that overtakes messages. False: there is no receiver.
    pub fn tell(&self, event: Event) -> bool {
        self.control.send(event).is_ok()
    }

    /// Sends an event in its order, or gives it back where there is no room for it.
    pub(super) fn try_place(&self, mut event: Event) -> Option<Event> {
        if let Event::Message(message) = &mut event
            && message.room.is_none()
        {
            let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(self.permits(message.size)) else {
                return Some(event);
            };
            message.room = Some(permit);
        }
        match self.ordered.try_send(event) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) => Some(event),
        }
    }

    /// Waits until there is room for an event and sends it. May be abandoned at any time.
    pub(super) async fn place(&self, event: &mut Option<Event>) {
        let mut permit: Option<OwnedSemaphorePermit> = None;
        if let Some(Event::Message(message)) = event
            && message.room.is_none()
        {
            permit = Arc::clone(&self.room).acquire_many_owned(self.permits(message.size)).await.ok();
        }
        // It fails only without a receiver, which `closed` reports.
        let Ok(place) = self.ordered.reserve().await else { return std::future::pending().await };
        if let Some(mut event) = event.take() {
            if let (Event::Message(message), Some(permit)) = (&mut event, permit) {
                message.room = Some(permit);
            }
            place.send(event);
        }
    }

    /// Returns when there is no receiver.
    pub(super) async fn closed(&self) {
        self.ordered.closed().await;
    }

    /// A message that is larger than the bound waits until there is no other one.
    fn permits(&self, size: usize) -> u32 {
        u32::try_from(size).unwrap_or(u32::MAX).min(self.waiting_bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Incoming;

    fn message(size: usize) -> Event {
        Event::Message(Incoming {
            epoch: 1,
            topic: "q".to_owned(),
            payload: Bytes::new(),
            packet_id: 1,
            duplicate: false,
            retained: false,
            subscription_ids: vec![],
            user_properties: vec![],
            size,
            room: None,
        })
    }

    #[tokio::test]
    async fn message_above_the_bound_waits_until_there_is_no_other_one() {
        let sizes = Sizes::default();
        let (lanes, mut events) = lanes(10, &sizes);
        assert!(lanes.try_place(message(1)).is_none());
        let mut stalled = lanes.try_place(message(sizes.waiting_bytes + 1));
        assert!(stalled.is_some());
        drop(events.recv().await);
        lanes.place(&mut stalled).await;
        assert!(lanes.try_place(message(1)).is_some(), "it fills the room");
        drop(events.recv().await);
        assert!(lanes.try_place(message(1)).is_none());
    }
}
