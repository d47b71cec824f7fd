//! What has to be published, and what was.
//!
//! An entry of the outbox is known by what a consumer sees of it: a decision by all its fields, a dead letter by its
//! reasons, size and hash, an algorithm's own message by its channel and payload. Equal entries are one item.

mod forms;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use algo_runtime::ledger::{Account, Changes, LedgerIds, OutboxContent, OutboxRow, Snapshot, WindowRow};
use intuition_api::v1;

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

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    least_trial: Time,
    account: String,
    /// First decision and id, of the ledger in force.
    ids: Vec<(u64, String)>,
    every_id: BTreeSet<String>,
    /// Most positions of a ledger that was replaced.
    longest: u64,
    /// Everything that any ledger of the run had, by key.
    items: BTreeMap<String, Rc<Item>>,
    /// By position, from 1, of the ledger in force.
    positions: Vec<Rc<Item>>,
    /// By number, from 1, of the ledger in force.
    decisions: Vec<Rc<Item>>,
    published_through: u64,
    /// Content of each decision id as it was published first.
    contents: BTreeMap<String, String>,
    /// Decisions before the highest one that is published which are not published.
    holes: BTreeSet<u64>,
    highest: u64,
    /// Refusals on topics that are no dead letters and no data since there was no hole.
    refusals: u64,
    /// The broker refused a dead letter, or an algorithm's own message.
    refused_letters: bool,
    refused_data: bool,
    /// Bridges that opened a stream before the ledger was replaced.
    informed: BTreeSet<RunId>,
    ever_replaced: bool,
    /// The ledger was replaced, and no bridge has opened a stream since.
    awaits_bridge: bool,
    /// No bridge knew of the ledger that was replaced: its ids come again.
    ids_come_again: bool,
    has_consumer: bool,
}

impl Outbox {
    pub(super) fn new(least_trial: Time) -> Self {
        Self { least_trial, ..Self::default() }
    }

    /// The rows of a commit.
    pub(super) fn commit(&mut self, changes: &Changes, now: Time) -> Result<(), Violation> {
        if let Some(ids) = &changes.ledger_ids {
            self.take_ids(ids);
        }
        if let Some(account) = &changes.account {
            self.take_name(account);
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
                let id = format!("{}/{}/{seq}", self.account, self.id_of(seq));
                (forms::decision(&self.account, &id, entry), Kind::Decision(seq, id))
            }
            OutboxContent::DeadLetter(letter) => (forms::letter(letter), Kind::Letter),
            OutboxContent::Publication(publication) => {
                (forms::data(&publication.channel, &publication.payload), Kind::Data)
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
                self.highest = self.highest.max(seq);
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
            Kind::Letter => self.refused_letters,
            Kind::Data => self.refused_data,
        };
        let is_old = !item.is_decision() && now.saturating_sub(item.committed.get()) >= self.least_trial;
        !item.is_published.get() && !may_be_given_up && !is_old
    }

    /// The item at a position of the ledger in force.
    pub(super) fn at(&self, position: u64) -> Option<&Rc<Item>> {
        self.positions.get(usize::try_from(position.checked_sub(1)?).ok()?)
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
            is_same || self.ids_come_again,
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
        if is_first && is_current { self.note_order(*seq) } else { Ok(()) }
    }

    /// Decisions are published in the order of their numbers, but for those that the broker refused.
    fn note_order(&mut self, seq: u64) -> Result<(), Violation> {
        self.holes.remove(&seq);
        for missed in self.highest + 1..seq {
            if self.decision(missed).is_some_and(|item| !item.is_published.get()) {
                self.holes.insert(missed);
            }
        }
        self.highest = self.highest.max(seq);
        if self.holes.is_empty() {
            self.refusals = 0;
        }
        hold!(
            self.holes.len() as u64 <= self.refusals,
            promise::PUBLISHED,
            "decision {seq} is published before {:?}, and the broker refused {} publications since all were in order",
            self.holes.iter().take(5).collect::<Vec<_>>(),
            self.refusals
        );
        Ok(())
    }

