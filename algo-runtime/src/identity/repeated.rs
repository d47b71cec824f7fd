//! Deliveries that the broker sent before, or may have sent again: each is looked up as a whole, by session, packet id and
//! bytes, whatever identity its ticks carry.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use intuition_common::planted::{self, Mistake};

use super::{Envelope, Identities, Known, kept::Kept, key};
use crate::{
    ledger::{Class, IdQuery, Ledger, LedgerError, PacketQuery, packet_key},
    sizes::Sizes,
    sources::Sources,
};

/// Run and number of a delivery.
type Number = (u64, u64);

/// The earlier delivery that one repeats.
#[derive(Debug, Clone, Copy)]
struct Claim {
    delivery: Number,
    ticks: u32,
    packet_key: i64,
    /// How far its connection had repeated deliveries before it, by class in the order of [`Class::ALL`].
    behind: [u64; Class::ALL.len()],
}

/// How far the deliveries of each connection have repeated earlier ones. Not in the ledger: after a restart every row may be matched
/// again, which errs on the side of not deciding twice.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    sizes: Sizes,
    /// By run and connection, the last ordinal matched of each class. On one connection a broker repeats in order.
    reached: VecDeque<(Number, BTreeMap<Class, u64>)>,
    claims: HashMap<Number, Claim>,
    /// The claims, oldest first.
    claimed: VecDeque<Number>,
}

impl Repeated {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { sizes, ..Self::default() }
    }

    /// 0 for a bridge of v0.1.0, which does not count its connections: each of them may repeat the same deliveries.
    fn reached(&self, connection: Number, class: Class) -> u64 {
        if connection.1 == 0 {
            return 0;
        }
        let known = self.reached.iter().find(|(known, _)| *known == connection);
        known.and_then(|(_, reached)| reached.get(&class)).copied().unwrap_or_default()
    }

    fn reach(&mut self, connection: Number, class: Class, ordinal: u64) {
        if !self.reached.iter().any(|(known, _)| *known == connection) {
            self.reached.push_back((connection, BTreeMap::new()));
            if self.reached.len() > self.sizes.connections {
                self.reached.pop_front();
            }
        }
        let known = self.reached.iter_mut().find(|(known, _)| *known == connection);
        if let Some((_, reached)) = known {
            let reached = reached.entry(class).or_default();
            *reached = (*reached).max(ordinal);
        }
    }

    fn claim(&mut self, by: Number, claim: Claim) {
        if self.claims.insert(by, claim).is_none() {
            self.claimed.push_back(by);
        }
        if self.claimed.len() > self.sizes.claims
            && let Some(oldest) = self.claimed.pop_front()
        {
            self.claims.remove(&oldest);
        }
    }
}

/// The outcomes of the earlier delivery.
#[derive(Debug, Default)]
pub struct Earlier {
    /// By place.
    pub(super) outcomes: BTreeMap<u32, Known>,
    /// The delivery was read in another way then: places without an outcome were none, and are not decided now.
    pub(super) reparsed: bool,
}

impl Identities {
    /// The outcomes of the earlier delivery that this one repeats, if the broker sent it before or may have sent it again. `ranks`: those
    /// of its ticks.
    pub fn earlier(
        &mut self,
        sources: &Sources,
        envelope: Envelope<'_>,
        ranks: &[u32],
        ledger: &mut dyn Ledger,
    ) -> Result<Option<Earlier>, LedgerError> {
        let delivery = envelope.delivery;
        let may_be_repeated = delivery.duplicate || delivery.interrupted;
        if !may_be_repeated || delivery.packet_id == 0 {
            return Ok(None);
        }
        let earlier = self.delivered(sources, envelope, ranks, ledger)?;
        let Some(before) = self.window.older_before(Class::Id) else { return Ok(earlier) };
        let mut earlier = earlier.unwrap_or_default();
        self.add_named(sources, envelope, ranks, before, ledger, &mut earlier)?;
        Ok(Some(earlier))
    }

