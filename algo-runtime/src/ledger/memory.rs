//! The ledger of backtests and tests: the same rules as [`sqlite`](super::sqlite), gone with the process.
//! It keeps the last gap only: the others are for readers of the file.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Account, Changes, Class, ClosingRecords, CounterKey, HeldFilter, Holding, IdQuery, JournalEntry, Ledger,
    LedgerError, LedgerIds, Mark, OutboxContent, OutboxPage, OutboxRow, PacketQuery, Positions, SettingsRecord,
    Snapshot, SourceRecords, StateKey, Stretch, TradingRecord, WindowRow,
    books::{Books, Finding},
    stretch,
};
use crate::sizes::Sizes;

/// See the module. A clone is a copy as of the last commit.
#[derive(Debug, Clone)]
pub struct MemoryLedger {
    sizes: Sizes,
    account: Account,
    ledger_ids: LedgerIds,
    books: Books,
    journal: Vec<JournalEntry>,
    holdings: BTreeMap<String, Holding>,
    marks: BTreeMap<(String, String), Mark>,
    sources: SourceRecords,
    window: BTreeMap<(Class, u64), WindowRow>,
    /// Packet key, class and ordinal of the rows.
    packets: BTreeSet<(i64, Class, u64)>,
    outbox: BTreeMap<u64, OutboxContent>,
    done: Positions,
    counters: BTreeMap<CounterKey, u64>,
    state: BTreeMap<StateKey, Vec<u8>>,
    settings: Option<SettingsRecord>,
    trading: Option<TradingRecord>,
    closing: ClosingRecords,
    sessions: BTreeMap<String, String>,
    client_sessions: BTreeMap<(String, String), String>,
    held: Vec<HeldFilter>,
}

impl MemoryLedger {
    /// A new ledger of `account` (`<namespace>/<name>`) under `ledger_id` (8 hex digits).
    pub fn new(account: &str, ledger_id: &str) -> Self {
        Self::with_sizes(account, ledger_id, Sizes::DESIGN)
    }

