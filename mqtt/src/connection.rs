//! One connection, from CONNECT to its end: a socket that follows the rules of [`Protocol`].

#![expect(clippy::disallowed_methods, reason = "an edge: it hands the time to the protocol")]

use std::{io, time::Duration};

use bytes::BytesMut;
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

use super::{
    Code, LinkError, Message, Options, Request, codes,
    credentials::Presented,
    events::Lanes,
    packets::{self, Accepted, Packet},
    protocol::{Ended, Protocol, Settings},
    sizes::Sizes,
    socket::{Failed, Socket, Step},
};

/// Interval of checks for the end of the connection while nothing is read.
const STALL_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time of reading after writing has failed.
const LAST_READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest time for the rest of the output and a DISCONNECT.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The end of a connection.
pub(super) enum End {
    /// By [`super::Link::disconnect`], or because the link or the events were dropped.
    Told,
    /// By an error.
    Failed(LinkError),
}

/// A connection that the broker has accepted.
pub(super) struct Connection<'a> {
    socket: Socket,
    input: BytesMut,
    output: BytesMut,
    protocol: Protocol,
    lanes: &'a Lanes,
    requests: &'a mut mpsc::UnboundedReceiver<Request>,
}

/// A socket with its CONNACK, and the bytes read behind that.
pub(super) struct Opened {
    /// When the CONNECT was sent.
    asked: Instant,
    socket: Socket,
    input: BytesMut,
    accepted: Accepted,
    settings: Settings,
}

/// Connects and waits for the CONNACK. A broker that keeps no retained messages, or takes no publication with `QoS` 1,
/// refuses a last will that asks for it: the attempt is made again without.
pub(super) async fn connect(options: &Options, presented: Presented) -> Result<Opened, LinkError> {
    let will = options.last_will.as_ref();
    match attempt(options, will, &presented).await {
        Err(LinkError::Refuse(code)) if will.is_some() && is_about_will(code) => {
            attempt(options, None, &presented).await.map(|opened| opened.without_will(code))
        }
        other => other,
    }
}

fn is_about_will(code: Code) -> bool {
    code == codes::RETAIN_NOT_SUPPORTED || code == codes::QOS_NOT_SUPPORTED
}

async fn attempt(options: &Options, will: Option<&Message>, presented: &Presented) -> Result<Opened, LinkError> {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    packets::connect(options, will, presented, &mut output).map_err(LinkError::Refuse)?;
    let mut socket = Socket::connect(&options.address, presented.tls.clone()).await?;
    let asked = Instant::now();
    socket.write_all(&mut output).await.map_err(secure_or_reach)?;
    loop {
        match packets::take(&mut input).map_err(LinkError::BreakProtocol)? {
            Some(Packet::Accepted(accepted)) => {
                let settings = Settings {
                    keep_alive: options.keep_alive,
                    answer_timeout: options.answer_timeout,
                    sizes: Sizes::default(),
                };
                return Ok(Opened { asked, socket, input, accepted, settings });
            }
            Some(Packet::Refused(code)) => return Err(LinkError::Refuse(code)),
            Some(Packet::Ended(code)) => return Err(LinkError::End(code)),
            Some(_) => return Err(LinkError::BreakProtocol(packets::Malformed::NoConnAck)),
            None if socket.read(&mut input).await.map_err(secure_or_reach)? == 0 => return Err(closed()),
            None => {}
        }
    }
}

impl Opened {
    /// The broker refused the last will by this code, which holds for other publications too.
    fn without_will(mut self, code: Code) -> Self {
        let capabilities = &mut self.accepted.capabilities;
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
        opened: Opened,
        epoch: u64,
        lanes: &'a Lanes,
        requests: &'a mut mpsc::UnboundedReceiver<Request>,
    ) -> Self {
        let Opened { asked, socket, input, accepted, settings } = opened;
        let protocol = Protocol::new(epoch, &accepted, &settings, lanes.clone(), (asked, Instant::now()));
        Self { socket, input, output: BytesMut::new(), protocol, lanes, requests }
    }

    /// Works until the connection ends.
    pub(super) async fn run(&mut self) -> End {
        loop {
            match self.turn().await {
                Ok(()) => {}
                Err(Ended::Disconnect) => {
                    drop(time::timeout(DISCONNECT_TIMEOUT, self.disconnect()).await);
                    return End::Told;
                }
                Err(Ended::Abandoned) => return End::Told,
                Err(Ended::Failed(error)) => return End::Failed(error),
            }
        }
    }

    /// The broker refused a request: some brokers end the connection over it.
    pub(super) const fn has_refused(&self) -> bool {
        self.protocol.has_refused()
    }

    async fn turn(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        let requests = || match self.requests.try_recv() {
            Ok(request) => Ok(Some(request)),
            Err(mpsc::error::TryRecvError::Empty) => Ok(None),
            Err(mpsc::error::TryRecvError::Disconnected) => Err(Ended::Abandoned),
        };
        self.protocol.turn(requests, || packets::take(&mut self.input), &mut self.output, now)?;
        if !self.protocol.is_reading() && self.socket.is_closed() {
            return Err(closed().into());
        }
        self.wait(now).await
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self, now: Instant) -> Result<(), Ended> {
        let is_reading = self.protocol.is_reading();
        let mut wake = self.protocol.wake(&self.output);
        if !is_reading {
            wake = wake.min(now + STALL_CHECK_INTERVAL);
        }
        let work = self.protocol.work(&self.output);
        tokio::select! {
            biased;
            step = self.socket.step(work, &mut self.output, &mut self.input) => self.stepped(step).await,
            () = self.lanes.place(self.protocol.stalled()), if !is_reading => Ok(()),
            request = self.requests.recv() => match request {
                Some(request) => self.protocol.request(request, &mut self.output),
                None => Err(Ended::Abandoned),
            },
            () = self.lanes.closed() => Err(Ended::Abandoned),
            () = time::sleep_until(wake) => Ok(()),
        }
    }

    async fn stepped(&mut self, step: Result<Step, Failed>) -> Result<(), Ended> {
        match step {
            Ok(Step::Wrote) => self.protocol.wrote(Instant::now()),
            Ok(Step::Flushed) => self.protocol.flushed(),
            Ok(Step::Read(0)) => return Err(closed().into()),
            Ok(Step::Read(_)) => self.protocol.read(Instant::now()),
            Err(Failed::Read(error)) => return Err(reach(error).into()),
            Err(Failed::Write(error)) => return Err(self.last_words().await.unwrap_or_else(|| reach(error)).into()),
        }
        Ok(())
    }

    /// Reads on after nothing can be written any more: mosquitto 2.0.11 with `max_queued_messages 0` closes the connection
    /// with every PUBACK that refuses, and the refusal must not be lost. Messages come again on the next connection.
    async fn last_words(&mut self) -> Option<LinkError> {
        let until = Instant::now() + LAST_READ_TIMEOUT;
        loop {
            while let Ok(Some(packet)) = packets::take(&mut self.input) {
                if let Err(error) = self.protocol.receive_last(&packet) {
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
    async fn disconnect(&mut self) -> io::Result<()> {
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
