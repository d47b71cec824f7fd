//! Reads the state of a ledger.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    outbox,
    rows::{self, list, unsigned},
    sources, trading,
};
use crate::{
    ledger::{Class, HeldFilter, Sender, SettingsRecord, Snapshot, Stretch, WindowRow, stretch},
    sizes::Sizes,
};

pub(super) fn snapshot(connection: &Connection, sizes: &Sizes) -> rusqlite::Result<Snapshot> {
    let (window, older) = window(connection, sizes)?;
    let account = rows::account(connection)?;
    Ok(Snapshot {
        ledger_ids: outbox::ledger_ids(connection, &account.ledger_id)?,
        done: outbox::done(connection)?,
        account,
        holdings: rows::holdings(connection)?,
        marks: sources::marks(connection)?,
        sources: sources::records(connection)?,
        window,
        older,
        counters: list(connection, "SELECT name, reason, value FROM counters", |row| {
            Ok(((row.get(0)?, row.get(1)?), unsigned(row, 2)?))
        })?,
        state: list(connection, "SELECT algorithm, key, value FROM state", |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
        })?,
        settings: settings(connection)?,
        trading: trading::record(connection)?,
        closing: trading::closing(connection)?,
        sessions: list(connection, "SELECT broker_url, session FROM sessions", |row| Ok((row.get(0)?, row.get(1)?)))?,
        client_sessions: list(connection, "SELECT client_id, broker_url, session FROM client_sessions", |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
        })?,
        held: list(connection, "SELECT filter, subscription_id FROM held ORDER BY place", |row| {
            Ok(HeldFilter { filter: row.get(0)?, subscription_id: row.get(1)? })
        })?,
    })
}

/// The last rows of each class, and all before them summed up.
fn window(connection: &Connection, sizes: &Sizes) -> rusqlite::Result<(Vec<WindowRow>, Vec<Stretch>)> {
    let (mut window, mut older) = (Vec::new(), Vec::new());
    let sql = format!("SELECT {} FROM window WHERE class = ?1 AND ordinal > ?2 ORDER BY ordinal", rows::WINDOW_ROW);
    let mut recent = connection.prepare(&sql)?;
    let mut before = connection.prepare(
        "SELECT ordinal, run, delivery, session, packet_id, connection FROM window
         WHERE class = ?1 AND ordinal <= ?2 ORDER BY ordinal",
    )?;
    for class in Class::ALL {
        let last = "SELECT ifnull(max(ordinal), 0) FROM window WHERE class = ?1";
        let last: u64 = connection.query_row(last, [class.name()], |row| unsigned(row, 0))?;
        let bound = last.saturating_sub(sizes.window).cast_signed();
        let mut found = before.query(params![class.name(), bound])?;
        while let Some(row) = found.next()? {
            stretch::append(&mut older, summary(class, row)?, sizes.stretch_rows);
        }
        let mut found = recent.query(params![class.name(), bound])?;
        while let Some(row) = found.next()? {
            window.push(rows::window_row(class, row)?);
        }
    }
    Ok((window, older))
}

fn summary(class: Class, row: &Row<'_>) -> rusqlite::Result<Stretch> {
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

fn settings(connection: &Connection) -> rusqlite::Result<Option<SettingsRecord>> {
    let sql = "SELECT resource_uid, settings_generation, cash_generation, settings_json FROM settings WHERE id = 1";
    let read = |row: &Row<'_>| {
        Ok(SettingsRecord {
            resource_uid: row.get(0)?,
            settings_generation: row.get(1)?,
            cash_generation: row.get(2)?,
            settings_json: row.get(3)?,
        })
    };
    connection.query_row(sql, [], read).optional()
}
