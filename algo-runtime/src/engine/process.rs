//! The way of a quote: recognise, decide, size, book, answer.

use intuition_api::{
    topic,
    v1::{
        Committed, DeadLetter, Delivery, DeliveryOutcome, OutboxEntry, Tick, TickOutcome, Unusable,
        tick::Content,
        tick_outcome::{Kind, SeenBy},
    },
};

use super::{Engine, counter};
use crate::{
    algorithm::{Quote, Signal},
    identity::{Envelope, Recognition, RowRef, event_of},
    ledger::{EntryKind, OutboxContent, OutboxRow, Outcome, Trade, WindowRow},
    portfolio::{Booked, Denial},
    wire,
};

/// What is to be done about a tick.
enum Plan {
    /// It has its outcome already.
    Seen(RowRef, SeenBy),
    /// It had one, longer ago than is kept.
    Forgotten,
    /// It cannot be used.
    Dead { row: WindowRow, reference: RowRef, cause: Unusable },
    /// The algorithm is asked.
    Decide { row: WindowRow, reference: RowRef, quote: Quote },
}

impl Engine {
    /// Gives every tick of the deliveries its outcome, in order.
    pub fn process(&mut self, deliveries: &[Delivery], now_micros: i64) -> Committed {
        let plans: Vec<Vec<Plan>> = deliveries.iter().map(|delivery| self.plan(delivery, now_micros)).collect();
        let quotes: Vec<Quote> = plans.iter().flatten().filter_map(quote_of_plan).collect();
        let mut signals = self.algorithm.decide(&quotes).into_iter();
        let mut committed = Committed::default();
        let mut references = Vec::with_capacity(deliveries.len());
        for (delivery, plans) in deliveries.iter().zip(plans) {
            let first_entry = committed.entries.len();
            let mut rows = Vec::with_capacity(plans.len());
            for (tick, plan) in delivery.ticks.iter().zip(plans) {
                rows.push(match plan {
                    Plan::Seen(reference, by) => Some((reference, by)),
                    Plan::Forgotten => None,
                    Plan::Dead { row, reference, cause } => {
                        let letters = committed.entries.get(first_entry..).unwrap_or_default();
                        let known = letters.iter().find(|entry| is_letter_for(entry, &cause.reason));
                        let position = known.map(|entry| entry.position);
                        let outcome = self.dead_letter(delivery, &cause, position, &mut committed.entries);
                        Some((self.settle(row, reference, outcome), SeenBy::Unspecified))
                    }
                    Plan::Decide { row, reference, quote } => {
                        let signal = signals.next().flatten();
                        let event = || event_of(delivery, tick);
                        let outcome = self.trade(&quote, signal, event, now_micros, &mut committed.entries);
                        Some((self.settle(row, reference, outcome), SeenBy::Unspecified))
                    }
                });
            }
            references.push((delivery.number, rows));
        }
        // Only now does every row have its outcome, also the one that a later tick of the same batch repeats.
        committed.outcomes = references.into_iter().map(|(number, rows)| self.outcome_of(number, &rows)).collect();
        committed
    }

    /// Recognises the ticks of a delivery, and takes a row for each that is new.
    fn plan(&mut self, delivery: &Delivery, now_micros: i64) -> Vec<Plan> {
        let subscribed = self.channels.filters.iter().any(|filter| topic::matches(filter, &delivery.topic));
        let session = self.session.clone();
        let envelope = Envelope { delivery, run: self.run, session: &session };
        let plan = |(index, tick): (u32, &Tick)| self.plan_tick(envelope, index, tick, subscribed, now_micros);
        (0_u32..).zip(&delivery.ticks).map(plan).collect()
    }

