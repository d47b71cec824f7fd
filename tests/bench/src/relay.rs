//! A bare relay: it publishes a message for each quote, and acknowledges the quote once the broker has that message. It
//! decides and keeps nothing, so that it is the limit of every process between these two topics.

use std::sync::mpsc::{self, TrySendError};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::Packet;

use crate::{
    client::{Connection, Reader, Writer},
    quotes,
};

/// Topic of its messages.
pub const TOPIC: &str = "relayed";

/// Two threads.
pub struct Relay {
    forward: std::thread::JoinHandle<anyhow::Result<()>>,
    acknowledge: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Relay {
    /// Subscribes to the quotes, and relays so many of them.
    pub fn start(port: u16, count: u64) -> anyhow::Result<Self> {
        let mut quotes = Connection::open(port, "bench-relay-in")?;
        quotes.subscribe(quotes::CHANNEL)?;
        let out = Connection::open(port, "bench-relay-out")?;
        // The messages that the broker has not acknowledged yet, each with the packet of its quote. Its bound keeps
        // Receive Maximum.
        let (sender, receiver) = mpsc::sync_channel(usize::from(out.in_flight));
        Ok(Self {
            forward: std::thread::spawn(move || forward(quotes.reader, out.writer, &sender, count)),
            acknowledge: std::thread::spawn(move || acknowledge(out.reader, quotes.writer, &receiver)),
        })
    }

    /// Waits for its end.
    pub async fn join(self) -> anyhow::Result<()> {
        for thread in [self.forward, self.acknowledge] {
            let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
            joined.unwrap_or_else(|_| bail!("the relay panicked"))?;
        }
        Ok(())
    }
}

fn forward(mut quotes: Reader, mut out: Writer, under_way: &mpsc::SyncSender<u16>, count: u64) -> anyhow::Result<()> {
    let topic = Bytes::from_static(TOPIC.as_bytes());
    let mut payload = Vec::new();
    let mut relayed = 0;
    while relayed < count {
        quotes.receive()?;
        while let Some(packet) = quotes.packet()? {
            let Packet::Publish(quote) = packet else { continue };
            let number = quotes::number(&quote.payload, quotes::IN_QUOTE).context("a message that is no quote")?;
            if let Err(TrySendError::Full(packet_id)) = under_way.try_send(quote.pkid) {
                out.flush()?;
                under_way.send(packet_id)?;
            }
            quotes::write_stand_in(&mut payload, number);
            out.publish(&topic, &payload)?;
            relayed += 1;
        }
        out.flush()?;
    }
    Ok(())
}

fn acknowledge(mut out: Reader, mut quotes: Writer, under_way: &mpsc::Receiver<u16>) -> anyhow::Result<()> {
    // The channel ends behind the last message.
    while let Ok(first) = under_way.recv() {
        // The broker acknowledges in the order of the messages.
        let count = out.acknowledgements()?;
        quotes.acknowledge(first)?;
        for _ in 1..count {
            quotes.acknowledge(under_way.recv()?)?;
        }
        quotes.flush()?;
    }
    Ok(())
}
