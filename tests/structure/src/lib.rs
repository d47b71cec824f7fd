//! The structure of the workspace's files, as CONTRIBUTING.md asks for it: each has a bounded length, and no two import each
//! other, directly or through others.
//!
//! Code of tests does not count. A file keeps an exception, with its reason, in a comment line:
//! `// structure: allow(length): REASON` or `// structure: allow(circle): REASON`.

mod circles;
mod files;
mod imports;

pub use self::files::{Crate, File, sources};

/// Lines of a file, without its tests.
pub const MAX_LINES: usize = 400;

/// A sentence about each breach of the rules.
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
        findings.extend(circles::of(&imports::of(source)).iter().map(|circle| {
            format!(
                "these files import each other in a circle: {}. Move the shared item to a file that both import",
                circle.join(" -> ")
            )
        }));
    }
    findings
}

#[cfg(test)]
mod tests;
