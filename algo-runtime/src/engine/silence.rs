//! Inputs that bring no quotes: when the last one came, and whether that is longer ago than `staleAfter`. Pure.

use intuition_api::{
    topic,
    v1::{Delivery, InputState, tick::Content},
};

use super::{
    freshness,
    notice::{EngineNotice, Notices},
};
use crate::settings::Input;

/// See the module.
#[derive(Debug)]
pub(super) struct Silence {
    /// All inputs in the order of the resource: the first match of a topic counts.
    inputs: Vec<Watched>,
    /// Time before this does not count: the start, and the last time at which the algorithm could not be asked.
    since_micros: i64,
}

#[derive(Debug)]
struct Watched {
    input: Input,
    last_micros: Option<i64>,
    /// A quote has come since the last look.
    has_come: bool,
    is_stale: bool,
}

impl Silence {
    pub(super) fn new(inputs: &[Input], now_micros: i64) -> Self {
        let watched =
            |input: &Input| Watched { input: input.clone(), last_micros: None, has_come: false, is_stale: false };
        let is_watched = inputs.iter().any(|input| input.stale_after.is_some());
        let inputs = if is_watched { inputs.iter().map(watched).collect() } else { Vec::new() };
        Self { inputs, since_micros: now_micros }
    }

    /// Takes deliveries of the bridge. Redeliveries are left out: they prove nothing about the publisher.
    pub(super) fn note(&mut self, deliveries: &[Delivery]) {
        if self.inputs.is_empty() {
            return;
        }
        for delivery in deliveries.iter().filter(|delivery| !delivery.duplicate && !delivery.interrupted) {
            let watched = self.inputs.iter_mut().find(|watched| topic::matches(&watched.input.topic, &delivery.topic));
            if let Some(watched) = watched {
                watched.has_come |= has_quote(delivery, &watched.input.symbols);
            }
        }
    }

    /// Looks at the time. `is_asked`: the algorithm can be asked; while it cannot, quotes wait at the broker.
    pub(super) fn look(&mut self, is_asked: bool, now_micros: i64, notices: &mut Notices) {
        // A clock that was set back would make every input wait for the time to come again.
        self.since_micros = if is_asked { self.since_micros.min(now_micros) } else { now_micros };
        for Watched { input, last_micros, has_come, is_stale } in &mut self.inputs {
            let Some(stale_after) = input.stale_after else { continue };
            if std::mem::take(has_come) {
                *last_micros = Some(now_micros);
                if std::mem::take(is_stale) {
                    notices.add(EngineNotice::InputFresh { topic: input.topic.clone() });
                }
            }
            *last_micros = last_micros.map(|last| last.min(now_micros));
            let counted_from = last_micros.map_or(self.since_micros, |last| last.max(self.since_micros));
            let is_due = now_micros.saturating_sub(counted_from) >= freshness::micros(stale_after);
            if is_due && !std::mem::replace(is_stale, true) {
                notices.add(EngineNotice::InputStale { topic: input.topic.clone(), stale_after });
            }
        }
    }

    /// Number of stale inputs.
    pub(super) fn stale(&self) -> usize {
        self.inputs.iter().filter(|watched| watched.is_stale).count()
    }

    /// The inputs with `staleAfter`, in the contract's form.
    pub(super) fn shown(&self) -> Vec<InputState> {
        let shown = |watched: &Watched| {
            Some(InputState {
                topic: watched.input.topic.clone(),
                stale_after_seconds: watched.input.stale_after?.as_secs(),
                last_quote_micros: watched.last_micros.unwrap_or_default(),
                stale: watched.is_stale,
            })
        };
        self.inputs.iter().filter_map(shown).collect()
    }
}

/// Whether a delivery has a quote of one of these symbols; without symbols, any quote.
fn has_quote(delivery: &Delivery, symbols: &[String]) -> bool {
    delivery.ticks.iter().any(|tick| match &tick.content {
        Some(Content::Quote(quote)) => symbols.is_empty() || symbols.contains(&quote.sid),
        Some(Content::Indicator(_) | Content::Unusable(_)) | None => false,
    })
}
