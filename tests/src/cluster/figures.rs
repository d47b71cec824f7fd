//! What is measured on the way, for people to look at: never asserted.

use std::{fs::File, io::Write as _, time::Duration};

use anyhow::Context as _;

use super::environment;

/// Prints `figure: <name> = <value>` past the capture of passing tests, and adds it to the file that `E2E_FIGURES` names.
pub fn record(name: &str, value: &str) -> anyhow::Result<()> {
    let line = format!("figure: {name} = {value}\n");
    std::io::stdout().write_all(format!("\n{line}").as_bytes())?;
    let Some(path) = environment::variable("E2E_FIGURES") else { return Ok(()) };
    let mut file = File::options().create(true).append(true).open(&path).context(path)?;
    Ok(file.write_all(line.as_bytes())?)
}

/// [`record`] for a time.
pub fn took(name: &str, time: Duration) -> anyhow::Result<()> {
    record(name, &format!("{:.2} s", time.as_secs_f64()))
}

/// [`record`] for what cannot be tested on this cluster.
pub fn skipped(what: &str) -> anyhow::Result<()> {
    record(what, "skipped: the nodes of this cluster are not containers here")
}
