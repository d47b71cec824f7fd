//! The client ids and the topics of a run at a broker that others use too.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use bridge::MqttConfig;
use intuition_api::topic::PREFIX;

/// First level of the topics of a local run, and first part of its client ids. With those of a cluster it would take the
/// session of the cluster's bridge and publish among its decisions.
pub(super) const LOCAL: &str = "intuition-local";
/// File of `--data-dir` with the prefix of the client ids: the session at the broker belongs to the ledgers beside it. No
/// namespace begins with a dot.
const FILE: &str = ".client-id-prefix";

/// Errors of the file with the client ids.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NamesError {
    /// The file cannot be read or written.
    #[error("cannot keep the prefix of the client ids in {} (--data-dir)", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file holds another text.
    #[error(
        "{} does not hold a prefix of client ids, such as {LOCAL}.1a2b3c4d: delete it, and the next run writes another one \
         and begins a new session at the broker",
        .0.display()
    )]
    Spoilt(PathBuf),
}

/// Gives `mqtt` the prefixes of a local run. With a folder of ledgers the client ids stay the same in each run, so that the
/// broker keeps the session.
pub(super) fn separate(mqtt: MqttConfig, data_dir: Option<&Path>) -> Result<MqttConfig, NamesError> {
    // Without a folder the bridge makes each client id unique itself.
    let client_id_prefix = data_dir.map_or_else(|| Ok(LOCAL.to_owned()), kept)?;
    Ok(MqttConfig { client_id_prefix, topic_prefix: LOCAL.to_owned(), ..mqtt })
}

/// The topic for the messages of a manifest that names one: below the prefix of the run, since readers of the topic in the
/// manifest expect messages of the cluster.
pub(super) fn own_topic(named: &str, topic_prefix: &str) -> String {
    if topic_prefix == PREFIX {
        return named.to_owned();
    }
    let below = named.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('/')).unwrap_or(named);
    format!("{topic_prefix}/{below}")
}

/// The prefix that an earlier run left in the folder, or a new one. The name of the machine is no part of it: a folder may
/// be used in one container after another.
fn kept(folder: &Path) -> Result<String, NamesError> {
    let path = folder.join(FILE);
    let failed = |source| NamesError::Keep { path: path.clone(), source };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => write(folder, &path).map_err(failed)?,
        Err(error) => return Err(failed(error)),
    };
    let prefix = text.trim();
    let is_ours = prefix
        .strip_prefix(LOCAL)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|id| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_ours { Ok(prefix.to_owned()) } else { Err(NamesError::Spoilt(path)) }
}

/// Writes the file whole or not at all. Another run may have written it meanwhile: its text counts.
#[expect(clippy::disallowed_methods, reason = "an edge: it draws the name of this machine")]
fn write(folder: &Path, path: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let text = format!("{LOCAL}.{:08x}\n", rand::random::<u32>());
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(text),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn prefixes(data_dir: Option<&Path>) -> (String, String) {
        let mqtt = separate(MqttConfig::new("mqtt://broker"), data_dir).unwrap();
        (mqtt.client_id_prefix, mqtt.topic_prefix)
    }

    #[test]
    fn client_ids_stay_the_same_with_the_folder_of_the_ledgers() {
        let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let deep = folder.path().join("not/there/yet");
        let first = prefixes(Some(&deep));
        assert!(first.0.starts_with("intuition-local.") && first.0.len() == 24, "{first:?}");
        assert_eq!(first, prefixes(Some(&deep)));
        assert_ne!(first.0, prefixes(Some(other.path())).0);
        assert_eq!((prefixes(None), first.1.as_str()), ((LOCAL.to_owned(), LOCAL.to_owned()), LOCAL));
    }

    #[test]
    fn a_file_with_another_text_is_refused_with_the_way_out() {
        let folder = TempDir::new().unwrap();
        for text in ["", "intuition", "intuition-local.", "intuition-local.a/b", "intuition-local.1234567g"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let error = separate(MqttConfig::new("mqtt://broker"), Some(folder.path())).unwrap_err();
            assert!(matches!(&error, NamesError::Spoilt(path) if path.ends_with(FILE)), "{text:?}: {error}");
        }
    }

    #[test]
    fn messages_of_a_local_run_go_below_its_prefix() {
        for (named, prefix, expected) in [
            ("desk/one", LOCAL, "intuition-local/desk/one"),
            ("intuition/trading/desk", LOCAL, "intuition-local/trading/desk"),
            ("intuition-desk/one", LOCAL, "intuition-local/intuition-desk/one"),
            ("desk/one", PREFIX, "desk/one"),
            ("intuition/trading/desk", PREFIX, "intuition/trading/desk"),
        ] {
            assert_eq!(own_topic(named, prefix), expected);
        }
    }
}
