//! Reads and checks a whole ledger, before anything is written to it.

use rusqlite::Connection;

use super::{
    digest::{Digest, Seal},
    outbox, rows,
};
use crate::ledger::{
    Account, LedgerIds,
    books::{Books, Finding},
    chain::{self, Hash},
};

/// A sound ledger.
#[derive(Debug)]
pub(in crate::ledger) struct Inspected {
    pub(super) seal: Seal,
    pub(super) digest: Digest,
    pub(in crate::ledger) account: Account,
    pub(in crate::ledger) ledger_ids: LedgerIds,
    pub(in crate::ledger) books: Books,
    pub(in crate::ledger) head: Hash,
}

/// Errors of an inspection.
#[derive(Debug)]
pub(super) enum InspectError {
    TooNew { needs: i64 },
    Wrong(Finding),
    Sql(rusqlite::Error),
}

impl From<Finding> for InspectError {
    fn from(finding: Finding) -> Self {
        Self::Wrong(finding)
    }
}

impl From<rusqlite::Error> for InspectError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Reads all of it, inside a transaction of the caller. `reads`: highest `min_reader` that is understood.
///
/// The journal is checked first, so that its errors name an entry. Digest and pages find the other errors.
pub(super) fn inspect(connection: &Connection, reads: i64) -> Result<Inspected, InspectError> {
    let seal = Seal::read(connection)?;
    if seal.min_reader > reads {
        return Err(InspectError::TooNew { needs: seal.min_reader });
    }
    let account = rows::account(connection)?;
    let ledger_ids = if seal.user_version >= outbox::SINCE {
        outbox::ledger_ids(connection, &account.ledger_id)?
    } else {
        LedgerIds::new(&account.ledger_id)
    };
    if ledger_ids.newest().id != account.ledger_id {
        let finding =
            format!("the newest ledger id is {}, that of the account {}", ledger_ids.newest().id, account.ledger_id);
        return Err(Finding::BreakSeal(finding).into());
    }
    let (books, head) = read_journal(connection, chain::genesis(ledger_ids.first(), &account.name))?;
    books.check_totals(&account)?;
    books.check_holdings(&rows::holdings(connection)?)?;
    check_outbox(connection, &account)?;
    let digest = Digest::of_all(connection)?;
    if digest.sealed(&seal) != seal.digest {
        return Err(Finding::BreakSeal("the digest over all tables is not the one stored".to_owned()).into());
    }
    check_pages(connection)?;
    Ok(Inspected { seal, digest, account, ledger_ids, books, head })
}

/// `head`: the hash before the first entry.
fn read_journal(connection: &Connection, mut head: Hash) -> Result<(Books, Hash), InspectError> {
    let mut books = Books::default();
    let select = format!("SELECT {}, previous_hash, hash FROM journal ORDER BY number", rows::ENTRY);
    let mut statement = connection.prepare(&select)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = books.entries + 1;
        let misread = |problem: rusqlite::Error| Finding::MisreadEntry { number, problem: problem.to_string() };
        let entry = rows::entry(row).map_err(misread)?;
        books.apply(&entry)?;
        let hash = chain::link(&head, &entry);
        for (field, column, expected) in [("previous_hash", 12, head), ("hash", 13, hash)] {
            let stored: String = row.get(column).map_err(misread)?;
            let expected = hex::encode(expected);
            if stored != expected {
                return Err(Finding::ContradictEntry { number, field, stored, expected }.into());
            }
        }
        head = hash;
    }
    Ok((books, head))
}

/// Checks that all unpublished entries exist.
fn check_outbox(connection: &Connection, account: &Account) -> Result<(), InspectError> {
    let count = "SELECT count(*), ifnull(min(position), 0), ifnull(max(position), 0) FROM outbox";
    let found: (i64, i64, i64) = connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let waiting = account.position.saturating_sub(account.published_through).cast_signed();
    let wanted = match waiting {
        0 => (0, 0, 0),
        _ => (waiting, account.published_through.cast_signed() + 1, account.position.cast_signed()),
    };
    if found == wanted {
        return Ok(());
    }
    let show = |(count, first, last)| format!("{count} entries from {first} to {last}");
    let finding = format!("the outbox has {}, the account has {}", show(found), show(wanted));
    Err(Finding::BreakSeal(finding).into())
}

fn check_pages(connection: &Connection) -> Result<(), InspectError> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Finding::BreakSeal(found.trim().replace('\n', ", ")).into()) }
}
