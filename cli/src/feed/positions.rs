//! Positions of feeds in their files, beside the ledgers of `--data-dir`.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use quote_files::Position;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Folder below that of the ledgers. No namespace begins with a dot.
const FOLDER: &str = ".feeds";

/// Errors of a stored position.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PositionError {
    /// It cannot be read or written.
    #[error("cannot keep the position of the feed in {} (--data-dir)", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file holds another text.
    #[error(
        "{} does not hold the position of a feed: delete it, and the next run takes the rows that were decided for unchanged",
        path.display()
    )]
    Spoilt {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// For people: the name of the file is a hash of both.
    source: String,
    topic: String,
    /// The column that the prices were read from.
    price: String,
    position: Position,
}

/// The position that an earlier run stored, and the column that it read the prices from.
pub(crate) type Earlier = (Position, String);

/// Where the position of one source on one topic is stored.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    source: String,
    topic: String,
    price: String,
    path: PathBuf,
}

impl Store {
    /// Of a source on a topic. `price` is the column that this run reads the prices from.
    pub(crate) fn new(data_dir: &Path, source: &str, topic: &str, price: &str) -> Self {
        let mut name = hex::encode(Sha256::digest(format!("{source}\n{topic}")));
        name.truncate(32);
        let path = data_dir.join(FOLDER).join(format!("{name}.json"));
        Self { source: source.to_owned(), topic: topic.to_owned(), price: price.to_owned(), path }
    }

    /// The position that an earlier run stored.
    pub(crate) fn load(&self) -> Result<Option<Earlier>, PositionError> {
        let path = || self.path.clone();
        match fs::read(&self.path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(|stored: Stored| Some((stored.position, stored.price)))
                .map_err(|source| PositionError::Spoilt { path: path(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(PositionError::Keep { path: path(), source }),
        }
    }

    /// Stores a position whole or not at all. It is on the disk before this returns.
    pub(crate) fn save(&self, position: &Position) -> Result<(), PositionError> {
        let write = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let Self { source, topic, price, .. } = self.clone();
            let stored = Stored { source, topic, price, position: position.clone() };
            file.write_all(&serde_json::to_vec(&stored)?)?;
            file.as_file().sync_data()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            // The name is durable with its folder.
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(|source| PositionError::Keep { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_position_is_kept_for_each_source_and_topic() {
        let folder = TempDir::new().unwrap();
        let store = Store::new(folder.path(), "q.csv", "quotes", "close");
        assert_eq!(store.load().unwrap(), None);
        let mut position = Position::default();
        position.advance(&[7; 32]);
        store.save(&position).unwrap();
        assert_eq!(store.load().unwrap(), Some((position, "close".to_owned())));
        assert_eq!(Store::new(folder.path(), "q.csv", "others", "close").load().unwrap(), None);
        fs::write(&store.path, "{}").unwrap();
        assert!(store.load().unwrap_err().to_string().contains("delete it"));
    }
}
