//! An MQTT 5 client for load: plain sockets, and packets that are written and read in batches.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::{
    Error, QoS,
    v5::{Connect, ConnectReturnCode, Filter, Packet, PubAck, Publish, Subscribe, SubscribeReasonCode},
};

/// Bytes of one read.
const READ: usize = 64 * 1024;
/// Longest time of a read: a loop that reads looks around so often.
const PATIENCE: Duration = Duration::from_millis(100);
/// Reads without a byte until the broker counts as silent: 60 s.
const SILENT_READS: u32 = 600;

/// A connection that the broker has accepted, as two halves for two threads.
pub struct Connection {
    /// Reads.
    pub reader: Reader,
    /// Writes.
    pub writer: Writer,
    /// Publications that the broker takes before it has acknowledged the first of them (Receive Maximum).
    pub in_flight: u16,
}

/// The half that reads.
pub struct Reader {
    stream: TcpStream,
    input: BytesMut,
    buffer: Vec<u8>,
}

/// The half that writes: packets wait until [`Writer::flush`].
pub struct Writer {
    stream: TcpStream,
    output: BytesMut,
    packet_id: u16,
}

impl Connection {
    /// Connects to the broker on 127.0.0.1 with a clean session.
    pub fn open(port: u16, client_id: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting to the broker")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = Reader { stream: stream.try_clone()?, input: BytesMut::new(), buffer: vec![0; READ] };
        let mut writer = Writer { stream, output: BytesMut::new(), packet_id: 0 };
        let connect =
            Connect { keep_alive: u16::MAX, client_id: client_id.to_owned(), clean_start: true, properties: None };
        writer.write(&Packet::Connect(connect, None, None))?;
        writer.flush()?;
        let Packet::ConnAck(answer) = reader.wait()? else { bail!("the first packet of the broker is no CONNACK") };
        ensure!(answer.code == ConnectReturnCode::Success, "the broker refused the connection: {:?}", answer.code);
        let in_flight = answer.properties.and_then(|properties| properties.receive_max).unwrap_or(u16::MAX);
        Ok(Self { reader, writer, in_flight })
    }

    /// Subscribes with the quality of service 1, and waits for the SUBACK.
    pub fn subscribe(&mut self, topic: &str) -> anyhow::Result<()> {
        let filter = Filter { path: topic.to_owned(), qos: QoS::AtLeastOnce, ..Filter::default() };
        let subscribe = Subscribe { pkid: 1, filters: vec![filter], properties: None };
        self.writer.write(&Packet::Subscribe(subscribe))?;
        self.writer.flush()?;
        let Packet::SubAck(answer) = self.reader.wait()? else { bail!("the broker answers SUBSCRIBE otherwise") };
        let granted = answer.return_codes.first();
        ensure!(granted == Some(&SubscribeReasonCode::Success(QoS::AtLeastOnce)), "{topic} is refused: {granted:?}");
        Ok(())
    }
}

impl Reader {
    /// Reads once; false if nothing came for 100 ms.
    pub fn receive(&mut self) -> anyhow::Result<bool> {
        let read = match self.stream.read(&mut self.buffer) {
            Ok(0) => bail!("the broker closed the connection"),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(false),
            Err(error) => return Err(error).context("reading from the broker"),
        };
        self.input.extend_from_slice(self.buffer.get(..read).unwrap_or_default());
        Ok(true)
    }

    /// The next packet of those that were received.
    pub fn packet(&mut self) -> anyhow::Result<Option<Packet>> {
        match Packet::read(&mut self.input, None) {
            Ok(packet) => Ok(Some(packet)),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(error).context("reading a packet"),
        }
    }

    /// Reads until PUBACKs have come, and counts them.
    pub fn acknowledgements(&mut self) -> anyhow::Result<u16> {
        let mut count = 0;
        for _ in 0..SILENT_READS {
            while let Some(packet) = self.packet()? {
                let Packet::PubAck(_) = packet else { bail!("the broker sends a publisher {packet:?}") };
                count += 1;
            }
            if count > 0 {
                return Ok(count);
            }
            self.receive()?;
        }
        bail!("the broker acknowledges nothing")
    }

    fn wait(&mut self) -> anyhow::Result<Packet> {
        for _ in 0..SILENT_READS {
            if let Some(packet) = self.packet()? {
                return Ok(packet);
            }
            self.receive()?;
        }
        bail!("the broker does not answer")
    }
}

impl Writer {
    /// Publishes with the quality of service 1.
    pub fn publish(&mut self, topic: &Bytes, payload: &[u8]) -> anyhow::Result<()> {
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: topic.clone(),
            pkid: self.packet_id,
            payload: Bytes::copy_from_slice(payload),
            properties: None,
        };
        self.write(&Packet::Publish(publish))
    }

    /// Acknowledges a message.
    pub fn acknowledge(&mut self, packet_id: u16) -> anyhow::Result<()> {
        self.write(&Packet::PubAck(PubAck::new(packet_id, None)))
    }

    /// Writes the packets that wait.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.output).context("writing to the broker")?;
        self.output.clear();
        Ok(())
    }

    fn write(&mut self, packet: &Packet) -> anyhow::Result<()> {
        packet.write(&mut self.output, None).context("writing a packet")?;
        Ok(())
    }
}