    /// Adds the outcomes of ids that the ledger alone has: a repetition by the publisher has no row of its packet.
    fn add_named(
        &self,
        sources: &Sources,
        Envelope { delivery, .. }: Envelope<'_>,
        ranks: &[u32],
        before: u64,
        ledger: &mut dyn Ledger,
        earlier: &mut Earlier,
    ) -> Result<(), LedgerError> {
        for (place, (tick, rank)) in (0..).zip(delivery.ticks.iter().zip(ranks)) {
            let (channel, source, id) = (&delivery.topic, &tick.source, &tick.id);
            let era = sources.era(channel, source);
            let in_memory =
                || key::of_tick(delivery, tick, *rank, era).and_then(|key| self.window.by_identity(Class::Id, key));
            let is_named = key::class_of(tick) == Class::Id && !earlier.outcomes.contains_key(&place);
            if is_named && in_memory().is_none() {
                let found = ledger.named(&IdQuery { channel, source, id, rank: *rank, era, before })?;
                earlier.outcomes.extend(found.map(|row| (place, Known::Outcome(Box::new(row.outcome)))));
            }
        }
        Ok(())
    }

    /// The earlier delivery that this one repeats as a whole.
    fn delivered(
        &mut self,
        sources: &Sources,
        envelope: Envelope<'_>,
        ranks: &[u32],
        ledger: &mut dyn Ledger,
    ) -> Result<Option<Earlier>, LedgerError> {
        let delivery = envelope.delivery;
        let number = (envelope.run, delivery.number);
        let claim = match self.repeated.claims.get(&number).copied() {
            Some(claim) => claim,
            // Taken for new before; the bridge sends it again.
            None if self.is_begun(envelope) => return Ok(None),
            None => match self.find(sources, envelope, ranks, ledger)? {
                Some(claim) => claim,
                None => return Ok(None),
            },
        };
        let mut rows = self.rows_of(claim, ledger)?;
        // Also where the delivery is looked up a second time: its own rows have moved the connection on meanwhile.
        self.add_continued((sources, envelope, ranks), claim, &mut rows, ledger)?;
        for kept in &rows {
            self.repeated.reach((envelope.run, delivery.connection), kept.class, kept.ordinal);
        }
        self.repeated.claim(number, claim);
        Ok(Some(self.compare(envelope, claim, rows)))
    }

    /// Whether its first place has a row. One that has rows of later places alone went on where an earlier one stopped.
    fn is_begun(&self, Envelope { delivery, run, .. }: Envelope<'_>) -> bool {
        self.window.by_number(run, delivery.number, 0).is_some()
    }

