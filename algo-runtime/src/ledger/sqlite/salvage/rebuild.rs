//! Fills the tables of a salvaged ledger.

use intuition_api::decimal::Price;
use rusqlite::{Connection, Row, params};

use super::{
    super::{
        checkpoints, digest,
        digest::{Digest, Letters, Remembered, Seal},
        migrate, outbox as ids, replace, schema,
        writer::Writer,
    },
    copier::{Copier, LeftOut},
    damaged::{Claims, Prefix, ids_within, is_complete, is_format_2},
    halt,
    outbox::{self, Bounds},
    outcomes::{self, Ends},
};
use crate::{
    ledger::{Account, Checkpoint, books::Books, chain},
    sizes::Sizes,
};

/// Tables with a rule of their own. All others are copied as far as they can be read: nothing in them depends on the journal.
const DEPENDENT: [&str; 19] = [
    "account",
    "checkpoints",
    "closing",
    "conflicts",
    "entries",
    "held",
    "holdings",
    "journal",
    "ledger_ids",
    "manual_sales",
    "mark_changes",
    "marks",
    "outbox",
    "outbox_done",
    "segments",
    "trading",
    "trading_causes",
    "unsettled_sales",
    "window",
];

/// The tables that were filled.
#[derive(Debug)]
pub(super) struct Rebuilt {
    pub(super) account: Account,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) is_halted: bool,
}

/// Fills an empty file. `id`: the ledger id of later decisions. Inside a transaction of `target`.
pub(super) fn rebuild(
    source: &Connection,
    target: &Connection,
    claims: &Claims,
    prefix: &Prefix,
    id: &str,
) -> rusqlite::Result<Rebuilt> {
    let migrations = if is_format_2(source)? { schema::MIGRATIONS } else { schema::FORMAT_1 };
    migrate::create(target, migrations, &Account::empty(&claims.name, &prefix.first_id))?;
    let mut copier = Copier { source, target, is_complete: is_complete(source)?, left_out: Vec::new() };
    let (mut remembered, mut letters) = (Remembered::default(), Letters::default());
    let mut writer = Writer {
        connection: target,
        // The digest is computed over the finished tables.
        digest: Digest::default(),
        head: prefix.replay.head,
        min_reader: 0,
        sizes: Sizes::DESIGN,
        remembered: &mut remembered,
        letters: &mut letters,
    };
    let books = &prefix.replay.books;
    journal(&mut copier, prefix)?;
    base(target, claims, prefix)?;
    let Bounds { position, published_through } = outbox::copy(&mut copier, claims, prefix)?;
    let numbers = outcomes::copy(&mut copier, Ends { decisions: books.decisions, position })?;
    dependent(&mut copier, books, position)?;
    for table in digest::tables(target)?.iter().filter(|table| !DEPENDENT.contains(&table.as_str())) {
        copier.copy(table, |_| Ok(true))?;
    }
    numbers.copy(&mut copier, claims.updated_micros)?;
    traded_symbols(target)?;
    unknown_tables(&mut copier);
    let is_halted = halt::copy(&mut copier, &mut writer, claims, prefix)?;

    let (mut ledger_ids, lost_ids) = ids_within(source, prefix, position);
    copier.leave_out("ledger_ids", lost_ids, false);
    let mut account = account(claims, books, Bounds { position, published_through });
    replace::begin_id(&mut account, &mut ledger_ids, id.to_owned());
    writer.ledger_ids(&ledger_ids)?;
    writer.account(&account)?;
    seal(&copier)?;
    Ok(Rebuilt { account, left_out: copier.left_out, is_halted })
}

fn account(claims: &Claims, books: &Books, bounds: Bounds) -> Account {
    let Books { entries, decisions, cash, invested, realised, deposits, .. } = *books;
    let Bounds { position, published_through } = bounds;
    Account {
        cash,
        invested,
        realised,
        deposits,
        entries,
        decisions,
        position,
        published_through,
        updated_micros: claims.updated_micros,
        ..Account::empty(&claims.name, &claims.ledger_id)
    }
}

