//! The trading state of a salvaged ledger. An unreadable state must not become Active: a person decides.

use intuition_api::{trading::cause, v1::TradingState};
use rusqlite::Connection;

use super::{
    super::{snapshot, trading, writer::Writer},
    copier::Copier,
    damaged::{Claims, Prefix},
};
use crate::ledger::{Cause, Changes, TradingRecord};

/// Text of the cause.
const MESSAGE: &str = "algo-runtime salvage could not trust the trading state of the damaged ledger. Look at the account; a change of \
     the resource's spec or `intuition resume --runtime` ends this stop";

/// Copies the trading state, or sets Halted. Returns whether it did the latter. All other tables are copied before.
pub(super) fn copy(
    copier: &mut Copier<'_>,
    writer: &mut Writer<'_>,
    claims: &Claims,
    prefix: &Prefix,
) -> rusqlite::Result<bool> {
    for table in ["trading", "trading_causes"] {
        copier.copy(table, |_| Ok(true))?;
    }
    let record = trading::record(copier.target);
    let causes: i64 = copier.target.query_row("SELECT count(*) FROM trading_causes", [], |row| row.get(0))?;
    let is_whole = !copier.has_left_out("trading") && !copier.has_left_out("trading_causes");
    // Without any other damage that was found, a cause may be the value that changed.
    let is_trusted = causes > 0 || prefix.finding.is_some() || !copier.left_out.is_empty();
    if is_whole && is_trusted && record.as_ref().is_ok_and(|record| record.is_some() || causes == 0) {
        return Ok(false);
    }
    let record = halted(copier.target, record.ok().flatten(), claims);
    writer.trading(&Changes { trading: Some(record), ..Changes::default() })?;
    Ok(true)
}

fn halted(target: &Connection, record: Option<TradingRecord>, claims: &Claims) -> TradingRecord {
    let settings = snapshot::settings(target).ok().flatten();
    let recorded = settings.as_ref().map_or(0, |known| known.settings_generation.max(known.cash_generation));
    // No call of the past can name this number.
    let unknown = claims.updated_micros.max(1).cast_unsigned();
    let mut halted = record.unwrap_or_else(|| TradingRecord { number: unknown, ..TradingRecord::default() });
    if halted.resource_uid.is_empty()
        && let Some(settings) = settings
    {
        halted.resource_uid = settings.resource_uid;
    }
    halted.number = halted.number.saturating_add(1);
    if !halted.resource_uid.is_empty() {
        // Above the generation of the resource, so that the operator does not lift the stop by itself.
        halted.generation = halted.generation.max(recorded).saturating_add(1);
    }
    let cause = Cause { state: TradingState::Halted, message: MESSAGE.to_owned(), since_micros: claims.updated_micros };
    halted.causes.insert((cause::HALT.to_owned(), false), cause);
    halted
}
