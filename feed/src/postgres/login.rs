//! The files with the login of a database.

use std::path::PathBuf;

/// Name of the file with the URL in a folder.
const URL: &str = "postgres-url";
/// Name of the file with the certificates in a folder.
const AUTHORITIES: &str = "postgres-ca.crt";

/// The files with the login of a database. They are read anew at each attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseFiles {
    /// Files by their paths.
    Named {
        /// The URL, with user and password.
        url: PathBuf,
        /// PEM certificates of the authorities to trust.
        authorities: Option<PathBuf>,
    },
    /// A folder with `postgres-url` and, where there are authorities, `postgres-ca.crt`: a Secret as it is mounted.
    Folder(PathBuf),
}

impl DatabaseFiles {
    /// The file with the URL.
    pub(super) fn url(&self) -> PathBuf {
        match self {
            Self::Named { url, .. } => url.clone(),
            Self::Folder(folder) => folder.join(URL),
        }
    }

    /// The file with the certificates of authorities. A file that is named counts also where it is missing, so that no mistake
    /// in its name switches the judgement of certificates off.
    pub(super) fn authorities(&self) -> Option<PathBuf> {
        match self {
            Self::Named { authorities, .. } => authorities.clone(),
            Self::Folder(folder) => Some(folder.join(AUTHORITIES)).filter(|file| file.exists()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_a_folder_are_optional_and_those_with_a_path_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = DatabaseFiles::Folder(folder.path().to_owned());
        assert_eq!((mounted.url(), mounted.authorities()), (folder.path().join("postgres-url"), None));
        let file = folder.path().join("postgres-ca.crt");
        let named = DatabaseFiles::Named { url: "url".into(), authorities: Some(file.clone()) };
        assert_eq!(named.authorities(), Some(file.clone()), "it is missing");
        std::fs::write(&file, "").unwrap();
        assert_eq!(mounted.authorities(), Some(file));
    }
}
