//! Reads the documents of manifest files.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Why a file gave no documents.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It cannot be read at all.
    #[error("cannot read {}", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no YAML. The text names line and column.
    #[error("{}: {message}", path.display())]
    ParseYaml {
        /// As given.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// Nothing is in it.
    #[error("{}: holds no document", path.display())]
    Empty {
        /// As given.
        path: PathBuf,
    },
}

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it says.
    pub(crate) manifest: Value,
}

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    /// From 1.
    number: usize,
    /// Its `metadata.name`, where it has one.
    name: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {}", self.file.display(), self.number)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

/// Reads the documents of one file; `-` is standard input. Empty documents are passed over, as kubectl does.
pub(crate) fn read(path: &Path) -> Result<Vec<Document>, ReadError> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|source| ReadError::Open { path: path.to_owned(), source })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Document>, ReadError> {
    let values = serde_saphyr::from_multiple::<Value>(text).map_err(|error| ReadError::ParseYaml {
        path: path.to_owned(),
        message: error.without_snippet().to_string(),
    })?;
    if values.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    let document = |(index, manifest): (usize, Value)| {
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Document { place: Place { file: path.to_owned(), number: index + 1, name }, manifest }
    };
    Ok(values.into_iter().enumerate().map(document).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_knows_where_it_stands() {
        let text = "---\nmetadata: {name: one}\n---\n# nothing\n---\nkind: Service\n";
        let places: Vec<_> =
            parse(Path::new("a.yaml"), text).unwrap().into_iter().map(|document| document.place.to_string()).collect();
        assert_eq!(places, ["a.yaml: document 1 (one)", "a.yaml: document 2"]);
    }

    #[test]
    fn what_is_no_yaml_is_told_with_line_and_column() {
        let error = parse(Path::new("a.yaml"), "kind: [\nname: x: y\n").unwrap_err().to_string();
        assert!(error.starts_with("a.yaml: ") && error.contains("line 2, column 8"), "{error}");
        let twice = parse(Path::new("a.yaml"), "kind: a\nkind: b\n").unwrap_err().to_string();
        assert!(twice.contains("duplicate") && twice.contains("line 2"), "{twice}");
    }

    #[test]
    fn a_file_without_a_document_is_an_error() {
        assert!(matches!(parse(Path::new("a.yaml"), "# nothing\n"), Err(ReadError::Empty { .. })));
    }
}
