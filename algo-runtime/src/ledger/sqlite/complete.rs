//! Fills the columns of the window that v0.1.0 leaves empty, when the file goes over to format 2.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, params};

use crate::ledger::packet_key;

/// Version of the format with these columns.
pub(super) const SINCE: i64 = 2;

/// The columns of a row on which its rank depends.
struct Place {
    class: String,
    ordinal: i64,
    delivery: (i64, i64),
    index: u32,
    identity: (String, String, Option<i64>, String),
    packet_key: Option<i64>,
    is_complete: bool,
}

/// Gives each row without a rank its rank among the rows of the same run, delivery, channel, source, seq and id, and the
/// number of ticks that its delivery had at least. Inside a transaction.
pub(super) fn window(connection: &Connection) -> rusqlite::Result<()> {
    let places = places(connection)?;
    let mut update = connection
        .prepare("UPDATE window SET rank = ?3, ticks = ?4, packet_key = ?5 WHERE class = ?1 AND ordinal = ?2")?;
    let mut ticks: HashMap<(i64, i64), u32> = HashMap::new();
    for place in &places {
        let known = ticks.entry(place.delivery).or_default();
        *known = (*known).max(place.index.saturating_add(1));
    }
    let mut ranks: BTreeMap<_, u32> = BTreeMap::new();
    let mut current = None;
    for place in places {
        if current.replace(place.delivery) != Some(place.delivery) {
            ranks.clear();
        }
        let next = ranks.entry(place.identity).or_default();
        let rank = *next;
        *next += 1;
        if !place.is_complete {
            let ticks = ticks.get(&place.delivery);
            update.execute(params![place.class, place.ordinal, rank, ticks, place.packet_key])?;
        }
    }
    Ok(())
}

/// All rows, delivery by delivery, in the order of their ticks.
fn places(connection: &Connection) -> rusqlite::Result<Vec<Place>> {
    let sql = "SELECT class, ordinal, run, delivery, tick_index, channel, source, seq, id, session, packet_id,
                   payload_sha256, rank IS NOT NULL FROM window ORDER BY run, delivery, tick_index";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Place {
            class: row.get(0)?,
            ordinal: row.get(1)?,
            delivery: (row.get(2)?, row.get(3)?),
            index: row.get(4)?,
            identity: (row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?),
            packet_key: packet_key(row.get_ref(9)?.as_str()?, row.get(10)?, row.get_ref(11)?.as_blob()?),
            is_complete: row.get(12)?,
        })
    };
    connection.prepare(sql)?.query_map([], read)?.collect()
}
