//! Credentials for a broker, and trusted authorities.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Once},
};

use intuition_common::secret::Secret;
use rustls::ClientConfig;

use super::{LinkError, tls};

/// Longest text that MQTT can carry.
const MAX_CREDENTIAL_BYTES: usize = 65_535;
/// Files of a folder with credentials: user name, password, authorities.
const FILES: [&str; 3] = ["mqtt-username", "mqtt-password", "mqtt-ca.crt"];
/// The same under the names of v0.1.0. The next release reads them no more: a Secret that was made for something else, such as a
/// database, has these names too.
const FORMER_FILES: [&str; 3] = ["username", "password", "ca.crt"];

/// Credentials for a broker, and trusted authorities.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The same credentials at every attempt.
    Fixed(Fixed),
    /// A folder with the files `mqtt-username`, `mqtt-password` and `mqtt-ca.crt`, as a Secret is mounted, each of them
    /// optional. A folder with none of them is read by the names of v0.1.0: `username`, `password` and `ca.crt`. Files are read
    /// at every attempt, so that a change takes effect at the next one. An attempt that reads half of a change fails, and the
    /// one after it reads all of it.
    Folder(PathBuf),
}

impl Default for Credentials {
    fn default() -> Self {
        Self::Fixed(Fixed::default())
    }
}

/// Credentials that stay the same.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    /// User name, if the broker asks for one.
    pub username: Option<String>,
    /// Password, if the broker asks for one.
    pub password: Option<Secret>,
    /// PEM file of the authorities to trust instead of the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// The credentials of one attempt to connect.
#[derive(Clone)]
pub(super) struct Presented {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    /// `None`: without TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Credentials {
    /// Reads the files; authorities only for TLS.
    pub(super) fn present(&self, tls: bool) -> Result<Presented, LinkError> {
        let Fixed { username, password, ca_file } = match self {
            Self::Fixed(fixed) => fixed.clone(),
            Self::Folder(folder) => read_folder(folder)?,
        };
        let tls = tls.then(|| tls::client_config(ca_file.as_deref())).transpose()?;
        Ok(Presented { username, password, tls })
    }
}

/// The versions of the files of a folder with credentials. Equal versions: no file was written in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions(Vec<Option<(u64, i64, i64, u64)>>);

impl Credentials {
    /// The versions of the files that the next attempt reads. Reads no content.
    pub(super) fn versions(&self) -> Versions {
        let Self::Folder(folder) = self else { return Versions(Vec::new()) };
        let version = |file: &&str| {
            // A Secret is mounted as links, which follow a change by becoming links to other files.
            let metadata = fs::metadata(folder.join(file)).ok()?;
            Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
        };
        Versions(FILES.iter().chain(&FORMER_FILES).map(version).collect())
    }
}

fn read_folder(folder: &Path) -> Result<Fixed, LinkError> {
    let has_any = |files: [&str; 3]| -> Result<bool, LinkError> {
        for file in files {
            if exists(&folder.join(file))? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    // All names of one release: a password under its former name may belong to something else.
    let is_former = !has_any(FILES)? && has_any(FORMER_FILES)?;
    let [username, password, ca_file] = if is_former { FORMER_FILES } else { FILES }.map(|file| folder.join(file));
    if is_former {
        warn_of_former_names(folder);
    }
    Ok(Fixed {
        username: read(username)?.map(|username| username.reveal().to_owned()),
        password: read(password)?,
        ca_file: exists(&ca_file)?.then_some(ca_file),
    })
}

fn exists(path: &Path) -> Result<bool, LinkError> {
    path.try_exists().map_err(|source| LinkError::ReadCredential { path: path.to_owned(), source })
}

/// Logs once in a process, since the folder is read at every attempt to connect.
fn warn_of_former_names(folder: &Path) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            folder = %folder.display(),
            "the broker's credentials have the names username, password and ca.crt, which the next release does not read: \
             name the keys of the Secret mqtt-username, mqtt-password and mqtt-ca.crt"
        );
    });
}

/// `None`: there is no such file.
fn read(path: PathBuf) -> Result<Option<Secret>, LinkError> {
    match Secret::from_file(&path) {
        Ok(secret) if secret.reveal().len() > MAX_CREDENTIAL_BYTES => {
            let source = io::Error::new(io::ErrorKind::InvalidData, "it is longer than the 65,535 bytes of MQTT");
            Err(LinkError::ReadCredential { path, source })
        }
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LinkError::ReadCredential { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_not_in_the_folder_is_not_given() {
        let folder = tempfile::tempdir().unwrap();
        for empty in [folder.path().to_owned(), folder.path().join("nowhere")] {
            let presented = Credentials::Folder(empty).present(false).unwrap();
            assert!(presented.username.is_none() && presented.password.is_none() && presented.tls.is_none());
        }
    }

    #[test]
    fn a_change_shows_at_the_next_reading_and_line_ends_never() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::Folder(folder.path().to_owned());
        fs::write(folder.path().join("username"), "me\r\n").unwrap();
        for password in ["one", "two"] {
            fs::write(folder.path().join("password"), format!("{password}\n")).unwrap();
            let presented = credentials.present(false).unwrap();
            assert_eq!(presented.username.as_deref(), Some("me"));
            assert_eq!(presented.password.as_ref().map(Secret::reveal), Some(password));
        }
    }

    #[test]
    fn versions_differ_after_a_file_was_written_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::Folder(folder.path().to_owned());
        let empty = credentials.versions();
        fs::write(folder.path().join("mqtt-password"), "one").unwrap();
        let one = credentials.versions();
        assert!(empty != one && one == credentials.versions());
        fs::write(folder.path().join("other"), "of something else").unwrap();
        assert_eq!(one, credentials.versions());
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("mqtt-password")).unwrap();
        assert_ne!(one, credentials.versions());
        assert_eq!(Credentials::default().versions(), Credentials::default().versions());
    }

    #[test]
    fn former_names_count_only_where_no_present_one_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, content: &str| fs::write(folder.path().join(file), content).unwrap();
        let credentials = Credentials::Folder(folder.path().to_owned());
        write("username", "postgres");
        write("password", "of the database");
        let presented = credentials.present(false).unwrap();
        assert_eq!(presented.username.as_deref(), Some("postgres"), "as v0.1.0 read it");
        write("mqtt-username", "me");
        let presented = credentials.present(false).unwrap();
        assert_eq!(presented.username.as_deref(), Some("me"));
        assert!(presented.password.is_none(), "the password is that of something else");
        write("mqtt-password", "mine");
        let presented = credentials.present(false).unwrap();
        assert_eq!(presented.password.as_ref().map(Secret::reveal), Some("mine"));
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_file_and_never_with_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::Folder(folder.path().to_owned());
        let long = "hunter2".repeat(10_000);
        for (file, content, reason) in [
            ("password", &b"hunter2\xff"[..], "BadCredentials"),
            ("username", long.as_bytes(), "BadCredentials"),
            ("ca.crt", b"", "BadCertificate"),
            ("ca.crt", b"hunter2", "BadCertificate"),
            ("ca.crt", b"-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n", "BadCertificate"),
            ("ca.crt", b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "BadCertificate"),
        ] {
            let path = folder.path().join(file);
            fs::write(&path, content).unwrap();
            let error = credentials.present(true).err().unwrap();
            assert_eq!(error.reason(), reason, "{error:?}");
            let told = intuition_common::exit::with_causes(&error);
            assert!(told.contains(&path.display().to_string()) && !told.contains("hunter2"), "{told}");
            fs::remove_file(path).unwrap();
        }
    }
}
