//! The structure of the workspace's files, as CONTRIBUTING.md asks for it: each has a bounded length, and no two import each
//! other, directly or through others. The names of functions have a bounded length too, those of tests included. Every dependency
//! is used ([`unused`]).
//!
//! For files, code of tests does not count. A file keeps an exception, with its reason, in a comment line:
//! `// structure: allow(length): REASON` or `// structure: allow(circle): REASON`.

mod circles;
mod dependencies;
mod files;
mod imports;
mod names;

use std::collections::BTreeSet;

pub use self::{
    dependencies::unused,
    files::{Crate, File, sources},
    names::{MAX_NAME_CHARS, long_names},
};

/// Lines of a file, without its tests.
pub const MAX_LINES: usize = 400;

/// A sentence about each violation of the rules for files.
pub fn findings(crates: &[Crate]) -> Vec<String> {
    let mut findings = Vec::new();
    for source in crates {
        for file in source.files.values().filter(|file| file.lines > MAX_LINES && !file.allows("length")) {
            findings.push(format!(
                "{} has {} lines without its tests, and at most {MAX_LINES} are allowed: split it by its jobs, or state the \
                 reason in it as `// structure: allow(length): REASON`",
                file.path.display(),
                file.lines
            ));
        }
        let imports = imports::of(source);
        findings.extend(circles::of(&imports).iter().map(|circle| {
            let ties: Vec<String> = circle.iter().flat_map(|file| ties(&imports, file, circle)).collect();
            format!(
                "{} files import each other in a circle. Move the shared item to a file that both import:{}",
                circle.len(),
                ties.concat()
            )
        }));
    }
    findings
}

/// A line for each import of a file from another one of its circle.
fn ties(imports: &imports::Imports, file: &str, circle: &[String]) -> Vec<String> {
    let targets = imports.get(file).into_iter().flatten().filter(|(target, _)| circle.contains(target));
    let line = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    targets.map(|(target, names)| format!("\n  {file} -> {target}: {}", line(names))).collect()
}

#[cfg(test)]
mod tests;
