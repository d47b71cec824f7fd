//! Names of functions, those of tests included.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use anyhow::{Context as _, anyhow};
use proc_macro2::{TokenStream, TokenTree};

/// Characters of a function's name.
pub const MAX_NAME_CHARS: usize = 70;

/// Folders of the repository without source files of its own.
const FOREIGN: [&str; 3] = ["target", "node_modules", ".git"];

/// A sentence about each function name above the bound in the Rust files below `root`.
pub fn long_names(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in rust_files(root)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        findings.extend(long_names_in(&path, &text)?);
    }
    Ok(findings)
}

/// The same for the text of one file. Reads tokens, so that functions inside macros count, and comments do not.
pub(crate) fn long_names_in(path: &Path, text: &str) -> anyhow::Result<Vec<String>> {
    let tokens = TokenStream::from_str(text)
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot parse {}", path.display()))?;
    let mut findings = Vec::new();
    visit(tokens, &mut |name, line| {
        let length = name.chars().count();
        if length > MAX_NAME_CHARS {
            findings.push(format!(
                "{}:{line}: the name of a function has {length} characters, and at most {MAX_NAME_CHARS} are allowed: {name}",
                path.display()
            ));
        }
    });
    Ok(findings)
}

/// Calls `found` for each identifier that follows the keyword `fn`, with its line.
fn visit(tokens: TokenStream, found: &mut impl FnMut(&str, usize)) {
    let mut follows_fn = false;
    for token in tokens {
        let is_fn = match token {
            TokenTree::Group(group) => {
                visit(group.stream(), found);
                false
            }
            TokenTree::Ident(name) if follows_fn => {
                found(&name.to_string(), name.span().start().line);
                false
            }
            TokenTree::Ident(word) => word == "fn",
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        };
        follows_fn = is_fn;
    }
}

fn rust_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !FOREIGN.iter().any(|foreign| entry.file_name() == *foreign) {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