    fn plan_tick(
        &mut self,
        envelope: Envelope<'_>,
        index: u32,
        tick: &Tick,
        subscribed: bool,
        now_micros: i64,
    ) -> Plan {
        let delivery = envelope.delivery;
        let usable = match self.identities.recognise(envelope, index, tick) {
            Recognition::Seen(reference, by) => {
                self.count_seen(by);
                return Plan::Seen(reference, by);
            }
            Recognition::Forgotten => {
                self.count(counter::DUPLICATES, "", 1);
                self.count(counter::FORGOTTEN, "", 1);
                return Plan::Forgotten;
            }
            Recognition::Conflict => Err(unusable(
                "IdentityConflict",
                format!("the id {:?} was used before on {} for another payload", tick.id, delivery.topic),
            )),
            Recognition::WentBack { mark } => Err(unusable(
                "SequenceWentBack",
                format!(
                    "{} stands at {mark} on {}, and this is {}: a source that starts again takes a new name",
                    tick.source,
                    delivery.topic,
                    tick.seq.unwrap_or_default()
                ),
            )),
            Recognition::Fresh => {
                self.advance(delivery, index, tick, now_micros);
                usable_quote(delivery, tick, subscribed)
            }
        };
        let (reference, row) = self.identities.reserve(envelope, index, tick, undecided());
        match usable {
            Ok(quote) => Plan::Decide { row, reference, quote },
            Err(cause) => Plan::Dead { row, reference, cause },
        }
    }

    fn count_seen(&mut self, by: SeenBy) {
        if by != SeenBy::Number {
            self.count(counter::DUPLICATES, "", 1);
        }
        if by == SeenBy::Packet {
            self.count(counter::AMBIGUOUS, "", 1);
        }
    }

    fn advance(&mut self, delivery: &Delivery, index: u32, tick: &Tick, now_micros: i64) {
        let Some((mark, gap)) = self.identities.advance(delivery, index, tick, now_micros) else { return };
        self.pending.marks.retain(|known| known.channel != mark.channel || known.source != mark.source);
        self.pending.marks.push(mark);
        if let Some(gap) = gap {
            self.count(counter::GAPS, "", gap.last.abs_diff(gap.first).saturating_add(1));
            self.pending.gaps.push(gap);
        }
    }

    /// Sizes and books a signal.
    fn trade(
        &mut self,
        quote: &Quote,
        signal: Option<Signal>,
        event: impl FnOnce() -> String,
        now_micros: i64,
        entries: &mut Vec<OutboxEntry>,
    ) -> Outcome {
        self.account.updated_micros = now_micros;
        let Some(signal) = signal else {
            self.count(counter::NO_SIGNAL, "", 1);
            return undecided();
        };
        match self.book_signal(quote, signal) {
            Err(denial) => {
                self.count(counter::DENIED, denial.reason(), 1);
                Outcome { kind: Kind::Denied, reason: denial.reason().to_owned(), ..undecided() }
            }
            Ok(booked) => {
                self.count(counter::DECIDED, "", 1);
                self.decide(quote, signal, booked, event(), now_micros, entries)
            }
        }
    }

    fn book_signal(&mut self, quote: &Quote, signal: Signal) -> Result<Booked, Denial> {
        if self.adjustable().suspend {
            return Err(Denial::Suspended);
        }
        let booked = match signal {
            Signal::Buy => {
                let amount = self.policy.size(self.book.cash, &mut self.generator);
                self.drawn = true;
                self.book.buy(&quote.sid, quote.price, amount)?
            }
            Signal::Sell(quantity) => self.book.sell(&quote.sid, quote.price, quantity)?,
        };
        self.pending.holdings.insert(quote.sid.clone(), self.book.holdings.get(&quote.sid).copied());
        Ok(booked)
    }

    /// Writes a booked trade to the journal and to the outbox.
    fn decide(
        &mut self,
        quote: &Quote,
        signal: Signal,
        booked: Booked,
        event: String,
        now_micros: i64,
        entries: &mut Vec<OutboxEntry>,
    ) -> Outcome {
        let kind = match signal {
            Signal::Buy => EntryKind::Buy,
            Signal::Sell(_) => EntryKind::Sell,
        };
        let mut entry = self.append(kind, booked.amount, now_micros);
        self.account.decisions += 1;
        let seq = self.account.decisions;
        entry.trade = Some(Trade {
            seq,
            event,
            sid: quote.sid.clone(),
            quantity: booked.quantity,
            price: quote.price,
            cost: booked.cost,
            time_micros: quote.time_micros,
        });
        self.pending.journal.push(entry.clone());
        let position = self.post(OutboxContent::Decision(entry), entries);
        Outcome { kind: Kind::Decided, first_position: position, positions: 1, first_seq: seq, seqs: 1, ..undecided() }
    }

