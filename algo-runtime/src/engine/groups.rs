//! The events of a batch to the algorithm, in groups: values of indicators with the quote behind them in the same delivery. Pure.
//!
//! The algorithm gets a group whole, so that it has to remember no values for a quote of a later batch. Values without such a
//! quote are a group too. A run of values that is longer than a batch is cut.

use std::sync::Arc;

use intuition_api::v1::{Delivery, Tick, tick::Content};

use super::tick::PendingEvent;
use crate::backend::BatchLimit;

/// The events of the next batch.
#[derive(Debug, Default)]
pub(super) struct NextEvents {
    /// In order.
    pub(super) events: Vec<PendingEvent>,
    /// Number of their groups.
    pub(super) groups: usize,
}

/// Collects the events of a batch.
#[derive(Debug)]
pub(super) struct GroupCollector {
    limit: BatchLimit,
    next: NextEvents,
    /// The last group, while it has values and no quote.
    open: Option<OpenGroup>,
}

#[derive(Debug)]
struct OpenGroup {
    delivery: Arc<Delivery>,
    /// Index of its first event.
    start: usize,
}

impl GroupCollector {
    pub(super) fn new(limit: BatchLimit) -> Self {
        Self { limit, next: NextEvents::default(), open: None }
    }

    /// Whether the next event, of this delivery, belongs to the batch. False: the batch is complete.
    pub(super) fn takes(&mut self, delivery: &Arc<Delivery>) -> bool {
        self.open.take_if(|open| !Arc::ptr_eq(&open.delivery, delivery));
        if self.open.is_none() && self.next.groups >= self.limit.groups {
            return false;
        }
        if self.next.events.len() < self.limit.events {
            return true;
        }
        // The group begins the next batch, unless it is longer than a batch.
        if let Some(open) = self.open.take().filter(|open| open.start > 0) {
            self.next.events.truncate(open.start);
            self.next.groups -= 1;
        }
        false
    }

    /// Adds an event that [`GroupCollector::takes`] has room for.
    pub(super) fn add(&mut self, delivery: &Arc<Delivery>, event: PendingEvent) {
        let is_new = self.open.is_none();
        self.next.groups += usize::from(is_new);
        match event {
            PendingEvent::Quote(_) => self.open = None,
            PendingEvent::Indicator(_) if is_new => {
                self.open = Some(OpenGroup { delivery: Arc::clone(delivery), start: self.next.events.len() });
            }
            PendingEvent::Indicator(_) => {}
        }
        self.next.events.push(event);
    }

    pub(super) fn finish(self) -> NextEvents {
        self.next
    }
}

/// How many ticks of a delivery, from the index `first` on, fit into `room` without a group that is cut. 0: the first group alone
/// does not fit.
pub(super) fn whole_groups(ticks: &[Tick], first: usize, room: usize) -> usize {
    let rest = ticks.get(first..).unwrap_or_default();
    let Some(fitting) = rest.get(..room).filter(|_| room < rest.len()) else { return rest.len() };
    let is_quote = |tick: &Tick| matches!(tick.content, Some(Content::Quote(_)));
    let is_indicator = |tick: &Tick| matches!(tick.content, Some(Content::Indicator(_)));
    let behind_quote = fitting.iter().rposition(is_quote).map_or(0, |place| place + 1);
    let open = fitting.iter().skip(behind_quote).position(is_indicator);
    open.map_or(room, |place| behind_quote + place)
}
