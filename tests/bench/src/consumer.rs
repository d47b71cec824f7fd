//! The consumer: a thread that receives messages, acknowledges them and notes when they came.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use rumqttc::v5::mqttbytes::v5::Packet;

use crate::{
    client::Connection,
    latency::{Latency, Schedule},
    progress::Progress,
    quotes,
    rate::Mark,
    tally::Tally,
};

/// Longest time between two messages once their number is known.
const PATIENCE: Duration = Duration::from_mins(1);

/// The messages that are to come.
pub struct Expected<'a> {
    /// Port of the broker.
    pub port: u16,
    /// Topic.
    pub topic: &'a str,
    /// Before the number of the quote in a message.
    pub marker: &'static [u8],
    /// Shared with the publisher.
    pub progress: &'a Arc<Progress>,
    /// When each quote is published, to measure latencies.
    pub schedule: Option<Schedule>,
}

/// The messages that came.
pub struct Received {
    /// Their numbers.
    pub tally: Tally,
    /// After each read from the socket.
    pub marks: Vec<Mark>,
    /// From the scheduled publication to the arrival.
    pub latency: Option<Latency>,
    /// When the last of them came.
    pub last: Instant,
}

/// The thread.
pub struct Consumer {
    thread: JoinHandle<anyhow::Result<Received>>,
}

impl Consumer {
    /// Subscribes, and receives from then on, until all messages that [`Progress`] wants have come.
    pub fn start(expected: &Expected<'_>) -> anyhow::Result<Self> {
        let mut connection = Connection::open(expected.port, "bench-consumer")?;
        connection.subscribe(expected.topic)?;
        let latency = expected.schedule.map(Latency::new).transpose()?;
        let received = Received { tally: Tally::new(), marks: Vec::new(), latency, last: Instant::now() };
        let (marker, progress) = (expected.marker, Arc::clone(expected.progress));
        let thread = std::thread::spawn(move || {
            let outcome = receive(connection, marker, &progress, received);
            if outcome.is_err() {
                progress.fail();
            }
            outcome
        });
        Ok(Self { thread })
    }

    /// Waits for its end.
    pub async fn join(self) -> anyhow::Result<Received> {
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await?;
        joined.unwrap_or_else(|_| bail!("the consumer panicked"))
    }
}

fn receive(
    mut connection: Connection,
    marker: &[u8],
    progress: &Progress,
    mut received: Received,
) -> anyhow::Result<Received> {
    let start = Instant::now();
    loop {
        let has_read = connection.reader.receive()?;
        let now = Instant::now();
        let mut has_messages = false;
        while let Some(packet) = connection.reader.packet()? {
            let Packet::Publish(message) = packet else { continue };
            connection.writer.acknowledge(message.pkid)?;
            let Some(number) = quotes::number(&message.payload, marker) else {
                bail!("a message about no quote: {}", String::from_utf8_lossy(&message.payload));
            };
            received.tally.count(number)?;
            if let Some(latency) = &mut received.latency {
                latency.record(number, now);
            }
            has_messages = true;
        }
        if has_messages {
            connection.writer.flush()?;
            let micros = u64::try_from(now.duration_since(start).as_micros())?;
            let (count, quote) = (received.tally.received(), received.tally.last());
            received.marks.push(Mark { received: count, quote, micros });
            progress.advance(quote);
            received.last = now;
        }
        // A message that comes twice may come behind the last one: a silent read has to follow.
        if !has_read && progress.wanted().is_some_and(|wanted| received.tally.received() >= wanted) {
            return Ok(received);
        }
        ensure!(
            progress.wanted().is_none() || now.duration_since(received.last) < PATIENCE,
            "{} messages came, and none since 60 s; wanted are {:?}",
            received.tally.received(),
            progress.wanted()
        );
    }
}
