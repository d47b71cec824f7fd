//! Channels: those that the active algorithm asks for and the account may use, those that the bridge is to subscribe to, and
//! the quotes on them that are decided.
//!
//! While the bridge changes its subscriptions, quotes of the earlier channels are decided too: `decided` holds both until the
//! marker of the new version has passed.

use std::collections::BTreeSet;

use intuition_api::{
    capability,
    reason::TOPIC_NOT_ALLOWED,
    topic,
    v1::{self, Delivery},
};

use super::{
    freshness,
    inputs::{Input, Inputs},
    notice::{EngineNotice, Notices},
};
use crate::{
    algorithm::Quote,
    ledger::{Changes, HeldFilter},
    portfolio::Denial,
    settings::Topics,
};

/// See the module.
#[derive(Debug)]
pub(super) struct ChannelState {
    /// Channels of the settings; `None`: those that the algorithm asks for.
    subscribe: Option<Vec<String>>,
    inputs: Inputs,
    topics: Topics,
    /// Channels that the active algorithm asked for and the account may not use.
    not_allowed: Vec<String>,
    /// The channels that the bridge is to subscribe to; version 0: the algorithm has not named them yet.
    current: v1::Channels,
    /// Channels that the active algorithm asked for and may use; `None` before it named them.
    wanted: Option<Vec<String>>,
    /// Channels of the active algorithm.
    decided: Vec<String>,
    /// Filters that the broker's session may hold.
    held: Vec<HeldFilter>,
    /// `held` is not in the ledger yet.
    held_changed: bool,
}

/// The quotes on a topic that the algorithm gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum DecidedQuotes<'a> {
    /// None: the algorithm did not ask for the topic.
    None,
    /// Those of the symbols that its input lists.
    Listed(&'a BTreeSet<String>),
    All,
}

/// The quotes on a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnTopic<'a> {
    /// Those that the active algorithm decides.
    pub(super) decided: DecidedQuotes<'a>,
    max_age_micros: Option<i64>,
}

/// The descriptions of messages that a bridge understands.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownInputs {
    /// It reads `Channels.inputs`.
    pub inputs: bool,
    /// It reads `Input.format`.
    pub formats: bool,
}

impl KnownInputs {
    /// By the capabilities of the bridge.
    pub fn of(capabilities: &[String]) -> Self {
        let has = |wanted: &str| capabilities.iter().any(|known| known == wanted);
        Self { inputs: has(capability::INPUTS), formats: has(capability::INPUT_FORMATS) }
    }
}

impl ChannelState {
    pub(super) fn new(subscribe: Option<Vec<String>>, inputs: Inputs, topics: Topics, held: Vec<HeldFilter>) -> Self {
        Self {
            subscribe,
            inputs,
            topics,
            not_allowed: Vec::new(),
            current: v1::Channels::default(),
            wanted: None,
            decided: Vec::new(),
            held,
            held_changed: false,
        }
    }

    /// The channels that the bridge is to subscribe to; `None`: the algorithm has not named them yet.
    pub(super) fn current(&self) -> Option<&v1::Channels> {
        (self.version() > 0).then_some(&self.current)
    }

    pub(super) const fn version(&self) -> u64 {
        self.current.version
    }

    /// The same as the bridge gets them. A bridge with the capability `inputs` gets every input, also those without symbols:
    /// of the inputs that match a topic, the first counts there too. `None` also for a bridge that would read messages of
    /// another form as quotes of our own: without channels it delivers nothing.
    pub(super) fn for_bridge(&self, knows: KnownInputs) -> Option<v1::Channels> {
        let channels = self.current().filter(|_| self.can_read(knows))?;
        let is_within = |input: &v1::Input| channels.filters.iter().any(|filter| topic::covers(filter, &input.topic));
        let is_sent = |input: &&v1::Input| knows.inputs && is_within(input);
        let inputs = self.inputs.wire().filter(is_sent).cloned().collect();
        Some(v1::Channels { inputs, ..channels.clone() })
    }

