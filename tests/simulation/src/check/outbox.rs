//! Entries that have to be published, and publications.
//!
//! An entry of the outbox is known by its published form: a decision by all its fields, a dead letter by its
//! reasons, size and hash, an algorithm's own message by its channel and payload. Equal entries are one item.

mod forms;
mod ids;
mod order;
mod turns;

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use algo_runtime::ledger::{Changes, OutboxContent, OutboxRow, Snapshot, WindowRow};
use intuition_api::v1;

use self::{ids::Ids, order::Order, turns::Turns};
use super::{hold, promise};
use crate::facts::{RunId, Time, Violation};

/// Something that has to be published.
#[derive(Debug)]
pub(super) struct Item {
    /// Its form as published, for comparisons and texts.
    pub(super) key: String,
    kind: Kind,
    pub(super) is_published: Cell<bool>,
    is_consumed: Cell<bool>,
    /// When it was committed last.
    committed: Cell<Time>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// With its number and id.
    Decision(u64, String),
    Letter,
    Data,
}

impl Item {
    fn is_decision(&self) -> bool {
        matches!(self.kind, Kind::Decision(..))
    }
}

/// Which kinds of entries that may be given up the broker has refused.
#[derive(Debug, Default)]
struct Refused {
    letters: bool,
    data: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    least_trial: Time,
    ids: Ids,
    /// Everything that any ledger of the run had, by key.
    items: BTreeMap<String, Rc<Item>>,
    /// By position, from 1, of the ledger in force.
    positions: Vec<Rc<Item>>,
    /// Most positions of a ledger that was replaced.
    longest: u64,
    /// By number, from 1, of the ledger in force.
    decisions: Vec<Rc<Item>>,
    published_through: u64,
    order: Order,
    /// Content of each decision id as it was published last.
    contents: BTreeMap<String, String>,
    turns: Turns,
    refused: Refused,
    ever_replaced: bool,
    /// A process of the release before had a stream: what is given up on such a stream is counted nowhere (ADR 0029).
    ever_uncounted: bool,
    has_consumer: bool,
}

impl Outbox {
    pub(super) fn new(least_trial: Time) -> Self {
        Self { least_trial, ..Self::default() }
    }

    /// The rows of a commit.
    pub(super) fn commit(&mut self, changes: &Changes, now: Time) -> Result<(), Violation> {
        if let Some(ids) = &changes.ledger_ids {
            self.ids.commit(ids)?;
        }
        if let Some(account) = &changes.account {
            self.ids.name(account);
        }
        for row in &changes.outbox {
            self.push(row, now)?;
        }
        let decisions = changes.journal.iter().filter(|entry| entry.trade.is_some()).count();
        let posted = changes.outbox.iter().filter(|row| matches!(row.content, OutboxContent::Decision(_))).count();
        hold!(
            decisions == posted,
            promise::PUBLISHED,
            "a commit books {decisions} decisions and posts {posted} to the outbox"
        );
        let before = self.published_through;
        if let Some(account) = &changes.account {
            let (found, expected) = (account.position, self.positions.len() as u64);
            hold!(
                found == expected,
                promise::PUBLISHED,
                "the totals have outbox position {found}, should be {expected}"
            );
            let through = account.published_through;
            hold!(
                (before..=expected).contains(&through),
                promise::PUBLISHED,
                "published_through goes from {before} to {through}, of {expected} positions"
            );
            self.published_through = through;
        }
        let ranges = changes.done.ranges().chain([(before + 1, self.published_through)]);
        ranges.into_iter().try_for_each(|(first, last)| self.check_done(first, last))
    }

    /// The ledger takes positions for done: decisions among them were taken by the broker.
    fn check_done(&self, first: u64, last: u64) -> Result<(), Violation> {
        for position in first..=last {
            let item = self.at(position);
            hold!(
                item.is_some(),
                promise::PUBLISHED,
                "position {position} is recorded as published and does not exist"
            );
            let open = item.filter(|item| item.is_decision() && !item.is_published.get());
            hold!(
                open.is_none(),
                promise::PUBLISHED,
                "position {position} is recorded as published, and the broker never took it: {}",
                open.map_or("", |item| &item.key)
            );
        }
        Ok(())
    }

