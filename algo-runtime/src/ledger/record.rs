//! The rows of a ledger.

mod sources;
mod trading;

use intuition_api::{
    decimal::{Money, Price, Quantity},
    v1,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

pub use sources::{Conflict, Gap, Mark, Reset, SourceChanges, SourceHash, SourceKey, SourceRecords};
pub use trading::{Cause, CauseKey, ClosingChanges, ClosingRecords, TradingRecord, UnsettledSale};

/// The row of totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `<namespace>/<name>`.
    pub name: String,
    /// Random id, 8 hex digits, made with the ledger; the newest of its [`LedgerIds`](super::LedgerIds) if it has gone back.
    pub ledger_id: String,
    /// Never negative.
    pub cash: Money,
    /// Cost of the holdings.
    pub invested: Money,
    /// Result of the sales.
    pub realised: Money,
    /// Deposits less withdrawals.
    pub deposits: Money,
    /// Journal entries so far; the next one is this plus 1.
    pub entries: u64,
    /// Decisions so far; the next seq is this plus 1.
    pub decisions: u64,
    /// Outbox positions given so far.
    pub position: u64,
    /// Every position up to this one is published.
    pub published_through: u64,
    /// Time of the last commit that changed cash, holdings, decisions or settings; 0 before the first.
    pub updated_micros: i64,
}

impl Account {
    /// The account of a new ledger.
    pub fn empty(name: &str, ledger_id: &str) -> Self {
        Self {
            name: name.to_owned(),
            ledger_id: ledger_id.to_owned(),
            cash: Money::ZERO,
            invested: Money::ZERO,
            realised: Money::ZERO,
            deposits: Money::ZERO,
            entries: 0,
            decisions: 0,
            position: 0,
            published_through: 0,
            updated_micros: 0,
        }
    }
}

/// The holding of one symbol. Empty holdings are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holding {
    /// More than zero.
    pub quantity: Quantity,
    /// Its cost.
    pub cost: Money,
}

/// The kind of a journal entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Cash in, by settings.
    Deposit,
    /// Cash out, by settings.
    Withdrawal,
    /// A decision to buy.
    Buy,
    /// A decision to sell.
    Sell,
}

impl EntryKind {
    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// The trade of a journal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade {
    /// Number among the decisions, from 1, without holes.
    pub seq: u64,
    /// The quote it answers: `<source>/<seq>`, else its id, else the payload's SHA-256 in hex.
    pub event: String,
    /// Symbol.
    pub sid: String,
    /// Units moved.
    pub quantity: Quantity,
    /// Price of one.
    pub price: Price,
    /// Cost added to (buy) or removed from (sale) the holding.
    pub cost: Money,
    /// The quote's time.
    pub time_micros: i64,
    /// A person sold the holding; no algorithm signalled it.
    pub manual: bool,
}

impl Trade {
    /// Where the decision came from: `manual`, or empty for a signal of the algorithm.
    pub const fn origin(&self) -> &'static str {
        if self.manual { "manual" } else { "" }
    }
}

/// One line of the append-only journal. The store chains them by hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// From 1, without holes.
    pub number: u64,
    /// Its kind.
    pub kind: EntryKind,
    /// The moved amount, more than zero.
    pub amount: Money,
    /// Cash after it.
    pub cash: Money,
    /// When it was committed.
    pub committed_micros: i64,
    /// For a buy or a sale.
    pub trade: Option<Trade>,
}

/// The identity rule that applies to a tick. Each rule has its own window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Source and sequence.
    Sequence,
    /// Id alone.
    Id,
    /// Neither: session, packet id and payload, or a number without a source together with the content.
    Packet,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sequence, Self::Id, Self::Packet];

    /// As stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequence => "sequence",
            Self::Id => "id",
            Self::Packet => "packet",
        }
    }
}

/// The outcome of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Decided, no signal, denied or dead-lettered; never `Forgotten`.
    pub kind: v1::tick_outcome::Kind,
    /// Denial or dead-letter code; empty otherwise.
    pub reason: String,
    /// First of its outbox positions; 0 for none.
    pub first_position: u64,
    /// Number of positions, contiguous.
    pub positions: u32,
    /// First of its decisions' numbers; 0 for none.
    pub first_seq: u64,
    /// Number of decisions, contiguous.
    pub seqs: u32,
}

impl Outcome {
    /// The outcome of a tick that no signal follows.
    pub const fn no_signal() -> Self {
        Self {
            kind: v1::tick_outcome::Kind::NoSignal,
            reason: String::new(),
            first_position: 0,
            positions: 0,
            first_seq: 0,
            seqs: 0,
        }
    }
}