    /// A process may die while a delivery is decided. Its next repetition has the rows of the other places, and so on: adds
    /// the rows of the places that are missing.
    fn add_continued(
        &self,
        (sources, envelope, ranks): (&Sources, Envelope<'_>, &[u32]),
        claim: Claim,
        rows: &mut Vec<Kept>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), LedgerError> {
        let Some(session) = rows.first().map(|kept| Arc::clone(&kept.origin.session)) else { return Ok(()) };
        let packet = Packet { sources, envelope, ranks, session: &session, key: claim.packet_key };
        let known: BTreeSet<u32> = rows.iter().map(|kept| kept.place).collect();
        let mut missing: BTreeSet<u32> = (0..claim.ticks).filter(|place| !known.contains(place)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        for (class, behind) in Class::ALL.into_iter().zip(claim.behind) {
            let last = rows.iter().filter(|kept| kept.class == class).map(|kept| kept.ordinal).max();
            self.visit_behind(packet, class, last.unwrap_or_default().max(behind), ledger, |kept| {
                if missing.remove(&kept.place) {
                    rows.push(kept.clone());
                }
                missing.is_empty()
            })?;
        }
        // The first places may have been decided under another URL.
        for other in envelope.others.iter().filter(|other| **other != session) {
            let delivery = envelope.delivery;
            let Some(key) = packet_key(other, delivery.packet_id, &delivery.payload_sha256) else { continue };
            let packet = Packet { session: other, key, ..packet };
            for class in Class::ALL {
                if missing.is_empty() {
                    return Ok(());
                }
                self.visit_behind(packet, class, self.reached_before(packet, class), ledger, |kept| {
                    if missing.remove(&kept.place) {
                        rows.push(kept.clone());
                    }
                    missing.is_empty()
                })?;
            }
        }
        Ok(())
    }

    fn compare(&self, Envelope { delivery, .. }: Envelope<'_>, claim: Claim, rows: Vec<Kept>) -> Earlier {
        // Without a row its outcome has left the ledger meanwhile; it was decided all the same.
        let mut reparsed = rows.is_empty() || claim.ticks as usize != delivery.ticks.len();
        let mut outcomes = BTreeMap::new();
        for kept in rows {
            let tick = delivery.ticks.get(kept.place as usize);
            let content = tick.and_then(|tick| key::half(&tick.content_sha256));
            reparsed |= matches!((kept.content, content), (Some(then), Some(now)) if then != now);
            let known = match self.window.get(kept.reference()) {
                // Of the same turn perhaps: its outcome follows.
                Some(_) if self.window.since(kept.reference()) < self.repeated.sizes.window / 2 => {
                    Known::Row(kept.reference())
                }
                // It may leave memory before it is answered.
                _ => Known::Outcome(Box::new(kept.outcome)),
            };
            outcomes.insert(kept.place, known);
        }
        Earlier { outcomes, reparsed }
    }

    /// The first delivery with the same packet behind the one that its connection repeated last: of the current session,
    /// else of the others.
    fn find(
        &self,
        sources: &Sources,
        envelope: Envelope<'_>,
        ranks: &[u32],
        ledger: &mut dyn Ledger,
    ) -> Result<Option<Claim>, LedgerError> {
        let delivery = envelope.delivery;
        let others = if planted::is(Mistake::SessionOfOneUrl) { &[] } else { envelope.others };
        for session in std::iter::once(envelope.session).chain(others) {
            let Some(packet_key) = packet_key(session, delivery.packet_id, &delivery.payload_sha256) else { continue };
            let packet = Packet { sources, envelope, ranks, session, key: packet_key };
            let mut first: Option<Claim> = None;
            for class in Class::ALL {
                let found = self.first_behind(packet, class, ledger)?;
                // Each class has an order of its own. Across classes the bridge's numbers order them, and its own run is the last.
                let order = |claim: &Claim| (claim.delivery.0 == envelope.run, claim.delivery.1);
                first = first.into_iter().chain(found).min_by_key(order);
            }
            if first.is_some() {
                return Ok(first);
            }
        }
        Ok(None)
    }

    fn first_behind(
        &self,
        packet: Packet<'_>,
        class: Class,
        ledger: &mut dyn Ledger,
    ) -> Result<Option<Claim>, LedgerError> {
        let mut first = None;
        self.visit_behind(packet, class, self.reached_before(packet, class), ledger, |kept| {
            let behind = Class::ALL.map(|class| self.reached_before(packet, class));
            first = Some(packet.claim(kept, behind));
            true
        })?;
        Ok(first)
    }

    fn reached_before(&self, packet: Packet<'_>, class: Class) -> u64 {
        let Envelope { run, delivery, .. } = packet.envelope;
        self.repeated.reached((run, delivery.connection), class)
    }

    /// Visits the rows behind an ordinal that the delivery may repeat, oldest first, up to the one that `is_last` is true for.
    fn visit_behind(
        &self,
        packet: Packet<'_>,
        class: Class,
        after: u64,
        ledger: &mut dyn Ledger,
        mut is_last: impl FnMut(&Kept) -> bool,
    ) -> Result<(), LedgerError> {
        if let Some(before) = self.window.older_before(class) {
            let (mut after, limit) = (after, self.repeated.sizes.packet_page);
            while after + 1 < before {
                let query = PacketQuery { key: packet.key, class, after, before, of: None, limit };
                let page = ledger.delivered(&query)?;
                let rows = page.iter().filter(|row| row.session == **packet.session);
                let mut kept = rows.map(|row| Kept::from_row(row, packet.session, None));
                if kept.any(|kept| self.fits(packet, &kept) && is_last(&kept)) {
                    return Ok(());
                }
                let Some(last) = page.last().filter(|_| page.len() == limit) else { break };
                after = last.ordinal;
            }
        }
        let mut kept = self.window.by_packet(class, packet.key, after);
        kept.any(|kept| self.fits(packet, kept) && is_last(kept));
        Ok(())
    }

    /// Whether the delivery may repeat that of the row.
    fn fits(&self, packet: Packet<'_>, kept: &Kept) -> bool {
        let Envelope { run, delivery, .. } = packet.envelope;
        let is_same_packet = kept.packet_id == delivery.packet_id
            && kept.origin.session == *packet.session
            && kept.payload == key::half(&delivery.payload_sha256)
            && match (kept.envelope, key::half(&delivery.envelope_sha256)) {
                (Some(then), Some(now)) => then == now,
                // Without user properties equal payloads may be several messages, which differ in their identities.
                _ => Self::may_be_identical(packet, kept),
            };
        if !is_same_packet || kept.delivery() == (run, delivery.number) {
            return false;
        }
        // A bridge of v0.1.0 does not count its connections.
        let may_repeat = match kept.origin.connection.filter(|connection| *connection > 0) {
            _ if kept.origin.run != run => true,
            // On one connection a broker sends a message once.
            Some(connection) if delivery.duplicate => connection != delivery.connection,
            // It may have been sent again since, which a later connection brought.
            Some(connection) => connection > delivery.connection,
            None => delivery.duplicate,
        };
        let is_over = || kept.sender().is_some_and(|sender| self.retention.is_acknowledged(&sender));
        may_repeat && !(self.window.since(kept.reference()) > self.repeated.sizes.acknowledged_rows && is_over())
    }

    fn may_be_identical(packet: Packet<'_>, kept: &Kept) -> bool {
        let delivery = packet.envelope.delivery;
        let place = kept.place as usize;
        // A number without a source identifies a tick only together with its content.
        let Some(then) = kept.identity.filter(|_| kept.class != Class::Packet) else { return true };
        let Some(tick) = delivery.ticks.get(place) else { return true };
        let rank = packet.ranks.get(place).copied().unwrap_or_default();
        // The row may be of an earlier era than its source is in now.
        let eras = 0..=packet.sources.era(&delivery.topic, &tick.source);
        let mut identities = eras.map(|era| key::of_tick(delivery, tick, rank, era));
        identities.any(|now| now.is_none_or(|now| now == then))
    }

    /// All rows of a delivery, in memory or not.
    fn rows_of(&self, claim: Claim, ledger: &mut dyn Ledger) -> Result<Vec<Kept>, LedgerError> {
        let (run, number) = claim.delivery;
        let places = 0..claim.ticks;
        let in_memory = places.filter_map(|place| self.window.get(self.window.by_number(run, number, place)?));
        let mut rows: Vec<Kept> = in_memory.cloned().collect();
        let limit = claim.ticks as usize;
        if rows.len() >= limit {
            return Ok(rows);
        }
        for class in Class::ALL {
            let Some(before) = self.window.older_before(class) else { continue };
            let of = Some(claim.delivery);
            let query = PacketQuery { key: claim.packet_key, class, after: 0, before, of, limit };
            let found = ledger.delivered(&query)?;
            rows.extend(found.iter().map(|row| Kept::from_row(row, &row.session.as_str().into(), None)));
        }
        Ok(rows)
    }
}

/// The packet by which a repeated delivery is looked up.
#[derive(Clone, Copy)]
struct Packet<'a> {
    sources: &'a Sources,
    envelope: Envelope<'a>,
    ranks: &'a [u32],
    session: &'a Arc<str>,
    key: i64,
}

impl Packet<'_> {
    fn claim(&self, kept: &Kept, behind: [u64; Class::ALL.len()]) -> Claim {
        Claim { delivery: kept.delivery(), ticks: kept.ticks, packet_key: self.key, behind }
    }
}
