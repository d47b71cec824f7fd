//! The state that a file keeps with its position: hashes of its rows.

use quote_files::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::source::State;

/// The stored form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FileState {
    /// The source that the hashes are of.
    pub(super) source: String,
    /// The column that the prices were read from, for people.
    pub(super) price: String,
    /// The hashes, of rows that have been read, published or not.
    pub(super) rows: Position,
}

impl State for FileState {
    fn to_json(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(self)
    }
}

impl FileState {
    /// The state of the same source; `None`: there is none, or it is that of another source.
    pub(super) fn read(state: Option<&RawValue>, source: &str) -> Option<Self> {
        let state: Self = serde_json::from_str(state?.get()).ok()?;
        (state.source == source).then_some(state)
    }
}
