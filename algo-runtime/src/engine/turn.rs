//! What waits to be decided: the backlog in the order of the stream, and the turn, the ticks that were recognised and
//! have no outcome yet.
//!
//! A tick is recognised only when its turn comes, so that nothing is noted about one that may still be sent again. What
//! recognising noted in memory (its row, its mark) reaches the ledger with its outcome, in one transaction.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use intuition_api::v1::{Delivery, Tick, Unusable, tick::Content, tick_outcome::SeenBy};

use super::{
    Engine, RequestError,
    closing::Sale,
    inputs::Inputs,
    letters::OVERHEAD_BYTES,
    load::{self, Load},
    sources::{Taken, bound_identities, too_many_symbols},
};
use crate::{
    algorithm::Quote,
    identity::{Earlier, Envelope, Known, Recognition, RowRef, class_of, ranks},
    ledger::{Class, Ledger, LedgerError, WindowRow},
    sizes::Sizes,
};

/// Something that the stream brought.
#[derive(Debug)]
pub(super) enum Work {
    /// A delivery, and the index of its first tick that has had no turn.
    Delivery { delivery: Arc<Delivery>, next: u32 },
    /// A marker of a channels version.
    Marker(u64),
    /// Ticks that were recognised ahead of their turn.
    Turn(Turn),
}

/// What is to be done about a tick.
#[derive(Debug)]
pub(super) enum Plan {
    /// It has its outcome already.
    Seen(Known, SeenBy),
    /// It had one, longer ago than is kept.
    Forgotten,
    /// Its delivery was decided when its bytes were read in another way.
    Reparsed,
    /// It cannot be used.
    Dead { row: WindowRow, reference: RowRef, cause: Unusable },
    /// Who decides did not ask for its channel.
    NotSubscribed { row: WindowRow, reference: RowRef },
    /// Its symbol is none of those that the input of its channel lists.
    NotListed { row: WindowRow, reference: RowRef },
    /// The algorithm is asked.
    Decide { row: WindowRow, reference: RowRef, quote: Quote },
}

/// A tick that was recognised.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) delivery: Arc<Delivery>,
    pub(super) index: u32,
    pub(super) plan: Plan,
    /// Its number came before, without a source as well, and with other content.
    pub(super) reused: bool,
    /// The number that it took from its source.
    pub(super) taken: Option<Taken>,
    /// Its number among the ticks recognised since the start, from 1.
    pub(super) number: u64,
    /// It sold a holding by hand.
    pub(super) sale: Option<Sale>,
}

/// A quote that the algorithm is asked about.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) delivery: Arc<Delivery>,
    pub(super) index: u32,
    pub(super) quote: Quote,
}

/// Ticks that have their turn, in order.
#[derive(Debug)]
pub(super) struct Turn {
    /// The stream that brought them.
    pub(super) stream: u64,
    pub(super) ticks: VecDeque<Planned>,
    /// Bytes of the dead letters that they may post.
    bytes: usize,
}

impl Turn {
    /// Takes in the ticks that follow. Gives them back where they are too many, or of another stream.
    fn join(&mut self, mut next: Self, sizes: &Sizes) -> Option<Self> {
        let ticks = self.ticks.len() + next.ticks.len();
        let fits = ticks <= sizes.turn_ticks && self.bytes + next.bytes <= sizes.turn_bytes;
        if !fits || self.stream != next.stream {
            return Some(next);
        }
        self.ticks.append(&mut next.ticks);
        self.bytes += next.bytes;
        None
    }
}

impl Engine {
    /// Takes deliveries in, behind what waits.
    pub fn take(&mut self, mut deliveries: Vec<Delivery>) -> Result<(), RequestError> {
        deliveries.iter().try_for_each(load::check)?;
        deliveries.iter_mut().for_each(bound_identities);
        let mut load = self.load;
        for delivery in &deliveries {
            load.add(Load::of(delivery));
        }
        load.check(&self.sizes)?;
        self.load = load;
        let work = deliveries.into_iter().map(|delivery| Work::Delivery { delivery: Arc::new(delivery), next: 0 });
        self.backlog.extend(work);
        Ok(())
    }

    /// Whether anything waits for its outcome.
    pub fn has_work(&self) -> bool {
        self.turn.is_some() || !self.backlog.is_empty()
    }

    /// Ticks that were recognised and are in no answer yet.
    pub(super) fn recognised(&self) -> usize {
        let ahead = self.backlog.iter().take_while(|work| !matches!(work, Work::Delivery { .. }));
        let turns = ahead.filter_map(|work| match work {
            Work::Turn(turn) => Some(turn),
            Work::Delivery { .. } | Work::Marker(_) => None,
        });
        let first = self.turn.iter().chain(turns).find_map(|turn| turn.ticks.front());
        let unsettled = first.map_or(0, |first| self.closing.recognised() + 1 - first.number);
        self.progress.rows() + usize::try_from(unsettled).unwrap_or(usize::MAX)
    }

