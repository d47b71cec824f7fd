//! Runs a case below valgrind's callgrind, and reads the counts of its stages.

use std::{collections::HashMap, path::Path, process::Command};

use anyhow::{Context as _, ensure};

use crate::{
    case::{Case, GROUP},
    path::GROUPS,
    stage::{COMMIT, STAGES},
};

/// The counted function, by its name in callgrind.
const COUNTED: &str = "*path*counted*";

/// Instructions for each tick, by stage in the order of [`STAGES`].
pub type Counts = [u64; STAGES.len()];

/// Counts a case. `program`: this one, which runs the case.
pub fn count(program: &Path, case: Case) -> anyhow::Result<Counts> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-line=no", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["run", case.name])
        .output()
        .context("cannot start valgrind, which `make test-instructions` installs on Debian")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the case {} ended with {}:\n{errors}", case.name, output.status);
    let profile = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    stages(&profile).with_context(|| format!("the profile of the case {}", case.name))
}

/// The counts in a profile, for each tick.
fn stages(profile: &str) -> anyhow::Result<Counts> {
    let calls = calls(profile);
    let sum = |part: &str| calls.iter().filter(|(name, _)| name.contains(part)).map(|(_, cost)| cost).sum::<u64>();
    let commit = sum(COMMIT);
    let mut counts = Counts::default();
    for ((name, part), count) in STAGES.iter().zip(&mut counts) {
        let all = sum(part);
        ensure!(all > 0, "no call of a function with {part} in its name: the stage {name} needs another name");
        *count = (if *name == "decide" { all - commit } else { all }) / (GROUPS * GROUP);
    }
    Ok(counts)
}

/// The inclusive cost of all calls, by the called function. The format is that of valgrind's manual, "Callgrind Format": a
/// name stands at its number's first use, and the line behind `calls=` has the cost last.
fn calls(profile: &str) -> HashMap<String, u64> {
    let mut names = HashMap::new();
    let mut costs = HashMap::new();
    let (mut called, mut is_call) = (String::new(), false);
    for line in profile.lines() {
        if is_call {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            *costs.entry(called.clone()).or_default() += cost.unwrap_or_default();
            is_call = false;
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if let Some((key, value)) = line.split_once('=').filter(|(key, _)| matches!(*key, "fn" | "cfn")) {
            let (number, name) = value.split_once(' ').unwrap_or((value, ""));
            let known = names.entry(number.to_owned()).or_insert_with(|| name.to_owned());
            if key == "cfn" {
                called.clone_from(known);
            }
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_of_calls_are_summed_by_the_called_function() {
        let profile = "fn=(1) main\n0 5\ncfn=(2) stage::decide\ncalls=2 0\n0 700\nfn=(2)\n0 100\ncfn=(3) commit\ncalls=1 0\n0 600\nfn=(4) other\ncfn=(2)\ncalls=1 0\n0 30\n";
        let calls = calls(profile);
        assert_eq!((calls["stage::decide"], calls["commit"]), (730, 600));
    }

    #[test]
    fn profile_without_a_stage_is_an_error() {
        let error = stages("fn=(1) main\n0 5\n").unwrap_err().to_string();
        assert!(error.contains("stage::receive"), "{error}");
    }
}
