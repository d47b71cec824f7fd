//! Codes of the parts of a request that a runtime refuses (`Refusal.reason`). Callers act on them, and conditions have them as reasons.

/// The runtime was started by flags alone.
pub const NO_UID: &str = "NoUid";
/// The runtime belongs to another resource.
pub const OTHER_UID: &str = "OtherUid";
/// The request has an older generation than the runtime has recorded.
pub const OLDER_GENERATION: &str = "OlderGeneration";
/// The trading state has changed since the caller read it.
pub const OTHER_NUMBER: &str = "OtherNumber";
/// The swap to the algorithm, or to its parameters, is pending.
pub const SWAPPING: &str = "Swapping";
/// A field cannot be used.
pub const INVALID_SETTINGS: &str = "InvalidSettings";
/// The withdrawal would make the cash negative.
pub const INSUFFICIENT_CASH: &str = "InsufficientCash";
/// Holdings are closed by hand only while the account is Halted.
pub const NOT_HALTED: &str = "NotHalted";
/// The account has no such source.
pub const UNKNOWN_SOURCE: &str = "UnknownSource";
/// The source was reset since.
pub const OTHER_ERA: &str = "OtherEra";
/// The last number of the source is another.
pub const OTHER_LAST: &str = "OtherLast";
