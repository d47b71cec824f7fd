//! The outbox in the file, the positions in it that are done, and the ids of a ledger that has gone back.

use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    rows::{self, list, message, unreadable, unsigned},
    write::Writer,
};
use crate::ledger::{
    Changes, LedgerId, LedgerIds, OutboxContent, OutboxPage, OutboxRow, Positions, record::DECISION_BYTES,
};

/// Version of the format with the tables `outbox_done` and `ledger_ids`.
pub(super) const SINCE: i64 = 5;

/// Deletes positions that v0.1.0 passed with `published_through`. Returns whether there were any.
pub(super) fn clean(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM outbox_done WHERE position <= (SELECT published_through FROM account WHERE id = 1)";
    Ok(connection.execute(sql, [])? > 0)
}

pub(super) fn done(connection: &Connection) -> rusqlite::Result<Positions> {
    list(connection, "SELECT position FROM outbox_done ORDER BY position", |row| unsigned(row, 0))
}

/// `account`: the ledger id of the account.
pub(super) fn ledger_ids(connection: &Connection, account: &str) -> rusqlite::Result<LedgerIds> {
    let sql = "SELECT first_seq, first_position, ledger_id FROM ledger_ids ORDER BY number";
    let records = list(connection, sql, |row| {
        Ok(LedgerId { first_seq: unsigned(row, 0)?, first_position: unsigned(row, 1)?, id: row.get(2)? })
    })?;
    Ok(LedgerIds::from_records(account, records))
}

pub(super) fn page(connection: &Connection, page: OutboxPage) -> rusqlite::Result<Vec<OutboxRow>> {
    let sql = format!(
        "SELECT {}, outbox.position, outbox.kind, outbox.content, {}
         FROM outbox LEFT JOIN journal ON journal.number = entry WHERE position > ?1 ORDER BY position LIMIT ?2",
        rows::ENTRY,
        rows::IS_MANUAL,
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params![page.after.cast_signed(), rows::bounded(page.rows)])?;
    let (mut outbox, mut bytes) = (Vec::new(), 0_usize);
    while bytes < page.bytes
        && let Some(row) = found.next()?
    {
        bytes += row.get_ref(14)?.as_blob_or_null()?.map_or(DECISION_BYTES, <[u8]>::len);
        outbox.push(outbox_row(row)?);
    }
    Ok(outbox)
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let content = match row.get_ref(13)?.as_str()? {
        "decision" => OutboxContent::Decision(rows::with_origin(rows::entry(row)?, row.get(15)?)),
        "dead-letter" => OutboxContent::DeadLetter(message(row, 14)?),
        "publication" => OutboxContent::Publication(message(row, 14)?),
        other => return Err(unreadable(13, rows::Unknown(other.to_owned()))),
    };
    Ok(OutboxRow { position: unsigned(row, 12)?, content })
}

pub(super) fn holds_decision(connection: &Connection, position: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT kind = 'decision' FROM outbox WHERE position = ?1";
    let found = connection.prepare_cached(sql)?.query_row([position.cast_signed()], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(false))
}

impl Writer<'_> {
    /// Appends entries, marks those that are done, and deletes those that are published.
    pub(super) fn outbox(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        for OutboxRow { position, content } in &changes.outbox {
            let (kind, entry, content) = match content {
                OutboxContent::Decision(entry) => ("decision", Some(entry.number.cast_signed()), None),
                OutboxContent::DeadLetter(message) => ("dead-letter", None, Some(message.encode_to_vec())),
                OutboxContent::Publication(message) => ("publication", None, Some(message.encode_to_vec())),
            };
            self.add(
                "outbox",
                "INSERT INTO outbox (position, kind, entry, content) VALUES (?1, ?2, ?3, ?4) RETURNING *",
                params![position.cast_signed(), kind, entry, content],
            )?;
        }
        for position in changes.done.iter() {
            let sql = "INSERT OR IGNORE INTO outbox_done (position) VALUES (?1) RETURNING *";
            self.add("outbox_done", sql, [position.cast_signed()])?;
        }
        let Some(account) = &changes.account else { return Ok(()) };
        let through = [account.published_through.cast_signed()];
        self.remove("outbox", "DELETE FROM outbox WHERE position <= ?1 RETURNING *", through)?;
        self.remove("outbox_done", "DELETE FROM outbox_done WHERE position <= ?1 RETURNING *", through)
    }

    /// Replaces the ids.
    pub(super) fn ledger_ids(&mut self, ids: &LedgerIds) -> rusqlite::Result<()> {
        self.remove("ledger_ids", "DELETE FROM ledger_ids RETURNING *", [])?;
        (1_i64..).zip(ids.records()).try_for_each(|(number, LedgerId { first_seq, first_position, id })| {
            self.add(
                "ledger_ids",
                "INSERT INTO ledger_ids (number, first_seq, first_position, ledger_id) VALUES (?1, ?2, ?3, ?4)
                 RETURNING *",
                params![number, first_seq.cast_signed(), first_position.cast_signed(), id],
            )
        })
    }
}

#[cfg(test)]
mod tests;
