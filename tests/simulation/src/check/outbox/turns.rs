//! The order in which a bridge publishes decisions: while one is refused to it, none behind it goes out.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    super::{hold, promise},
    Item, Kind,
};
use crate::facts::{RunId, Violation};

/// Decisions by number, for each bridge, that were refused to it and that it has not published again since.
#[derive(Debug, Default)]
pub(super) struct Turns(BTreeMap<RunId, BTreeMap<u64, Rc<Item>>>);

impl Turns {
    /// A bridge publishes an item.
    pub(super) fn begun(&mut self, bridge: RunId, item: &Item) -> Result<(), Violation> {
        let Kind::Decision(seq, id) = &item.kind else { return Ok(()) };
        let Some(refused) = self.0.get_mut(&bridge) else { return Ok(()) };
        refused.remove(seq);
        // Another bridge may have published it since, which the runtime has told this one.
        refused.retain(|_, other| !other.is_published.get());
        let overtaken = refused.range(..seq).find(|(_, other)| is_of_one_ledger(other, id));
        hold!(
            overtaken.is_none(),
            promise::PUBLISHED,
            "bridge run {bridge} publishes decision {seq} before decision {}, which the broker has refused to it",
            overtaken.map_or(0, |(overtaken, _)| *overtaken)
        );
        Ok(())
    }

    /// A bridge has the broker's refusal of an item.
    pub(super) fn refused(&mut self, bridge: RunId, item: &Rc<Item>) {
        if let Kind::Decision(seq, _) = item.kind {
            self.0.entry(bridge).or_default().insert(seq, Rc::clone(item));
        }
    }

    /// Another ledger is in force.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The ids of decisions of one ledger differ in their last part alone.
fn is_of_one_ledger(item: &Item, id: &str) -> bool {
    let ledger = |id: &str| id.rsplit_once('/').map(|(ledger, _)| ledger.to_owned());
    matches!(&item.kind, Kind::Decision(_, other) if ledger(other) == ledger(id))
}
