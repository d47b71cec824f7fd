//! One connection, from CONNECT to its end.
//!
//! One loop writes and reads. Everything that was requested is written before more is read, many packets at once, so that no
//! acknowledgement waits behind messages. Where an event finds no room, reading stops until there is some: the socket
//! fills up, and the broker keeps the rest. The keep alive goes on meanwhile.

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

use super::{
    Code, Event, LinkError, Message, Options, Request, codes,
    credentials::Presented,
    events::Lanes,
    liveness::Liveness,
    packets::{self, Packet},
    socket::{Failed, Socket, Step},
    underway::Underway,
};

/// Bytes that may wait to be written before further publications are left in their queue.
const WRITE_AHEAD: usize = 64 * 1024;
/// How often the socket is asked for the end of the connection while nothing is read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long it is read on after nothing can be written any more.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection has ended.
pub(super) enum End {
    /// By [`super::Link::disconnect`], or since there is no other side any more.
    Told,
    /// It broke, or was given up.
    Failed(LinkError),
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self::Failed(error)
    }
}

/// A connection that the broker has accepted.
pub(super) struct Connection<'a> {
    epoch: u64,
    socket: Socket,
    input: BytesMut,
    output: BytesMut,
    /// Something was written and not flushed.
    is_unflushed: bool,
    /// The last acknowledgement in the output, and the last reported as written.
    acked: u64,
    acks_told: u64,
    underway: Underway,
    liveness: Liveness,
    /// How long an answer may take.
    patience: Duration,
    /// An event without room; nothing is read meanwhile.
    stalled: Option<Event>,
    /// The broker refused a request: some brokers end the connection over it.
    pub(super) has_refused: bool,
    lanes: &'a Lanes,
    requests: &'a mut mpsc::UnboundedReceiver<Request>,
}

/// A socket with its CONNACK, and the bytes read behind that.
pub(super) struct Accepted {
    socket: Socket,
    input: BytesMut,
    connack: packets::Accepted,
    keep_alive: Duration,
    patience: Duration,
}

/// Connects and waits for the CONNACK. A broker that keeps no retained messages, or takes no publication with `QoS` 1,
/// refuses a last will that asks for it: the attempt is made again without.
pub(super) async fn connect(options: &Options, presented: Presented) -> Result<Accepted, LinkError> {
    let will = options.last_will.as_ref();
    match attempt(options, will, &presented).await {
        Err(LinkError::Refuse(code)) if will.is_some() && is_about_will(code) => {
            attempt(options, None, &presented).await.map(|accepted| accepted.without_will(code))
        }
        other => other,
    }
}

fn is_about_will(code: Code) -> bool {
    code == codes::RETAIN_NOT_SUPPORTED || code == codes::QOS_NOT_SUPPORTED
}

async fn attempt(options: &Options, will: Option<&Message>, presented: &Presented) -> Result<Accepted, LinkError> {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    packets::connect(options, will, presented, &mut output).map_err(LinkError::Refuse)?;
    let mut socket = Socket::connect(&options.address, presented.tls.clone()).await?;
    socket.write_all(&mut output).await.map_err(secure_or_reach)?;
    loop {
        match packets::take(&mut input).map_err(LinkError::BreakProtocol)? {
            Some(Packet::Accepted(connack)) => {
                let keep_alive = connack.keep_alive.unwrap_or(options.keep_alive);
                return Ok(Accepted { socket, input, connack, keep_alive, patience: options.answer_timeout });
            }
            Some(Packet::Refused(code)) => return Err(LinkError::Refuse(code)),
            Some(Packet::Ended(code)) => return Err(LinkError::End(code)),
            Some(_) => return Err(LinkError::BreakProtocol(packets::Malformed::NoConnAck)),
            None if socket.read(&mut input).await.map_err(secure_or_reach)? == 0 => return Err(closed()),
            None => {}
        }
    }
}

impl Accepted {
    /// The broker refused the last will by this code, which holds for other publications too.
    fn without_will(mut self, code: Code) -> Self {
        let capabilities = &mut self.connack.capabilities;
        if code == codes::RETAIN_NOT_SUPPORTED {
            capabilities.retain = false;
        } else {
            capabilities.max_qos = 0;
        }
        self
    }
}

