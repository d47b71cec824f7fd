//! The publisher: as fast as the broker takes quotes, or by a schedule.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{client::Connection, latency::Schedule, progress::Progress, quotes};

/// Quotes that are written at once.
const BATCH: u64 = 256;

/// The end of the quotes.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// So many.
    Quotes(u64),
    /// As many as go out within a time.
    Time(Duration),
}

/// The quotes to publish.
#[derive(Debug, Clone)]
pub struct Load {
    /// Port of the broker.
    pub port: u16,
    /// Their end.
    pub amount: Amount,
    /// Symbols that they go round.
    pub symbols: u64,
    /// Quotes that are published before the message about the first of them has come; `None`: as many as the broker
    /// takes.
    pub ahead: Option<u64>,
}

/// Publishes, and returns the number of quotes once the broker has acknowledged all of them.
pub fn flood(load: &Load, progress: &Progress) -> anyhow::Result<u64> {
    let mut outlet = Publisher::open(load.port)?;
    let start = Instant::now();
    let mut reached = 0;
    let mut published = 0;
    loop {
        let left = match load.amount {
            Amount::Quotes(quotes) => quotes - published,
            Amount::Time(time) if start.elapsed() < time => BATCH,
            Amount::Time(_) => 0,
        };
        if left == 0 {
            break;
        }
        if let Some(ahead) = load.ahead
            && published >= reached + ahead
        {
            reached = progress.wait_for(published + 1 - ahead)?;
        }
        let ahead = load.ahead.map_or(u64::MAX, |ahead| reached + ahead - published);
        let batch = left.min(ahead).min(BATCH).min(outlet.room()?);
        for _ in 0..batch {
            published += 1;
            outlet.publish(published, load.symbols)?;
        }
        outlet.connection.writer.flush()?;
    }
    outlet.finish()?;
    Ok(published)
}

/// Publishes `quotes` quotes of one symbol by a schedule. A quote that is late goes out at once.
pub fn by_schedule(port: u16, quotes: u64, schedule: Schedule) -> anyhow::Result<()> {
    let mut publisher = Publisher::open(port)?;
    let mut next = 1;
    while next <= quotes {
        let now = Instant::now();
        let mut has_published = false;
        while next <= quotes && schedule.due(next) <= now && publisher.room()? > 0 {
            publisher.publish(next, 1)?;
            next += 1;
            has_published = true;
        }
        if has_published {
            publisher.connection.writer.flush()?;
        }
        std::thread::sleep(schedule.due(next).saturating_duration_since(Instant::now()));
    }
    publisher.finish()
}

/// Runs a publisher beside the rest.
pub async fn run<T: Send + 'static>(
    progress: &Arc<Progress>,
    publish: impl FnOnce(&Progress) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let progress = Arc::clone(progress);
    tokio::task::spawn_blocking(move || publish(&progress)).await?
}

struct Publisher {
    connection: Connection,
    topic: Bytes,
    payload: Vec<u8>,
    unacknowledged: u16,
}

impl Publisher {
    fn open(port: u16) -> anyhow::Result<Self> {
        Ok(Self {
            connection: Connection::open(port, "bench-publisher")?,
            topic: Bytes::from_static(quotes::CHANNEL.as_bytes()),
            payload: Vec::new(),
            unacknowledged: 0,
        })
    }

    fn publish(&mut self, number: u64, symbols: u64) -> anyhow::Result<()> {
        quotes::write(&mut self.payload, number, symbols);
        self.unacknowledged += 1;
        self.connection.writer.publish(&self.topic, &self.payload)
    }

    /// Quotes that the broker takes now, at least one. PUBACKs are read in bursts, once half of the broker's limit is
    /// out: most of them have come by then, and reading does not wait.
    fn room(&mut self) -> anyhow::Result<u64> {
        let limit = self.connection.in_flight;
        while self.unacknowledged > limit / 2 {
            self.connection.writer.flush()?;
            self.unacknowledged -= self.connection.reader.acknowledgements()?;
        }
        Ok(u64::from(limit - self.unacknowledged))
    }

    fn finish(mut self) -> anyhow::Result<()> {
        while self.unacknowledged > 0 {
            self.unacknowledged -= self.connection.reader.acknowledgements()?;
        }
        Ok(())
    }
}
