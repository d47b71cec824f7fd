//! Makes new files, and takes older files to the newest format. Releases took turns with a file of the format 1, so that the migration fills
//! in the columns and rows that v0.1.0 leaves empty. Format 2 begins with a checkpoint, and no older release reads it.

use rusqlite::{Connection, params};

use super::{
    checkpoints, complete,
    digest::{Digest, Letters, Remembered, Seal},
    inspect::Inspected,
    outbox,
    schema::{self, Migration},
    sources,
    writer::Writer,
};
use crate::{
    ledger::{
        Account,
        books::Books,
        chain::{self, Hash},
    },
    sizes::Sizes,
};

/// Makes an empty file a ledger without entries. Inside a transaction.
pub(super) fn create(connection: &Connection, migrations: &[Migration], account: &Account) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    let (first, later) = migrations.split_first().map_or((None, migrations), |(first, later)| (Some(first), later));
    if let Some(first) = first {
        schema::step(connection, first)?;
        connection.execute(
            "INSERT INTO seal (id, min_reader, epoch, digest) VALUES (1, ?1, 0, '')",
            params![first.min_reader],
        )?;
    }
    connection.execute(
        "INSERT INTO account (id, name, ledger_id, cash, invested, realised, deposits, entries, decisions, position,
             published_through, updated_micros) VALUES (1, ?1, ?2, '0.00', '0.00', '0.00', '0.00', 0, 0, 0, 0, 0)",
        params![account.name, account.ledger_id],
    )?;
    later.iter().try_for_each(|migration| schema::upgrade(connection, migration))?;
    if schema::newest(migrations) >= checkpoints::SINCE {
        begin(connection, chain::genesis(&account.ledger_id, &account.name), Sizes::DESIGN)?;
    }
    Seal::read(connection)?.over(digest_of(connection, schema::newest(migrations))?).write(connection)
}

/// Migrates a file that was inspected. `notice`: for releases that cannot read it. Inside a transaction.
pub(super) fn migrate(
    connection: &Connection,
    migrations: &[Migration],
    inspected: &Inspected,
    sizes: Sizes,
    notice: Option<&str>,
) -> rusqlite::Result<Migrated> {
    let from = inspected.seal.user_version;
    let (first, second) = migrations.split_at(migrations.partition_point(|step| step.version < checkpoints::SINCE));
    schema::upgrade_from(connection, first, from)?;
    if from < checkpoints::SINCE {
        fill_in(connection, first, sizes)?;
    }
    schema::upgrade_from(connection, second, from)?;
    let newest = schema::newest(migrations);
    let mut checkpoint = inspected.checkpoint;
    if from < checkpoints::SINCE && newest >= checkpoints::SINCE {
        let genesis = chain::genesis(inspected.ledger_ids.first(), &inspected.account.name);
        begin_checkpoints(
            connection,
            genesis,
            sizes,
            [&(Books::default(), genesis), &(inspected.books.clone(), inspected.head)],
        )?;
        connection.execute("UPDATE seal SET notice = ?1 WHERE id = 1", params![notice])?;
        checkpoint = inspected.books.entries;
    }
    let digest = if from == newest { inspected.digest } else { digest_of(connection, newest)? };
    Ok(Migrated { digest, checkpoint })
}

/// See [`migrate`].
pub(super) struct Migrated {
    pub(super) digest: Digest,
    pub(super) checkpoint: u64,
}

/// The first checkpoint of a new ledger. Inside a transaction.
fn begin(connection: &Connection, genesis: Hash, sizes: Sizes) -> rusqlite::Result<()> {
    begin_checkpoints(connection, genesis, sizes, [&(Books::default(), genesis), &(Books::default(), genesis)])
}

/// The digest that a file of this version stores.
pub(super) fn digest_of(connection: &Connection, version: i64) -> rusqlite::Result<Digest> {
    if version >= checkpoints::SINCE { Digest::of_tables(connection) } else { Digest::of_format_1(connection) }
}

/// Writes the checkpoints of a journal without any: its base, and its end where that is another entry.
pub(super) fn begin_checkpoints(
    connection: &Connection,
    head: Hash,
    sizes: Sizes,
    [base, last]: [&(Books, Hash); 2],
) -> rusqlite::Result<()> {
    // The digest is computed over the finished tables.
    let (mut remembered, mut letters) = (Remembered::default(), Letters::default());
    let mut writer = Writer {
        connection,
        digest: Digest::default(),
        head,
        min_reader: 0,
        sizes,
        remembered: &mut remembered,
        letters: &mut letters,
    };
    writer.checkpoint(&base.0)?;
    if last.0.entries > base.0.entries {
        writer.head = last.1;
        writer.checkpoint(&last.0)?;
    }
    Ok(())
}

/// Fills in the columns and rows that v0.1.0 leaves empty.
fn fill_in(connection: &Connection, migrations: &[Migration], sizes: Sizes) -> rusqlite::Result<()> {
    let newest = schema::newest(migrations);
    if newest >= complete::SINCE {
        complete::window(connection)?;
    }
    if newest >= sources::SINCE {
        sources::adopt(connection, sizes)?;
    }
    if newest >= outbox::SINCE {
        outbox::clean(connection)?;
    }
    Ok(())
}
