//! Publishers of quotes: several at once, each with a topic and habits of its own, drawn from the seed.
//!
//! A publisher has at most one message without an answer. Where the answer is lost it publishes the same message again, or
//! the quotes of it in other messages, together with new ones: `[x1, x2]`, then `[x1]` and `[x2, x3]`. A quote that is
//! published again keeps its serial and its identity.

mod numbering;
mod render;
mod unusable;

use std::{collections::VecDeque, rc::Rc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use self::{
    numbering::Numbering,
    render::{Element, Style},
};
use crate::{
    facts::{Body, Identity, Place, Quote, Serial, Time},
    plan::{LONGEST_MESSAGE, Plan, Scale, Stream, generator},
};

/// All topics of publishers are below this level.
pub const ROOT: &str = "quotes";
/// Every symbol that may be published.
pub const SYMBOLS: [&str; 5] = ["GOOG", "AAPL", "MSFT", "BTCUSDT", "low-x"];
/// A message has quotes of the past if the serial of one of them is a multiple of this.
const BACKFILL_EVERY: Serial = 43;
/// User property of dead letters: bridges pass over such messages.
const DEAD_LETTER: &str = "dead-letter";

/// How the quotes of a publisher are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `source` and `seq`.
    Numbered,
    /// `id`.
    Named,
    /// `seq` without a source.
    NumberAlone,
    /// Not at all.
    Bare,
}

/// A PUBLISH of a publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub body: Rc<Body>,
    /// With the flag RETAIN.
    pub retain: bool,
}

#[derive(Debug)]
struct Sent {
    outgoing: Outgoing,
    quotes: Vec<Quote>,
}

/// A publisher.
#[derive(Debug)]
pub struct Publisher {
    topic: String,
    kind: Kind,
    style: Style,
    draw: ChaCha8Rng,
    numbering: Numbering,
    /// Serials that this publisher has not used yet.
    serials: std::ops::Range<Serial>,
    /// Quotes of messages whose answer was lost, which are published in other messages.
    again: VecDeque<Quote>,
    /// A message that is published again unchanged.
    repeat: Option<Sent>,
    underway: Option<Sent>,
    /// The most quotes of a message.
    batch: usize,
    /// A repetition has the user property `replay`.
    marks_replays: bool,
    next_at: Time,
    /// The mean time between two messages.
    pause: Duration,
}

impl Publisher {
    /// The publishers of a run. Together they make `plan.quotes` quotes within about `span` of virtual time, longer where
    /// answers are late.
    pub fn draw(plan: &Plan, span: Duration) -> Vec<Self> {
        let mut draw = generator(plan.seed, Stream::Publishers);
        let is_small = plan.scale == Scale::Small;
        let count = if is_small { draw.random_range(2..=5) } else { 4 };
        let turn = draw.random_range(0..4);
        let mut first = 1;
        (0..count)
            .map(|place| {
                let share = (plan.quotes + count - 1 - place) / count;
                let serials = first..first + share;
                first += share;
                Self::one(place, place + turn, serials, is_small, span, draw.random())
            })
            .collect()
    }

    fn one(place: u64, kind: u64, serials: std::ops::Range<Serial>, is_small: bool, span: Duration, seed: u64) -> Self {
        let mut draw = ChaCha8Rng::seed_from_u64(seed);
        let (kind, name) = match kind % 4 {
            0 => (Kind::Numbered, "numbered"),
            1 => (Kind::Named, "named"),
            2 => (Kind::NumberAlone, "alone"),
            _ => (Kind::Bare, "bare"),
        };
        let style = match (kind, draw.random_range(0..4)) {
            (Kind::Numbered | Kind::Named, 0) => Style::Properties,
            (Kind::Numbered | Kind::Named, 1) => Style::Events,
            _ => Style::Members,
        };
        // A backlog of more messages than there are packet identifiers needs messages of one quote.
        let is_single = style == Style::Properties || !is_small || draw.random_bool(0.4);
        let batch = if is_single { 1 } else { draw.random_range(2..LONGEST_MESSAGE) };
        let messages = ((serials.end - serials.start) / u64::try_from(batch.div_ceil(2)).unwrap_or(1)).max(1);
        let pause = span / u32::try_from(messages).unwrap_or(u32::MAX);
        let name = format!("{name}-{place}");
        Self {
            topic: format!("{ROOT}/{name}"),
            kind,
            style,
            numbering: Numbering::new(kind, &name, draw.random()),
            serials,
            again: VecDeque::new(),
            repeat: None,
            underway: None,
            batch,
            marks_replays: draw.random_bool(0.3),
            next_at: pause.mul_f64(draw.random_range(0.0..1.0)),
            pause,
            draw,
        }
    }

