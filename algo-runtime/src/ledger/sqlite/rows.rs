//! From rows to the ledger's types.

use std::{collections::BTreeMap, error::Error, str::FromStr};

use intuition_api::v1;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use crate::ledger::{
    Account, Class, EntryKind, Holding, IdQuery, JournalEntry, Outcome, PacketQuery, Sender, Stretch, Trade, WindowRow,
};

/// Columns of the journal in the order that [`entry`] reads them.
pub(super) const ENTRY: &str =
    "journal.number, journal.kind, amount, cash, committed_micros, seq, event, sid, quantity, price,
    cost, time_micros";

/// Whether a person made the decision of a journal row. Not for files that are not migrated yet.
pub(super) const IS_MANUAL: &str = "EXISTS (SELECT 1 FROM manual_sales WHERE manual_sales.seq = journal.seq)";

/// A name in the file that no release writes.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is unknown")]
pub(super) struct Unknown(pub(super) String);

pub(super) fn account(connection: &Connection) -> rusqlite::Result<Account> {
    connection.query_row(
        "SELECT name, ledger_id, cash, invested, realised, deposits, entries, decisions, position, published_through,
             updated_micros FROM account WHERE id = 1",
        [],
        |row| {
            Ok(Account {
                name: row.get(0)?,
                ledger_id: row.get(1)?,
                cash: parsed(row, 2)?,
                invested: parsed(row, 3)?,
                realised: parsed(row, 4)?,
                deposits: parsed(row, 5)?,
                entries: unsigned(row, 6)?,
                decisions: unsigned(row, 7)?,
                position: unsigned(row, 8)?,
                published_through: unsigned(row, 9)?,
                updated_micros: row.get(10)?,
            })
        },
    )
}

pub(super) fn holdings(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Holding>> {
    list(connection, "SELECT sid, quantity, cost FROM holdings", |row| {
        Ok((row.get(0)?, Holding { quantity: parsed(row, 1)?, cost: parsed(row, 2)? }))
    })
}

pub(super) fn decisions(connection: &Connection, from: u64, limit: usize) -> rusqlite::Result<Vec<JournalEntry>> {
    let sql = format!("SELECT {ENTRY}, {IS_MANUAL} FROM journal WHERE seq >= ?1 ORDER BY seq LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement
        .query_map(params![from.cast_signed(), bounded(limit)], |row| Ok(with_origin(entry(row)?, row.get(12)?)))?
        .collect()
}

pub(super) fn with_origin(mut entry: JournalEntry, manual: bool) -> JournalEntry {
    if let Some(trade) = &mut entry.trade {
        trade.manual = manual;
    }
    entry
}

/// A journal entry from the columns [`ENTRY`], which do not hold its origin.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    let kind = match row.get_ref(1)?.as_str()? {
        "deposit" => EntryKind::Deposit,
        "withdrawal" => EntryKind::Withdrawal,
        "buy" => EntryKind::Buy,
        "sell" => EntryKind::Sell,
        other => return Err(unreadable(1, Unknown(other.to_owned()))),
    };
    let trade = match row.get::<_, Option<i64>>(5)? {
        None => None,
        Some(seq) => Some(Trade {
            seq: seq.cast_unsigned(),
            event: row.get(6)?,
            sid: row.get(7)?,
            quantity: parsed(row, 8)?,
            price: parsed(row, 9)?,
            cost: parsed(row, 10)?,
            time_micros: row.get(11)?,
            manual: false,
        }),
    };
    Ok(JournalEntry {
        number: unsigned(row, 0)?,
        kind,
        amount: parsed(row, 2)?,
        cash: parsed(row, 3)?,
        committed_micros: row.get(4)?,
        trade,
    })
}

/// The reason stored with `no-signal` for a tick of a channel that the algorithm did not ask for: the table, and the previous release, know
/// no kind of its own.
const NOT_SUBSCRIBED: &str = "NotSubscribed";
/// The same for a symbol that the input of its channel does not list.
const NOT_LISTED: &str = "NotListed";

/// The kind and the reason of an outcome, as stored.
pub(super) fn stored_outcome(outcome: &Outcome) -> (&'static str, &str) {
    use v1::tick_outcome::Kind;
    let name = match outcome.kind {
        Kind::Decided => "decided",
        Kind::NoSignal => "no-signal",
        Kind::Denied => "denied",
        Kind::DeadLettered => "dead-lettered",
        Kind::NotSubscribed => return ("no-signal", NOT_SUBSCRIBED),
        Kind::NotListed => return ("no-signal", NOT_LISTED),
        // Neither is ever stored: the table refuses them.
        Kind::Unspecified => "unspecified",
        Kind::Forgotten => "forgotten",
    };
    (name, &outcome.reason)
}

