//! Outcomes: the rows of the window as they were committed, with the quotes that they are about. All of them are kept,
//! also those that the runtime has forgotten.
//!
//! - `identities`: whether an identity had its outcome already. `numbers`: last numbers and gaps.
//! - `decided`: the decisions that a row names. `positions`: the entries of the outbox. `counters`: sums of the rows.

mod counters;
mod decided;
mod identities;
mod numbers;
mod positions;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use algo_runtime::ledger::{Changes, Class, Outcome, Snapshot, WindowRow};
use intuition_api::v1::{AccountResponse, Delivery, Open, tick_outcome::Kind};

pub(super) use self::texts::name;
use self::{
    counters::Counters,
    decided::Decided,
    identities::Identities,
    numbers::Numbers,
    texts::{is_bare, last_ordinals, show},
};
use super::{
    hold,
    limits::{Around, First, Limits},
    outbox::Outbox,
    promise,
    quotes::{Quotes, Subject, fits, subject},
};
use crate::facts::{MessageId, Place, Quote, RunId, Violation};

/// Reasons for which a quote that could be read is a dead letter.
const REASONS: [&str; 6] =
    ["IdentityConflict", "Rejected", "SequenceWentBack", "SourceForgotten", "TooManySources", "TooManySymbols"];
/// Reasons of dead letters that take no number from their source.
const TAKE_NO_NUMBER: [&str; 4] = ["IdentityConflict", "SequenceWentBack", "SourceForgotten", "TooManySources"];

/// A row with its quote.
#[derive(Debug)]
struct Line {
    row: WindowRow,
    subject: Subject,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rows {
    window: u64,
    /// In the order of the commits.
    lines: Vec<Line>,
    last: BTreeMap<Class, u64>,
    /// Rows by subject, as indices.
    by_subject: BTreeMap<Subject, Vec<usize>>,
    /// Delivery and place of the last row of each run of a bridge.
    reached: BTreeMap<u64, (u64, u32)>,
    identities: Identities,
    numbers: Numbers,
    decided: Decided,
    /// Outcomes of rows that were lost with a ledger.
    gone: BTreeMap<Subject, Vec<Outcome>>,
    has_gone_back: bool,
    counters: Counters,
    limits: Limits,
}

impl Rows {
    pub(super) fn new(window: u64) -> Self {
        Self {
            window,
            lines: Vec::new(),
            last: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            reached: BTreeMap::new(),
            identities: Identities::default(),
            numbers: Numbers::default(),
            decided: Decided::default(),
            gone: BTreeMap::new(),
            has_gone_back: false,
            counters: Counters::default(),
            limits: Limits::default(),
        }
    }

    /// An `Open` reached a runtime.
    pub(super) fn opening(&mut self, bridge: RunId, open: &Open) {
        self.limits.opening(bridge, open, self.lines.len());
    }

    /// A bridge handed a delivery to the runtime.
    pub(super) fn sent(&mut self, bridge: RunId, delivery: &Delivery) {
        self.limits.sent(bridge, delivery);
    }

    pub(super) fn commit(&mut self, changes: &Changes, quotes: &Quotes, outbox: &Outbox) -> Result<(), Violation> {
        self.decided.begin(changes, quotes)?;
        let mut missing = Vec::new();
        for row in &changes.window {
            let subject = self.check(row, quotes, outbox)?;
            missing.extend(self.note(row, subject, quotes)?);
        }
        self.decided.end(changes)?;
        positions::check(changes)?;
        self.numbers.check_marks(changes)?;
        numbers::compare(&missing, &changes.gaps)?;
        self.counters.commit(changes)
    }

    /// Whether a row may be there.
    fn check(&self, row: &WindowRow, quotes: &Quotes, outbox: &Outbox) -> Result<Subject, Violation> {
        let shown = show(row);
        let place = quotes.place_of(row);
        let hash = hex::encode(row.payload_sha256);
        let Some(place) = place else {
            hold!(false, promise::ONE_OUTCOME, "{shown} is about a place of payload {hash} that the broker never took");
            return Ok(Subject::Unusable(row.payload_sha256, row.index));
        };
        let bodies = quotes.bodies(&row.channel, &row.payload_sha256);
        let read_as = bodies.first().map_or(0, |body| body.places.len());
        hold!(
            bodies.iter().any(|body| body.places.len() == row.ticks as usize),
            promise::SILENCE,
            "{shown} is of a message with {read_as} places, and the bridge read {}",
            row.ticks
        );
        let expected = self.last.get(&row.class).copied().unwrap_or_default() + 1;
        hold!(
            row.ordinal == expected,
            promise::ONE_OUTCOME,
            "{shown} has ordinal {}, should be {expected}: ordinals have no holes",
            row.ordinal
        );
        let reached = self.reached.get(&row.run).copied().unwrap_or_default();
        // A repetition from before a reset of its source has no row, and counts as new afterwards (docs/delivery-guarantees.md).
        let is_of_new_era = row.seq.is_some() && self.was_reset(&row.channel, &row.source);
        hold!(
            (row.delivery, row.index) > reached || is_of_new_era,
            promise::ORDER,
            "{shown} follows an outcome of delivery {}, place {}, of the same bridge",
            reached.0,
            reached.1
        );
        let subject = subject(place, row.payload_sha256, row.index);
        let before = self.by_subject.get(&subject).map_or(0, Vec::len) as u64;
        let allowed = quotes.allowed(subject);
        hold!(
            before < allowed || self.is_beyond_promise(row, subject, quotes),
            promise::ONE_OUTCOME,
            "{shown} is outcome {} of {}: the broker took {allowed} of it; earlier: {}",
            before + 1,
            name(subject, quotes),
            self.earlier(subject)
        );
        match place {
            Place::Quote(quote) => self.check_quote(row, quote, quotes)?,
            Place::Unusable(reason) => {
                let conflicts = row.outcome.reason == "IdentityConflict" || row.outcome.reason == "SequenceWentBack";
                hold!(
                    row.outcome.kind == Kind::DeadLettered && (row.outcome.reason == *reason || conflicts),
                    promise::DEAD_LETTERS,
                    "{shown} should be a dead letter with the reason {reason}"
                );
            }
        }
        if row.outcome.kind == Kind::DeadLettered {
            outbox.check_letter(row, &shown)?;
        }
        Ok(subject)
    }

