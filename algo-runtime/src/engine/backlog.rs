//! The backlog: deliveries and markers in the order of the stream, and the batch of ticks that were recognised and have no
//! outcome yet.

use std::{
    collections::{VecDeque, vec_deque::IterMut},
    sync::Arc,
};

use intuition_api::v1::Delivery;

use super::{
    channels::{ChannelState, DecidedQuotes, OnTopic},
    closing::Closing,
    groups::{GroupCollector, NextEvents, whole_groups},
    letters::OVERHEAD_BYTES,
    load::{self, Load},
    recogniser::Recogniser,
    request_error::RequestError,
    source_numbers::bound_identities,
    tick::{NewTick, PendingEvent, PendingQuote, PendingTick, TickAction},
};
use crate::{
    algorithm::Event,
    backend::BatchLimit,
    ledger::{Ledger, LedgerError},
    sizes::Sizes,
};

/// Something that the stream brought.
#[derive(Debug)]
enum BacklogItem {
    /// A delivery, and the index of its first tick that was not recognised.
    Delivery { delivery: Arc<Delivery>, next: u32 },
    /// A marker of a channels version.
    Marker(u64),
    /// Ticks that were recognised ahead of their batch.
    Batch(DecisionBatch),
}

/// Recognised ticks, in order.
#[derive(Debug)]
struct DecisionBatch {
    /// The stream that brought them.
    stream: u64,
    ticks: VecDeque<PendingTick>,
    /// Bytes of the dead letters that they may post.
    bytes: usize,
}

/// The head of the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Empty,
    /// A marker of a channels version.
    Marker(u64),
    /// Ticks in front of their batch.
    Waiting,
    /// The ticks of the current batch.
    Begun,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Backlog {
    sizes: Sizes,
    items: VecDeque<BacklogItem>,
    /// The batch that is being decided.
    current: Option<DecisionBatch>,
    load: Load,
    /// Number of the stream that deliveries come on; the writer gives it.
    stream: u64,
}

impl DecisionBatch {
    /// Takes in the ticks that follow. Gives them back where they are too many, or of another stream.
    fn join(&mut self, mut next: Self, sizes: &Sizes) -> Option<Self> {
        let ticks = self.ticks.len() + next.ticks.len();
        let fits = ticks <= sizes.turn_ticks && self.bytes + next.bytes <= sizes.turn_bytes;
        if !fits || self.stream != next.stream {
            return Some(next);
        }
        self.ticks.append(&mut next.ticks);
        self.bytes += next.bytes;
        None
    }
}

