//! The rank of a tick among those of its delivery that have the same identity.

use std::{collections::HashMap, ops::Range};

use intuition_api::v1::{Tick, tick::Content};
use intuition_common::planted::{self, Mistake};

/// Sets `Tick.ordinal`, by place; members of one of `maps`, ranges of ticks in ascending order, by name.
///
/// JSON objects have no order, so that a publisher may write the members of a map differently when it repeats it. The
/// ticks of a map have one identity and lie together: they take the same ranks in any order.
pub(super) fn assign(ticks: &mut [Tick], maps: &[Range<usize>]) {
    if let [only] = ticks {
        only.ordinal = Some(0);
        return;
    }
    let mut places: Vec<usize> = (0..ticks.len()).collect();
    for map in maps {
        if let Some(members) = places.get_mut(map.clone()) {
            members.sort_unstable_by_key(|place| ticks.get(*place).map(name));
        }
    }
    let mut ranks = vec![0; ticks.len()];
    let mut next: HashMap<(&str, Option<i64>, &str), u32> = HashMap::new();
    for place in places {
        if let (Some(tick), Some(rank)) = (ticks.get(place), ranks.get_mut(place)) {
            let next = next.entry((&tick.source, tick.seq, &tick.id)).or_default();
            *rank = *next;
            *next += 1;
        }
    }
    for (place, (tick, rank)) in (0..).zip(ticks.iter_mut().zip(ranks)) {
        tick.ordinal = Some(if planted::is(Mistake::OrdinalByPlace) { place } else { rank });
    }
}

fn name(tick: &Tick) -> &str {
    match &tick.content {
        Some(Content::Quote(quote)) => &quote.sid,
        _ => "",
    }
}
