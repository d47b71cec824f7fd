//! The machine and the versions that figures belong to.

use std::{fs, path::Path, process::Command};

/// One line for each fact; facts that this machine does not show are left out.
pub fn facts(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let facts = [
        ("processors", processors()),
        ("memory", field("/proc/meminfo", "MemTotal:")),
        ("kernel", fs::read_to_string("/proc/sys/kernel/osrelease").ok()),
        ("folder", Some(folder.clone())),
        ("file system", output("stat", &["--file-system", "--format=%T", &folder])),
        ("broker", output("/usr/sbin/mosquitto", &["-h"]).or_else(|| output("mosquitto", &["-h"]))),
        ("compiler", output("rustc", &["--version"])),
        ("commit", output("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])),
        ("load before the start", fs::read_to_string("/proc/loadavg").ok()),
    ];
    let lines = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    lines.map(|(name, value)| format!("{name}: {}", value.lines().next().unwrap_or_default().trim())).collect()
}

fn processors() -> Option<String> {
    let count = std::thread::available_parallelism().ok()?;
    let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
    Some(format!("{count} x {}", model.trim_start_matches([':', ' ', '\t'])))
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// The output of a program, with any exit code.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (!text.trim().is_empty()).then_some(text)
}