    fn push(&mut self, row: &OutboxRow, now: Time) -> Result<(), Violation> {
        let expected = self.positions.len() as u64 + 1;
        hold!(
            row.position == expected,
            promise::PUBLISHED,
            "outbox position {} follows {}: positions have no holes",
            row.position,
            expected - 1
        );
        let (key, kind) = match &row.content {
            OutboxContent::Decision(entry) => {
                let seq = entry.trade.as_ref().map_or(0, |trade| trade.seq);
                let next = self.decisions.len() as u64 + 1;
                hold!(seq == next, promise::PUBLISHED, "the outbox has decision {seq}, should be {next}");
                let id = self.ids.of(seq);
                (forms::decision(self.ids.account(), &id, entry), Kind::Decision(seq, id))
            }
            OutboxContent::DeadLetter(letter) => (forms::letter(letter), Kind::Letter),
            OutboxContent::Publication(publication) => {
                (forms::data(&publication.channel, &publication.payload), Kind::Data)
            }
            OutboxContent::Joined(_) => {
                hold!(false, promise::PUBLISHED, "position {} is of an indicator, and no account is one", row.position);
                return Ok(());
            }
        };
        let item = self.items.entry(key).or_insert_with_key(|key| {
            let (is_published, is_consumed) = (Cell::new(false), Cell::new(false));
            Rc::new(Item { key: key.clone(), kind, is_published, is_consumed, committed: Cell::new(now) })
        });
        item.committed.set(now);
        if let Kind::Decision(seq, _) = item.kind {
            self.decisions.push(Rc::clone(item));
            if item.is_published.get() {
                self.order.is_published(seq);
            }
        }
        self.positions.push(Rc::clone(item));
        Ok(())
    }

    /// Whether an acknowledgement has to wait for an item. A dead letter or an algorithm's own message may have been given up,
    /// which takes a refusal or time. That those are counted shows at the end.
    pub(super) fn is_owed(&self, item: &Item, now: Time) -> bool {
        let may_be_given_up = match item.kind {
            Kind::Decision(..) => false,
            Kind::Letter => self.refused.letters,
            Kind::Data => self.refused.data,
        };
        let is_old = !item.is_decision() && now.saturating_sub(item.committed.get()) >= self.least_trial;
        !item.is_published.get() && !may_be_given_up && !is_old
    }

    /// The item at a position of the ledger in force.
    pub(super) fn at(&self, position: u64) -> Option<&Rc<Item>> {
        at(&self.positions, position)
    }

    /// Whether the letter that a row names is there, for its message and with its reason.
    pub(super) fn check_letter(&self, row: &WindowRow, shown: &str) -> Result<(), Violation> {
        let item = self.at(row.outcome.first_position);
        let key = item.map_or("", |item| item.key.as_str());
        let hash = hex::encode(row.payload_sha256);
        let reason = forms::quoted(&row.outcome.reason);
        let fits = item.is_some_and(|item| item.kind == Kind::Letter)
            && key.contains(&hash)
            && (key.contains(&reason) || key.contains(&forms::quoted("Other")));
        hold!(
            fits,
            promise::DEAD_LETTERS,
            "{shown} names position {}, which is no dead letter of payload {hash} with that reason: {key}",
            row.outcome.first_position
        );
        Ok(())
    }

    /// The broker took a publication.
    pub(super) fn publication(&mut self, topic: &str, payload: &[u8]) -> Result<(), Violation> {
        let Some(key) = forms::published(topic, payload) else { return Ok(()) };
        let item = self.items.get(&key).cloned();
        let Some(item) = item else {
            hold!(
                false,
                promise::PUBLISHED,
                "published on {topic:?}, and no ledger had it with this content: {}; the ledger has {}",
                String::from_utf8_lossy(payload),
                self.alike(payload)
            );
            return Ok(());
        };
        let Kind::Decision(seq, id) = &item.kind else {
            item.is_published.set(true);
            return Ok(());
        };
        let first = self.contents.entry(id.clone()).or_insert_with(|| key.clone());
        let is_same = *first == key;
        hold!(
            is_same || self.ids.come_again,
            promise::PUBLISHED,
            "the id {id} is published with another content: first {first}, now {key}"
        );
        if !is_same {
            // A consumer drops it, since it knows the id.
            item.is_consumed.set(true);
        }
        *first = key;
        let is_first = !item.is_published.replace(true);
        let is_current = self.decision(*seq).is_some_and(|current| Rc::ptr_eq(current, &item));
        if !is_first || !is_current {
            return Ok(());
        }
        let decisions = &self.decisions;
        self.order.note(*seq, |seq| at(decisions, seq).is_some_and(|item| !item.is_published.get()))
    }

    pub(super) fn refused(&mut self, topic: &str) {
        if forms::is_decisions(topic) {
            self.order.refused();
        }
        self.refused.letters |= topic.ends_with("/dead-letter");
        self.refused.data |= topic.contains("/data/");
    }

    /// A bridge handed a publication to its connection.
    pub(super) fn publishing(&mut self, bridge: RunId, topic: &str, payload: &[u8]) -> Result<(), Violation> {
        let Some(item) = self.published_as(topic, payload) else { return Ok(()) };
        self.turns.begun(bridge, &item)
    }

    /// A bridge received the broker's refusal.
    pub(super) fn refused_to(&mut self, bridge: RunId, topic: &str, payload: &[u8]) {
        if let Some(item) = self.published_as(topic, payload) {
            self.turns.refused(bridge, &item);
        }
    }

