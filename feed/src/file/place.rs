//! The place of a file: a path, or a URL.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use quote_files::{Options, QuoteFile};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use super::{
    fetch::{Fetch, FetchError, PARTS, shown},
    fetched::Fetched,
};
use crate::source::SourceEvent;

/// The place of a file.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A file of this machine.
    Path(PathBuf),
    /// A file of a web server.
    Url(Url),
}

/// A file that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Read(quote_files::FileError),
    #[error("{url}: {cause}")]
    Fetch { url: String, cause: FetchError },
}

impl Place {
    /// The name of the source that the place gives: that of the file, or of the host where the URL has none.
    pub(super) fn base_name(&self) -> String {
        let name = match self {
            Self::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Url(url) => url.path_segments().and_then(|mut names| names.next_back()).map(str::to_owned),
        };
        let host = || match self {
            Self::Url(url) => url.host_str().unwrap_or_default().to_owned(),
            Self::Path(_) => String::new(),
        };
        name.filter(|name| !name.is_empty()).unwrap_or_else(host)
    }
}

/// Opens a file, once for each reading.
#[derive(Debug)]
pub(super) struct Opener {
    pub(super) place: Place,
    pub(super) options: Options,
    /// Gets the conditions of the web server.
    pub(super) events: mpsc::Sender<SourceEvent>,
    /// Whether the web server was reported as away.
    pub(super) was_missing: Arc<AtomicBool>,
    pub(super) runtime: Handle,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Opener {
    /// Opens the file at its first row. A URL is waited for until the server answers.
    pub(super) fn open(&self) -> Result<QuoteFile, OpenError> {
        let url = match &self.place {
            Place::Path(path) => return QuoteFile::open(path, &self.options).map_err(OpenError::Read),
            Place::Url(url) => url,
        };
        let (items, received) = mpsc::channel(PARTS);
        let (fetch, stop) = (Fetch::new(url.clone(), items), self.stop.clone());
        let fetching = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = fetch.run() => {}
            }
        };
        self.tasks.spawn_on(fetching, &self.runtime);
        let name = shown(url);
        let mut fetched = Fetched::new(name.clone(), received, self.events.clone(), Arc::clone(&self.was_missing));
        fetched.begin().map_err(|cause| OpenError::Fetch { url: name.clone(), cause })?;
        QuoteFile::from_source(Box::new(fetched), &name, &self.options).map_err(OpenError::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_has_the_name_of_the_file_or_of_the_host() {
        let url = |text: &str| Place::Url(Url::parse(text).unwrap());
        for (place, name) in [
            (Place::Path("/files/old/q.csv".into()), "q.csv"),
            (url("https://host/old/q.csv?key=a/b.csv#part"), "q.csv"),
            (url("https://host:8443/"), "host"),
            (url("https://host"), "host"),
            (url("https://host/old/"), "host"),
        ] {
            assert_eq!(place.base_name(), name, "{place:?}");
        }
    }
}
