//! Parts on the `/readyz` of a runtime and of a bridge. The operator derives conditions from them: of several missing parts, the
//! first one of `ALL` gives the reason.

/// Parts of a runtime.
pub mod runtime {
    /// The ledger can be written.
    pub const LEDGER: &str = "ledger";
    /// The algorithm can be asked.
    pub const ALGORITHM: &str = "algorithm";
    /// The account may use the channels of its algorithm.
    pub const TOPICS: &str = "topics";
    /// All of them, the causes before their consequences: an algorithm is of no use without a ledger.
    pub const ALL: [&str; 3] = [LEDGER, ALGORITHM, TOPICS];
}

/// Parts of a bridge.
pub mod bridge {
    /// The connection that quotes come on.
    pub const BROKER: &str = "broker";
    /// The connection that decisions go out on.
    pub const PUBLISHER: &str = "publisher";
    /// The broker takes publications.
    pub const PUBLISHING: &str = "publishing";
    /// The stream to the runtime.
    pub const RUNTIME: &str = "runtime";
    /// The wanted channels are subscribed to.
    pub const SUBSCRIPTIONS: &str = "subscriptions";
    /// All of them, the causes before their consequences.
    pub const ALL: [&str; 5] = [BROKER, PUBLISHER, PUBLISHING, RUNTIME, SUBSCRIPTIONS];
}