    fn published_as(&self, topic: &str, payload: &[u8]) -> Option<Rc<Item>> {
        self.items.get(&forms::published(topic, payload)?).cloned()
    }

    pub(super) fn consumed(&mut self, topic: &str, payload: &[u8]) -> Result<(), Violation> {
        self.has_consumer = true;
        let Some(key) = forms::published(topic, payload) else { return Ok(()) };
        let item = self.items.get(&key).filter(|item| item.is_published.get());
        hold!(
            item.is_some(),
            promise::PUBLISHED,
            "a consumer received a message on {topic:?} that the broker never took: {}",
            String::from_utf8_lossy(payload)
        );
        if let Some(item) = item {
            item.is_consumed.set(true);
        }
        Ok(())
    }

    fn decision(&self, seq: u64) -> Option<&Rc<Item>> {
        at(&self.decisions, seq)
    }

    fn alike(&self, payload: &[u8]) -> String {
        let seq = serde_json::from_slice::<serde_json::Value>(payload).ok();
        let seq = seq.as_ref().and_then(|value| value.get("seq")).and_then(serde_json::Value::as_u64);
        seq.and_then(|seq| self.decision(seq)).map_or_else(|| "nothing like it".to_owned(), |item| item.key.clone())
    }

    pub(super) fn ledger_replaced(&mut self) {
        self.ever_replaced = true;
        self.turns.clear();
        self.ids.ledger_replaced();
    }

    /// A bridge or a runtime has these capabilities.
    pub(super) fn note_release(&mut self, capabilities: &[String]) {
        self.ever_uncounted |= !capabilities.iter().any(|known| known == "outbox-queues");
    }

    /// A bridge opened a stream.
    pub(super) fn opened(&mut self, bridge: RunId, opened: &v1::Opened) -> Result<(), Violation> {
        self.ids.opened(bridge, opened)?;
        let (found, known) = (opened.published_through, self.longest.max(self.positions.len() as u64));
        hold!(
            found <= known,
            promise::PUBLISHED,
            "bridge run {bridge} received published_through {found}, of {known} positions"
        );
        Ok(())
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&mut self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        let account = &snapshot.account;
        self.ids.take(&snapshot.ledger_ids);
        self.ids.name(account);
        let (found, known) =
            ((account.position, account.published_through), (self.positions.len() as u64, self.published_through));
        hold!(
            found == known,
            promise::DURABLE,
            "run {run} opened the ledger and found {found:?} (outbox position, published through), {known:?} was committed"
        );
        Ok(())
    }

    /// Another ledger is in force.
    pub(super) fn go_back(&mut self, snapshot: &Snapshot) -> Result<(), Violation> {
        let account = &snapshot.account;
        self.ids.take(&snapshot.ledger_ids);
        self.ids.name(account);
        let known = self.positions.len() as u64;
        hold!(
            account.position <= known,
            promise::DURABLE,
            "an older ledger has outbox position {}, of {known} ever committed",
            account.position
        );
        self.longest = self.longest.max(known);
        self.positions.truncate(usize::try_from(account.position).unwrap_or(usize::MAX));
        self.decisions.truncate(usize::try_from(account.decisions).unwrap_or(usize::MAX));
        self.published_through = account.published_through;
        self.order.go_back(account.decisions);
        Ok(())
    }

    /// At the end: every decision is published, and everything else is published or counted.
    pub(super) fn check_end(&self, may_wait: bool, broker_whole: bool, given_up: u64) -> Result<(), Violation> {
        if may_wait {
            return Ok(());
        }
        let open = self.decisions.iter().find(|item| !item.is_published.get());
        hold!(
            open.is_none(),
            promise::PUBLISHED,
            "a decision was never published: {}",
            open.map_or("", |item| &item.key)
        );
        let unpublished = self.positions.iter().filter(|item| !item.is_published.get());
        let (count, example) = (unpublished.clone().count() as u64, unpublished.clone().next());
        hold!(
            count <= given_up || self.ever_replaced || self.ever_uncounted,
            promise::SILENCE,
            "{count} entries of the outbox were never published, and {given_up} are counted as undeliverable; one: {}",
            example.map_or("", |item| &item.key)
        );
        // A consumer drops ids that come again.
        let unseen = self.decisions.iter().find(|item| !item.is_consumed.get());
        hold!(
            unseen.is_none() || !self.has_consumer || !broker_whole || self.ids.come_again,
            promise::PUBLISHED,
            "no consumer received a decision, although the broker never ended: {}",
            unseen.map_or("", |item| &item.key)
        );
        Ok(())
    }
}

/// The item with a number from 1.
fn at(items: &[Rc<Item>], number: u64) -> Option<&Rc<Item>> {
    items.get(usize::try_from(number.checked_sub(1)?).ok()?)
}
