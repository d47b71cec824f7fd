//! Types of conditions.

/// The spec can be used.
pub(crate) const ACCEPTED: &str = "Accepted";
/// The runtime runs the settings of this generation.
pub(crate) const CONFIGURED: &str = "Configured";
/// The runtime decides and can write its ledger.
pub(crate) const RUNTIME_READY: &str = "RuntimeReady";
/// The bridge is connected to broker and runtime, and subscribed.
pub(crate) const BRIDGE_CONNECTED: &str = "BridgeConnected";
/// No source of quotes is in conflict, and the broker delivers at least once.
pub(crate) const INPUTS_HEALTHY: &str = "InputsHealthy";
/// The broker accepts the account's publications.
pub(crate) const OUTPUTS_HEALTHY: &str = "OutputsHealthy";
/// The ledger is there and can be written.
pub(crate) const LEDGER_HEALTHY: &str = "LedgerHealthy";
/// The account buys and sells.
pub(crate) const TRADING: &str = "Trading";
/// Broker and source of a feed answer.
pub(crate) const CONNECTED: &str = "Connected";
/// The last quote of a feed is not older than allowed.
pub(crate) const FRESH: &str = "Fresh";
/// Quotes are being decided, or published, by this generation.
pub(crate) const READY: &str = "Ready";
/// The resource is progressing. Present only while true.
pub(crate) const RECONCILING: &str = "Reconciling";
/// The resource is stalled until a person changes something. Present only while true.
pub(crate) const STALLED: &str = "Stalled";