    /// Where it publishes.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// How its quotes are recognised.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// When [`Self::next`] has a message; `None` while an answer is missing, and at the end.
    pub fn wake(&self) -> Option<Time> {
        (self.underway.is_none() && !self.is_finished()).then_some(self.next_at)
    }

    /// Everything was published and answered.
    pub fn is_finished(&self) -> bool {
        self.serials.is_empty() && self.again.is_empty() && self.repeat.is_none() && self.underway.is_none()
    }

    /// The message to be handed to the broker now, if one is due. Its answer comes by [`Self::answered`] or
    /// [`Self::lost_answer`].
    pub fn next(&mut self, now: Time) -> Option<Outgoing> {
        if self.wake().is_none_or(|at| at > now) {
            return None;
        }
        let sent = match self.repeat.take() {
            Some(sent) => self.repeated(sent),
            None if self.again.is_empty() && self.draw.random_bool(0.08) => self.without_quotes(),
            None => self.with_quotes(),
        };
        let outgoing = sent.outgoing.clone();
        self.underway = Some(sent);
        Some(outgoing)
    }

    /// The broker answered; `ok`: it took the message. A refused message is published again.
    pub fn answered(&mut self, ok: bool, now: Time) {
        let Some(sent) = self.underway.take() else { return };
        // Some publish a message again although the broker has it.
        if !ok || self.draw.random_bool(0.02) {
            self.repeat = Some(sent);
        }
        self.rest(now);
    }

    /// No answer came: whether the broker has the message is not known.
    pub fn lost_answer(&mut self, now: Time) {
        let Some(sent) = self.underway.take() else { return };
        if sent.quotes.is_empty() || self.draw.random_bool(0.5) {
            self.repeat = Some(sent);
        } else {
            for quote in sent.quotes.into_iter().rev() {
                self.again.push_front(quote);
            }
        }
        self.rest(now);
    }

    fn rest(&mut self, now: Time) {
        self.next_at = now + self.pause.mul_f64(self.draw.random_range(0.0..2.0));
    }

    fn repeated(&self, sent: Sent) -> Sent {
        let replay = ("replay".to_owned(), "true".to_owned());
        let Outgoing { body, retain } = &sent.outgoing;
        if !self.marks_replays || body.user_properties.contains(&replay) {
            return sent;
        }
        let mut body = Body::clone(body);
        body.user_properties.push(replay);
        Sent { outgoing: Outgoing { body: Rc::new(body), retain: *retain }, quotes: sent.quotes }
    }

    fn with_quotes(&mut self) -> Sent {
        let size = self.draw.random_range(1..=self.batch);
        let mut quotes: Vec<Quote> = Vec::with_capacity(size);
        while quotes.len() < size {
            let quote = match self.again.pop_front() {
                Some(quote) => Some(quote),
                None => self.serials.next().map(|serial| self.numbering.quote(serial, &mut self.draw)),
            };
            let Some(quote) = quote else { break };
            // Quotes of one message with one identity differ in their rank alone, which another message may change.
            if quote.identity != Identity::Bare && quotes.iter().any(|other| other.identity == quote.identity) {
                self.again.push_front(quote);
                break;
            }
            quotes.push(quote);
        }
        let mut elements: Vec<_> = quotes.iter().cloned().map(Element::Quote).collect();
        if self.batch > 1 && self.draw.random_bool(0.05) {
            let place = self.draw.random_range(0..=elements.len());
            elements.insert(place, Element::Unusable(unusable::element(&mut self.draw)));
        }
        let (payload, mut user_properties) = render::message(&elements, self.style, &mut self.draw);
        if quotes.iter().any(|quote| quote.serial.is_multiple_of(BACKFILL_EVERY)) {
            user_properties.push(("backfill".to_owned(), "true".to_owned()));
        }
        let places = elements.into_iter().map(Place::from).collect();
        let body = Body { topic: self.topic.clone(), payload, user_properties, places };
        Sent { outgoing: Outgoing { body: Rc::new(body), retain: self.draw.random_bool(0.03) }, quotes }
    }

    /// A message without a quote that could be traded on.
    fn without_quotes(&mut self) -> Sent {
        let (payload, places, user_properties) = match self.draw.random_range(0..6) {
            0 => {
                let letter = vec![(DEAD_LETTER.to_owned(), "other/account".to_owned())];
                (r#"{"symbol": "GOOG", "price": "1.5"}"#.into(), Vec::new(), letter)
            }
            1 => (r#"{"GOOG": null, "AAPL": null}"#.into(), Vec::new(), Vec::new()),
            _ => {
                let (payload, reason) = unusable::message(&mut self.draw);
                (payload, vec![Place::Unusable(reason)], Vec::new())
            }
        };
        let body = Body { topic: self.topic.clone(), payload, user_properties, places };
        Sent { outgoing: Outgoing { body: Rc::new(body), retain: false }, quotes: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
