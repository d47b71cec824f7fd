//! Publishers and their messages.

use super::{Event, SOON, Sleeper, World, network::Fate};
use crate::{facts::Violation, plan::Scale, publisher::Publisher};

impl World<'_> {
    pub(super) fn publish(&mut self, index: usize) -> Result<(), Violation> {
        if !self.is_woken(Sleeper::Publisher(index)) {
            return Ok(());
        }
        let now = self.now;
        let Some(publisher) = self.publishers.get_mut(index) else { return Ok(()) };
        let Some(outgoing) = publisher.next(now) else {
            self.wake_publisher(index);
            return Ok(());
        };
        let trip = self.network.round_trip();
        // So many quotes one after the other would not be published in time.
        let trip = if self.plan.scale == Scale::Real { trip.min(SOON) } else { trip };
        match self.network.fate_of_publication() {
            Fate::Lost => {
                publisher.lost_answer(now);
                self.wake_publisher(index);
            }
            fate => {
                let taken = self.broker.publish(&outgoing.body, outgoing.retain, now);
                self.see_to_broker()?;
                if fate == Fate::Arrives {
                    self.queue.plan(now + trip, Event::PublisherAnswer { publisher: index, ok: taken.is_ok() });
                } else {
                    if let Some(publisher) = self.publishers.get_mut(index) {
                        publisher.lost_answer(now);
                    }
                    self.wake_publisher(index);
                }
            }
        }
        Ok(())
    }

    pub(super) fn answer_publisher(&mut self, index: usize, ok: bool) {
        let now = self.now;
        if let Some(publisher) = self.publishers.get_mut(index) {
            publisher.answered(ok, now);
        }
        self.wake_publisher(index);
    }

    pub(super) fn wake_publisher(&mut self, index: usize) {
        if let Some(at) = self.publishers.get(index).and_then(Publisher::wake) {
            self.wake_at(Sleeper::Publisher(index), at);
        }
    }
}
