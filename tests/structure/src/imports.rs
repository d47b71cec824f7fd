//! Which file imports which: by `use`, and by paths in the code.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, ItemUse, Path, UseTree, Visibility, visit::Visit};

use crate::{Crate, File};

type Module = Vec<String>;

/// The files that each file imports, by their paths in the repository, with the names. A file with an exception imports nothing
/// here.
pub(crate) type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

pub(crate) fn of(source: &Crate) -> Imports {
    let handed_on: BTreeMap<&Module, BTreeMap<String, Module>> =
        source.files.iter().map(|(module, file)| (module, handed_on(source, module, file))).collect();
    let mut imports = Imports::new();
    for (module, file) in source.files.iter().filter(|(_, file)| !file.allows("circle")) {
        let mut reader = Reader { source, module, inner: Vec::new(), paths: Vec::new() };
        file.items.iter().for_each(|item| reader.visit_item(item));
        let targets = reader.paths.iter().filter_map(|path| Some((home(source, &handed_on, path)?, path)));
        // A file belongs to the module above it, and may use it: `mod` ties the two anyway.
        let others = targets.filter(|(target, _)| !module.starts_with(target));
        let of_file: &mut BTreeMap<String, BTreeSet<String>> = imports.entry(shown(file)).or_default();
        for (target, path) in others {
            let Some(target) = source.files.get(&target) else { continue };
            of_file.entry(shown(target)).or_default().extend(path.last().cloned());
        }
    }
    imports
}

fn shown(file: &File) -> String {
    file.path.display().to_string()
}

/// Names that a file hands on from others (`pub use`), each with its full path.
fn handed_on(source: &Crate, module: &Module, file: &File) -> BTreeMap<String, Module> {
    let mut names = BTreeMap::new();
    for item in &file.items {
        let Item::Use(ItemUse { vis, tree, .. }) = item else { continue };
        if matches!(vis, Visibility::Inherited) {
            continue;
        }
        for (name, path) in leaves(tree, Vec::new()) {
            names.extend(absolute(source, module, &path).map(|path| (name, path)));
        }
    }
    names
}

/// The file that defines the item of a path within the crate.
fn home(source: &Crate, handed_on: &BTreeMap<&Module, BTreeMap<String, Module>>, path: &Module) -> Option<Module> {
    let mut path = path.clone();
    // A name may be handed on several times.
    for _ in 0..8 {
        let depth =
            (0..=path.len()).rev().find(|depth| path.get(..*depth).is_some_and(|m| source.files.contains_key(m)))?;
        let file = path.get(..depth)?.to_vec();
        let next = path.get(depth).and_then(|name| handed_on.get(&file)?.get(name));
        match next {
            Some(next) if *next != path => {
                let rest = path.get(depth + 1..).unwrap_or_default().to_vec();
                path = next.iter().cloned().chain(rest).collect();
            }
            _ => return Some(file),
        }
    }
    None
}

/// The path from the crate's root, if the path is one within the crate.
fn absolute(source: &Crate, module: &[String], path: &[String]) -> Option<Module> {
    let first = path.first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module.get(..module.len().checked_sub(1)?)?.to_vec(),
        // A child that is named without `self`.
        name => {
            let child: Module = module.iter().cloned().chain([name.to_owned()]).collect();
            if !source.files.contains_key(&child) {
                return None;
            }
            child
        }
    };
    for name in path.get(1..).unwrap_or_default() {
        match name.as_str() {
            "super" => drop(base.pop()),
            "self" => {}
            _ => base.push(name.clone()),
        }
    }
    Some(base)
}

/// The names of a `use`, each with its path.
fn leaves(tree: &UseTree, mut path: Vec<String>) -> Vec<(String, Vec<String>)> {
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            leaves(&inner.tree, path)
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            if name == "self" {
                return vec![(path.last().cloned().unwrap_or_default(), path)];
            }
            path.push(name.clone());
            vec![(name, path)]
        }
        UseTree::Rename(rename) => {
            path.push(rename.ident.to_string());
            vec![(rename.rename.to_string(), path)]
        }
        UseTree::Glob(_) => vec![("*".to_owned(), path)],
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, path.clone())).collect(),
    }
}

struct Reader<'a> {
    source: &'a Crate,
    module: &'a [String],
    /// Modules written inside the file.
    inner: Vec<String>,
    paths: Vec<Module>,
}

impl Reader<'_> {
    fn note(&mut self, path: &[String]) {
        // Within a module of the file `super` is the file itself.
        if self.inner.is_empty() {
            self.paths.extend(absolute(self.source, self.module, path));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // A file does not use the names that it only exports.
        if matches!(item.vis, Visibility::Inherited) {
            for (_, path) in leaves(&item.tree, Vec::new()) {
                self.note(&path);
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.inner.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.inner.pop();
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.note(&names);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
