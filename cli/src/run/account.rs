//! An account of a run.

use algo_runtime::settings::Settings;

/// An account of the run.
pub(super) struct Account {
    /// Its name, its algorithm and its channels.
    pub(super) settings: Settings,
    /// The topic of its decisions that the manifest names.
    pub(super) decisions_topic: Option<String>,
    /// The topic of an indicator's quotes with their values; `None`: the account trades.
    pub(super) joined_topic: Option<String>,
}