    /// Forgets the deliveries that wait: their stream is gone, and the bridge sends them again on the next. Ticks that were
    /// asked about or recognised already are settled all the same.
    pub fn drop_backlog(&mut self) {
        let load = &mut self.load;
        self.backlog.retain(|work| {
            if let Work::Delivery { delivery, .. } = work {
                load.subtract(Load::of(delivery));
            }
            matches!(work, Work::Turn(_))
        });
    }

    /// Recognises everything that waits, in its order and without giving it its turn. Markers keep their places.
    pub(super) fn recognise_ahead(&mut self, ledger: &mut dyn Ledger) -> Result<(), LedgerError> {
        let mut ahead = VecDeque::new();
        while let Some(work) = self.backlog.front() {
            if !matches!(work, Work::Delivery { .. }) {
                ahead.extend(self.backlog.pop_front());
                continue;
            }
            let next = self.recognise(ledger)?;
            let next = match ahead.back_mut() {
                Some(Work::Turn(last)) => last.join(next, &self.sizes),
                _ => Some(next),
            };
            ahead.extend(next.map(Work::Turn));
        }
        self.backlog = ahead;
        Ok(())
    }

    /// Whether the account takes quotes of this symbol on this topic, now or once the bridge has changed over to the
    /// channels of the next algorithm.
    pub(super) fn takes(&self, topic: &str, sid: &str) -> bool {
        [&self.filters, &self.channels.filters].into_iter().any(|filters| {
            match wanted_on(filters, &self.inputs, topic) {
                Wanted::Nothing => false,
                Wanted::Symbols(symbols) => symbols.contains(sid),
                Wanted::Everything => true,
            }
        })
    }

    /// Gives the next ticks their turn, up to a marker.
    pub(super) fn begin_turn(&mut self, ledger: &mut dyn Ledger) -> Result<(), LedgerError> {
        let ahead = self.backlog.pop_front_if(|work| matches!(work, Work::Turn(_)));
        self.turn = Some(match ahead {
            Some(Work::Turn(turn)) => turn,
            _ => self.recognise(ledger)?,
        });
        Ok(())
    }

    /// Recognises the next ticks, up to a marker.
    fn recognise(&mut self, ledger: &mut dyn Ledger) -> Result<Turn, LedgerError> {
        let Sizes { turn_ticks, turn_bytes, .. } = self.sizes;
        let mut turn = Turn { stream: self.stream, ticks: VecDeque::new(), bytes: 0 };
        while turn.ticks.len() < turn_ticks && turn.bytes < turn_bytes {
            let Some(Work::Delivery { delivery, next }) = self.backlog.front_mut() else { break };
            let (delivery, first) = (Arc::clone(delivery), *next);
            let room = turn_ticks - turn.ticks.len();
            let taken = delivery.ticks.len().saturating_sub(first as usize).min(room);
            *next += u32::try_from(taken).unwrap_or(u32::MAX);
            if *next as usize >= delivery.ticks.len() {
                self.backlog.pop_front();
            }
            turn.bytes += delivery.payload.len() + delivery.topic.len() + OVERHEAD_BYTES;
            let (session, others) = self.sessions.names();
            let envelope = Envelope { delivery: &delivery, run: self.run, session: &session, others: &others };
            let ranks = ranks(&delivery);
            let earlier = self.identities.earlier(&self.sources, envelope, &ranks, ledger)?;
            for (index, rank) in (0_u32..).zip(ranks).skip(first as usize).take(taken) {
                let planned = self.plan_tick(&delivery, envelope, index, rank, earlier.as_ref());
                turn.ticks.extend(planned);
            }
        }
        Ok(turn)
    }

    fn plan_tick(
        &mut self,
        delivery: &Arc<Delivery>,
        envelope: Envelope<'_>,
        index: u32,
        rank: u32,
        earlier: Option<&Earlier>,
    ) -> Option<Planned> {
        let tick = delivery.ticks.get(index as usize)?;
        let mut planned = Planned {
            delivery: Arc::clone(delivery),
            index,
            plan: Plan::Forgotten,
            reused: false,
            taken: None,
            number: self.closing.next_tick(),
            sale: None,
        };
        let usable = match self.identities.recognise(&self.sources, envelope, index, rank, earlier) {
            Recognition::Seen(known, by) => return Some(Planned { plan: Plan::Seen(known, by), ..planned }),
            Recognition::Forgotten => return Some(planned),
            Recognition::Reparsed => return Some(Planned { plan: Plan::Reparsed, ..planned }),
            Recognition::Conflict => Err(conflict(delivery, tick)),
            Recognition::WentBack { mark } => Err(went_back(delivery, tick, mark)),
            recognition @ (Recognition::Fresh | Recognition::Reused) => {
                planned.reused = recognition == Recognition::Reused;
                self.take_number(delivery, rank, tick).and_then(|number| {
                    planned.taken = number;
                    usable_quote(tick)
                })
            }
        };
        let undecided = super::process::undecided();
        let (reference, row) = self.identities.reserve(&self.sources, envelope, index, rank, tick, undecided);
        planned.plan = match usable {
            Ok(quote) => {
                if self.closing.is_unseen(&quote.sid) && self.takes(&delivery.topic, &quote.sid) {
                    self.closing.saw(&quote.sid);
                }
                planned.sale = self.closing.sale_before(delivery, index, &quote);
                Plan::Decide { row, reference, quote }
            }
            Err(cause) => Plan::Dead { row, reference, cause },
        };
        Some(planned)
    }