pub(super) fn outcome_kind(name: &str, reason: String) -> rusqlite::Result<(v1::tick_outcome::Kind, String)> {
    use v1::tick_outcome::Kind;
    let kind = match (name, reason.as_str()) {
        ("no-signal", NOT_SUBSCRIBED) => return Ok((Kind::NotSubscribed, String::new())),
        ("no-signal", NOT_LISTED) => return Ok((Kind::NotListed, String::new())),
        ("decided", _) => Kind::Decided,
        ("no-signal", _) => Kind::NoSignal,
        ("denied", _) => Kind::Denied,
        ("dead-lettered", _) => Kind::DeadLettered,
        _ => return Err(unreadable(11, Unknown(name.to_owned()))),
    };
    Ok((kind, reason))
}

/// Columns of the window in the order that [`window_row`] reads them.
pub(super) const WINDOW_ROW: &str = "ordinal, run, delivery, tick_index, channel, source, seq, id, session, packet_id, payload_sha256,
    outcome, reason, first_position, positions, first_seq, seqs, rank, era, ticks, connection, envelope_sha256, content_sha256";

pub(super) fn delivered(connection: &Connection, query: &PacketQuery) -> rusqlite::Result<Vec<WindowRow>> {
    let sql = format!(
        "SELECT {WINDOW_ROW} FROM window INDEXED BY window_by_packet
         WHERE packet_key = ?1 AND class = ?2 AND ordinal > ?3 AND ordinal < ?4
             AND (?5 IS NULL OR (run = ?5 AND delivery = ?6))
         ORDER BY ordinal LIMIT ?7"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let parameters = params![
        query.key,
        query.class.name(),
        query.after.cast_signed(),
        i64::try_from(query.before).unwrap_or(i64::MAX),
        query.of.map(|(run, _)| run.cast_signed()),
        query.of.map(|(_, delivery)| delivery.cast_signed()),
        bounded(query.limit),
    ];
    statement.query_map(parameters, |row| window_row(query.class, row))?.collect()
}

pub(super) fn named(connection: &Connection, query: &IdQuery<'_>) -> rusqlite::Result<Option<WindowRow>> {
    let sql = format!(
        "SELECT {WINDOW_ROW} FROM window INDEXED BY window_by_id
         WHERE class = 'id' AND id = ?1 AND ordinal < ?2 AND channel = ?3 AND source = ?4 AND rank = ?5
             AND ifnull(era, 0) = ?6
         ORDER BY ordinal DESC LIMIT 1"
    );
    let before = i64::try_from(query.before).unwrap_or(i64::MAX);
    let parameters = params![query.id, before, query.channel, query.source, query.rank, query.era.cast_signed()];
    connection.prepare_cached(&sql)?.query_row(parameters, |row| window_row(Class::Id, row)).optional()
}

pub(super) fn window_row(class: Class, row: &Row<'_>) -> rusqlite::Result<WindowRow> {
    let (kind, reason) = outcome_kind(row.get_ref(11)?.as_str()?, row.get(12)?)?;
    let index: u32 = row.get(3)?;
    Ok(WindowRow {
        class,
        ordinal: unsigned(row, 0)?,
        run: unsigned(row, 1)?,
        delivery: unsigned(row, 2)?,
        index,
        channel: row.get(4)?,
        source: row.get(5)?,
        seq: row.get(6)?,
        id: row.get(7)?,
        session: row.get(8)?,
        packet_id: row.get(9)?,
        payload_sha256: row.get(10)?,
        outcome: Outcome {
            kind,
            reason,
            first_position: unsigned(row, 13)?,
            positions: row.get(14)?,
            first_seq: unsigned(row, 15)?,
            seqs: row.get(16)?,
        },
        // Opening the ledger has given every row its rank and its number of ticks.
        rank: row.get::<_, Option<u32>>(17)?.unwrap_or(index),
        era: row.get::<_, Option<i64>>(18)?.map_or(0, i64::cast_unsigned),
        ticks: row.get::<_, Option<u32>>(19)?.unwrap_or(index.saturating_add(1)),
        connection: row.get::<_, Option<i64>>(20)?.map(i64::cast_unsigned),
        envelope_sha256: row.get(21)?,
        content_sha256: row.get(22)?,
    })
}

/// The row as a stretch, from the columns ordinal, run, delivery, session, `packet_id` and connection.
pub(super) fn summary(class: Class, row: &Row<'_>) -> rusqlite::Result<Stretch> {
    let ordinal = unsigned(row, 0)?;
    let sender = match row.get::<_, u32>(4)? {
        0 => None,
        _ => Some(Sender {
            session: row.get_ref(3)?.as_str()?.into(),
            run: unsigned(row, 1)?,
            connection: row.get::<_, Option<i64>>(5)?.map_or(0, i64::cast_unsigned),
            delivery: unsigned(row, 2)?,
        }),
    };
    Ok(Stretch { class, first: ordinal, last: ordinal, sender })
}

pub(super) fn list<T, C: FromIterator<T>>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<C> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

pub(super) fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|problem| unreadable(column, problem))
}

pub(super) fn message<T: prost::Message + Default>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    T::decode(row.get_ref(column)?.as_blob()?).map_err(|problem| unreadable(column, problem))
}

pub(super) fn unreadable(column: usize, problem: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(problem))
}

pub(super) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