    fn check_quote(&self, row: &WindowRow, quote: &Quote, quotes: &Quotes) -> Result<(), Violation> {
        let shown = show(row);
        hold!(
            fits(&Place::Quote(quote.clone()), row),
            promise::ONE_OUTCOME,
            "{shown} has another identity than quote {}: {:?}",
            quote.serial,
            quote.identity
        );
        let is_past = quotes.is_past(&row.channel, &row.payload_sha256);
        hold!(
            row.outcome.kind != Kind::Decided || !is_past,
            promise::PAST,
            "{shown}: quote {} was marked as one of the past, and was traded on",
            quote.serial
        );
        hold!(
            row.outcome.reason != "Backfilled" || is_past,
            promise::PAST,
            "{shown}: quote {} was not marked as one of the past",
            quote.serial
        );
        if row.outcome.kind != Kind::DeadLettered {
            return Ok(());
        }
        let reason = row.outcome.reason.as_str();
        hold!(
            REASONS.contains(&reason),
            promise::DEAD_LETTERS,
            "{shown}: quote {} can be used, and is a dead letter",
            quote.serial
        );
        if reason == "IdentityConflict" {
            hold!(
                quotes.of_identity(&row.channel, &quote.identity).count() > 1 || self.identities.is_of_unusable(row),
                promise::DEAD_LETTERS,
                "{shown}: no other quote has the identity of quote {}, {:?}",
                quote.serial,
                quote.identity
            );
            hold!(
                row.class != Class::Sequence || self.identities.has_number(row),
                promise::DEAD_LETTERS,
                "{shown}: the number of quote {}, {:?}, did not come before in era {} of its source",
                quote.serial,
                quote.identity,
                row.era
            );
        }
        Ok(())
    }

    /// Takes a row that may be there. Returns the numbers that are missing before it.
    fn note(
        &mut self,
        row: &WindowRow,
        subject: Subject,
        quotes: &Quotes,
    ) -> Result<Option<numbers::Missing>, Violation> {
        let (shown, named) = (show(row), name(subject, quotes));
        let is_sparse = quotes
            .bodies(&row.channel, &row.payload_sha256)
            .iter()
            .any(|body| body.user_properties.iter().any(|(name, value)| name == "numbering" && value == "sparse"));
        let missing = self.numbers.take(row, &shown, &named, is_sparse)?;
        self.decided.take(row, subject, &shown)?;
        self.keep(row.clone(), subject).map_err(|ordinal| Violation {
            promise: promise::ONE_OUTCOME,
            text: format!("{shown}: {named} had its outcome with ordinal {ordinal} of the same class"),
        })?;
        Ok(missing)
    }

    /// Keeps a row. The error is the ordinal of an earlier row of the same identity.
    fn keep(&mut self, row: WindowRow, subject: Subject) -> Result<(), u64> {
        self.identities.take(&row, subject, self.window)?;
        self.last.insert(row.class, row.ordinal);
        let reached = self.reached.entry(row.run).or_default();
        *reached = (row.delivery, row.index).max(*reached);
        self.by_subject.entry(subject).or_default().push(self.lines.len());
        self.counters.note(&row);
        self.lines.push(Line { row, subject });
        Ok(())
    }

    /// A committed counter, summed over its reasons.
    pub(super) fn counted(&self, name: &str) -> u64 {
        self.counters.value(name)
    }

    /// Whether a subject has, or had before a ledger was lost, this outcome.
    pub(super) fn has(&self, subject: Subject, is_it: impl Fn(&Outcome) -> bool) -> bool {
        let indices = self.by_subject.get(&subject).map_or(&[][..], Vec::as_slice);
        let mut here = indices.iter().filter_map(|index| self.lines.get(*index)).map(|line| &line.row.outcome);
        let mut gone = self.gone.get(&subject).into_iter().flatten();
        here.any(&is_it) || gone.any(&is_it)
    }

