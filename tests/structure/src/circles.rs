//! Circles of imports: Tarjan's strongly connected components (SIAM Journal on Computing 1, 1972).

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Imports;

/// Files that reach each other by imports, one list for each circle.
pub(crate) fn of(imports: &Imports) -> Vec<Vec<String>> {
    let mut search = Search::new(imports);
    for file in imports.keys() {
        if !search.index.contains_key(file.as_str()) {
            search.visit(file);
        }
    }
    search.circles
}

struct Search<'a> {
    imports: &'a Imports,
    index: BTreeMap<&'a str, usize>,
    low: BTreeMap<&'a str, usize>,
    stack: Vec<&'a str>,
    on_stack: BTreeSet<&'a str>,
    circles: Vec<Vec<String>>,
}

impl<'a> Search<'a> {
    fn new(imports: &'a Imports) -> Self {
        Self {
            imports,
            index: BTreeMap::new(),
            low: BTreeMap::new(),
            stack: Vec::new(),
            on_stack: BTreeSet::new(),
            circles: Vec::new(),
        }
    }

    fn visit(&mut self, file: &'a str) {
        let number = self.index.len();
        self.index.insert(file, number);
        self.low.insert(file, number);
        self.stack.push(file);
        self.on_stack.insert(file);
        for next in self.imports.get(file).into_iter().flatten().map(|(next, _)| next.as_str()) {
            if !self.index.contains_key(next) {
                self.visit(next);
                self.lower(file, self.low.get(next).copied());
            } else if self.on_stack.contains(next) {
                self.lower(file, self.index.get(next).copied());
            }
        }
        if self.low.get(file) == Some(&number) {
            let from = self.stack.iter().rposition(|known| *known == file).unwrap_or_default();
            let members = self.stack.split_off(from);
            for member in &members {
                self.on_stack.remove(member);
            }
            if members.len() > 1 {
                self.circles.push(members.into_iter().map(str::to_owned).collect());
            }
        }
    }

    fn lower(&mut self, file: &'a str, to: Option<usize>) {
        if let (Some(low), Some(to)) = (self.low.get_mut(file), to) {
            *low = to.min(*low);
        }
    }
}
