//! A file as a source: its rows by the times in them, or as fast as the broker takes them.
//!
//! The file is at a path or a URL (`place`). A URL is fetched by a task (`fetch`), whose bytes the thread gets (`fetched`).
//! A thread reads rows (`reading`), a task hands them on at their times (`pace`). With its position the source stores hashes of the
//! rows (`state`), by which another run recognises that the file has changed ([`mod@compare`]).

pub mod compare;
mod fetch;
mod fetched;
mod pace;
mod place;
mod reading;
mod state;

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    thread::Builder,
};

use intuition_common::civil;
use intuition_resources::{File, Speed};
use quote_files::{Options, TimeFormat};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use self::{
    pace::Pace,
    place::{Opener, Place},
    reading::Reading,
};
use crate::source::{Beginning, Condition, Position, Source, SourceEvent, SourceEvents};

/// Longest name of a source that a file gives, in bytes.
const MAX_NAME_BYTES: usize = 240;

/// Errors in the description of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The form of the times cannot be read.
    #[error("spec.source.file.timeFormat: {0}")]
    TimeFormat(&'static str),
    /// The zone is not in the time zone database.
    #[error("spec.source.file.timeZone: there is no time zone {0:?}")]
    TimeZone(String),
    /// The URL cannot be parsed.
    #[error("spec.source.file.url: {0}")]
    Url(url::ParseError),
    /// The file has no place.
    #[error("spec.source.file: must have exactly one of claim, configMap and url")]
    NoPlace,
}

/// A file as a source.
#[derive(Debug)]
pub struct FileSource {
    place: Place,
    options: Options,
    name: Arc<str>,
    allow_bad_lines: bool,
    speed: Speed,
    tasks: TaskTracker,
}

impl FileSource {
    /// A file with validated fields. `folder` is the mount of its claim or `ConfigMap`.
    pub fn new(file: &File, folder: &Path, tasks: TaskTracker) -> Result<Self, FileError> {
        let place = match file {
            File { claim: Some(claim), .. } => Place::Path(folder.join(&claim.path)),
            File { config_map: Some(map), .. } => Place::Path(folder.join(&map.key)),
            File { url: Some(url), .. } => Place::Url(Url::parse(url).map_err(FileError::Url)?),
            File { .. } => return Err(FileError::NoPlace),
        };
        let base = place.base_name();
        let name = file.source_name.as_deref().unwrap_or(&base);
        let name = name.get(..name.floor_char_boundary(MAX_NAME_BYTES)).unwrap_or(name);
        let zone = |name: &String| civil::zone(name).ok_or_else(|| FileError::TimeZone(name.clone()));
        let format = |text: &String| text.parse::<TimeFormat>().map_err(FileError::TimeFormat);
        let delimiter = |text: &String| if text == "tab" { Some(b'\t') } else { text.bytes().next() };
        let options = Options {
            time_column: file.time_column.clone(),
            sid_column: file.sid_column.clone(),
            price_column: file.price_column.clone(),
            sid: file.sid.clone(),
            time_format: file.time_format.as_ref().map(format).transpose()?,
            time_zone: file.time_zone.as_ref().map(zone).transpose()?,
            delimiter: file.delimiter.as_ref().and_then(delimiter),
            reverse: file.reverse,
            digests: true,
        };
        Ok(Self { place, options, name: name.into(), allow_bad_lines: file.allow_bad_lines, speed: file.speed, tasks })
    }
}

impl Source for FileSource {
    fn beginning(&self) -> Beginning {
        Beginning::First
    }

    fn start(&self, position: Position, stop: CancellationToken) -> SourceEvents {
        let (events, receiver) = mpsc::channel(1);
        let (read, rows) = mpsc::channel(1);
        let opener = Opener {
            place: self.place.clone(),
            options: self.options.clone(),
            events: read.clone(),
            was_missing: Arc::new(AtomicBool::new(false)),
            runtime: Handle::current(),
            tasks: self.tasks.clone(),
            stop: stop.clone(),
        };
        let reading = Reading { opener, name: Arc::clone(&self.name), allow_bad_lines: self.allow_bad_lines, position };
        let thread = Builder::new().name("file".to_owned()).spawn(move || reading.run(&read));
        let pacing = Pacing { rows, events, pace: Pace::new(self.speed), failed: thread.err() };
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = pacing.run() => {}
            }
        });
        receiver
    }
}

/// Hands rows on at their times.
struct Pacing {
    rows: mpsc::Receiver<SourceEvent>,
    events: mpsc::Sender<SourceEvent>,
    pace: Pace,
    /// The thread could not be started.
    failed: Option<std::io::Error>,
}

impl Pacing {
    async fn run(mut self) {
        if let Some(error) = self.failed.take() {
            let message = format!("cannot start a thread: {error}");
            let failed = Condition::Failed { reason: "SourceLost", message };
            drop(self.events.send(SourceEvent::Condition(failed)).await);
            return;
        }
        while let Some(event) = self.rows.recv().await {
            let handed_on = match event {
                SourceEvent::Quotes { quotes, state } => self.quotes(quotes, state).await,
                other => self.events.send(other).await.is_ok(),
            };
            if !handed_on {
                return;
            }
        }
    }

    /// False: the receiver is gone.
    async fn quotes(
        &mut self,
        mut quotes: Vec<crate::quote::Quote>,
        mut state: Option<Arc<dyn crate::source::State>>,
    ) -> bool {
        while let Some(first) = quotes.first() {
            if let Some(due) = self.pace.due(first.time_micros, now()) {
                time::sleep_until(due).await;
            }
            let now = now();
            let later =
                quotes.iter().position(|quote| self.pace.due(quote.time_micros, now).is_some_and(|due| due > now));
            // The first one is due, also where the timer was early.
            let rest = quotes.split_off(later.unwrap_or(quotes.len()).max(1));
            let portion = SourceEvent::Quotes { quotes: std::mem::replace(&mut quotes, rest), state: state.take() };
            if self.events.send(portion).await.is_err() {
                return false;
            }
        }
        true
    }
}

#[expect(clippy::disallowed_methods, reason = "an edge: rows wait by the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