    /// Whether a source began another era.
    pub(super) fn was_reset(&self, channel: &str, source: &str) -> bool {
        self.numbers.was_reset(channel, source)
    }

    /// Whether the runtime may no longer have the first rows of a class.
    pub(super) fn may_have_left(&self, class: Class) -> bool {
        self.last.get(&class).is_some_and(|last| *last > self.window)
    }

    /// Whether a number is not above the last one of its source.
    pub(super) fn is_passed(&self, channel: &str, source: &str, seq: i64) -> bool {
        !self.gone.is_empty() || self.numbers.is_passed(channel, source, seq)
    }

    /// Whether an older or a new ledger took the place of another.
    pub(super) const fn has_gone_back(&self) -> bool {
        self.has_gone_back
    }

    /// Whether outcomes of a subject may have been lost with a ledger.
    pub(super) fn has_lost(&self, subject: Subject) -> bool {
        self.gone.contains_key(&subject)
    }

    /// A runtime opened the ledger that was committed.
    pub(super) fn compare(&self, run: RunId, snapshot: &Snapshot) -> Result<(), Violation> {
        let found = last_ordinals(snapshot);
        for class in Class::ALL {
            let (found, known) = (found.get(&class), self.last.get(&class));
            hold!(
                found == known,
                promise::DURABLE,
                "run {run} opened the ledger and found the outcomes of class {} up to {found:?}, {known:?} was committed",
                class.name()
            );
        }
        self.counters.compare(run, snapshot)
    }

    /// Another ledger is in force.
    pub(super) fn go_back(&mut self, snapshot: &Snapshot) -> Result<(), Violation> {
        let last = last_ordinals(snapshot);
        let lines = std::mem::take(&mut self.lines);
        let mut gone = std::mem::take(&mut self.gone);
        let limits = std::mem::take(&mut self.limits);
        *self = Self { has_gone_back: true, limits, ..Self::new(self.window) };
        self.decided.restore(snapshot.account.decisions);
        for Line { row, subject } in lines {
            if row.ordinal <= last.get(&row.class).copied().unwrap_or_default() {
                // It was judged when it was committed.
                self.keep(row, subject).ok();
            } else {
                gone.entry(subject).or_default().push(row.outcome);
            }
        }
        self.gone = gone;
        self.limits.go_back(self.lines.len());
        self.numbers.restore(snapshot);
        self.counters.restore(snapshot);
        let found = &self.last;
        hold!(
            *found == last,
            promise::DURABLE,
            "an older ledger has outcomes up to {last:?}, only {found:?} were committed"
        );
        Ok(())
    }

    /// Whether a further outcome is one of those that docs/delivery-guarantees.md does not exclude, under "What is not promised".
    fn is_beyond_promise(&self, row: &WindowRow, subject: Subject, quotes: &Quotes) -> bool {
        let indices = self.by_subject.get(&subject).map_or(&[][..], Vec::as_slice);
        let [first] = indices else { return false };
        let Some(line) = self.lines.get(*first) else { return false };
        let first = First { row: &line.row, place: *first };
        let around = Around {
            unseen_bridges: quotes.unseen_bridges_met(),
            was_copied: quotes.was_copied(&row.channel, &row.payload_sha256),
            window: self.window,
        };
        self.limits.allow(first, row, around)
    }

    fn earlier(&self, subject: Subject) -> String {
        let indices = self.by_subject.get(&subject).map_or(&[][..], Vec::as_slice);
        let shown = indices.iter().rev().take(3).filter_map(|index| self.lines.get(*index)).map(|line| show(&line.row));
        shown.collect::<Vec<_>>().join("; ")
    }

    /// Every quote that reached the bridge has an outcome, and the counters say how many. `forgotten`: quotes without
    /// an outcome of their own.
    pub(super) fn check_end(
        &self,
        quotes: &Quotes,
        forgotten: &BTreeSet<Subject>,
        end: (Option<&AccountResponse>, &BTreeSet<MessageId>),
    ) -> Result<(), Violation> {
        let (account, waiting) = end;
        let mut unexplained = 0_u64;
        for (subject, (messages, message)) in quotes.due(waiting) {
            let gone = self.gone.get(&subject).map_or(0, Vec::len) as u64;
            let rows = gone + self.by_subject.get(&subject).map_or(0, Vec::len) as u64;
            hold!(
                rows > 0 || forgotten.contains(&subject),
                promise::SILENCE,
                "{} of message {message} was delivered and acknowledged, and has no outcome",
                name(subject, quotes)
            );
            if is_bare(subject, quotes) {
                unexplained += messages.saturating_sub(rows);
            }
        }
        let counted = self.counted("ambiguous").saturating_add(self.counted("reparsed"));
        hold!(
            unexplained <= counted || !self.gone.is_empty(),
            promise::SILENCE,
            "{unexplained} quotes without an identity have no outcome of their own, and {counted} are counted as ambiguous \
             or reparsed"
        );
        account.map_or(Ok(()), |account| self.counters.check_account(account))
    }
}
