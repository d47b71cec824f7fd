//! A ledger with some of everything, and commits that fit.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use algo_runtime::ledger::{
    Account, Cause, Changes, Class, Conflict, EntryKind, Gap, HeldFilter, Holding, JournalEntry, Ledger, LedgerIds,
    Mark, OutboxContent, OutboxPage, OutboxRow, Outcome, Reset, SettingsRecord, Snapshot, Trade, TradingRecord,
    UnsettledSale, WindowRow, sqlite::SqliteLedger,
};
use intuition_api::{
    decimal::{Money, Quantity},
    v1,
};

pub(crate) const ACCOUNT: &str = "default/goog-random";

/// Everything that a ledger gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) snapshot: Snapshot,
    pub(crate) decisions: Vec<JournalEntry>,
    pub(crate) outbox: Vec<OutboxRow>,
}

impl Contents {
    pub(crate) fn of(ledger: &mut dyn Ledger) -> Self {
        Self {
            snapshot: ledger.snapshot().unwrap(),
            decisions: ledger.decisions(0, usize::MAX).unwrap(),
            outbox: ledger.outbox(OutboxPage::all(0)).unwrap(),
        }
    }
}

/// Names and bytes of a folder's files.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

pub(crate) fn open(dir: &Path) -> SqliteLedger {
    SqliteLedger::open(dir, ACCOUNT).unwrap()
}

/// Leaves a single file with some of everything.
pub(crate) fn populate(dir: &Path) -> Contents {
    let mut ledger = open(dir);
    for changes in everything(&mut Draft::new(&ledger.snapshot().unwrap())) {
        ledger.commit(&changes).unwrap();
    }
    let contents = Contents::of(&mut ledger);
    Box::new(ledger).close().unwrap();
    contents
}

/// Commits that touch every table, replace rows and delete some.
pub(crate) fn everything(draft: &mut Draft) -> Vec<Changes> {
    let mut commits = Vec::new();
    draft.transfer(EntryKind::Deposit, "10000");
    draft.changes.settings = Some(settings(1));
    draft.changes.trading = Some(trading(2, &[("Halt", false), ("User", true)]));
    draft.changes.sessions.insert("mqtt://127.0.0.1:1883".to_owned(), "5e55".to_owned());
    let named = ("intuition-default-goog-random".to_owned(), "mqtt://127.0.0.1:1883".to_owned());
    draft.changes.client_sessions.insert(named, "5e55".to_owned());
    draft.changes.held = Some(held(&["quotes", "news/#"]));
    draft.changes.state.insert(("random".to_owned(), String::new()), Some(vec![0, 1, 255]));
    draft.changes.state.insert(("random".to_owned(), "gone".to_owned()), Some(vec![1]));
    commits.push(draft.take());
    draft.buy("GOOG", "1234.56", "345");
    draft.buy("AAPL", "100", "0.0000000003");
    draft.buy("MSFT", "50", "25.5");
    draft.outcome(Class::Sequence);
    draft.outcome(Class::Sequence);
    draft.outcome(Class::Id);
    draft.outcome(Class::Packet);
    take_numbers(draft);
    let key = |source: &str| ("quotes".to_owned(), source.to_owned());
    let conflict =
        |dead_letters| Conflict { dead_letters, reason: "IdentityConflict".to_owned(), message: "why".to_owned() };
    draft.changes.sources.conflicts.insert(key("nyse"), Some(conflict(3)));
    draft.changes.sources.conflicts.insert(key("lse"), Some(conflict(11)));
    draft.changes.gaps.push(Gap {
        channel: "quotes".to_owned(),
        source: "nyse".to_owned(),
        first: 3,
        last: 9,
        seen_micros: 1_700_000_000_000_001,
    });
    draft.changes.counters.insert(("decided".to_owned(), String::new()), 3);
    draft.changes.counters.insert(("denied".to_owned(), "TooSmall".to_owned()), 1);
    commits.push(draft.take());
    draft.sell("GOOG", "1.5", "400.3333333333");
    draft.sell_by_hand("MSFT", "1.96078431", "20");
    draft.publish(OutboxContent::DeadLetter(v1::DeadLetter {
        topic: "quotes".to_owned(),
        reason: "NotJson".to_owned(),
        message: "expected a value".to_owned(),
        payload_size: 3,
        payload_sha256: vec![7; 32].into(),
        payload: vec![0xff, 0, 1].into(),
        time_micros: 5,
        ..v1::DeadLetter::default()
    }));
    draft.publish(OutboxContent::Publication(v1::Publication {
        channel: "averages".to_owned(),
        payload: vec![1, 2, 3].into(),
    }));
    publish_some(draft);
    draft.changes.evict.push((Class::Sequence, 1));
    draft.changes.state.insert(("random".to_owned(), "gone".to_owned()), None);
    draft.changes.state.insert(("random".to_owned(), String::new()), Some(vec![2; 40]));
    draft.changes.counters.insert(("decided".to_owned(), String::new()), 5);
    draft.changes.settings = Some(settings(2));
    draft.changes.trading = Some(trading(3, &[("Reduce", false)]));
    close_by_hand(draft);
    draft.changes.held = Some(held(&["quotes"]));
    draft.mark("quotes", "nyse", 18);
    draft.changes.sources.removed.push(key("lse"));
    let (channel, source) = key("lse");
    draft.changes.sources.resets.push(Reset { channel, source, era: 0, last: -3, reset_micros: 7 });
    draft.changes.sources.forgotten.push([5; 16]);
    draft.changes.sources.conflicts.insert(key("nyse"), None);
    draft.changes.sources.conflicts.insert(key("lse"), Some(conflict(12)));
    draft.transfer(EntryKind::Withdrawal, "0.01");
    commits.push(draft.take());
    commits
}

