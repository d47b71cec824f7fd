//! The task that polls one connection.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use intuition_common::backoff::Backoff;
use rumqttc::{
    Outgoing,
    v5::{
        AsyncClient, ConnectionError, Event as Polled, EventLoop,
        mqttbytes::v5::{ConnAck, Packet},
    },
};
use tokio::{
    sync::{Semaphore, mpsc},
    time,
};

use super::{
    Credentials, Event, LinkError, Options, Request, codes, credentials::Presented, library, underway::Underway,
};

/// Requests handed to the client library and not yet written by it.
const QUEUED: usize = 1024;
/// Bytes of messages that wait among the events: a queue of the largest ones would be gigabytes.
const WAITING_BYTES: usize = 64 << 20;
/// How long events may find no room before the connection is given up: well below what the broker waits for a ping.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection shorter than this counts as a failed attempt: not every broker says that somebody else took the session.
const STEADY: Duration = Duration::from_secs(5);
/// The pause after somebody else took the session or its place: two that fight for it must not do so at full speed.
const TAKEN_OVER_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Task {
    options: Options,
    /// The attempt under way names a user.
    is_named: bool,
    eventloop: EventLoop,
    client: AsyncClient,
    requests: mpsc::UnboundedReceiver<Request>,
    events: mpsc::Sender<Event>,
    underway: Underway,
    epoch: u64,
    /// Refusals of our own that found no room among the events.
    answers: VecDeque<Event>,
    /// What is left of [`WAITING_BYTES`].
    room: Arc<Semaphore>,
}

enum Step {
    Polled(Box<Result<Polled, ConnectionError>>),
    StoodDown,
    Closed,
}