    pub(super) fn refused(&mut self, topic: &str) {
        if forms::is_decisions(topic) {
            self.refusals += 1;
        }
        self.refused_letters |= topic.ends_with("/dead-letter");
        self.refused_data |= topic.contains("/data/");
    }

    pub(super) fn consumed(&mut self, topic: &str, payload: &[u8]) -> Result<(), Violation> {
        self.has_consumer = true;
        let Some(key) = forms::published(topic, payload) else { return Ok(()) };
        let item = self.items.get(&key).filter(|item| item.is_published.get());
        hold!(
            item.is_some(),
            promise::PUBLISHED,
            "a consumer received on {topic:?} what the broker never took: {}",
            String::from_utf8_lossy(payload)
        );
        if let Some(item) = item {
            item.is_consumed.set(true);
        }
        Ok(())
    }

    fn decision(&self, seq: u64) -> Option<&Rc<Item>> {
        self.decisions.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    fn alike(&self, payload: &[u8]) -> String {
        let seq = serde_json::from_slice::<serde_json::Value>(payload).ok();
        let seq = seq.as_ref().and_then(|value| value.get("seq")).and_then(serde_json::Value::as_u64);
        seq.and_then(|seq| self.decision(seq)).map_or_else(|| "nothing like it".to_owned(), |item| item.key.clone())
    }

    fn id_of(&self, seq: u64) -> &str {
        self.ids.iter().rev().find(|(first, _)| *first <= seq).map_or("", |(_, id)| id)
    }

    fn take_ids(&mut self, ids: &LedgerIds) {
        self.ids = ids.iter().map(|id| (id.first_seq, id.id.clone())).collect();
        self.every_id.extend(ids.iter().map(|id| id.id.clone()));
    }

    fn take_name(&mut self, account: &Account) {
        if self.account != account.name {
            self.account.clone_from(&account.name);
        }
        if self.ids.is_empty() {
            self.ids.push((1, account.ledger_id.clone()));
            self.every_id.insert(account.ledger_id.clone());
        }
    }

    pub(super) fn ledger_replaced(&mut self) {
        (self.awaits_bridge, self.ever_replaced) = (true, true);
    }

    /// A bridge opened a stream.
    pub(super) fn opened(&mut self, bridge: RunId, opened: &v1::Opened) -> Result<(), Violation> {
        let is_informed = !self.informed.insert(bridge);
        if std::mem::take(&mut self.awaits_bridge) && !is_informed {
            // Neither of the two knows that the ledger went back.
            self.ids_come_again = true;
        }
        // It may come late, from a runtime whose ledger has gone back since.
        hold!(
            self.every_id.contains(&opened.ledger_id),
            promise::DURABLE,
            "bridge run {bridge} is told the ledger id {:?}, and {:?} are recorded",
            opened.ledger_id,
            self.every_id
        );
        let (found, known) = (opened.published_through, self.longest.max(self.positions.len() as u64));
        hold!(
            found <= known,
            promise::PUBLISHED,
            "bridge run {bridge} is told that positions up to {found} are published, of {known}"
        );
        Ok(())
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&mut self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        let account = &snapshot.account;
        self.take_ids(&snapshot.ledger_ids);
        self.take_name(account);
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
        self.ids.clear();
        self.take_ids(&snapshot.ledger_ids);
        self.take_name(account);
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
        self.highest = self.highest.min(account.decisions);
        self.holes.retain(|seq| *seq <= account.decisions);
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
            count <= given_up || self.ever_replaced,
            promise::SILENCE,
            "{count} entries of the outbox were never published, and {given_up} are counted as undeliverable; one: {}",
            example.map_or("", |item| &item.key)
        );
        let unseen = self.decisions.iter().find(|item| !item.is_consumed.get());
        hold!(
            unseen.is_none() || !self.has_consumer || !broker_whole,
            promise::PUBLISHED,
            "no consumer received a decision, although the broker never ended: {}",
            unseen.map_or("", |item| &item.key)
        );
        Ok(())
    }
}
