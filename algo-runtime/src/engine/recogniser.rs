//! Recognition of ticks: whether a tick came before, and the number that a new one takes. The rules are those of
//! [`identity`](crate::identity); here are the state that they need and the changes that the next commit writes.

use std::{collections::VecDeque, sync::Arc};

use intuition_api::v1::{
    Acknowledged, Delivery, DeliveryOutcome, Open, TickOutcome, Unusable,
    tick_outcome::{Kind, SeenBy},
};

use super::{
    sessions::{Doubtful, Sessions},
    source_numbers::SourceNumbers,
    tick::{NewTick, PendingTick, TickAction},
    unusable::{conflict, too_many_symbols, usable_event, went_back},
};
use crate::{
    identity::{Earlier, Envelope, Identities, Known, Recognition, RowRef, ranks},
    ledger::{Changes, Ledger, LedgerError, Outcome, WindowRow},
    sources::symbols::Symbols,
    wire,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Recogniser {
    max_symbols: usize,
    identities: Identities,
    sources: SourceNumbers,
    symbols: Symbols,
    sessions: Sessions,
    /// The bridge's run.
    run: u64,
    /// Ticks recognised since the start.
    recognised: u64,
    /// Rows with their outcomes that are in no commit yet.
    rows: Vec<WindowRow>,
}

impl Recogniser {
    pub(super) fn new(
        identities: Identities,
        sources: SourceNumbers,
        symbols: (Symbols, usize),
        sessions: Sessions,
    ) -> Self {
        let (symbols, max_symbols) = symbols;
        Self { max_symbols, identities, sources, symbols, sessions, run: 0, recognised: 0, rows: Vec::new() }
    }

    /// Whether the broker had a session for this client id at this URL, as far as the ledger knows.
    pub(super) fn had_session(&self, open: &Open) -> bool {
        self.sessions.had_one(open)
    }

    /// See [`Sessions::doubt_loss`].
    pub(super) fn doubt_loss(&mut self, open: &Open) {
        self.sessions.doubt_loss(open);
    }

    /// See [`Sessions::doubtful_mut`].
    pub(super) const fn doubtful_mut(&mut self) -> &mut Doubtful {
        self.sessions.doubtful_mut()
    }

    /// A bridge opened its stream. `session`: the name of a session that begins. `reports`: the bridge sends `Acknowledged`.
    pub(super) fn open(&mut self, open: &Open, session: String, reports: bool) {
        let session = self.sessions.open(open, session);
        self.identities.open(session, open.run, reports);
        self.run = open.run;
    }

    /// The broker has read acknowledgements.
    pub(super) fn acknowledged(&mut self, report: Acknowledged) {
        self.identities.acknowledged(report);
    }

    /// The bridge of the stream ([`Open::run`]).
    pub(super) const fn run(&self) -> u64 {
        self.run
    }

    /// The bridges of the last outcomes.
    pub(super) fn last_runs(&self) -> Vec<u64> {
        self.identities.last_runs()
    }

    #[cfg(test)]
    pub(super) fn session(&self) -> Arc<str> {
        self.sessions.names().0
    }

    /// Ticks recognised since the start.
    pub(super) const fn recognised(&self) -> u64 {
        self.recognised
    }

    pub(super) const fn sources(&self) -> &SourceNumbers {
        &self.sources
    }

    pub(super) const fn sources_mut(&mut self) -> &mut SourceNumbers {
        &mut self.sources
    }

    /// Recognises `count` ticks of a delivery from the index `first` on.
    ///
    /// To be called only when a batch of these ticks begins, since a waiting delivery may still be sent again. The row and the
    /// number that a tick gets in memory reach the ledger with its outcome, in one transaction.
    pub(super) fn recognise(
        &mut self,
        delivery: &Arc<Delivery>,
        (first, count): (u32, usize),
        ledger: &mut dyn Ledger,
        ticks: &mut VecDeque<PendingTick>,
    ) -> Result<(), LedgerError> {
        let (session, others) = self.sessions.names();
        let envelope = Envelope { delivery, run: self.run, session: &session, others: &others };
        let ranks = ranks(delivery);
        let earlier = self.identities.earlier(self.sources.registry(), envelope, &ranks, ledger)?;
        for (index, rank) in (0_u32..).zip(ranks).skip(first as usize).take(count) {
            let tick = self.recognise_tick(delivery, envelope, index, rank, earlier.as_ref());
            ticks.extend(tick);
        }
        Ok(())
    }

    fn recognise_tick(
        &mut self,
        delivery: &Arc<Delivery>,
        envelope: Envelope<'_>,
        index: u32,
        rank: u32,
        earlier: Option<&Earlier>,
    ) -> Option<PendingTick> {
        let tick = delivery.ticks.get(index as usize)?;
        self.recognised += 1;
        let number = self.recognised;
        let pending = |action| {
            let delivery = Arc::clone(delivery);
            PendingTick { delivery, index, action, reused: false, taken: None, number, sale: None }
        };
        let registry = self.sources.registry();
        let recognised = self.identities.recognise(registry, envelope, index, rank, earlier);
        let mut taken = None;
        let usable = match &recognised.recognition {
            Recognition::Seen(known, by) => return Some(pending(TickAction::Repeat(known.clone(), *by))),
            Recognition::Forgotten => return Some(pending(TickAction::Forgotten)),
            Recognition::Reparsed => return Some(pending(TickAction::Reparsed)),
            Recognition::Conflict => Err(conflict(delivery, tick)),
            Recognition::WentBack { mark } => Err(went_back(delivery, tick, *mark)),
            Recognition::Fresh | Recognition::Reused => self.sources.take(delivery, rank, tick).and_then(|number| {
                taken = number;
                usable_event(tick)
            }),
        };
        let (reference, row) =
            self.identities.reserve(self.sources.registry(), envelope, (index, rank), tick, &recognised);
        let step = match usable {
            Ok(event) => NewTick::Decide(event),
            Err(cause) => NewTick::DeadLetter(cause),
        };
        let reused = recognised.recognition == Recognition::Reused;
        Some(PendingTick { reused, taken, ..pending(TickAction::New { row, reference, step }) })
    }

    /// Takes a symbol up; an error where the account has too many.
    pub(super) fn admit_symbol(&mut self, sid: &str) -> Result<(), Unusable> {
        if self.symbols.admit(sid) { Ok(()) } else { Err(too_many_symbols(sid, self.max_symbols)) }
    }

    /// Settles the row of a tick with its outcome.
    pub(super) fn settle(&mut self, mut row: WindowRow, reference: RowRef, outcome: Outcome) -> Known {
        self.identities.settle(reference, outcome.clone());
        row.outcome = outcome;
        self.rows.push(row);
        Known::Row(reference)
    }

    /// The answer about a delivery with these rows of its ticks. To be called once all of them are settled: a later tick
    /// may repeat an earlier one.
    pub(super) fn outcome_of(&self, number: u64, rows: &[Option<(Known, SeenBy)>]) -> DeliveryOutcome {
        let tick = |row: &Option<(Known, SeenBy)>| {
            let known = row.as_ref().and_then(|(known, by)| Some((self.identities.outcome(known)?, *by)));
            known.map_or_else(forgotten, |(outcome, by)| wire::tick_outcome(outcome, by))
        };
        DeliveryOutcome { number, ticks: rows.iter().map(tick).collect() }
    }

    /// `unsettled`: ticks that were recognised and are in no answer yet. Their rows stay in memory.
    pub(super) fn take_changes(&mut self, unsettled: usize, changes: &mut Changes) {
        changes.window = std::mem::take(&mut self.rows);
        changes.evict = self.identities.evict(unsettled);
        self.sources.take_changes(changes);
        changes.sources.symbols = self.symbols.take_added();
        self.sessions.take_changes(changes);
    }
}

fn forgotten() -> TickOutcome {
    TickOutcome { kind: Kind::Forgotten.into(), seen_by: SeenBy::Sequence.into(), ..TickOutcome::default() }
}