impl Task {
    pub(super) fn new(
        options: Options,
        requests: mpsc::UnboundedReceiver<Request>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, LinkError> {
        let presented = match &options.credentials {
            fixed @ Credentials::Fixed(_) => fixed.present(options.address.tls)?,
            // Read with each attempt.
            Credentials::Folder(_) => Presented::default(),
        };
        let (client, eventloop) = AsyncClient::new(library::library_options(&options, presented), QUEUED);
        Ok(Self {
            options,
            is_named: false,
            eventloop,
            client,
            requests,
            events,
            underway: Underway::default(),
            epoch: 0,
            answers: VecDeque::new(),
            room: Arc::new(Semaphore::new(WAITING_BYTES)),
        })
    }

    /// Keeps the connection until it is told to end, or nobody is left to talk to.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let began = time::Instant::now();
            let Some(error) = self.connection().await else { return };
            if self.underway.epoch.is_some() && began.elapsed() >= STEADY {
                backoff.reset();
            }
            let pause = if error.is_taken_over() { TAKEN_OVER_PAUSE } else { backoff.pause() };
            self.forget();
            // However long it takes: without room for this there is none for messages either.
            if self.events.send(Event::Disconnected(error)).await.is_err() || !self.rest(pause).await {
                return;
            }
        }
    }

    /// One connection, from the attempt to its end. `None`: told to end.
    async fn connection(&mut self) -> Option<LinkError> {
        if let Err(error) = self.read_credentials().await {
            return Some(error);
        }
        loop {
            while let Some(answer) = self.answers.pop_front() {
                if let Err(error) = self.emit(answer).await {
                    return error;
                }
            }
            let event = match self.step().await {
                Step::Closed => return None,
                Step::StoodDown => return Some(LinkError::StandDown),
                Step::Polled(polled) => match *polled {
                    // Nothing comes after our own farewell.
                    Ok(Polled::Outgoing(Outgoing::Disconnect)) => return None,
                    Ok(polled) => self.understand(polled),
                    Err(error) => return self.last_answers().await.or(Some(self.explain(codes::link_error(error)))),
                },
            };
            if let Some(event) = event
                && let Err(error) = self.emit(event).await
            {
                return error;
            }
        }
    }

    /// A refusal of somebody who named nobody is mostly about a Secret that is not there.
    fn explain(&self, error: LinkError) -> LinkError {
        match (error, &self.options.credentials) {
            (LinkError::Refuse(code), Credentials::Folder(folder)) if !self.is_named => {
                LinkError::RefuseNameless { code, folder: folder.clone() }
            }
            (error, _) => error,
        }
    }

    /// Takes up what the folder of credentials holds now.
    async fn read_credentials(&mut self) -> Result<(), LinkError> {
        let Options { credentials, address, .. } = &self.options;
        if let Credentials::Folder(_) = credentials {
            let (credentials, tls) = (credentials.clone(), address.tls);
            let presented = tokio::task::spawn_blocking(move || credentials.present(tls)).await;
            // It is cancelled only when the whole process ends.
            let presented = presented.map_err(|error| LinkError::Reach(Box::new(error)))??;
            self.is_named = presented.username.is_some();
            self.eventloop.options = library::library_options(&self.options, presented);
        }
        Ok(())
    }

    /// What the broker answered right before the connection ended: mosquitto 2.0.11 with `max_queued_messages 0` ends it
    /// with every PUBACK that refuses, and the refusal must not be lost.
    async fn last_answers(&mut self) -> Option<LinkError> {
        for polled in std::mem::take(&mut self.eventloop.state.events) {
            // Messages come again on the next connection.
            if let Polled::Incoming(Packet::Publish(_) | Packet::ConnAck(_)) = polled {
                continue;
            }
            if let Some(event) = self.understand(polled)
                && let Err(Some(error)) = self.emit(event).await
            {
                return Some(error);
            }
        }
        None
    }

    /// Polls until something happens, passing requests on meanwhile. The poll is never abandoned half way: that would
    /// start the handshake over, or lose a packet half written.
    async fn step(&mut self) -> Step {
        let polling = self.eventloop.poll();
        tokio::pin!(polling);
        loop {
            tokio::select! {
                polled = &mut polling => return Step::Polled(Box::new(polled)),
                request = self.requests.recv(), if self.underway.queued < QUEUED => {
                    let Some(request) = request else { return Step::Closed };
                    if let Request::StandDown { epoch } = request {
                        if self.underway.epoch == Some(epoch) {
                            return Step::StoodDown;
                        }
                    } else if matches!(request, Request::Disconnect) {
                        // Without a connection there is nobody to say farewell to.
                        if self.underway.epoch.is_none() || self.client.try_disconnect().is_err() {
                            return Step::Closed;
                        }
                    } else if let Some(answer) = self.underway.submit(&self.client, request)
                        // A refusal of our own must not wait for the broker to say something.
                        && let Err(mpsc::error::TrySendError::Full(answer)) = self.events.try_send(answer)
                    {
                        self.answers.push_back(answer);
                    }
                }
            }
        }
    }

    /// Hands an event over. `Err(None)`: nobody takes events any more.
    async fn emit(&mut self, mut event: Event) -> Result<(), Option<LinkError>> {
        let waiting = async {
            if let Event::Message(message) = &mut event {
                let bytes = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
                message.room = Arc::clone(&self.room).acquire_many_owned(bytes).await.ok();
            }
            self.events.send(event).await.map_err(|_| None)
        };
        time::timeout(PATIENCE, waiting).await.unwrap_or(Err(Some(LinkError::Overflow)))
    }

    /// Makes what was under way void, in the client library too: it would send it again on the next connection.
    fn forget(&mut self) {
        // Again, after the library's own: acknowledgements may have been queued since.
        self.eventloop.clean();
        self.eventloop.pending.clear();
        self.eventloop.state.events.clear();
        self.eventloop.state.collision = None;
        self.underway = Underway::default();
        self.answers.clear();
    }

    /// Waits before the next attempt. False: told to end.
    async fn rest(&mut self, pause: Duration) -> bool {
        let until = time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = time::sleep_until(until) => return true,
                () = self.events.closed() => return false,
                request = self.requests.recv() => match request {
                    None | Some(Request::Disconnect) => return false,
                    // Of an epoch that has ended.
                    Some(_) => {}
                },
            }
        }
    }

    fn understand(&mut self, polled: Polled) -> Option<Event> {
        match polled {
            Polled::Incoming(Packet::ConnAck(connack)) => Some(self.connected(&connack)),
            Polled::Incoming(Packet::Publish(publish)) => Some(Event::Message(library::incoming(publish))),
            Polled::Incoming(packet) => self.underway.answered(&packet),
            Polled::Outgoing(outgoing) => {
                self.underway.written(&outgoing);
                None
            }
        }
    }

    fn connected(&mut self, connack: &ConnAck) -> Event {
        self.epoch += 1;
        let properties = connack.properties.as_ref();
        self.underway.epoch = Some(self.epoch);
        self.underway.max_packet_size = properties.and_then(|properties| properties.max_packet_size);
        Event::Connected {
            epoch: self.epoch,
            session_present: connack.session_present,
            receive_maximum: properties.and_then(|properties| properties.receive_max).unwrap_or(u16::MAX),
        }
    }
}