/// A tick with its outcome, and with all fields by which a repetition is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRow {
    /// The class of the window.
    pub class: Class,
    /// Number within the window, from 1, growing. Never given twice.
    pub ordinal: u64,
    /// The bridge's run.
    pub run: u64,
    /// The bridge's number of the delivery.
    pub delivery: u64,
    /// Place in the delivery.
    pub index: u32,
    /// Topic.
    pub channel: String,
    /// Empty for none.
    pub source: String,
    /// Sequence number for [`Class::Sequence`]; for [`Class::Packet`] the number of a tick without a source and with a content hash.
    pub seq: Option<i64>,
    /// Empty for none.
    pub id: String,
    /// Rank among the ticks of its delivery with the same source, seq and id.
    pub rank: u32,
    /// Era of its source when it was taken.
    pub era: u64,
    /// The broker session it was delivered in.
    pub session: String,
    /// 0 for a delivery of the quality of service 0.
    pub packet_id: u32,
    /// Count of the bridge's connection that it came on; `None` in rows of v0.1.0.
    pub connection: Option<u64>,
    /// Number of ticks of its delivery.
    pub ticks: u32,
    /// SHA-256 of the payload.
    pub payload_sha256: [u8; 32],
    /// SHA-256 of payload and user properties; `None` from a bridge of v0.1.0.
    pub envelope_sha256: Option<[u8; 32]>,
    /// SHA-256 of the tick's content; `None` from a bridge of v0.1.0.
    pub content_sha256: Option<[u8; 32]>,
    /// Its outcome.
    pub outcome: Outcome,
}

impl WindowRow {
    /// Key of the row in the ledger: see [`packet_key`].
    pub fn packet_key(&self) -> Option<i64> {
        packet_key(&self.session, self.packet_id, &self.payload_sha256)
    }
}

/// 64 bits of SHA-256 over session, packet id and payload hash; `None` for the packet id 0, under which nothing comes again.
/// Part of the ledger's format.
pub fn packet_key(session: &str, packet_id: u32, payload_sha256: &[u8]) -> Option<i64> {
    if packet_id == 0 {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update((session.len() as u64).to_be_bytes());
    hash.update(session);
    hash.update(packet_id.to_be_bytes());
    hash.update(payload_sha256);
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))
}

/// An entry that waits for its PUBACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Position in commit order, from 1, without holes.
    pub position: u64,
    /// Its content.
    pub content: OutboxContent,
}

/// Bytes of a decision in a page of the outbox.
const DECISION_BYTES: usize = 256;

/// See [`OutboxRow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxContent {
    /// A decision. The row refers to the journal, where its content is.
    Decision(JournalEntry),
    /// A message that could not be used.
    DeadLetter(v1::DeadLetter),
    /// An algorithm's own message.
    Publication(v1::Publication),
    /// A quote with the indicators that include it.
    Joined(v1::Joined),
}

impl OutboxContent {
    /// Whether bridges publish the entry in the strict queue, and never give it up.
    pub const fn is_strict(&self) -> bool {
        matches!(self, Self::Decision(_) | Self::Joined(_))
    }

    /// Bytes that the entry counts in a page of the outbox.
    pub(super) fn page_bytes(&self) -> usize {
        match self {
            Self::Decision(_) => DECISION_BYTES,
            Self::DeadLetter(letter) => letter.encoded_len(),
            Self::Publication(publication) => publication.encoded_len(),
            Self::Joined(joined) => joined.encoded_len(),
        }
    }
}

/// The settings of a resource, as recorded with the transaction that put them in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsRecord {
    /// uid of the resource.
    pub resource_uid: String,
    /// Generation of the algorithm, threshold and parameters in force.
    pub settings_generation: i64,
    /// Generation of the starting cash in force.
    pub cash_generation: i64,
    /// The settings in force, JSON. Their `suspend`, which v0.1.0 obeys, is true under every trading state but Active.
    pub settings_json: String,
}

impl SettingsRecord {
    /// Whether the settings have `suspend: true`, also where this release cannot use them otherwise.
    pub fn suspends(&self) -> bool {
        let settings: Result<serde_json::Value, _> = serde_json::from_str(&self.settings_json);
        settings.is_ok_and(|settings| settings.get("suspend") == Some(&serde_json::Value::Bool(true)))
    }
}

/// A filter that the broker's session may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldFilter {
    /// MQTT topic filter.
    pub filter: String,
    /// Its Subscription Identifier.
    pub subscription_id: u32,
}

/// Name and reason of a counter; the reason is empty for counters without one.
pub type CounterKey = (String, String);

/// Algorithm and key of a piece of saved state. An algorithm in process may use many keys, so that a commit writes only
/// changed keys; an algorithm out of process has the empty key alone.
pub type StateKey = (String, String);
