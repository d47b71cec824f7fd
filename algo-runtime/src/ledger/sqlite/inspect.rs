//! Checks a ledger before anything is written to it: its tables, and the journal behind the last checkpoint. A verification
//! checks the whole journal, as does the first opening of a file of the format 1.

use rusqlite::Connection;

use super::{
    checkpoints,
    digest::{self, Digest, Seal},
    entries,
    inspect_error::InspectError,
    marks::MarkChanges,
    outbox,
    replay::{self, Replay},
    rows,
    window::Segments,
};
use crate::ledger::{
    Account, LedgerIds,
    books::{Books, Finding},
    chain::{self, Hash},
};

/// Entries of a journal that is checked page by page at every opening.
const SHORT: i64 = 10_000;

/// A sound ledger.
#[derive(Debug)]
pub(in crate::ledger) struct Inspected {
    pub(super) seal: Seal,
    pub(super) digest: Digest,
    pub(in crate::ledger) account: Account,
    pub(in crate::ledger) ledger_ids: LedgerIds,
    pub(in crate::ledger) books: Books,
    pub(in crate::ledger) head: Hash,
    /// The last entry that a checkpoint covers; 0 in a file of the format 1.
    pub(super) checkpoint: u64,
    /// The entries up to it may be gone.
    pub(in crate::ledger) base: u64,
    pub(super) segments: Segments,
    pub(super) mark_changes: MarkChanges,
}

/// How much of the journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Behind the last checkpoint.
    Recent,
    /// All that is there.
    All,
}

/// Reads it inside a transaction of the caller. `reads`: highest `min_reader` that is understood.
///
/// The journal is checked first, so that its errors name an entry, and packed rows before the digest, so that theirs name a row. Digest
/// and pages find the other errors.
pub(super) fn inspect(connection: &Connection, reads: i64, depth: Depth) -> Result<Inspected, InspectError> {
    let seal = Seal::read(connection)?;
    if seal.min_reader > reads {
        return Err(InspectError::TooNew { needs: seal.min_reader, notice: Seal::notice(connection)? });
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
    let genesis = chain::genesis(ledger_ids.first(), &account.name);
    if seal.user_version < checkpoints::SINCE {
        return inspect_format_1(connection, seal, (account, ledger_ids), genesis);
    }
    let (Replay { books, head, .. }, checkpoint) = recomputed(connection, genesis, depth)?;
    books.check_totals(&account)?;
    check_outbox(connection, &account, &entries::positions_behind(connection, account.published_through)?)?;
    let (segments, mark_changes) = (Segments::read(connection)?, MarkChanges::read(connection)?);
    let digest = check_digest(Digest::of_tables(connection)?, &seal)?;
    if depth == Depth::All {
        check_pages(connection, "1")?;
    } else {
        let tables = digest::tables(connection)?;
        for table in tables.iter().map(String::as_str).chain(["seal"]) {
            let quoted = table.replace('\'', "''");
            if !digest::is_journal(table) || is_short(connection, table)? {
                check_pages(connection, &format!("'{quoted}'"))?;
            }
        }
    }
    let base = checkpoints::base_number(connection)?;
    Ok(Inspected { seal, digest, account, ledger_ids, books, head, checkpoint, base, segments, mark_changes })
}

/// All of a file that no checkpoint helps to read.
fn inspect_format_1(
    connection: &Connection,
    seal: Seal,
    (account, ledger_ids): (Account, LedgerIds),
    genesis: Hash,
) -> Result<Inspected, InspectError> {
    let mut replay = Replay::begin(genesis);
    replay.take_format_1(connection, u64::MAX)?;
    let Replay { books, head, .. } = replay;
    books.check_totals(&account)?;
    books.check_holdings(&rows::holdings(connection)?)?;
    check_outbox(connection, &account, &[])?;
    let digest = check_digest(Digest::of_format_1(connection)?, &seal)?;
    check_pages(connection, "1")?;
    let (segments, mark_changes) = (Segments::read(connection)?, MarkChanges::default());
    Ok(Inspected { seal, digest, account, ledger_ids, books, head, checkpoint: 0, base: 0, segments, mark_changes })
}

/// The journal with the number of the last checkpoint.
fn recomputed(connection: &Connection, genesis: Hash, depth: Depth) -> Result<(Replay, u64), InspectError> {
    let last = checkpoints::last(connection)?.ok_or_else(replay::no_checkpoint)?;
    let number = last.number;
    let mut replay = match depth {
        Depth::Recent => Replay::behind(last, [].into()),
        Depth::All => {
            let mut replay = Replay::at_base(connection, genesis)?;
            replay.expect(checkpoints::between(connection, 0, u64::MAX)?);
            replay.check_checkpoint()?;
            replay.take_format_1(connection, u64::MAX)?;
            replay
        }
    };
    replay.take(connection, u64::MAX)?;
    replay.end()?;
    Ok((replay, number))
}

/// Whether a table of the journal is so short that checking its pages takes no time.
fn is_short(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {})", SHORT + 1);
    connection.query_row(&count, [], |row| row.get::<_, i64>(0)).map(|rows| rows <= SHORT)
}

fn check_digest(digest: Digest, seal: &Seal) -> Result<Digest, InspectError> {
    if digest.sealed(seal) == seal.digest {
        return Ok(digest);
    }
    Err(Finding::BreakSeal("the digest over all tables differs from the stored digest".to_owned()).into())
}

/// Checks that all unpublished entries exist. `decisions`: positions of those that the journal alone has.
fn check_outbox(connection: &Connection, account: &Account, decisions: &[u64]) -> Result<(), InspectError> {
    let mut positions: Vec<u64> = rows::list(connection, "SELECT position FROM outbox", |row| rows::unsigned(row, 0))?;
    positions.extend(decisions);
    positions.sort_unstable();
    if positions.iter().copied().eq(account.published_through + 1..=account.position) {
        return Ok(());
    }
    let show = |count: u64, first: u64, last: u64| format!("{count} entries from {first} to {last}");
    let (first, last) = (positions.first().copied().unwrap_or(0), positions.last().copied().unwrap_or(0));
    let waiting = account.position.saturating_sub(account.published_through);
    let wanted = show(waiting, account.published_through + 1, account.position);
    let finding = format!("the outbox has {}, the account has {wanted}", show(positions.len() as u64, first, last));
    Err(Finding::BreakSeal(finding).into())
}

/// `of`: a table, or the number of errors to find in the whole file.
fn check_pages(connection: &Connection, of: &str) -> Result<(), InspectError> {
    let found: String = connection.query_row(&format!("PRAGMA integrity_check({of})"), [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(Finding::BreakSeal(found.trim().replace('\n', ", ")).into()) }
}