/// Copies the entries as they are, and in a file of the format 1 the holdings that follow from them.
fn journal(copier: &mut Copier<'_>, prefix: &Prefix) -> rusqlite::Result<()> {
    let books = &prefix.replay.books;
    // A base lies at the end of the format 1 or behind it, so that the kept rows of `journal` begin with entry 1.
    let kept = prefix.base.as_ref().map_or(0, Checkpoint::number) + 1..=books.entries;
    let fits = |row: &Row<'_>| Ok(kept.contains(&row.get::<_, i64>("number")?.cast_unsigned()));
    let mut left_out = std::mem::take(&mut copier.left_out);
    copier.copy("journal", fits)?;
    if copier.target.table_exists(None, "entries")? {
        copier.copy("entries", fits)?;
    }
    // The journal is reported by its end, not by its rows.
    copier.left_out = std::mem::take(&mut left_out);
    if copier.target.table_exists(None, "holdings")? {
        let sql = "INSERT INTO holdings (sid, quantity, cost) VALUES (?1, ?2, ?3)";
        for (sid, holding) in &books.holdings {
            copier.target.execute(sql, params![sid, holding.quantity.to_string(), holding.cost.to_string()])?;
        }
    }
    Ok(())
}

/// The checkpoints: the base of the journal, and its end.
fn base(target: &Connection, claims: &Claims, prefix: &Prefix) -> rusqlite::Result<()> {
    if !target.table_exists(None, "checkpoints")? {
        return Ok(());
    }
    target.execute("DELETE FROM checkpoints", [])?;
    let genesis = chain::genesis(&prefix.first_id, &claims.name);
    let base = match &prefix.base {
        Some(Checkpoint { books, head, .. }) => (books.clone(), *head),
        None => (Books::default(), genesis),
    };
    let last = (prefix.replay.books.clone(), prefix.replay.head);
    migrate::begin_checkpoints(target, base.1, Sizes::DESIGN, [&base, &last])
}

/// Copies the rows that fit the journal and the outbox.
fn dependent(copier: &mut Copier<'_>, books: &Books, position: u64) -> rusqlite::Result<()> {
    let unsigned = |row: &Row<'_>, column: &str| row.get::<_, i64>(column).map(i64::cast_unsigned);
    copier.copy("conflicts", |row| row.get::<_, u32>("dead_letters").map(|_| true))?;
    copier.copy("held", |row| row.get::<_, u32>("subscription_id").map(|_| true))?;
    copier.copy("manual_sales", |row| Ok(unsigned(row, "seq")? <= books.decisions))?;
    copier.copy("closing", |row| Ok(books.holdings.contains_key(row.get_ref("sid")?.as_str()?)))?;
    copier.copy("unsettled_sales", |row| {
        let is_price = row.get_ref("price")?.as_str()?.parse::<Price>().is_ok();
        Ok(is_price && unsigned(row, "seq")? <= books.decisions && unsigned(row, "position")? <= position)
    })
}

/// A symbol that was traded is one of which a quote was taken.
fn traded_symbols(target: &Connection) -> rusqlite::Result<()> {
    for table in ["journal", "entries"] {
        if target.table_exists(None, table)? {
            let sql = format!("INSERT OR IGNORE INTO symbols SELECT sid FROM {table} WHERE sid IS NOT NULL");
            target.execute(&sql, [])?;
        }
    }
    Ok(())
}

/// Tables of a later release cannot be kept.
fn unknown_tables(copier: &mut Copier<'_>) {
    let known = digest::tables(copier.target).unwrap_or_default();
    for table in digest::tables(copier.source).unwrap_or_default() {
        if !known.contains(&table) {
            let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
            let rows = copier.source.query_row(&count, [], |row| row.get::<_, i64>(0));
            copier.leave_out(&table, rows.as_ref().map_or(0, |rows| rows.cast_unsigned()), rows.is_err());
        }
    }
}

fn seal(copier: &Copier<'_>) -> rusqlite::Result<()> {
    let target = copier.target;
    let mut seal = Seal::read(target)?;
    // No release before knows further ledger ids.
    seal.min_reader = seal.min_reader.max(ids::SINCE);
    if ids::has_joined(target)? {
        seal.min_reader = seal.min_reader.max(ids::JOINED_SINCE);
    }
    if seal.user_version >= checkpoints::SINCE {
        let notice = Seal::notice(copier.source).unwrap_or_default();
        target.execute("UPDATE seal SET notice = nullif(?1, '') WHERE id = 1", [notice])?;
    }
    seal.over(migrate::digest_of(target, seal.user_version)?).write(target)
}