/// So many that they are packed.
fn take_numbers(draft: &mut Draft) {
    draft.mark("quotes", "nyse", 17);
    draft.mark("quotes", "lse", -3);
    (0..8).for_each(|source| draft.mark("quotes", &format!("feed-{source}"), source));
}

fn publish_some(draft: &mut Draft) {
    draft.account.published_through = 2;
    draft.changes.done.add(4, 5);
}

fn close_by_hand(draft: &mut Draft) {
    draft.changes.closing.waiting.insert("GOOG".to_owned(), true);
    draft.changes.closing.waiting.insert("MSFT".to_owned(), false);
    draft.changes.closing.requests.push("r-1".to_owned());
    let sale = |seq| UnsettledSale {
        seq,
        position: 3,
        channel: "quotes".to_owned(),
        event: "nyse/17".to_owned(),
        sid: "MSFT".to_owned(),
        price: "20".parse().unwrap(),
        time_micros: -1,
    };
    draft.changes.closing.unsettled.extend([(4, sale(4)), (5, sale(5))]);
    draft.changes.closing.settled.push(4);
}

pub(crate) fn settings(generation: i64) -> SettingsRecord {
    SettingsRecord {
        resource_uid: "6f1e".to_owned(),
        settings_generation: generation,
        cash_generation: 1,
        settings_json: r#"{"threshold":"0.5"}"#.to_owned(),
    }
}

/// Of this number, with these causes, each set by `suspend` or not.
pub(crate) fn trading(number: u64, causes: &[(&str, bool)]) -> TradingRecord {
    let cause =
        |state, message: &str| Cause { state, message: message.to_owned(), since_micros: 1_700_000_000_000_000 };
    let causes = causes.iter().map(|(code, by_suspend)| {
        let state = if *code == "Reduce" { v1::TradingState::Reducing } else { v1::TradingState::Halted };
        (((*code).to_owned(), *by_suspend), cause(state, "ann: \"why\""))
    });
    TradingRecord {
        resource_uid: "6f1e".to_owned(),
        number,
        generation: 7,
        settings: number.is_multiple_of(2).then_some((1, true)),
        causes: causes.collect(),
    }
}

pub(crate) fn held(filters: &[&str]) -> Vec<HeldFilter> {
    let filters = filters.iter().zip(1..);
    filters.map(|(filter, subscription_id)| HeldFilter { filter: (*filter).to_owned(), subscription_id }).collect()
}

/// Builds commits as the engine does: it knows the state and hands over absolute values.
pub(crate) struct Draft {
    pub(crate) account: Account,
    pub(crate) ids: LedgerIds,
    pub(crate) holdings: BTreeMap<String, Holding>,
    pub(crate) changes: Changes,
    pub(crate) ordinals: BTreeMap<Class, u64>,
}

