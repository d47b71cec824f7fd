//! The source files of the workspace's crates, parsed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use syn::{Attribute, Item, spanned::Spanned as _};

/// The folders of the crates.
const CRATES: [&str; 10] = [
    "algo-runtime",
    "algo-runtime/api",
    "bridge",
    "cli",
    "common",
    "feed",
    "mqtt",
    "operator",
    "operator/api",
    "tests/simulation",
];

/// A crate's files by module path: `[]` is `lib.rs`, `["engine", "turn"]` is `engine/turn.rs`.
#[derive(Debug, Default)]
pub struct Crate {
    /// See above.
    pub files: BTreeMap<Vec<String>, File>,
}

/// A source file.
#[derive(Debug)]
pub struct File {
    /// Its path in the repository.
    pub path: PathBuf,
    /// Lines without those of test modules.
    pub lines: usize,
    /// Items without those of tests.
    pub items: Vec<Item>,
    exceptions: Vec<String>,
    /// Modules of tests that are files of their own.
    test_modules: Vec<String>,
}

impl File {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text)
    }

    /// Parses the text of a file.
    pub fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let parsed = syn::parse_file(text).with_context(|| format!("cannot parse {}", path.display()))?;
        let (tests, items): (Vec<Item>, Vec<Item>) = parsed.items.into_iter().partition(is_test);
        let lines_of_tests: usize = tests.iter().map(lines_of).sum();
        let exceptions = text.lines().filter_map(|line| line.trim().strip_prefix("// structure: allow("));
        let exceptions = exceptions.filter_map(|rest| rest.split_once("): ")).filter(|(_, reason)| !reason.is_empty());
        let test_modules = tests.iter().filter_map(|item| match item {
            Item::Mod(module) if module.content.is_none() => Some(module.ident.to_string()),
            _ => None,
        });
        Ok(Self {
            path: path.to_owned(),
            lines: text.lines().count().saturating_sub(lines_of_tests),
            items,
            exceptions: exceptions.map(|(rule, _)| rule.to_owned()).collect(),
            test_modules: test_modules.collect(),
        })
    }

    /// Whether the file states an exception to this rule.
    pub fn allows(&self, rule: &str) -> bool {
        self.exceptions.iter().any(|exception| exception == rule)
    }
}

/// All files of production code below the repository's folder `root`.
pub fn sources(root: &Path) -> anyhow::Result<Vec<Crate>> {
    CRATES.iter().map(|folder| crate_in(&root.join(folder).join("src"))).collect()
}

fn crate_in(folder: &Path) -> anyhow::Result<Crate> {
    let mut source = Crate::default();
    let mut waiting = vec![(folder.to_owned(), Vec::new())];
    while let Some((folder, module)) = waiting.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if name == "tests" {
                continue;
            }
            let mut inner: Vec<String> = module.clone();
            if path.is_dir() {
                inner.push(name);
                waiting.push((path, inner));
            } else if path.extension().is_some_and(|extension| extension == "rs") && name != "main" {
                if !(module.is_empty() && name == "lib") {
                    inner.push(name);
                }
                source.files.insert(inner, File::read(&path)?);
            }
        }
    }
    source.drop_tests();
    Ok(source)
}

impl Crate {
    /// Without the files that only tests have.
    fn drop_tests(&mut self) {
        let of = |(module, file): (&Vec<String>, &File)| {
            let inner = file.test_modules.iter().map(|name| module.iter().cloned().chain([name.clone()]).collect());
            inner.collect::<Vec<Vec<String>>>()
        };
        let tests: Vec<Vec<String>> = self.files.iter().flat_map(of).collect();
        self.files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    }
}

/// Whether an item belongs to tests alone.
fn is_test(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => &[],
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

fn lines_of(item: &Item) -> usize {
    let span = item.span();
    span.end().line - span.start().line + 1
}
