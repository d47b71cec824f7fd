//! What is measured on the way, for people to look at: never asserted.

use std::{fs::File, io::Write as _, time::Duration};

use anyhow::Context as _;

/// Prints `figure: <name> = <value>` past the capture of passing tests, and adds it to `e2e-figures.txt` in the target
/// folder.
pub fn record(name: &str, value: &str) -> anyhow::Result<()> {
    let line = format!("figure: {name} = {value}\n");
    std::io::stdout().write_all(format!("\n{line}").as_bytes())?;
    // target/<profile>/deps/<test>
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("the test executable is not in a target folder")?;
    let mut file = File::options().create(true).append(true).open(target.join("e2e-figures.txt"))?;
    Ok(file.write_all(line.as_bytes())?)
}

/// [`record`] for a time.
pub fn took(name: &str, time: Duration) -> anyhow::Result<()> {
    record(name, &format!("{:.2} s", time.as_secs_f64()))
}