    /// The next quotes for the algorithm, at most so many. Quotes in front of the last one whose channel or symbol is not
    /// taken get their plan.
    pub(super) fn question(&mut self, limit: usize) -> Vec<Asked> {
        let Some(turn) = &mut self.turn else { return Vec::new() };
        let mut asked = Vec::new();
        let mut last: Option<(Arc<Delivery>, Wanted<'_>)> = None;
        for planned in &mut turn.ticks {
            let Plan::Decide { quote, .. } = &planned.plan else { continue };
            let known = last.as_ref().filter(|(delivery, _)| Arc::ptr_eq(delivery, &planned.delivery));
            let wanted = if let Some((_, wanted)) = known {
                *wanted
            } else {
                let wanted = wanted_on(&self.filters, &self.inputs, &planned.delivery.topic);
                last = Some((Arc::clone(&planned.delivery), wanted));
                wanted
            };
            let is_wanted = match wanted {
                Wanted::Nothing => false,
                Wanted::Symbols(symbols) => symbols.contains(&quote.sid),
                Wanted::Everything => true,
            };
            if !is_wanted && planned.sale.is_none() {
                let plan = std::mem::replace(&mut planned.plan, Plan::Forgotten);
                if let Plan::Decide { row, reference, .. } = plan {
                    planned.plan = match wanted {
                        Wanted::Nothing => Plan::NotSubscribed { row, reference },
                        Wanted::Symbols(_) | Wanted::Everything => Plan::NotListed { row, reference },
                    };
                }
                continue;
            }
            if asked.len() >= limit {
                break;
            }
            if !self.symbols.admit(&quote.sid) {
                let cause = too_many_symbols(&quote.sid, self.sizes.symbols);
                let plan = std::mem::replace(&mut planned.plan, Plan::Forgotten);
                if let Plan::Decide { row, reference, .. } = plan {
                    planned.plan = Plan::Dead { row, reference, cause };
                }
                continue;
            }
            asked.push(Asked { delivery: Arc::clone(&planned.delivery), index: planned.index, quote: quote.clone() });
        }
        asked
    }
}

/// The quotes on a topic that the algorithm gets.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// None: the algorithm did not ask for the topic.
    Nothing,
    /// Those of the symbols that its input lists.
    Symbols(&'a BTreeSet<String>),
    Everything,
}

fn wanted_on<'a>(filters: &[String], inputs: &'a Inputs, topic: &str) -> Wanted<'a> {
    if !filters.iter().any(|filter| intuition_api::topic::matches(filter, topic)) {
        return Wanted::Nothing;
    }
    inputs.symbols(topic).map_or(Wanted::Everything, Wanted::Symbols)
}

fn conflict(delivery: &Delivery, tick: &Tick) -> Unusable {
    let topic = &delivery.topic;
    let message = match (class_of(tick), tick.seq) {
        (Class::Sequence, Some(seq)) => format!(
            "number {seq} of the source {:?} on {topic} came before with other content: a source that numbers each \
             symbol by itself has to put the symbol into `source`; one that starts again takes a new name, or is reset \
             with `intuition sources reset`",
            tick.source
        ),
        _ => format!(
            "the id {:?} on {topic} came before with other content: an id names one quote; leave out an id that stays \
             the same",
            tick.id
        ),
    };
    unusable("IdentityConflict", message)
}

fn went_back(delivery: &Delivery, tick: &Tick, mark: i64) -> Unusable {
    let message = format!(
        "the source {:?} on {} stands at {mark}, and this is number {}: a source that numbers each symbol by itself has \
         to put the symbol into `source`; one that starts again takes a new name, or is reset with `intuition sources \
         reset`",
        tick.source,
        delivery.topic,
        tick.seq.unwrap_or_default()
    );
    unusable("SequenceWentBack", message)
}

fn usable_quote(tick: &Tick) -> Result<Quote, Unusable> {
    let quote = match &tick.content {
        Some(Content::Quote(quote)) => quote,
        Some(Content::Unusable(cause)) => return Err(cause.clone()),
        None => return Err(unusable("NotAQuote", "the bridge sent a tick without content".to_owned())),
    };
    let price = quote.price.parse().map_err(|error| unusable("BadPrice", format!("{:?} {error}", quote.price)))?;
    Ok(Quote { sid: quote.sid.clone(), price, time_micros: quote.time_micros })
}

pub(super) fn unusable(reason: &str, message: String) -> Unusable {
    Unusable { reason: reason.to_owned(), message }
}
