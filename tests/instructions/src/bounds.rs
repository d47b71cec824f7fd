//! The stored numbers: a table with a line for each case, and a column for each stage.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

use crate::{callgrind::Counts, stage::STAGES};

const HEADER: &str = "\
# Instructions for each tick, by case and stage, as callgrind counts them. `make test-instructions` fails where a count is more
# than 10 % above its number here. To accept new numbers on purpose, run `make accept-instructions`, commit this file, and give
# the reason in the commit.
";

/// Numbers by case.
pub type Bounds = BTreeMap<String, Counts>;

/// Reads the table.
pub fn read(text: &str) -> anyhow::Result<Bounds> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let columns: Vec<&str> = lines.next().context("no line with the stages")?.split_whitespace().skip(1).collect();
    ensure!(columns.iter().eq(STAGES.iter().map(|(name, _)| name)), "the stages are {columns:?}");
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let case = words.next().unwrap_or_default().to_owned();
        let counts: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>()?;
        let counts = Counts::try_from(counts).ok().with_context(|| format!("the line of {case} has other columns"))?;
        anyhow::Ok((case, counts))
    };
    lines.map(line).collect()
}

/// Writes the table, in the order of the cases.
pub fn write(counted: &[(&str, Counts)]) -> String {
    let head = line("case", STAGES.iter().map(|(name, _)| (*name).to_owned()));
    let rows: Vec<String> =
        counted.iter().map(|(case, counts)| line(case, counts.iter().map(u64::to_string))).collect();
    format!("{HEADER}{head}{}", rows.concat())
}

fn line(first: &str, columns: impl Iterator<Item = String>) -> String {
    let columns: Vec<String> = columns.map(|column| format!("{column:>10}")).collect();
    format!("{first:16}{}\n", columns.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_table_is_read_again() {
        let counts = [1, 20, 300, 4_000, 50_000, 600_000];
        let bounds = read(&write(&[("decided", counts), ("no-signal", Counts::default())])).unwrap();
        assert_eq!((bounds.len(), bounds["decided"]), (2, counts));
    }

    #[test]
    fn table_with_other_stages_is_refused() {
        assert!(read("case parse\ndecided 1\n").is_err());
    }
}
