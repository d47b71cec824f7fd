//! Reads the documents of manifest files.

mod yaml;

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The kind of a list of manifests.
const LIST: &str = "List";

/// Errors of a file or of a part of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Open {
        /// The value as given.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A part of it is no YAML. The text names line and column.
    #[error("{}: {message}", path.display())]
    ParseYaml {
        /// The value as given.
        path: PathBuf,
        /// The error and its place.
        message: String,
    },
    /// The file has no document.
    #[error("{}: holds no document", path.display())]
    Empty {
        /// The value as given.
        path: PathBuf,
    },
}

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its place.
    pub(crate) place: Place,
    /// Its content.
    pub(crate) manifest: Value,
}

/// The place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    /// Number in the file, from 1.
    number: usize,
    /// Number in a list of manifests, from 1.
    item: Option<usize>,
    /// Its `metadata.name`, if there is one.
    name: Option<String>,
}

impl Place {
    /// The folder of the file; that of the process for standard input.
    pub(crate) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {}", self.file.display(), self.number)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

/// Reads the documents of one file; `-` is standard input. Empty documents are passed over, as kubectl does. A document
/// that is no YAML does not affect the others.
pub(crate) fn read(path: &Path) -> Vec<Result<Document, ReadError>> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    match text {
        Ok(text) => parse(path, &text),
        Err(source) => vec![Err(ReadError::Open { path: path.to_owned(), source })],
    }
}

/// The documents in a text, as [`read`] returns them.
pub(crate) fn parse(path: &Path, text: &str) -> Vec<Result<Document, ReadError>> {
    let (mut documents, mut number) = (Vec::new(), 0);
    for part in parts(text) {
        let values = match serde_saphyr::from_multiple::<Value>(&part) {
            Ok(values) => values,
            Err(error) => {
                number += 1;
                documents.push(Err(ReadError::ParseYaml { path: path.to_owned(), message: yaml::describe(&error) }));
                continue;
            }
        };
        for manifest in values {
            number += 1;
            documents.extend(unpacked(path, number, manifest).map(Ok));
        }
    }
    if documents.is_empty() {
        documents.push(Err(ReadError::Empty { path: path.to_owned() }));
    }
    documents
}

/// The manifests of a document: itself, or the items of a list such as `kubectl get -o yaml` prints.
fn unpacked(path: &Path, number: usize, document: Value) -> impl Iterator<Item = Document> {
    let items = match document {
        Value::Object(mut list) if list.get("kind").and_then(Value::as_str) == Some(LIST) => match list.remove("items")
        {
            Some(Value::Array(items)) => {
                items.into_iter().enumerate().map(|(index, item)| (Some(index + 1), item)).collect()
            }
            _ => vec![(None, Value::Object(list))],
        },
        manifest => vec![(None, manifest)],
    };
    items.into_iter().map(move |(item, manifest)| {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Document { place: Place { file: path.to_owned(), number, item, name }, manifest }
    })
}

/// The text cut before each line that begins a document, which YAML allows nowhere else. Blank lines replace the text
/// before a part, so that its lines keep their numbers.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let begins =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        // Directives belong to the document that they precede.
        if begins && part.lines().any(|line| !line.trim().is_empty() && !line.starts_with(['%', '#'])) {
            parts.push(std::mem::replace(&mut part, "\n".repeat(index)));
        }
        part.push_str(line);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of each document, or its error.
    fn told(text: &str) -> Vec<String> {
        let told = |document: Result<Document, ReadError>| match document {
            Ok(document) => document.place.to_string(),
            Err(error) => error.to_string(),
        };
        parse(Path::new("a.yaml"), text).into_iter().map(told).collect()
    }

    #[test]
    fn a_document_that_is_no_yaml_hides_no_other() {
        let told = told(concat!(
            "%YAML 1.2\n---\nmetadata: {name: one}\n--- # two\nkind: [\n",
            "---\r\nmetadata:\n  name: three\n--- {kind: four}\n---\nfive: |\n  ---\n---- six\n"
        ));
        assert_eq!(told.len(), 5, "{told:?}");
        assert_eq!(
            [&told[0], &told[2], &told[3]],
            ["a.yaml: document 1 (one)", "a.yaml: document 3 (three)", "a.yaml: document 4"]
        );
        assert!(told[1].starts_with("a.yaml: ") && told[1].contains("line 5"), "{told:?}");
        assert!(told[4].starts_with("a.yaml: ") && told[4].contains("line 13"), "{told:?}");
    }

    #[test]
    fn every_document_knows_where_it_stands() {
        let text = "---\nmetadata: {name: one}\n---\n# nothing\n---\nkind: Service\n";
        assert_eq!(told(text), ["a.yaml: document 1 (one)", "a.yaml: document 2"]);
    }

    #[test]
    fn the_items_of_a_list_are_manifests() {
        let text = "kind: A\n---\nkind: List\nitems:\n- {metadata: {name: one}}\n- {}\n---\nkind: List\n---\n{kind: List, items: []}\n";
        let expected = [
            "a.yaml: document 1",
            "a.yaml: document 2, item 1 (one)",
            "a.yaml: document 2, item 2",
            "a.yaml: document 3",
        ];
        assert_eq!(told(text), expected);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_line_and_column() {
        let errors = told("kind: [\nname: x: y\n");
        assert!(errors[0].starts_with("a.yaml: ") && errors[0].contains("line 2, column 8"), "{errors:?}");
        let twice = told("kind: a\nkind: b\n");
        assert!(twice[0].contains("duplicate") && twice[0].contains("line 2"), "{twice:?}");
        assert_eq!((errors.len(), twice.len()), (1, 1));
    }

    #[test]
    fn a_file_without_a_document_is_an_error() {
        for text in ["", "# nothing\n", "---\n---\n"] {
            assert_eq!(told(text), ["a.yaml: holds no document"]);
        }
    }
}
