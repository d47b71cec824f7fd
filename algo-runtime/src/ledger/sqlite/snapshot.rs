//! Reads the state of a ledger.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    marks, outbox,
    rows::{self, list, unsigned},
    sources, trading, window,
};
use crate::{
    ledger::{HeldFilter, Holding, SettingsRecord, Snapshot, WindowRow},
    sizes::Sizes,
};

/// `holdings`: those of the books. `row` gets the rows of the window.
pub(super) fn read(
    connection: &Connection,
    sizes: &Sizes,
    holdings: &BTreeMap<String, Holding>,
    row: &mut dyn FnMut(WindowRow),
) -> rusqlite::Result<Snapshot> {
    let older = window::read(connection, sizes, row)?;
    let account = rows::account(connection)?;
    Ok(Snapshot {
        ledger_ids: outbox::ledger_ids(connection, &account.ledger_id)?,
        done: outbox::done(connection)?,
        account,
        holdings: holdings.clone(),
        marks: marks::read(connection)?,
        sources: sources::records(connection)?,
        window: Vec::new(),
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

pub(super) fn settings(connection: &Connection) -> rusqlite::Result<Option<SettingsRecord>> {
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
