//! Tables of the pages in `docs`, for tests that compare them with the code, and the texts to compare them with: literals of a
//! source file, and the series of `/metrics`.

pub mod metrics;

use std::{fs, io, path::Path};

/// A page of the repository, by its path from the root, such as `docs/operations.md`; also a source file.
pub fn page(path: &str) -> io::Result<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path))
}

/// The part of a page below a heading, such as `## Rights`, up to the next heading of its level or a higher one; empty if the page
/// has no such heading.
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let level = heading.chars().take_while(|letter| *letter == '#').count();
    let is_next = |line: &str| {
        let hashes = line.chars().take_while(|letter| *letter == '#').count();
        (1..=level).contains(&hashes) && line[hashes..].starts_with(' ')
    };
    let Some(start) = page.find(&format!("\n{heading}\n")) else { return "" };
    let below = page[start + 1..].split_once('\n').map_or("", |(_, below)| below);
    let length = below.split_inclusive('\n').take_while(|line| !is_next(line)).map(str::len).sum();
    &below[..length]
}

/// A table of Markdown. No cell has a `|` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<'a> {
    header: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Table<'a> {
    /// The tables of a part of a page, in order.
    pub fn all(text: &'a str) -> Vec<Self> {
        let mut tables: Vec<Self> = Vec::new();
        let mut is_in_table = false;
        for line in text.lines() {
            let Some(cells) = cells(line) else {
                is_in_table = false;
                continue;
            };
            match tables.last_mut().filter(|_| is_in_table) {
                Some(table) if cells.iter().all(|cell| cell.starts_with("---")) => table.rows.clear(),
                Some(table) => table.rows.push(cells),
                None => tables.push(Self { header: cells, rows: Vec::new() }),
            }
            is_in_table = true;
        }
        tables
    }

    /// The cells of each row.
    pub fn rows(&self) -> &[Vec<&'a str>] {
        &self.rows
    }

    /// The cells below a title; `None` if the table has no such column.
    pub fn column(&self, title: &str) -> Option<Vec<&'a str>> {
        let place = self.header.iter().position(|cell| *cell == title)?;
        Some(self.rows.iter().filter_map(|row| row.get(place).copied()).collect())
    }
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inside.split('|').map(str::trim).collect())
}

/// The texts between backticks.
pub fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether the text is a CamelCase code such as `NotAuthorized`.
pub fn is_reason(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.contains(|letter: char| letter.is_ascii_lowercase())
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric())
}

/// The CamelCase codes among the string literals of a Rust source, without its unit tests.
pub fn reasons(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let begins = code.match_indices('"').map(|(place, _)| &code[place + 1..]);
    begins.filter_map(|rest| rest.split_once('"')).map(|(text, _)| text).filter(|text| is_reason(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n## One\n\ntext\n\n| Reason | It means |\n|---|---|\n| `A`, `Bc` | x |\n| another | |\n\n\
                        ### Below\n\n| x |\n|---|\n| 1 |\n\n## Two\n\n| y |\n|---|\n";

    #[test]
    fn section_ends_at_the_next_heading_of_its_level() {
        assert_eq!(Table::all(section(PAGE, "## One")).len(), 2);
        assert_eq!(section(PAGE, "### Below"), "\n| x |\n|---|\n| 1 |\n\n");
        assert_eq!(section(PAGE, "## Tw"), "");
    }

    #[test]
    fn table_has_its_rows_without_header() {
        let tables = Table::all(section(PAGE, "## One"));
        let column = tables[0].column("Reason").unwrap();
        assert_eq!((column.as_slice(), tables[0].column("Cause")), (&["`A`, `Bc`", "another"][..], None));
        assert_eq!(codes(column[0]).collect::<Vec<_>>(), ["A", "Bc"]);
        assert_eq!(tables[1].rows(), [vec!["1"]]);
    }

    #[test]
    fn reasons_are_the_camel_case_literals_outside_of_tests() {
        let source = "/// A \"word\".\nSome(\"NotAuthorized\") | \"0x87\" | \"QoSNotSupported\" => \"no\"\n#[cfg(test)]\nx(\"Other\")";
        assert_eq!(reasons(source).collect::<Vec<_>>(), ["NotAuthorized", "QoSNotSupported"]);
    }
}
