//! Credentials of the default broker.

use std::{collections::BTreeMap, io, path::PathBuf};

use crate::names::credential;

/// Credentials for a broker, by file name. `Debug` prints the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials(pub BTreeMap<String, Vec<u8>>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({:?})", self.0.keys())
    }
}

/// The folder with the default broker's credentials, a mounted Secret. It is read in each pass, so that a rotated Secret
/// reaches every resource.
#[derive(Debug, Clone, Default)]
pub struct CredentialsDir(pub Option<PathBuf>);

impl CredentialsDir {
    /// Reads the files that exist; `None` if no folder was configured.
    pub async fn read(&self) -> io::Result<Option<Credentials>> {
        let Some(folder) = &self.0 else { return Ok(None) };
        let mut files = BTreeMap::new();
        for file in [credential::USERNAME, credential::PASSWORD, credential::CA] {
            match tokio::fs::read(folder.join(file)).await {
                Ok(content) => drop(files.insert(file.to_owned(), content)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Credentials(files)))
    }
}
