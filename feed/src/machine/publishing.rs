//! Quotes on their way to the broker, and its answers.

use std::{sync::Arc, time::Duration};

use intuition_common::clock::Now;
use intuition_mqtt::{Code, Message, Request};

use super::{Action, Gap, Machine, report_gap};
use crate::{readiness::PUBLISHING, source::Beginning};

/// Marks a quote that may have been published before.
const REPLAY: (&str, &str) = ("replay", "true");
/// Marks a quote of the past, which trades nothing.
const BACKFILL: (&str, &str) = ("backfill", "true");
/// Marks a quote behind numbers that were left out on purpose.
const SPARSE: (&str, &str) = ("numbering", "sparse");
/// The pause before a refused quote is published again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

impl Machine {
    /// Publishes as many quotes as the bounds allow.
    pub(super) fn publish(&mut self) {
        let (Some(connection), Some(run)) = (self.connection, &mut self.run) else { return };
        if self.paused_until.is_some() || self.lookup.is_some() {
            return;
        }
        while self.flight.sent() < connection.window {
            if self.flight.sent() == self.flight.len() {
                if run.sent >= run.keeper.limit() {
                    break;
                }
                let Some(quote) = self.waiting.pop_front() else { break };
                run.sent += 1;
                let is_doubtful = run.numbers.next_is_doubtful(&quote.source);
                let is_repeated = !quote.is_new && (is_doubtful || run.replay);
                self.flight.push(quote, is_repeated);
            }
            let Some((token, entry)) = self.flight.next() else { break };
            let quote = &entry.quote;
            let topic = self.settings.topics.quotes_of(&quote.sid);
            let Ok(payload) = quote.payload() else { break };
            let mut message = Message::new(topic, payload);
            let marks = [
                entry.is_repeated.then_some(REPLAY),
                (quote.is_backfill || self.settings.backfill).then_some(BACKFILL),
                quote.is_sparse.then_some(SPARSE),
            ];
            message.user_properties = marks.into_iter().flatten().map(owned).collect();
            self.actions.push(Action::Broker(Request::Publish { epoch: connection.epoch, token, message }));
        }
    }

    /// The broker answered the publication of a quote.
    pub(super) fn published(&mut self, token: u64, code: Code, now: Now) {
        let Some(quote) = self.flight.find(token) else { return };
        if code.is_success() {
            let age = now.micros.saturating_sub(quote.time_micros);
            self.metrics.published.inc();
            #[expect(clippy::cast_precision_loss, reason = "a gauge of seconds")]
            self.metrics.lag.set(age as f64 / 1_000_000.0);
            self.metrics.last_quote.set(now.micros / 1_000_000);
            self.last_quote = Some(now.instant);
            self.reporter.ready(PUBLISHING);
            self.retry.works();
            if let Some(run) = &mut self.run {
                let last = run.lasts.entry((Arc::clone(&quote.sid), Arc::clone(&quote.source))).or_default();
                *last = quote.seq.max(*last);
            }
        } else if !self.refused(token, code, now) {
            return;
        }
        self.flight.finish(token);
        let Some(run) = &mut self.run else { return };
        while let Some(quote) = self.flight.take_done() {
            let is_first = run.numbers.publish(&quote);
            run.keeper.note();
            // Another run without this number would begin at its own present, and never learn of the numbers in between.
            if is_first && self.beginning == Beginning::Present {
                run.keeper.hurry();
            }
        }
    }

    /// The broker refused a quote. True: for good, so that its number is a gap. Otherwise the quote and those behind it are
    /// published again after a pause.
    fn refused(&mut self, token: u64, code: Code, now: Now) -> bool {
        let Some(quote) = self.flight.find(token) else { return false };
        let (seq, source) = (quote.seq, Arc::clone(&quote.source));
        let topic = self.settings.topics.quotes_of(&quote.sid);
        let Code { name, value } = code;
        let message = format!("the broker refused the quote {seq} of {source} on {topic}: {name} (0x{value:02x})");
        if is_for_good(code) {
            self.metrics.refused.inc();
            self.reporter.warn(PUBLISHING, name, &message);
            report_gap(Some(&Gap { source, first: seq, last: seq }), &self.metrics, &self.reporter);
            return true;
        }
        self.reporter.missing(PUBLISHING, name, &message);
        self.metrics.republished.inc();
        self.flight.rewind_from(token);
        self.paused_until = Some(now.instant + REFUSED_PAUSE);
        false
    }
}

/// Whether a broker refuses a publication whenever it comes: Topic Name invalid, Packet too large, Payload format invalid.
const fn is_for_good(code: Code) -> bool {
    matches!(code.value, 0x90 | 0x95 | 0x99)
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
