//! The outbox in the file, the positions in it that are done, and the ids of a ledger that has gone back.

use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::ValueRef};

use super::{
    digest::hash_values,
    entries,
    rows::{self, list, message, unreadable, unsigned},
    writer::Writer,
};
use crate::ledger::{Changes, LedgerId, LedgerIds, OutboxContent, OutboxPage, OutboxRow, Positions};

/// Version of the format with the tables `outbox_done` and `ledger_ids`.
pub(super) const SINCE: i64 = 5;
/// First version of the format with quotes and their indicators in the outbox. The first such row raises `min_reader`, since a release before
/// cannot read it.
pub(super) const JOINED_SINCE: i64 = 7;
/// Their kind in the table.
const JOINED: &str = "joined";

/// Deletes positions that v0.1.0 passed with `published_through`.
pub(super) fn clean(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "DELETE FROM outbox_done WHERE position <= (SELECT published_through FROM account WHERE id = 1)";
    connection.execute(sql, []).map(drop)
}

pub(super) fn done(connection: &Connection) -> rusqlite::Result<Positions> {
    list(connection, "SELECT position FROM outbox_done ORDER BY position", |row| unsigned(row, 0))
}

/// `account`: the ledger id of the account.
pub(super) fn ledger_ids(connection: &Connection, account: &str) -> rusqlite::Result<LedgerIds> {
    let sql = "SELECT first_seq, first_position, ledger_id FROM ledger_ids ORDER BY number";
    Ok(LedgerIds::from_records(account, list(connection, sql, ledger_id)?))
}

/// An id from the columns `first_seq`, `first_position` and `ledger_id`.
pub(super) fn ledger_id(row: &Row<'_>) -> rusqlite::Result<LedgerId> {
    Ok(LedgerId { first_seq: unsigned(row, 0)?, first_position: unsigned(row, 1)?, id: row.get(2)? })
}

/// A page of the outbox: the table, and decisions of `entries`, which are in no other place.
pub(super) fn page(connection: &Connection, page: OutboxPage) -> rusqlite::Result<Vec<OutboxRow>> {
    let through = "SELECT published_through FROM account WHERE id = 1";
    let through = connection.prepare_cached(through)?.query_row([], |row| unsigned(row, 0))?;
    let after = page.after.max(through);
    let (mut decisions, first) = entries::unpublished(connection, after)?;
    let mut decisions = entries::Unpublished::new(&mut decisions, first)?;
    let sql = format!(
        "SELECT {}, outbox.position, outbox.kind, outbox.content, {}
         FROM outbox LEFT JOIN journal ON journal.number = entry WHERE position > ?1 ORDER BY position",
        rows::ENTRY,
        rows::IS_MANUAL,
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([after.cast_signed()])?;
    let mut next_row = || rows.next()?.map(outbox_row).transpose();
    let mut next_decision = || -> rusqlite::Result<_> {
        let next = decisions.next()?;
        Ok(next.map(|(position, entry)| OutboxRow { position, content: OutboxContent::Decision(entry) }))
    };
    let (mut row, mut decision) = (next_row()?, next_decision()?);
    let (mut outbox, mut bytes) = (Vec::new(), 0_usize);
    while bytes < page.bytes && outbox.len() < page.rows {
        let is_row_next = match (&row, &decision) {
            (Some(row), Some(decision)) => row.position < decision.position,
            (row, _) => row.is_some(),
        };
        let next = if is_row_next {
            std::mem::replace(&mut row, next_row()?)
        } else {
            std::mem::replace(&mut decision, next_decision()?)
        };
        let Some(next) = next else { break };
        bytes += next.content.page_bytes();
        outbox.push(next);
    }
    Ok(outbox)
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let content = match row.get_ref(13)?.as_str()? {
        "decision" => OutboxContent::Decision(rows::with_origin(rows::entry(row)?, row.get(15)?)),
        "dead-letter" => OutboxContent::DeadLetter(message(row, 14)?),
        "publication" => OutboxContent::Publication(message(row, 14)?),
        JOINED => OutboxContent::Joined(message(row, 14)?),
        other => return Err(unreadable(13, rows::Unknown(other.to_owned()))),
    };
    Ok(OutboxRow { position: unsigned(row, 12)?, content })
}

pub(super) fn holds_strict(connection: &Connection, position: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT kind IN ('decision', 'joined') FROM outbox WHERE position = ?1";
    let found = connection.prepare_cached(sql)?.query_row([position.cast_signed()], |row| row.get(0)).optional()?;
    if let Some(is_strict) = found {
        return Ok(is_strict);
    }
    let waits = "SELECT published_through < ?1 FROM account WHERE id = 1";
    let waits: bool = connection.prepare_cached(waits)?.query_row([position.cast_signed()], |row| row.get(0))?;
    Ok(waits && entries::has_decision_at(connection, position)?)
}

/// Whether a quote with indicators waits.
pub(super) fn has_joined(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM outbox WHERE kind = ?1)", [JOINED], |row| row.get(0))
}

/// The digest's hash of a row that has its content.
fn hash_row_of(position: u64, kind: &str, content: &[u8]) -> u128 {
    let position = ValueRef::Integer(position.cast_signed());
    let values = [position, ValueRef::Text(kind.as_bytes()), ValueRef::Null, ValueRef::Blob(content)];
    hash_values("outbox", values.into_iter())
}

impl Writer<'_> {
    /// Appends entries but decisions, which the journal has; marks those that are done, and deletes those that are published.
    pub(super) fn outbox(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        self.letters.load(self.connection)?;
        for OutboxRow { position, content } in &changes.outbox {
            let (kind, content) = match content {
                OutboxContent::Decision(_) => continue,
                OutboxContent::DeadLetter(message) => ("dead-letter", message.encode_to_vec()),
                OutboxContent::Publication(message) => ("publication", message.encode_to_vec()),
                OutboxContent::Joined(message) => {
                    self.min_reader = self.min_reader.max(JOINED_SINCE);
                    (JOINED, message.encode_to_vec())
                }
            };
            let sql = "INSERT INTO outbox (position, kind, content) VALUES (?1, ?2, ?3)";
            self.connection.prepare_cached(sql)?.execute(params![position.cast_signed(), kind, content])?;
            let hash = hash_row_of(*position, kind, &content);
            self.digest.replace(0, hash);
            self.letters.rows.insert(*position, hash);
        }
        for position in changes.done.iter() {
            let sql = "INSERT OR IGNORE INTO outbox_done (position) VALUES (?1) RETURNING *";
            self.add("outbox_done", sql, [position.cast_signed()])?;
        }
        let Some(account) = &changes.account else { return Ok(()) };
        let through = [account.published_through.cast_signed()];
        let mut gone = self.letters.rows.extract_if(..=account.published_through, |_, _| true).peekable();
        if gone.peek().is_some() {
            self.connection.prepare_cached("DELETE FROM outbox WHERE position <= ?1")?.execute(through)?;
        }
        gone.for_each(|(_, hash)| self.digest.replace(hash, 0));
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
