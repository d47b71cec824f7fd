//! The dependencies of the workspace's crates: each is named in the code that its section is for.
//!
//! Only `[dependencies]` may have optional ones, so that tests alone may name those. A crate that needs a dependency without naming it states the reason in its manifest, in the table
//! `[package.metadata.structure.unnamed]`: `bytes = "the generated code names it"`.

use std::{collections::HashSet, fs, path::Path};

use anyhow::Context as _;
use proc_macro2::{TokenStream, TokenTree};
use toml::Table;

/// The sections of a manifest, each with the folders and files of the code that may name its dependencies.
const SECTIONS: [(&str, &[&str]); 3] =
    [("dependencies", &["src"]), ("dev-dependencies", ALL_CODE), ("build-dependencies", &["build.rs"])];
const ALL_CODE: &[&str] = &["src", "tests", "examples", "benches"];

/// A sentence about each dependency of a crate of the workspace below `root` that no code names.
pub fn unused(root: &Path) -> anyhow::Result<Vec<String>> {
    let workspace = manifest(&root.join("Cargo.toml"))?;
    let members = workspace.get("workspace").and_then(|workspace| workspace.get("members")?.as_array());
    let members = members.into_iter().flatten().filter_map(toml::Value::as_str);
    let mut findings = Vec::new();
    for member in members {
        unused_of(root, member, &mut findings)?;
    }
    Ok(findings)
}

fn unused_of(root: &Path, member: &str, findings: &mut Vec<String>) -> anyhow::Result<()> {
    let folder = root.join(member);
    let manifest = manifest(&folder.join("Cargo.toml"))?;
    let unnamed = ["metadata", "structure", "unnamed"]
        .iter()
        .try_fold(manifest.get("package"), |value, key| value.map(|value| value.get(key)))
        .flatten();
    for (section, places) in SECTIONS {
        let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
        let (names, all_names) = (names_in_any(&folder, places)?, names_in_any(&folder, ALL_CODE)?);
        let is_unused = |(dependency, details): &(&String, &toml::Value)| {
            let is_optional = details.get("optional").and_then(toml::Value::as_bool) == Some(true);
            let names = if is_optional { &all_names } else { &names };
            !names.contains(&dependency.replace('-', "_"))
                && unnamed.is_none_or(|table| table.get(dependency).is_none())
        };
        findings.extend(dependencies.iter().filter(is_unused).map(|(dependency, _)| {
            format!(
                "{member}/Cargo.toml has `{dependency}` in [{section}], and no code in {} names it: remove it, or state the \
                 reason in [package.metadata.structure.unnamed]",
                places.join(", ")
            )
        }));
    }
    Ok(())
}

fn manifest(path: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("cannot parse {}", path.display()))
}

/// The identifiers in all code of these places in a crate's folder.
fn names_in_any(folder: &Path, places: &[&str]) -> anyhow::Result<HashSet<String>> {
    let mut names = HashSet::new();
    for place in places {
        names_below(&folder.join(place), &mut names)?;
    }
    Ok(names)
}

/// Adds the identifiers in a file, or in all Rust files of a folder. Nothing is added where neither exists.
fn names_below(path: &Path, names: &mut HashSet<String>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
            names_below(&entry?.path(), names)?;
        }
    } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let tokens = text.parse().map_err(|error| anyhow::anyhow!("cannot parse {}: {error}", path.display()))?;
        names_in(tokens, names);
    }
    Ok(())
}

fn names_in(tokens: TokenStream, names: &mut HashSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => names.extend([name.to_string()]),
            TokenTree::Group(group) => names_in(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
[package]
name = "a"
[package.metadata.structure.unnamed]
generated = "the generated code names it"
[dependencies]
named-here = "1"
in-a-comment = "1"
generated = "1"
for-a-feature = { version = "1", optional = true }
[dev-dependencies]
named-in-tests = "1"
named-nowhere = "1"
"#;

    #[test]
    fn dependencies_that_no_code_names_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n");
        write("a/Cargo.toml", MANIFEST);
        write("a/src/lib.rs", "//! No code names in_a_comment.\nmod inner;\n");
        write("a/src/inner/deep.rs", "fn f() { g(|| named_here::x()) }");
        write("a/tests/t.rs", "use named_in_tests::*; use for_a_feature::x;");
        let found = unused(folder.path()).unwrap();
        assert!(
            found.len() == 2
                && found[0].contains("`in-a-comment` in [dependencies]")
                && found[1].contains("`named-nowhere` in [dev-dependencies]"),
            "{found:#?}"
        );
    }
}