impl<'a> Connection<'a> {
    /// Reports the new connection. [`Connection::run`] follows.
    pub(super) fn begin(
        accepted: Accepted,
        epoch: u64,
        lanes: &'a Lanes,
        requests: &'a mut mpsc::UnboundedReceiver<Request>,
    ) -> Self {
        let Accepted { socket, input, connack, keep_alive, patience } = accepted;
        lanes.tell(Event::Connected {
            epoch,
            session_present: connack.session_present,
            capabilities: connack.capabilities,
        });
        Self {
            epoch,
            socket,
            input,
            output: BytesMut::new(),
            is_unflushed: false,
            acked: 0,
            acks_told: 0,
            underway: Underway::new(connack.capabilities, patience),
            liveness: Liveness::new(keep_alive, Instant::now()),
            patience,
            stalled: None,
            has_refused: false,
            lanes,
            requests,
        }
    }

    /// Works until the connection ends.
    pub(super) async fn run(&mut self) -> End {
        loop {
            match self.turn().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        // All of them, also where the socket takes nothing: a farewell must not wait behind publications.
        loop {
            match self.requests.try_recv() {
                Ok(request) => self.take(request).await?,
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(End::Told),
            }
        }
        self.work_off()?;
        let now = Instant::now();
        self.request(now);
        let is_dry = self.output.is_empty();
        if self.liveness.ping(now, is_dry) {
            packets::ping(&mut self.output);
            self.underway.deadlines.pinged();
        }
        let is_reading = self.stalled.is_none();
        self.liveness.set_reading(is_reading, now);
        self.underway.deadlines.set_reading(is_reading, now);
        self.underway.deadlines.set_writing(!self.output.is_empty() || self.is_unflushed, now);
        if let Some(awaited) = self.underway.deadlines.overdue(now) {
            return Err(LinkError::NoAnswer { awaited, patience: self.patience }.into());
        }
        if self.liveness.is_dead(now) {
            return Err(LinkError::Reach("the broker has given no sign of life for too long".into()).into());
        }
        if self.stalled.is_some() && self.socket.is_closed() {
            return Err(closed().into());
        }
        self.wait(now).await
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self, now: Instant) -> Result<(), End> {
        let is_reading = self.stalled.is_none();
        let mut wake = self.liveness.wake(self.output.is_empty());
        wake = self.underway.deadlines.next().map_or(wake, |at| at.min(wake));
        if !is_reading {
            wake = wake.min(now + LOOK_INTERVAL);
        }
        let input = is_reading.then_some(&mut self.input);
        tokio::select! {
            biased;
            step = self.socket.step(&mut self.output, self.is_unflushed, input) => self.stepped(step).await,
            () = self.lanes.place(&mut self.stalled), if !is_reading => Ok(()),
            request = self.requests.recv() => match request {
                Some(request) => self.take(request).await,
                None => Err(End::Told),
            },
            () = self.lanes.closed() => Err(End::Told),
            () = time::sleep_until(wake) => Ok(()),
        }
    }

    async fn stepped(&mut self, step: Result<Step, Failed>) -> Result<(), End> {
        match step {
            Ok(Step::Wrote) => {
                self.is_unflushed = true;
                self.liveness.wrote(Instant::now());
                self.underway.deadlines.wrote();
                Ok(())
            }
            Ok(Step::Flushed) => {
                self.is_unflushed = false;
                self.underway.deadlines.wrote();
                if self.acked > self.acks_told {
                    self.acks_told = self.acked;
                    self.lanes.tell(Event::AcksWritten { epoch: self.epoch, through: self.acked });
                }
                Ok(())
            }
            Ok(Step::Read(0)) => Err(closed().into()),
            Ok(Step::Read(_)) => {
                self.liveness.read(Instant::now());
                Ok(())
            }
            Err(Failed::Read(error)) => Err(reach(error).into()),
            Err(Failed::Write(error)) => Err(self.last_words().await.unwrap_or_else(|| reach(error)).into()),
        }
    }

    async fn take(&mut self, request: Request) -> Result<(), End> {
        let ours = self.epoch;
        match request {
            Request::Publish { epoch, token, message } if epoch == ours => self.underway.publish(token, message),
            Request::Subscribe { epoch, token, filter, subscription_id } if epoch == ours => {
                self.underway.subscribe(token, filter, subscription_id);
            }
            Request::LookUp { epoch, token, filter } if epoch == ours => {
                self.underway.look_up(token, filter);
            }
            Request::Unsubscribe { epoch, token, filter } if epoch == ours => {
                self.underway.unsubscribe(token, filter);
            }
            Request::Acknowledge { epoch, acks } if epoch == ours => {
                for ack in acks {
                    packets::puback(ack.packet_id, &mut self.output);
                    self.liveness.acknowledged(ack.number);
                    self.acked = ack.number;
                }
            }
            Request::StandDown { epoch } if epoch == ours => return Err(LinkError::StandDown.into()),
            Request::Disconnect => {
                drop(time::timeout(FAREWELL, self.farewell()).await);
                return Err(End::Told);
            }
            // Of a connection that has ended.
            _ => {}
        }
        Ok(())
    }

    /// Writes the requests that the broker takes now.
    fn request(&mut self, now: Instant) {
        let turns = self.underway.take_turns(&mut self.output, now);
        let publications = self.underway.publish_waiting(&mut self.output, WRITE_AHEAD, now);
        for refused in turns.into_iter().chain(publications) {
            self.lanes.tell(refused);
        }
    }

    /// Handles the packets in the input, until an event finds no room.
    fn work_off(&mut self) -> Result<(), LinkError> {
        let now = Instant::now();
        while self.stalled.is_none() {
            let Some(packet) = packets::take(&mut self.input).map_err(LinkError::BreakProtocol)? else { break };
            let event = match packet {
                Packet::Message(mut message) => {
                    message.epoch = self.epoch;
                    self.underway.deadlines.message(now);
                    Some(Event::Message(message))
                }
                Packet::Subscribed { packet_id, code } => {
                    self.has_refused |= !code.is_success();
                    self.underway.subscribed(packet_id, code)
                }
                Packet::Unsubscribed { packet_id, code } => {
                    self.has_refused |= !code.is_success();
                    self.underway.unsubscribed(packet_id, code)
                }
                other => {
                    self.answered(&other)?;
                    None
                }
            };
            self.stalled = event.and_then(|event| self.lanes.try_place(event));
        }
        Ok(())
    }

    /// Handles a packet whose order among the messages has no meaning.
    fn answered(&mut self, packet: &Packet) -> Result<(), LinkError> {
        match *packet {
            Packet::Published { packet_id, code } => {
                self.has_refused |= !code.is_success();
                let answer = self.underway.published(packet_id, code);
                self.tell(answer);
                Ok(())
            }
            Packet::Pong => {
                self.underway.deadlines.ponged();
                if let Some(through) = self.liveness.answered() {
                    self.lanes.tell(Event::AcksConfirmed { epoch: self.epoch, through });
                }
                Ok(())
            }
            Packet::Ended(code) => Err(LinkError::End(code)),
            Packet::Accepted(_) | Packet::Refused(_) => {
                Err(LinkError::BreakProtocol(packets::Malformed::Unexpected(2)))
            }
            Packet::Message(_) | Packet::Subscribed { .. } | Packet::Unsubscribed { .. } => Ok(()),
        }
    }

    fn tell(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.lanes.tell(event);
        }
    }

