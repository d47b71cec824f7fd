//! Makes a sound ledger of a damaged one: with the longest valid journal, and with all other rows that can be read and fit it.
//!
//! - `damaged` reads the file; `rebuild` fills the new one, row by row with `copier`.
//! - `outbox`, `outcomes`, `numbers` and `halt` have the tables with rules of their own.

mod copier;
mod damaged;
mod halt;
mod numbers;
mod outbox;
mod outcomes;
mod rebuild;

use std::path::{Path, PathBuf};

pub use self::copier::LeftOut;
use self::{
    damaged::{Claims, Prefix},
    rebuild::Rebuilt,
};
use super::{
    copy_error::CopyError,
    inspect::Depth,
    place::{Place, Refused, Shape},
    replace::{put_in_place, refuse_a_ledger_in_use},
    schema, snapshot,
};
use crate::{
    ledger::{Account, LedgerError, OutboxPage},
    sizes::Sizes,
};

/// A ledger that was salvaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// `<namespace>/<name>`.
    pub account: String,
    /// Journal entries that are kept.
    pub entries: u64,
    /// Buys and sales among them.
    pub decisions: u64,
    /// Journal entries of the damaged ledger, by its account row.
    pub claimed: u64,
    /// The damage that an opening finds.
    pub damage: String,
    /// The reason for which the journal ends where it does; `None`: it is whole.
    pub end: Option<String>,
    /// Published decisions that are not kept; `None`: they cannot be counted.
    pub lost: Option<u64>,
    /// The parts of other tables that could not be kept.
    pub left_out: Vec<LeftOut>,
    /// The trading state could not be read or trusted, so that the account is Halted.
    pub is_halted: bool,
    /// The ledger id of later decisions.
    pub ledger_id: String,
    /// The damaged file.
    pub replaced: PathBuf,
}

/// Why a ledger cannot be salvaged. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// The ledger has no damage.
    #[error("the ledger in {0} is sound: there is nothing to salvage, and nothing was changed")]
    Sound(String),
    /// The row without which nothing can be kept is damaged.
    #[error(
        "the ledger in {dir} cannot be salvaged: its account row or its seal cannot be read; nothing was changed: put a copy in its \
         place with `algo-runtime restore`"
    )]
    MissAccount {
        /// The folder.
        dir: String,
        /// The cause.
        source: rusqlite::Error,
    },
    /// No entry of the journal is valid.
    #[error(
        "the ledger in {dir} cannot be salvaged: no entry of its journal can be kept ({finding}); nothing was changed: put a copy in \
         its place with `algo-runtime restore`"
    )]
    MissJournal {
        /// The folder.
        dir: String,
        /// The contradiction in the first entry.
        finding: String,
    },
    /// The rows that can be read make no sound ledger.
    #[error(
        "the ledger cannot be salvaged: its rows make no sound one; nothing was changed: put a copy in its place with \
         `algo-runtime restore`"
    )]
    Rebuild(#[source] LedgerError),
    /// There is no ledger, it is in use, or a file cannot be read or written.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl From<LedgerError> for SalvageError {
    fn from(error: LedgerError) -> Self {
        Self::Copy(error.into())
    }
}

impl SalvageError {
    /// Stable code, for logs and exit messages.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Sound(_) => "LedgerSound",
            Self::MissAccount { .. } | Self::MissJournal { .. } | Self::Rebuild(_) => "LedgerDamaged",
            Self::Copy(error) => error.reason(),
        }
    }
}

/// Replaces the damaged ledger in the folder `dir`, which is kept beside the new one. `seed`: of the ledger id of later decisions.
pub fn salvage(dir: &Path, seed: u64) -> Result<Salvaged, SalvageError> {
    let place = Place::new(dir);
    let shown = || dir.display().to_string();
    if matches!(place.shape(), Ok(Shape::Missing)) {
        return Err(CopyError::MissLedger(shown()).into());
    }
    let folder = place.enter()?;
    refuse_a_ledger_in_use(&place, dir)?;
    let damage = damage(&place)?.ok_or_else(|| SalvageError::Sound(shown()))?;
    let unreadable = |source| SalvageError::MissAccount { dir: shown(), source };
    let mut connection = damaged::open(&place).map_err(unreadable)?;
    let source = connection.transaction().map_err(unreadable)?;
    let claims = damaged::claims(&source).map_err(unreadable)?;
    let prefix = damaged::prefix(&source, &claims);
    let kept = prefix.replay.books.entries;
    let end = prefix.finding.clone().or_else(|| {
        let Claims { entries, .. } = claims;
        (kept < entries).then(|| format!("journal entry {} is missing", kept + 1))
    });
    if kept == 0 && claims.entries > 0 {
        let finding = end.unwrap_or_else(|| damage.clone());
        return Err(SalvageError::MissJournal { dir: shown(), finding });
    }
    let lost = damaged::lost(&source, &claims, prefix.replay.books.decisions);
    let unfinished = place.unfinished();
    unfinished.remove().map_err(place.access("remove the unfinished file of"))?;
    let id = super::new_id(seed);
    let made = unfinished.build(|target| rebuild::rebuild(&source, target, &claims, &prefix, &id));
    let made = made.map_err(SalvageError::from).and_then(|rebuilt| {
        check(&unfinished, &prefix).map_err(SalvageError::Rebuild)?;
        Ok(rebuilt)
    });
    if made.is_err() {
        // The first error is returned. The next start removes the rest in any case.
        unfinished.remove().unwrap_or_default();
    }
    let Rebuilt { account, left_out, is_halted } = made?;
    drop(source);
    // The log goes aside with the file, and nothing reads it any more.
    drop(connection);
    let replaced = put_in_place(&unfinished, &place, &folder, true)?.unwrap_or_default();
    let Account { name, entries, decisions, ledger_id, .. } = account;
    let claimed = claims.entries;
    Ok(Salvaged {
        account: name,
        entries,
        decisions,
        claimed,
        damage,
        end,
        lost,
        left_out,
        is_halted,
        ledger_id,
        replaced,
    })
}

/// The damage that a check of the whole ledger finds, if there is any.
fn damage(place: &Place) -> Result<Option<String>, LedgerError> {
    let found = place.shape().map_err(Refused::Unreadable);
    match found.and_then(|shape| place.inspect(shape, schema::newest(schema::MIGRATIONS), Depth::All)) {
        Ok(_) => Ok(None),
        Err(Refused::Wrong(finding)) => Ok(Some(finding.to_string())),
        Err(Refused::Unreadable(LedgerError::Damaged { finding, .. })) => Ok(Some(finding)),
        Err(Refused::Unreadable(error)) => Err(error),
    }
}

/// Reads the new file as a whole, as an opening and its engine read a ledger.
fn check(unfinished: &Place, prefix: &Prefix) -> Result<(), LedgerError> {
    unfinished.check_whole(schema::newest(schema::MIGRATIONS))?;
    let read = || -> rusqlite::Result<()> {
        let connection = unfinished.observer(Shape::Settled)?;
        snapshot::read(&connection, &Sizes::DESIGN, &prefix.replay.books.holdings, &mut drop)?;
        // The first opening migrates a file of the format 1, and no page of the outbox is read before.
        if damaged::is_format_2(&connection)? {
            super::outbox::page(&connection, OutboxPage::all(0))?;
        }
        Ok(())
    };
    read().map_err(|error| unfinished.damaged(&error.to_string()))
}
