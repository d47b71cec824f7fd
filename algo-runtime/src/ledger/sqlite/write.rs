//! From [`Changes`] to rows. Every statement returns the rows that it wrote or removed as the file has them, and the
//! digest follows those.

use rusqlite::{Connection, Params, params};

use super::{digest::Digest, rows::stored_outcome};
use crate::{
    ledger::{
        Account, Changes, Class, JournalEntry, SettingsRecord, Trade, WindowRow,
        chain::{self, Hash},
    },
    sizes::Sizes,
};

/// A statement that SQLite refused.
pub(super) struct WriteError {
    pub(super) action: &'static str,
    pub(super) source: rusqlite::Error,
}

/// Writes within an open transaction.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a Connection,
    /// Digest of the whole file, with the changes so far.
    pub(super) digest: Digest,
    /// Hash of the last journal entry.
    pub(super) head: Hash,
    pub(super) sizes: Sizes,
}

impl Writer<'_> {
    pub(super) fn write(&mut self, changes: &Changes) -> Result<(), WriteError> {
        let failed = |action| move |source| WriteError { action, source };
        self.journal(&changes.journal).map_err(failed("append journal entries"))?;
        self.books(changes).map_err(failed("write the totals"))?;
        self.window(changes).map_err(failed("write the window"))?;
        self.outbox(changes).map_err(failed("write the outbox"))?;
        self.sources(changes).map_err(failed("write the sources"))?;
        self.trading(changes).map_err(failed("write the trading state"))?;
        self.kept(changes).map_err(failed("write state and settings"))
    }

    fn journal(&mut self, entries: &[JournalEntry]) -> rusqlite::Result<()> {
        for entry in entries {
            let (previous, hash) = (self.head, chain::link(&self.head, entry));
            let trade = entry.trade.as_ref();
            self.add(
                "journal",
                "INSERT INTO journal (number, seq, kind, event, sid, quantity, price, amount, cash, cost, time_micros,
                     committed_micros, previous_hash, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) RETURNING *",
                params![
                    entry.number.cast_signed(),
                    trade.map(|trade| trade.seq.cast_signed()),
                    entry.kind.name(),
                    trade.map(|trade| &trade.event),
                    trade.map(|trade| &trade.sid),
                    trade.map(|trade| trade.quantity.to_string()),
                    trade.map(|trade| trade.price.to_string()),
                    entry.amount.to_string(),
                    entry.cash.to_string(),
                    trade.map(|Trade { cost, .. }| cost.to_string()),
                    trade.map(|trade| trade.time_micros),
                    entry.committed_micros,
                    hex::encode(previous),
                    hex::encode(hash),
                ],
            )?;
            if let Some(trade) = trade.filter(|trade| trade.manual) {
                let sql = "INSERT INTO manual_sales (seq) VALUES (?1) RETURNING *";
                self.add("manual_sales", sql, [trade.seq.cast_signed()])?;
            }
            self.head = hash;
        }
        Ok(())
    }

    fn books(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        if let Some(account) = &changes.account {
            self.account(account)?;
        }
        if let Some(ids) = &changes.ledger_ids {
            self.ledger_ids(ids)?;
        }
        for (sid, holding) in &changes.holdings {
            let Some(holding) = holding else {
                self.remove("holdings", "DELETE FROM holdings WHERE sid = ?1 RETURNING *", [sid])?;
                continue;
            };
            self.remove("holdings", "SELECT * FROM holdings WHERE sid = ?1", [sid])?;
            self.add(
                "holdings",
                "INSERT INTO holdings (sid, quantity, cost) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost RETURNING *",
                params![sid, holding.quantity.to_string(), holding.cost.to_string()],
            )?;
        }
        Ok(())
    }

    /// The name is set once, at creation.
    fn account(&mut self, account: &Account) -> rusqlite::Result<()> {
        self.remove("account", "SELECT * FROM account", [])?;
        self.add(
            "account",
            "UPDATE account SET cash = ?1, invested = ?2, realised = ?3, deposits = ?4, entries = ?5, decisions = ?6,
                 position = ?7, published_through = ?8, updated_micros = ?9, ledger_id = ?10 RETURNING *",
            params![
                account.cash.to_string(),
                account.invested.to_string(),
                account.realised.to_string(),
                account.deposits.to_string(),
                account.entries.cast_signed(),
                account.decisions.cast_signed(),
                account.position.cast_signed(),
                account.published_through.cast_signed(),
                account.updated_micros,
                account.ledger_id,
            ],
        )
    }

    fn window(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        changes.window.iter().try_for_each(|row| self.outcome(row))?;
        changes.evict.iter().try_for_each(|(class, through)| self.evict(*class, *through))
    }

    fn outcome(&mut self, row: &WindowRow) -> rusqlite::Result<()> {
        let (outcome, reason) = stored_outcome(&row.outcome);
        self.add(
            "window",
            "INSERT INTO window (class, ordinal, run, delivery, tick_index, channel, source, seq, id, session,
                 packet_id, payload_sha256, outcome, reason, first_position, positions, first_seq, seqs,
                 rank, era, ticks, connection, envelope_sha256, content_sha256, packet_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
                 ?24, ?25) RETURNING *",
            params![
                row.class.name(),
                row.ordinal.cast_signed(),
                row.run.cast_signed(),
                row.delivery.cast_signed(),
                row.index,
                row.channel,
                row.source,
                row.seq,
                row.id,
                row.session,
                row.packet_id,
                row.payload_sha256,
                outcome,
                reason,
                row.outcome.first_position.cast_signed(),
                row.outcome.positions,
                row.outcome.first_seq.cast_signed(),
                row.outcome.seqs,
                row.rank,
                (row.era > 0).then(|| row.era.cast_signed()),
                row.ticks,
                row.connection.map(u64::cast_signed),
                row.envelope_sha256,
                row.content_sha256,
                row.packet_key(),
            ],
        )
    }

    fn evict(&mut self, class: Class, through: u64) -> rusqlite::Result<()> {
        let rows = params![class.name(), through.cast_signed()];
        self.remove("window", "DELETE FROM window WHERE class = ?1 AND ordinal <= ?2 RETURNING *", rows)
    }

    fn kept(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        for ((name, reason), value) in &changes.counters {
            self.remove("counters", "SELECT * FROM counters WHERE name = ?1 AND reason = ?2", [name, reason])?;
            self.add(
                "counters",
                "INSERT INTO counters (name, reason, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET value = excluded.value RETURNING *",
                params![name, reason, value.cast_signed()],
            )?;
        }
        for ((algorithm, key), value) in &changes.state {
            let Some(value) = value else {
                let sql = "DELETE FROM state WHERE algorithm = ?1 AND key = ?2 RETURNING *";
                self.remove("state", sql, [algorithm, key])?;
                continue;
            };
            self.remove("state", "SELECT * FROM state WHERE algorithm = ?1 AND key = ?2", [algorithm, key])?;
            self.add(
                "state",
                "INSERT INTO state (algorithm, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET value = excluded.value RETURNING *",
                params![algorithm, key, value],
            )?;
        }
        for (broker_url, session) in &changes.sessions {
            self.remove("sessions", "SELECT * FROM sessions WHERE broker_url = ?1", [broker_url])?;
            self.add(
                "sessions",
                "INSERT INTO sessions (broker_url, session) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET session = excluded.session RETURNING *",
                [broker_url, session],
            )?;
        }
        for ((client_id, broker_url), session) in &changes.client_sessions {
            let select = "SELECT * FROM client_sessions WHERE client_id = ?1 AND broker_url = ?2";
            self.remove("client_sessions", select, [client_id, broker_url])?;
            self.add(
                "client_sessions",
                "INSERT INTO client_sessions (client_id, broker_url, session) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET session = excluded.session RETURNING *",
                [client_id, broker_url, session],
            )?;
        }
        self.held(changes)?;
        changes.settings.as_ref().map_or(Ok(()), |settings| self.settings(settings))
    }

    fn held(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        let Some(held) = &changes.held else { return Ok(()) };
        self.remove("held", "DELETE FROM held RETURNING *", [])?;
        (0_i64..).zip(held).try_for_each(|(place, held)| {
            self.add(
                "held",
                "INSERT INTO held (place, filter, subscription_id) VALUES (?1, ?2, ?3) RETURNING *",
                params![place, held.filter, held.subscription_id],
            )
        })
    }

    fn settings(&mut self, settings: &SettingsRecord) -> rusqlite::Result<()> {
        self.remove("settings", "SELECT * FROM settings", [])?;
        self.add(
            "settings",
            "INSERT INTO settings (id, resource_uid, settings_generation, cash_generation, settings_json)
             VALUES (1, ?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET resource_uid = excluded.resource_uid,
                 settings_generation = excluded.settings_generation, cash_generation = excluded.cash_generation,
                 settings_json = excluded.settings_json RETURNING *",
            params![
                settings.resource_uid,
                settings.settings_generation,
                settings.cash_generation,
                settings.settings_json
            ],
        )
    }

    /// Runs a statement that returns the rows it wrote.
    pub(super) fn add(&mut self, table: &str, sql: &str, parameters: impl Params) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            self.digest.add(table, row)?;
        }
        Ok(())
    }

    /// Runs a statement that returns the rows it removed, or those that the next one replaces.
    pub(super) fn remove(&mut self, table: &str, sql: &str, parameters: impl Params) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            self.digest.subtract(table, row)?;
        }
        Ok(())
    }
}