impl Backlog {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { sizes, items: VecDeque::new(), current: None, load: Load::default(), stream: 0 }
    }

    /// Adds deliveries at the end.
    pub(super) fn take(&mut self, mut deliveries: Vec<Delivery>) -> Result<(), RequestError> {
        deliveries.iter().try_for_each(load::check)?;
        deliveries.iter_mut().for_each(bound_identities);
        let mut load = self.load;
        for delivery in &deliveries {
            load.add(Load::of(delivery));
        }
        load.check(&self.sizes)?;
        self.load = load;
        let item = |delivery| BacklogItem::Delivery { delivery: Arc::new(delivery), next: 0 };
        self.items.extend(deliveries.into_iter().map(item));
        Ok(())
    }

    /// Adds a marker at the end.
    pub(super) fn take_marker(&mut self, version: u64) {
        self.items.push_back(BacklogItem::Marker(version));
    }

    /// Deliveries come on this stream from now on.
    pub(super) const fn begin_stream(&mut self, stream: u64) {
        self.stream = stream;
    }

    /// Drops the deliveries that wait: their stream has ended, and the bridge sends them again on the next. Ticks that were
    /// recognised are settled all the same.
    pub(super) fn drop_deliveries(&mut self) {
        let load = &mut self.load;
        self.items.retain(|item| {
            if let BacklogItem::Delivery { delivery, .. } = item {
                load.subtract(Load::of(delivery));
            }
            matches!(item, BacklogItem::Batch(_))
        });
    }

    /// Whether anything waits for its outcome.
    pub(super) fn has_work(&self) -> bool {
        self.current.is_some() || !self.items.is_empty()
    }

    pub(super) fn head(&self) -> Head {
        match (&self.current, self.items.front()) {
            (Some(_), _) => Head::Begun,
            (None, None) => Head::Empty,
            (None, Some(BacklogItem::Marker(version))) => Head::Marker(*version),
            (None, Some(BacklogItem::Delivery { .. } | BacklogItem::Batch(_))) => Head::Waiting,
        }
    }

    /// Removes the marker at the head.
    pub(super) fn pop_marker(&mut self) {
        self.items.pop_front_if(|item| matches!(item, BacklogItem::Marker(_)));
    }

    /// Begins the next batch, with the ticks up to a marker.
    pub(super) fn begin_batch(
        &mut self,
        recogniser: &mut Recogniser,
        closing: &mut Closing,
        channels: &ChannelState,
        ledger: &mut dyn Ledger,
    ) -> Result<(), LedgerError> {
        let ahead = self.items.pop_front_if(|item| matches!(item, BacklogItem::Batch(_)));
        self.current = Some(match ahead {
            Some(BacklogItem::Batch(batch)) => batch,
            _ => self.recognise(recogniser, closing, channels, ledger)?,
        });
        Ok(())
    }

    /// Recognises all waiting deliveries in their order, ahead of their batches. Markers keep their places.
    pub(super) fn recognise_ahead(
        &mut self,
        recogniser: &mut Recogniser,
        closing: &mut Closing,
        channels: &ChannelState,
        ledger: &mut dyn Ledger,
    ) -> Result<(), LedgerError> {
        let mut ahead = VecDeque::new();
        while let Some(item) = self.items.front() {
            if !matches!(item, BacklogItem::Delivery { .. }) {
                ahead.extend(self.items.pop_front());
                continue;
            }
            let next = self.recognise(recogniser, closing, channels, ledger)?;
            let next = match ahead.back_mut() {
                Some(BacklogItem::Batch(last)) => last.join(next, &self.sizes),
                _ => Some(next),
            };
            ahead.extend(next.map(BacklogItem::Batch));
        }
        self.items = ahead;
        Ok(())
    }

    /// Recognises the next ticks, up to a marker.
    fn recognise(
        &mut self,
        recogniser: &mut Recogniser,
        closing: &mut Closing,
        channels: &ChannelState,
        ledger: &mut dyn Ledger,
    ) -> Result<DecisionBatch, LedgerError> {
        let Sizes { turn_ticks, turn_bytes, .. } = self.sizes;
        let mut batch = DecisionBatch { stream: self.stream, ticks: VecDeque::new(), bytes: 0 };
        while batch.ticks.len() < turn_ticks && batch.bytes < turn_bytes {
            let Some(BacklogItem::Delivery { delivery, next }) = self.items.front_mut() else { break };
            let (delivery, first) = (Arc::clone(delivery), *next);
            let (known, room) = (batch.ticks.len(), turn_ticks - batch.ticks.len());
            let count = match whole_groups(&delivery.ticks, first as usize, room) {
                // It is longer than a batch.
                0 if known == 0 => room,
                0 => break,
                count => count,
            };
            *next += u32::try_from(count).unwrap_or(u32::MAX);
            if *next as usize >= delivery.ticks.len() {
                self.items.pop_front();
            }
            batch.bytes += delivery.payload.len() + delivery.topic.len() + OVERHEAD_BYTES;
            recogniser.recognise(&delivery, (first, count), ledger, &mut batch.ticks)?;
            for tick in batch.ticks.range_mut(known..) {
                closing.meet(tick, channels);
            }
        }
        Ok(batch)
    }

    /// The next events for the algorithm. Up to the last event, a tick of a channel or symbol that is not taken is marked as such.
    pub(super) fn next_events(
        &mut self,
        limit: BatchLimit,
        channels: &ChannelState,
        recogniser: &mut Recogniser,
        now_micros: i64,
    ) -> NextEvents {
        let mut events = GroupCollector::new(limit);
        let Some(batch) = &mut self.current else { return events.finish() };
        let mut last: Option<(Arc<Delivery>, OnTopic<'_>)> = None;
        for PendingTick { delivery, index, action, sale, .. } in &mut batch.ticks {
            let TickAction::New { step, .. } = action else { continue };
            let NewTick::Decide(event) = &*step else { continue };
            let sid = event.sid();
            let on_topic = match &last {
                Some((known, on_topic)) if Arc::ptr_eq(known, delivery) => *on_topic,
                _ => {
                    let on_topic = channels.on(&delivery.topic);
                    last = Some((Arc::clone(delivery), on_topic));
                    on_topic
                }
            };
            if !on_topic.decided.has(sid) && sale.is_none() {
                *step = match on_topic.decided {
                    DecidedQuotes::None => NewTick::NotSubscribed,
                    DecidedQuotes::Listed(_) | DecidedQuotes::All => NewTick::NotListed,
                };
                continue;
            }
            if !events.takes(delivery) {
                break;
            }
            if let Err(cause) = recogniser.admit_symbol(sid) {
                *step = NewTick::DeadLetter(cause);
                continue;
            }
            let event = match event {
                Event::Quote(quote) => PendingEvent::Quote(PendingQuote {
                    delivery: Arc::clone(delivery),
                    index: *index,
                    quote: quote.clone(),
                    denial: on_topic.denial(delivery, quote, now_micros),
                }),
                Event::Indicator(indicator) => PendingEvent::Indicator(indicator.clone()),
            };
            events.add(delivery, event);
        }
        events.finish()
    }

    /// The stream of the current batch; `None`: no batch has begun.
    pub(super) fn batch_stream(&self) -> Option<u64> {
        self.current.as_ref().map(|batch| batch.stream)
    }

    /// Takes the next tick of the batch that can be settled: any tick without an event, and one with an event while `is_answered`.
    /// The batch ends with its last tick.
    pub(super) fn pop_tick(&mut self, is_answered: bool) -> Option<PendingTick> {
        let batch = self.current.as_mut()?;
        let tick = batch.ticks.pop_front_if(|tick| is_answered || !tick.needs_answer());
        if batch.ticks.is_empty() {
            self.current = None;
        }
        tick
    }

    /// A delivery has its outcome.
    pub(super) fn note_settled(&mut self, delivery: &Delivery) {
        self.load.subtract(Load::of(delivery));
    }

    /// Every tick that was recognised and has no outcome, in order.
    pub(super) fn pending_ticks(&mut self) -> impl Iterator<Item = &mut PendingTick> {
        let ahead = self.items.iter_mut().filter_map(|item| match item {
            BacklogItem::Batch(batch) => Some(batch),
            BacklogItem::Delivery { .. } | BacklogItem::Marker(_) => None,
        });
        self.current.iter_mut().chain(ahead).flat_map(|batch| -> IterMut<'_, PendingTick> { batch.ticks.iter_mut() })
    }

    /// Number of the first tick that was recognised and has no outcome; `None`: every recognised tick has its outcome.
    pub(super) fn first_pending(&self) -> Option<u64> {
        let ahead = self.items.iter().take_while(|item| !matches!(item, BacklogItem::Delivery { .. }));
        let ahead = ahead.filter_map(|item| match item {
            BacklogItem::Batch(batch) => Some(batch),
            BacklogItem::Delivery { .. } | BacklogItem::Marker(_) => None,
        });
        let first = self.current.iter().chain(ahead).find_map(|batch| batch.ticks.front());
        first.map(|tick| tick.number)
    }

    #[cfg(test)]
    pub(super) const fn load(&self) -> Load {
        self.load
    }
}
