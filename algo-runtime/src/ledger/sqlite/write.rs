//! From [`Changes`] to rows: the order of a commit's parts, and the rows that no file of their own has.

use rusqlite::params;

use super::{
    marks::{MarkChanges, MarkStep},
    replaced::{ACCOUNT, COUNTERS, STATE},
    window::{Segments, Step},
    writer::Writer,
};
use crate::ledger::{Account, Changes, SettingsRecord, books::Books};

/// A statement that SQLite refused.
pub(super) struct WriteError {
    pub(super) action: &'static str,
    pub(super) source: rusqlite::Error,
}

/// The ledger before a commit, as far as its rows depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) account: &'a Account,
    pub(super) segments: &'a Segments,
    pub(super) mark_changes: &'a MarkChanges,
    /// The last entry that a checkpoint covers.
    pub(super) checkpoint: u64,
}

/// The parts of a commit that the ledger keeps in mind.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) steps: Vec<Step>,
    pub(super) mark_step: MarkStep,
    pub(super) checkpoint: u64,
}

impl Writer<'_> {
    /// `books`: those after the commit.
    pub(super) fn write(
        &mut self,
        changes: &Changes,
        before: Before<'_>,
        books: &Books,
    ) -> Result<Written, WriteError> {
        let failed = |action| move |source| WriteError { action, source };
        let Before { account, segments, mark_changes, mut checkpoint } = before;
        self.journal(changes, (account.decisions, account.position)).map_err(failed("append journal entries"))?;
        if books.entries - checkpoint >= self.sizes.checkpoint_entries {
            self.checkpoint(books).map_err(failed("write a checkpoint"))?;
            checkpoint = books.entries;
        }
        self.books(changes).map_err(failed("write the totals"))?;
        let steps = self.window(segments, changes).map_err(failed("write the window"))?;
        self.outbox(changes).map_err(failed("write the outbox"))?;
        let mark_step = self.marks(mark_changes, changes).map_err(failed("write the last numbers"))?;
        self.sources(changes).map_err(failed("write the sources"))?;
        self.trading(changes).map_err(failed("write the trading state"))?;
        self.kept(changes).map_err(failed("write state and settings"))?;
        Ok(Written { steps, mark_step, checkpoint })
    }

    fn books(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        if let Some(account) = &changes.account {
            self.account(account)?;
        }
        if let Some(ids) = &changes.ledger_ids {
            self.ledger_ids(ids)?;
        }
        Ok(())
    }

    /// The name is set once, at creation.
    pub(super) fn account(&mut self, account: &Account) -> rusqlite::Result<()> {
        self.put(
            &ACCOUNT,
            &[
                &1_i64,
                &account.name,
                &account.ledger_id,
                &account.cash.to_string(),
                &account.invested.to_string(),
                &account.realised.to_string(),
                &account.deposits.to_string(),
                &account.entries.cast_signed(),
                &account.decisions.cast_signed(),
                &account.position.cast_signed(),
                &account.published_through.cast_signed(),
                &account.updated_micros,
            ],
        )
    }

    fn kept(&mut self, changes: &Changes) -> rusqlite::Result<()> {
        for ((name, reason), value) in &changes.counters {
            self.put(&COUNTERS, &[name, reason, &value.cast_signed()])?;
        }
        for ((algorithm, key), value) in &changes.state {
            match value {
                Some(value) => self.put(&STATE, &[algorithm, key, value])?,
                None => self.delete(&STATE, &[algorithm, key])?,
            }
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
}
