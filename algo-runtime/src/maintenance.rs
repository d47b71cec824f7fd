//! Commands on a ledger beside the process that serves it: verify, archive, backup, restore, salvage.

use std::{
    error::Error,
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use intuition_common::{exit, text::printable_lines};

use crate::ledger::{
    sqlite::{self, ArchiveError, Archived, Copied, CopyError, LeftOut, Opening, Restored, Salvaged},
    verify::{self, VerifyError},
};

/// Folders that are looked through for ledgers.
const MAX_FOLDERS: usize = 1_000;
/// File of a ledger.
const LEDGER: &str = "ledger.db";
/// Ledgers that an error names.
const MAX_SHOWN_LEDGERS: usize = 5;

/// Verifies a ledger, and prints its account.
pub fn verify(data_dir: &Path) -> ExitCode {
    match verify::verify(data_dir) {
        Ok(report) => match writeln!(io::stdout(), "{}", printable_lines(&report.to_string())) {
            Ok(()) => ExitCode::SUCCESS,
            // A reader that closed the pipe has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => exit::report(&error, 1),
        },
        Err(error @ VerifyError::MissLedger(_)) => match ledgers_below(data_dir) {
            ledgers if ledgers.is_empty() => exit::report(&error, 1),
            ledgers => exit::report(&MissLedger { error, ledgers: ledgers.join(", ") }, 1),
        },
        Err(error) => exit::report(&error as &(dyn Error + 'static), 1),
    }
}

/// The folder of several ledgers was given instead of the folder of one.
#[derive(Debug, thiserror::Error)]
#[error("{error}; below it there are: {ledgers}. Verify one of these")]
struct MissLedger {
    error: VerifyError,
    ledgers: String,
}

/// Folders `DIR/NAMESPACE/NAME` that hold a ledger: the layout of `intuition run --data-dir DIR`. In order, at most
/// [`MAX_SHOWN_LEDGERS`].
fn ledgers_below(dir: &Path) -> Vec<String> {
    let folders = |dir: &Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let accounts = folders(dir).into_iter().take(MAX_FOLDERS).flat_map(|namespace| folders(&namespace));
    let ledgers = accounts.take(MAX_FOLDERS).filter(|account| account.join(LEDGER).is_file());
    ledgers.take(MAX_SHOWN_LEDGERS).map(|account| account.display().to_string()).collect()
}

/// Writes the journal as CSV into the new file `to`; `-`: to standard output. Prints the number of entries to stderr.
pub fn archive(data_dir: &Path, to: &Path, from: Option<u64>, through: u64) -> ExitCode {
    let written = if to == Path::new("-") {
        sqlite::archive(data_dir, from, through, io::stdout().lock())
    } else {
        to_file(to, |file| sqlite::archive(data_dir, from, through, file))
    };
    match written {
        Ok(Archived { entries, first_kept }) => {
            note(&format!("{entries} journal entries"));
            if from.is_none() && first_kept > 1 {
                note(&format!("the journal begins at entry {first_kept}: the entries before it were dropped"));
            }
            ExitCode::SUCCESS
        }
        // A reader that closed the pipe has seen enough.
        Err(ArchiveError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => exit::report(&error as &(dyn Error + 'static), 1),
    }
}

/// Writes a new file and syncs it. After an error there is none.
fn to_file(to: &Path, write: impl FnOnce(&File) -> Result<Archived, ArchiveError>) -> Result<Archived, ArchiveError> {
    let file = File::create_new(to).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => CopyError::Exists(to.display().to_string()).into(),
        _ => ArchiveError::Write(error),
    })?;
    let written = write(&file).and_then(|entries| {
        file.sync_all().map_err(ArchiveError::Write)?;
        Ok(entries)
    });
    if written.is_err() {
        // The first error is returned.
        fs::remove_file(to).unwrap_or_default();
    }
    written
}

/// Copies a ledger in use into the file `to`; `-`: to standard output. Prints to stderr.
pub fn backup(data_dir: &Path, to: &Path) -> ExitCode {
    let copied =
        if to == Path::new("-") { to_stdout(data_dir) } else { sqlite::backup(data_dir, to).map_err(Into::into) };
    match copied {
        Ok(Copied { account, entries, decisions, bytes }) => {
            note(&format!(
                "{bytes} bytes: the account {account} with {entries} journal entries, {decisions} of them decisions"
            ));
            ExitCode::SUCCESS
        }
        Err(error) => exit::report(&error as &(dyn Error + 'static), 1),
    }
}

/// Puts a copy into the folder, and prints the account now and the loss. `from`: `-` for standard input.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the ledger's next id")]
pub fn restore(data_dir: &Path, from: &Path, force: bool, keep_format: bool) -> ExitCode {
    let opening = Opening::new(rand::random());
    let restored = if from == Path::new("-") {
        from_stdin(data_dir, |file| sqlite::restore(data_dir, file, force, keep_format, opening))
    } else {
        sqlite::restore(data_dir, from, force, keep_format, opening).map_err(Into::into)
    };
    match restored {
        Ok(restored) => {
            show_restored(&restored);
            ExitCode::SUCCESS
        }
        Err(error) => exit::report(&error as &(dyn Error + 'static), 1),
    }
}

fn show_restored(Restored { copied, ledger_id, replaced, lost }: &Restored) {
    let Copied { account, entries, decisions, .. } = copied;
    note(&format!("the account {account} has {entries} journal entries, {decisions} of them decisions"));
    match lost {
        Some(lost) => note(&format!("published decisions that it does not have any more: {lost}")),
        None => {
            note("the ledger before cannot be read, so that the published decisions that are lost cannot be counted");
        }
    }
    match ledger_id {
        Some(id) => note(&format!("later decisions have the ledger id {id}")),
        None => note("the file is as it was copied; ids of later decisions may have been given before"),
    }
    if let Some(replaced) = replaced {
        note(&format!("the ledger before is kept as {}", replaced.display()));
    }
}

/// Makes a sound ledger of a damaged one, and prints the part that is kept and the loss.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the seed of the ledger's next id")]
pub fn salvage(data_dir: &Path) -> ExitCode {
    match sqlite::salvage(data_dir, rand::random()) {
        Ok(salvaged) => {
            for line in salvaged_lines(&salvaged) {
                note(&line);
            }
            ExitCode::SUCCESS
        }
        Err(error) => exit::report(&error as &(dyn Error + 'static), 1),
    }
}

fn salvaged_lines(salvaged: &Salvaged) -> Vec<String> {
    let Salvaged { account, entries, decisions, claimed, damage, end, lost, left_out, .. } = salvaged;
    let kept =
        format!("the account {account} keeps {entries} of {claimed} journal entries, {decisions} of them decisions");
    let mut lines = vec![format!("the damage: {damage}"), kept];
    lines.extend(end.as_ref().filter(|end| *end != damage).map(|end| format!("the journal ends there: {end}")));
    lines.push(lost.map_or_else(
        || "the published decisions that are lost cannot be counted".to_owned(),
        |lost| format!("published decisions that it does not have any more: {lost}"),
    ));
    lines.extend(left_out.iter().map(|LeftOut { table, rows, is_damaged }| {
        let pages = if *is_damaged { "; its pages are damaged, and more rows may be missing" } else { "" };
        format!("rows of `{table}` that are left out: {rows}{pages}")
    }));
    if salvaged.is_halted {
        lines.push(
            "the trading state cannot be read or trusted: the account is Halted. A resource that is applied anew replaces this stop by its own \
             trading state"
                .to_owned(),
        );
    }
    lines.push(format!("later decisions have the ledger id {}", salvaged.ledger_id));
    lines.push(format!("the damaged ledger is kept as {}", salvaged.replaced.display()));
    lines
}

/// Errors of a copy through standard output or input.
#[derive(Debug, thiserror::Error)]
enum PipeError {
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("cannot write the copy to standard output")]
    Write(#[source] io::Error),
    #[error("cannot save the copy from standard input as {file}")]
    Read { file: String, source: io::Error },
}

/// The copy is made and checked beside the ledger first.
fn to_stdout(data_dir: &Path) -> Result<Copied, PipeError> {
    let file = data_dir.join(format!("{LEDGER}.backup"));
    // One of a process that was killed.
    fs::remove_file(&file).unwrap_or_default();
    let copied = sqlite::backup(data_dir, &file)?;
    let written = File::open(&file).and_then(|mut copy| {
        io::copy(&mut copy, &mut io::stdout().lock())?;
        io::stdout().lock().flush()
    });
    fs::remove_file(&file).unwrap_or_default();
    written.map_err(PipeError::Write).map(|()| copied)
}

/// Saves the copy in the folder first.
fn from_stdin(
    data_dir: &Path,
    restore: impl FnOnce(&Path) -> Result<Restored, CopyError>,
) -> Result<Restored, PipeError> {
    let file = data_dir.join(format!("{LEDGER}.restore"));
    let saved = fs::create_dir_all(data_dir)
        .and_then(|()| File::create(&file))
        .and_then(|mut copy| io::copy(&mut io::stdin().lock(), &mut copy));
    let restored = match saved {
        Ok(_) => restore(&file).map_err(Into::into),
        Err(source) => Err(PipeError::Read { file: file.display().to_string(), source }),
    };
    fs::remove_file(&file).unwrap_or_default();
    restored
}

/// A line on stderr. With a closed stderr there is no way to show it.
fn note(line: &str) {
    drop(writeln!(io::stderr(), "{}", printable_lines(line)));
}