    /// Posts a dead letter, one per delivery and reason: ticks with the same reason share the one in `posted`, so that a
    /// large message cannot multiply itself.
    fn dead_letter(
        &mut self,
        delivery: &Delivery,
        cause: &Unusable,
        posted: Option<u64>,
        entries: &mut Vec<OutboxEntry>,
    ) -> Outcome {
        self.count(counter::DEAD_LETTERED, &cause.reason, 1);
        let position = posted.unwrap_or_else(|| {
            let letter = DeadLetter {
                topic: delivery.topic.clone(),
                reason: cause.reason.clone(),
                message: cause.message.clone(),
                payload_size: delivery.payload_size,
                payload_sha256: delivery.payload_sha256.clone(),
                payload: delivery.payload.clone(),
                time_micros: delivery.arrived_micros,
            };
            self.post(OutboxContent::DeadLetter(letter), entries)
        });
        let reason = cause.reason.clone();
        Outcome { kind: Kind::DeadLettered, reason, first_position: position, positions: 1, ..undecided() }
    }

    fn post(&mut self, content: OutboxContent, entries: &mut Vec<OutboxEntry>) -> u64 {
        self.account.position += 1;
        let row = OutboxRow { position: self.account.position, content };
        entries.push(wire::outbox_entry(&self.account.name, &self.account.ledger_id, &row));
        self.pending.outbox.push(row);
        self.account.position
    }

    fn settle(&mut self, mut row: WindowRow, reference: RowRef, outcome: Outcome) -> RowRef {
        self.identities.settle(reference, outcome.clone());
        row.outcome = outcome;
        self.pending.window.push(row);
        reference
    }

    fn outcome_of(&self, number: u64, rows: &[Option<(RowRef, SeenBy)>]) -> DeliveryOutcome {
        let tick = |row: &Option<(RowRef, SeenBy)>| {
            let known = row.and_then(|(reference, by)| Some((self.identities.outcome(reference)?, by)));
            known.map_or_else(forgotten, |(outcome, by)| wire::tick_outcome(outcome, by))
        };
        DeliveryOutcome { number, ticks: rows.iter().map(tick).collect() }
    }
}

fn quote_of_plan(plan: &Plan) -> Option<Quote> {
    match plan {
        Plan::Decide { quote, .. } => Some(quote.clone()),
        _ => None,
    }
}

fn is_letter_for(entry: &OutboxEntry, reason: &str) -> bool {
    use intuition_api::v1::outbox_entry::Content;
    matches!(&entry.content, Some(Content::DeadLetter(letter)) if letter.reason == reason)
}

fn usable_quote(delivery: &Delivery, tick: &Tick, subscribed: bool) -> Result<Quote, Unusable> {
    let quote = match &tick.content {
        Some(Content::Quote(quote)) => quote,
        Some(Content::Unusable(cause)) => return Err(cause.clone()),
        None => return Err(unusable("NotAQuote", "the bridge sent a tick without content".to_owned())),
    };
    if !subscribed {
        let message = format!("{} is no channel of this algorithm any more", delivery.topic);
        return Err(unusable("NotSubscribed", message));
    }
    let price = quote.price.parse().map_err(|error| unusable("BadPrice", format!("{:?} {error}", quote.price)))?;
    Ok(Quote { sid: quote.sid.clone(), price, time_micros: quote.time_micros })
}

fn unusable(reason: &str, message: String) -> Unusable {
    Unusable { reason: reason.to_owned(), message }
}

fn undecided() -> Outcome {
    Outcome { kind: Kind::NoSignal, reason: String::new(), first_position: 0, positions: 0, first_seq: 0, seqs: 0 }
}

fn forgotten() -> TickOutcome {
    TickOutcome { kind: Kind::Forgotten.into(), seen_by: SeenBy::Sequence.into(), ..TickOutcome::default() }
}