    /// Reads on after nothing can be written any more: mosquitto 2.0.11 with `max_queued_messages 0` closes the connection
    /// with every PUBACK that refuses, and the refusal must not be lost. Messages come again on the next connection.
    async fn last_words(&mut self) -> Option<LinkError> {
        let until = Instant::now() + LAST_WORDS;
        loop {
            while let Ok(Some(packet)) = packets::take(&mut self.input) {
                if let Err(error) = self.answered(&packet) {
                    return Some(error);
                }
            }
            match time::timeout_at(until, self.socket.read(&mut self.input)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => return None,
            }
        }
    }

    /// Sends everything that waits and a DISCONNECT.
    async fn farewell(&mut self) -> io::Result<()> {
        match packets::disconnect(&mut self.output) {
            Ok(()) => self.socket.close(&mut self.output).await,
            Err(_) => Ok(()),
        }
    }
}

fn closed() -> LinkError {
    LinkError::Reach("the broker closed it".into())
}

fn reach(error: io::Error) -> LinkError {
    LinkError::Reach(Box::new(error))
}

/// With TLS 1.3 a broker's alert about our side arrives with the first read.
fn secure_or_reach(error: io::Error) -> LinkError {
    let is_tls = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if is_tls { LinkError::Secure(Box::new(error)) } else { reach(error) }
}