    /// The same with other bounds.
    pub fn with_sizes(account: &str, ledger_id: &str, sizes: Sizes) -> Self {
        Self {
            sizes,
            account: Account::empty(account, ledger_id),
            ledger_ids: LedgerIds::new(ledger_id),
            books: Books::default(),
            journal: Vec::new(),
            holdings: BTreeMap::new(),
            marks: BTreeMap::new(),
            sources: SourceRecords::default(),
            window: BTreeMap::new(),
            packets: BTreeSet::new(),
            outbox: BTreeMap::new(),
            done: Positions::default(),
            counters: BTreeMap::new(),
            state: BTreeMap::new(),
            settings: None,
            trading: None,
            closing: ClosingRecords::default(),
            sessions: BTreeMap::new(),
            client_sessions: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Takes the entries into the books. All checks of `changes` are here, so that applying them cannot fail.
    fn check(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        let refused = |finding| LedgerError::Refused { path: "in memory".to_owned(), finding };
        if let Some(row) = changes.window.iter().find(|row| self.window.contains_key(&(row.class, row.ordinal))) {
            return Err(refused(format!("window {} has an ordinal {} already", row.class.name(), row.ordinal)));
        }
        self.books.take(&self.account, changes).map(drop).map_err(|finding: Finding| refused(finding.to_string()))
    }

    /// Rows of a class up to this ordinal are not handed out by a snapshot.
    fn kept_alone(&self, class: Class) -> u64 {
        let last = self.window.range((class, 0)..=(class, u64::MAX)).next_back();
        last.map_or(0, |((_, ordinal), _)| ordinal.saturating_sub(self.sizes.window))
    }

    fn older(&self) -> Vec<Stretch> {
        let mut older = Vec::new();
        for class in Class::ALL {
            let rows = self.window.range((class, 0)..=(class, self.kept_alone(class)));
            rows.for_each(|(_, row)| stretch::append(&mut older, Stretch::of(row), self.sizes.stretch_rows));
        }
        older
    }
}

impl Ledger for MemoryLedger {
    fn read(&mut self, row: &mut dyn FnMut(WindowRow)) -> Result<Snapshot, LedgerError> {
        self.window.values().filter(|row| row.ordinal > self.kept_alone(row.class)).cloned().for_each(row);
        Ok(Snapshot {
            account: self.account.clone(),
            ledger_ids: self.ledger_ids.clone(),
            done: self.done.clone(),
            holdings: self.holdings.clone(),
            marks: self.marks.values().cloned().collect(),
            sources: self.sources.clone(),
            window: Vec::new(),
            older: self.older(),
            counters: self.counters.clone(),
            state: self.state.clone(),
            settings: self.settings.clone(),
            trading: self.trading.clone(),
            closing: self.closing.clone(),
            sessions: self.sessions.clone(),
            client_sessions: self.client_sessions.clone(),
            held: self.held.clone(),
        })
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LedgerError> {
        self.check(changes)?;
        self.journal.extend_from_slice(&changes.journal);
        self.take_sources(changes);
        self.marks.extend(changes.marks.iter().map(|(key, mark)| (key.clone(), mark.clone())));
        self.window.extend(changes.window.iter().map(|row| ((row.class, row.ordinal), row.clone())));
        self.packets.extend(changes.window.iter().filter_map(|row| Some((row.packet_key()?, row.class, row.ordinal))));
        for (class, through) in &changes.evict {
            for (_, row) in self.window.extract_if((*class, 0)..=(*class, *through), |_, _| true) {
                if let Some(key) = row.packet_key() {
                    self.packets.remove(&(key, row.class, row.ordinal));
                }
            }
        }
        self.outbox.extend(changes.outbox.iter().map(|row| (row.position, row.content.clone())));
        self.done.extend(&changes.done);
        if let Some(ids) = &changes.ledger_ids {
            self.ledger_ids.clone_from(ids);
        }
        if let Some(account) = &changes.account {
            self.done.remove_through(account.published_through);
            self.outbox = self.outbox.split_off(&(account.published_through + 1));
            self.account.clone_from(account);
        }
        set_or_remove(&mut self.holdings, &changes.holdings);
        set_or_remove(&mut self.state, &changes.state);
        self.counters.extend(changes.counters.iter().map(|(key, value)| (key.clone(), *value)));
        self.sessions.extend(changes.sessions.iter().map(|(url, session)| (url.clone(), session.clone())));
        let sessions = changes.client_sessions.iter();
        self.client_sessions.extend(sessions.map(|(key, session)| (key.clone(), session.clone())));
        if let Some(settings) = &changes.settings {
            self.settings = Some(settings.clone());
        }
        if let Some(held) = &changes.held {
            self.held.clone_from(held);
        }
        self.take_trading(changes);
        Ok(())
    }

    fn outbox(&mut self, page: OutboxPage) -> Result<Vec<OutboxRow>, LedgerError> {
        let mut bytes = 0;
        let rows = self.outbox.range(page.after.saturating_add(1)..).take(page.rows).take_while(|(_, content)| {
            let fits = bytes < page.bytes;
            bytes += content.page_bytes();
            fits
        });
        Ok(rows.map(|(position, content)| OutboxRow { position: *position, content: content.clone() }).collect())
    }

    fn holds_strict(&mut self, position: u64) -> Result<bool, LedgerError> {
        Ok(self.outbox.get(&position).is_some_and(OutboxContent::is_strict))
    }

    fn delivered(&mut self, query: &PacketQuery) -> Result<Vec<WindowRow>, LedgerError> {
        let (key, class, first) = (query.key, query.class, query.after.saturating_add(1));
        let before = query.before.min(self.kept_alone(class) + 1).max(first);
        let behind = (key, class, first)..(key, class, before);
        let rows = self.packets.range(behind).filter_map(|(_, class, ordinal)| self.window.get(&(*class, *ordinal)));
        let found = rows.filter(|row| query.of.is_none_or(|of| of == (row.run, row.delivery)));
        Ok(found.take(query.limit).cloned().collect())
    }

    fn named(&mut self, query: &IdQuery<'_>) -> Result<Option<WindowRow>, LedgerError> {
        let before = query.before.min(self.kept_alone(Class::Id) + 1);
        let rows = self.window.range((Class::Id, 0)..(Class::Id, before)).rev().map(|(_, row)| row);
        let wanted = (query.channel, query.source, query.id, query.rank, query.era);
        let identity = |row: &&WindowRow| (&*row.channel, &*row.source, &*row.id, row.rank, row.era) == wanted;
        Ok({ rows }.find(identity).cloned())
    }

    fn decisions(&mut self, from: u64, limit: usize) -> Result<Vec<JournalEntry>, LedgerError> {
        let seq = |entry: &JournalEntry| entry.trade.as_ref().map_or(0, |trade| trade.seq);
        // Deposits lie between the decisions, so that a decision's number is at least its seq.
        let first = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let decided = self.journal.iter().skip(first).filter(|entry| seq(entry) >= from.max(1));
        Ok(decided.take(limit).cloned().collect())
    }

    fn close(self: Box<Self>) -> Result<(), LedgerError> {
        Ok(())
    }
}

impl MemoryLedger {
    fn take_trading(&mut self, changes: &Changes) {
        if let Some(trading) = &changes.trading {
            self.trading = Some(trading.clone());
        }
        for (sid, waits) in &changes.closing.waiting {
            if *waits {
                self.closing.waiting.insert(sid.clone());
            } else {
                self.closing.waiting.remove(sid);
            }
        }
        let unsettled = &mut self.closing.unsettled;
        unsettled.extend(changes.closing.unsettled.values().cloned());
        unsettled.retain(|sale| !changes.closing.settled.contains(&sale.seq));
        let requests = &mut self.closing.requests;
        requests.extend_from_slice(&changes.closing.requests);
        requests.drain(..requests.len().saturating_sub(self.sizes.close_requests));
    }

    fn take_sources(&mut self, changes: &Changes) {
        let sources = &changes.sources;
        for key in &sources.removed {
            self.marks.remove(key);
        }
        self.sources.resets.extend_from_slice(&sources.resets);
        self.sources.forgotten.extend(&sources.forgotten);
        self.sources.symbols.extend(sources.symbols.iter().cloned());
        set_or_remove(&mut self.sources.conflicts, &sources.conflicts);
        if let Some(gap) = changes.gaps.last() {
            self.sources.last_gap = Some(gap.clone());
        }
    }
}

fn set_or_remove<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, changes: &BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}
