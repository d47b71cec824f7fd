//! Capabilities of a runtime or a bridge beyond v0.1.0 (ADR 0019). Each names its own in its first message and in the
//! account's answer, so that releases can be mixed: a side uses only those that the other one names.

/// The bridge reports `Acknowledged`; the runtime keeps every outcome until then.
pub const ACKNOWLEDGED: &str = "acknowledged";
/// The runtime takes `Tick.content.indicator`. A bridge leaves these ticks out for a runtime without it.
pub const INDICATORS: &str = "indicators";
/// `spec.channels.inputs` is understood.
pub const INPUTS: &str = "inputs";
/// `Input.format` is understood. A bridge without it gets no stream where an input has a format.
pub const INPUT_FORMATS: &str = "input-formats";
/// The bridge publishes `OutboxEntry.joined`. The runtime of an indicator's account refuses the stream of one without it.
pub const JOINED: &str = "joined";
/// The bridge fills `Tick.ordinal`, `Tick.content_sha256` and `Delivery.envelope_sha256`.
pub const ORDINALS: &str = "ordinals";
/// The bridge publishes decisions, dead letters and publications in queues of their own; both read `Published.done`,
/// `Published.given_up`, `Opened.done` and `Credit`.
pub const OUTBOX_QUEUES: &str = "outbox-queues";
/// The runtime knows `maxQuoteAge` and `staleAfter` of `spec.channels.inputs[]`, reads `Delivery.backfill` and fills
/// `AccountResponse.inputs`.
pub const QUOTE_AGE: &str = "quote-age";
/// The runtime reads `ConfigureRequest.retention` and drops entries of its journal by it.
pub const RETENTION: &str = "retention";
/// The runtime serves `Sources`, `ResetSource` and `ForgetSources`.
pub const SOURCES: &str = "sources";
/// The runtime serves `SetTradingState` and `Close`, and reads `ConfigureRequest.starting_cash_unchanged`.
pub const TRADING_STATE: &str = "trading-state";

/// Those of a bridge of this release.
pub const OF_BRIDGE: [&str; 6] = [ACKNOWLEDGED, INPUTS, INPUT_FORMATS, JOINED, ORDINALS, OUTBOX_QUEUES];
/// Those of a runtime of this release.
pub const OF_RUNTIME: [&str; 9] =
    [ACKNOWLEDGED, INDICATORS, INPUTS, INPUT_FORMATS, OUTBOX_QUEUES, QUOTE_AGE, RETENTION, SOURCES, TRADING_STATE];