impl Draft {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let mut ordinals = BTreeMap::new();
        for row in &snapshot.window {
            ordinals.insert(row.class, row.ordinal);
        }
        Self {
            account: snapshot.account.clone(),
            ids: snapshot.ledger_ids.clone(),
            holdings: snapshot.holdings.clone(),
            changes: Changes::default(),
            ordinals,
        }
    }

    pub(crate) fn take(&mut self) -> Changes {
        self.account.updated_micros += 1;
        self.changes.account = Some(self.account.clone());
        std::mem::take(&mut self.changes)
    }

    /// Money in or out; nothing where there is too little.
    pub(crate) fn transfer(&mut self, kind: EntryKind, amount: &str) {
        let amount: Money = amount.parse().unwrap();
        let moved = if kind == EntryKind::Deposit { amount } else { Money::from_cents(-amount.cents()) };
        let Some(cash) = self.account.cash.checked_add(moved).filter(|cash| !cash.is_negative()) else { return };
        self.account.cash = cash;
        self.account.deposits = self.account.deposits.checked_add(moved).unwrap();
        self.enter(kind, amount, None);
    }

    /// Nothing where the cash does not suffice or it buys nothing.
    pub(crate) fn buy(&mut self, sid: &str, amount: &str, price: &str) {
        let (amount, price): (Money, _) = (amount.parse().unwrap(), price.parse().unwrap());
        let quantity = Quantity::bought(amount, price).unwrap();
        if quantity.is_zero() || amount > self.account.cash {
            return;
        }
        let held = self.holdings.entry(sid.to_owned()).or_default();
        held.quantity = held.quantity.checked_add(quantity).unwrap();
        held.cost = held.cost.checked_add(amount).unwrap();
        self.changes.holdings.insert(sid.to_owned(), Some(*held));
        self.changes.sources.symbols.push(sid.to_owned());
        self.account.cash = self.account.cash.checked_sub(amount).unwrap();
        self.account.invested = self.account.invested.checked_add(amount).unwrap();
        let trade = self.trade(sid, quantity, price, amount);
        self.enter(EntryKind::Buy, amount, Some(trade));
    }

    /// Sells what is held where more is asked for; nothing where nothing is held.
    pub(crate) fn sell(&mut self, sid: &str, quantity: &str, price: &str) {
        let Some(held) = self.holdings.get(sid).copied() else { return };
        let quantity = quantity.parse::<Quantity>().unwrap().min(held.quantity);
        let price = price.parse().unwrap();
        let amount = Money::proceeds(quantity, price).unwrap();
        if amount == Money::ZERO {
            return;
        }
        let cost = held.cost.cost_share(quantity, held.quantity).unwrap();
        let left = Holding {
            quantity: held.quantity.checked_sub(quantity).unwrap(),
            cost: held.cost.checked_sub(cost).unwrap(),
        };
        let left = (!left.quantity.is_zero()).then_some(left);
        match left {
            Some(left) => self.holdings.insert(sid.to_owned(), left),
            None => self.holdings.remove(sid),
        };
        self.changes.holdings.insert(sid.to_owned(), left);
        let Account { cash, invested, realised, .. } = &mut self.account;
        *cash = cash.checked_add(amount).unwrap();
        *invested = invested.checked_sub(cost).unwrap();
        *realised = realised.checked_add(amount.checked_sub(cost).unwrap()).unwrap();
        let trade = self.trade(sid, quantity, price, cost);
        self.enter(EntryKind::Sell, amount, Some(trade));
    }

    /// A sale that no algorithm signalled.
    pub(crate) fn sell_by_hand(&mut self, sid: &str, quantity: &str, price: &str) {
        let (entries, rows) = (self.changes.journal.len(), self.changes.outbox.len());
        self.sell(sid, quantity, price);
        let journal = self.changes.journal[entries..].iter_mut();
        let outbox = self.changes.outbox[rows..].iter_mut().filter_map(|row| match &mut row.content {
            OutboxContent::Decision(entry) => Some(entry),
            _ => None,
        });
        for trade in journal.chain(outbox).filter_map(|entry| entry.trade.as_mut()) {
            trade.manual = true;
        }
    }

    pub(crate) fn publish(&mut self, content: OutboxContent) {
        self.account.position += 1;
        self.changes.outbox.push(OutboxRow { position: self.account.position, content });
    }

    pub(crate) fn mark(&mut self, channel: &str, source: &str, seq: i64) {
        let key = (channel.to_owned(), source.to_owned());
        let (channel, source) = key.clone();
        let mark = Mark { channel, source, seq, taken_micros: 1_700_000_000_000_000, ..Mark::default() };
        self.changes.marks.insert(key, mark);
    }

    pub(crate) fn outcome(&mut self, class: Class) {
        let ordinal = self.ordinals.entry(class).or_insert(0);
        *ordinal += 1;
        self.changes.window.push(WindowRow {
            class,
            ordinal: *ordinal,
            run: u64::MAX - 5,
            delivery: *ordinal,
            index: 1,
            channel: "quotes".to_owned(),
            source: "nyse".to_owned(),
            seq: (class == Class::Sequence).then_some(i64::MIN),
            id: "quote-1".to_owned(),
            rank: 1,
            era: *ordinal % 2,
            session: "5e55".to_owned(),
            packet_id: 65_535,
            connection: Some(u64::MAX),
            ticks: 2,
            payload_sha256: [9; 32],
            envelope_sha256: Some([8; 32]),
            content_sha256: ordinal.is_multiple_of(2).then_some([7; 32]),
            outcome: Outcome {
                kind: v1::tick_outcome::Kind::Denied,
                reason: "TooSmall".to_owned(),
                first_position: self.account.position,
                positions: 2,
                first_seq: self.account.decisions,
                seqs: 1,
            },
        });
    }

    fn trade(&mut self, sid: &str, quantity: Quantity, price: intuition_api::decimal::Price, cost: Money) -> Trade {
        self.account.decisions += 1;
        Trade {
            seq: self.account.decisions,
            event: format!("nyse/{}", self.account.decisions),
            sid: sid.to_owned(),
            quantity,
            price,
            cost,
            time_micros: 1_700_000_000_000_000,
            manual: false,
        }
    }

    fn enter(&mut self, kind: EntryKind, amount: Money, trade: Option<Trade>) {
        self.account.entries += 1;
        let entry = JournalEntry {
            number: self.account.entries,
            kind,
            amount,
            cash: self.account.cash,
            committed_micros: 1_700_000_000_000_002,
            trade,
        };
        self.changes.journal.push(entry.clone());
        if entry.trade.is_some() {
            self.publish(OutboxContent::Decision(entry));
        }
    }
}