    /// Whether a bridge reads the messages as the inputs describe them.
    pub(super) fn can_read(&self, knows: KnownInputs) -> bool {
        knows.formats || !self.inputs.have_formats()
    }

    /// Channels that the active algorithm wants; `None` before it named them.
    pub(super) fn wanted(&self) -> Option<&[String]> {
        self.wanted.as_deref()
    }

    /// The quotes on a topic.
    pub(super) fn on(&self, topic: &str) -> OnTopic<'_> {
        let input = self.inputs.on(topic);
        OnTopic {
            decided: decided_on(&self.decided, input, topic),
            max_age_micros: input.and_then(Input::max_age_micros),
        }
    }

    /// Whether the account takes quotes of this symbol on this topic, now or once the bridge has subscribed to the channels
    /// of the candidate.
    pub(super) fn take(&self, topic: &str, sid: &str) -> bool {
        [&self.decided, &self.current.filters]
            .into_iter()
            .any(|filters| decided_on(filters, self.inputs.on(topic), topic).has(sid))
    }

    /// Whether quotes of other topics meet those of this one: the numbers of a source count for each topic.
    pub(super) fn joins_topics(&self, topic: &str) -> bool {
        let selects_others = |filter: &String| filter != topic && topic::matches(filter, topic);
        self.wanted().is_some_and(|wanted| wanted.len() > 1) || self.decided.iter().any(selects_others)
    }

    /// Whether the input of a topic leaves symbols out.
    pub(super) fn lists_symbols(&self, topic: &str) -> bool {
        self.inputs.on(topic).is_some_and(|input| input.symbols().is_some())
    }

    /// The active algorithm asks for these channels. Returns those that it wants from now on; `None`: they stay.
    pub(super) fn ask(&mut self, asked: Vec<String>, notices: &mut Notices) -> Option<Vec<String>> {
        let wanted = match &self.subscribe {
            Some(subscribe) => subscribe.clone(),
            // An answer without channels leaves them as they are.
            None if asked.is_empty() => return None,
            None => self.allow(asked, notices),
        };
        if self.current.version == 0 {
            self.decided.clear();
        }
        let new: Vec<String> = wanted.iter().filter(|filter| !self.decided.contains(filter)).cloned().collect();
        self.decided.extend(new);
        self.wanted = Some(wanted.clone());
        Some(wanted)
    }

    /// Another algorithm has taken over and asks for these channels.
    pub(super) fn replace(&mut self, asked: Vec<String>, notices: &mut Notices) {
        self.decided = match &self.subscribe {
            Some(subscribe) => subscribe.clone(),
            None => self.allow(asked, notices),
        };
        self.wanted = Some(self.decided.clone());
        self.subscribe_to(self.decided.clone());
    }

    /// The channels of the active algorithm together with those that a candidate asks for. `None` before the active algorithm
    /// has named its channels: the session may hold some of them, and none may be left out.
    pub(super) fn with_candidate(&self, asked: &[String]) -> Option<Vec<String>> {
        let wanted = self.wanted.as_ref()?;
        let more = match &self.subscribe {
            Some(subscribe) => subscribe.clone(),
            None => self.allowed(asked.to_vec()),
        };
        let mut both = wanted.clone();
        both.extend(more.into_iter().filter(|filter| !wanted.contains(filter)));
        Some(both)
    }

    /// Whether quotes of exactly these channels are decided, and the active algorithm wants exactly these.
    pub(super) fn has_all(&self, filters: &[String]) -> bool {
        same_set(filters, self.wanted().unwrap_or_default()) && same_set(filters, &self.decided)
    }

    /// Whether this version has exactly these channels.
    pub(super) fn is_current(&self, version: u64, filters: &[String]) -> bool {
        version == self.current.version && same_set(filters, &self.current.filters)
    }

    /// Makes these the channels that the bridge subscribes to. Returns their version.
    pub(super) fn subscribe_to(&mut self, filters: Vec<String>) -> u64 {
        if self.current.version == 0 || !same_set(&self.current.filters, &filters) {
            self.current = v1::Channels { version: self.current.version + 1, filters, ..v1::Channels::default() };
        }
        self.current.version
    }

    /// The bridge subscribes to the channels of the active algorithm alone.
    pub(super) fn subscribe_to_wanted(&mut self) {
        self.subscribe_to(self.wanted.clone().unwrap_or_default());
    }

    /// The stream has come to a marker: the bridge holds the channels of this version. False for an earlier version.
    pub(super) fn pass_marker(&mut self, version: u64) -> bool {
        if version == 0 || version != self.current.version {
            return false;
        }
        self.decided = self.wanted.clone().unwrap_or_default();
        true
    }

    /// Filters that the broker's session may hold, in the order in which it took them up.
    pub(super) fn held(&self) -> &[HeldFilter] {
        &self.held
    }

    pub(super) fn hold(&mut self, held: Vec<HeldFilter>) {
        if held != self.held {
            self.held = held;
            self.held_changed = true;
        }
    }

    /// A channel of the algorithm that is not subscribed to, as a code and for a person.
    pub(super) fn condition(&self, account: &str) -> Option<(&'static str, String)> {
        if self.not_allowed.is_empty() || !self.topics.are_enforced() {
            return None;
        }
        let (namespace, _) = account.split_once('/').unwrap_or((account, ""));
        let message = format!(
            "the algorithm asks for {}, which selects topics of other namespaces than {namespace} and is not subscribed to: \
             name the channels in spec.channels, or have them allowed by topics.subscribe of the operator's chart",
            self.not_allowed.join(", ")
        );
        Some((TOPIC_NOT_ALLOWED, message))
    }

    pub(super) fn take_changes(&mut self, changes: &mut Changes) {
        changes.held = std::mem::take(&mut self.held_changed).then(|| self.held.clone());
    }

    /// Those of the channels of the active algorithm that are subscribed to.
    fn allow(&mut self, asked: Vec<String>, notices: &mut Notices) -> Vec<String> {
        let not_allowed = self.topics.not_allowed(&asked);
        if not_allowed != self.not_allowed && !not_allowed.is_empty() {
            notices.add(EngineNotice::ChannelsNotAllowed {
                channels: not_allowed.clone(),
                subscribed: !self.topics.are_enforced(),
            });
        }
        self.not_allowed = not_allowed;
        self.allowed(asked)
    }

    fn allowed(&self, mut asked: Vec<String>) -> Vec<String> {
        if self.topics.are_enforced() {
            let not_allowed = self.topics.not_allowed(&asked);
            asked.retain(|channel| !not_allowed.contains(channel));
        }
        asked
    }
}

impl DecidedQuotes<'_> {
    pub(super) fn has(self, sid: &str) -> bool {
        match self {
            Self::None => false,
            Self::Listed(symbols) => symbols.contains(sid),
            Self::All => true,
        }
    }
}

impl OnTopic<'_> {
    /// The denial of every signal about a quote at this time, because of the quote's age.
    pub(super) fn denial(self, delivery: &Delivery, quote: &Quote, now_micros: i64) -> Option<Denial> {
        freshness::denial(delivery, quote, self.max_age_micros, now_micros)
    }
}

fn decided_on<'a>(filters: &[String], input: Option<&'a Input>, topic: &str) -> DecidedQuotes<'a> {
    if !filters.iter().any(|filter| topic::matches(filter, topic)) {
        return DecidedQuotes::None;
    }
    input.and_then(Input::symbols).map_or(DecidedQuotes::All, DecidedQuotes::Listed)
}

/// Whether two lists of filters, each without repetitions, hold the same filters.
fn same_set(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|filter| other.contains(filter))
}
