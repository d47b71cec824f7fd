//! The trading state and the sales by hand, in the file.

use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{
    rows::{list, parsed, unsigned},
    writer::Writer,
};
use crate::ledger::{Cause, CauseKey, Changes, ClosingRecords, TradingRecord, UnsettledSale};

pub(super) fn record(connection: &Connection) -> rusqlite::Result<Option<TradingRecord>> {
    let sql =
        "SELECT resource_uid, number, generation, settings_generation, settings_suspend FROM trading WHERE id = 1";
    let read = |row: &Row<'_>| {
        let (generation, suspend): (Option<i64>, Option<bool>) = (row.get(3)?, row.get(4)?);
        Ok(TradingRecord {
            resource_uid: row.get(0)?,
            number: unsigned(row, 1)?,
            generation: row.get(2)?,
            settings: generation.zip(suspend),
            causes: std::collections::BTreeMap::new(),
        })
    };
    let Some(mut record) = connection.query_row(sql, [], read).optional()? else { return Ok(None) };
    record.causes =
        list(connection, "SELECT cause, by_suspend, state, message, since_micros FROM trading_causes", cause)?;
    Ok(Some(record))
}

fn cause(row: &Row<'_>) -> rusqlite::Result<(CauseKey, Cause)> {
    let state = row.get_ref(2)?.as_str()?.parse();
    let state = state.map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(error)))?;
    Ok(((row.get(0)?, row.get(1)?), Cause { state, message: row.get(3)?, since_micros: row.get(4)? }))
}

pub(super) fn closing(connection: &Connection) -> rusqlite::Result<ClosingRecords> {
    Ok(ClosingRecords {
        waiting: list(connection, "SELECT sid FROM closing", |row| row.get(0))?,
        requests: list(connection, "SELECT request FROM close_requests ORDER BY number", |row| row.get(0))?,
        unsettled: list(
            connection,
            "SELECT seq, position, channel, event, sid, price, time_micros FROM unsettled_sales ORDER BY seq",
            |row| {
                Ok(UnsettledSale {
                    seq: unsigned(row, 0)?,
                    position: unsigned(row, 1)?,
                    channel: row.get(2)?,
                    event: row.get(3)?,
                    sid: row.get(4)?,
                    price: parsed(row, 5)?,
                    time_micros: row.get(6)?,
                })
            },
        )?,
    })
}

impl Writer<'_> {
    /// Writes the trading state and the sales by hand.
    pub(super) fn trading(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        if let Some(record) = &changes.trading {
            self.state(record)?;
        }
        for (sid, waits) in &changes.closing.waiting {
            if *waits {
                self.add("closing", "INSERT OR IGNORE INTO closing (sid) VALUES (?1) RETURNING *", [sid])?;
            } else {
                self.remove("closing", "DELETE FROM closing WHERE sid = ?1 RETURNING *", [sid])?;
            }
        }
        self.unsettled(changes)?;
        for request in &changes.closing.requests {
            let sql = "INSERT INTO close_requests (request) VALUES (?1) RETURNING *";
            self.add("close_requests", sql, [request])?;
        }
        if changes.closing.requests.is_empty() {
            return Ok(());
        }
        let old =
            "DELETE FROM close_requests WHERE number <= (SELECT max(number) FROM close_requests) - ?1 RETURNING *";
        self.remove("close_requests", old, [i64::try_from(self.sizes.close_requests).unwrap_or(i64::MAX)])
    }

    fn unsettled(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        for sale in changes.closing.unsettled.values() {
            let UnsettledSale { seq, position, channel, event, sid, price, time_micros } = sale;
            self.add(
                "unsettled_sales",
                "INSERT INTO unsettled_sales (seq, position, channel, event, sid, price, time_micros)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING *",
                params![seq.cast_signed(), position.cast_signed(), channel, event, sid, price.to_string(), time_micros],
            )?;
        }
        changes.closing.settled.iter().try_for_each(|seq| {
            let sql = "DELETE FROM unsettled_sales WHERE seq = ?1 RETURNING *";
            self.remove("unsettled_sales", sql, [seq.cast_signed()])
        })
    }

    fn state(&mut self, record: &TradingRecord) -> rusqlite::Result<()> {
        let TradingRecord { resource_uid, number, generation, settings, causes } = record;
        self.remove("trading", "SELECT * FROM trading", [])?;
        self.add(
            "trading",
            "INSERT INTO trading (id, resource_uid, number, generation, settings_generation, settings_suspend)
             VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET resource_uid = excluded.resource_uid, number = excluded.number,
                 generation = excluded.generation, settings_generation = excluded.settings_generation,
                 settings_suspend = excluded.settings_suspend RETURNING *",
            params![
                resource_uid,
                number.cast_signed(),
                generation,
                settings.map(|(generation, _)| generation),
                settings.map(|(_, suspend)| suspend),
            ],
        )?;
        self.remove("trading_causes", "DELETE FROM trading_causes RETURNING *", [])?;
        for ((cause, by_suspend), Cause { state, message, since_micros }) in causes {
            self.add(
                "trading_causes",
                "INSERT INTO trading_causes (cause, by_suspend, state, message, since_micros)
                 VALUES (?1, ?2, ?3, ?4, ?5) RETURNING *",
                params![cause, by_suspend, state.name(), message, since_micros],
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
