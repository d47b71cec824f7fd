//! Mistakes that can be switched on, to see that the simulation finds them: `make planted`.
//!
//! Each stands where the code could be wrong in that way, as `if planted::is(Mistake::...)`, so that it compiles with every
//! change. Only a build with `--cfg planted` can switch one on. In any other build the condition is constant, and the
//! compiler removes the mistake.

/// Declares the mistakes, each with its name on the command line.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $mistake:ident = $name:literal,)+) => {
        /// A mistake that can be switched on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mistake {
            $($(#[doc = $doc])+ $mistake,)+
        }

        impl Mistake {
            /// All mistakes.
            pub const ALL: &[Self] = &[$(Self::$mistake,)+];

            /// The name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$mistake => $name,)+
                }
            }

            /// The sentence about it.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$mistake => concat!($($doc),+),)+
                }
            }
        }
    };
}

faults! {
    /// A delivery leaves the bound on deliveries in flight with its acknowledgement, before the PUBACK is written.
    InFlightUntilSubmitted = "in-flight-until-submitted",

    // Of the bridge.
    /// A dead letter that is too large for the broker is tried again unchanged, for ever.
    LetterNotShortened = "letter-not-shortened",
    /// Dead letters go out in the strict order of decisions, and none is given up.
    OneLane = "one-lane",
    /// Decisions go out as an algorithm's own messages do: none waits for another, and each is given up in the end.
    DecisionGivenUp = "decision-given-up",
    /// A message is acknowledged with its outcome, before everything in the outcome is published.
    AcknowledgedUnpublished = "acknowledged-unpublished",
    /// A message of an earlier connection is acknowledged on this one, by the packet identifier that it had.
    AckOfEarlierConnection = "ack-of-earlier-connection",
    /// Acknowledgements that are due together are written in the wrong order.
    AcksOutOfOrder = "acks-out-of-order",
    /// After several refusals the decision that was refused last is tried first.
    RefusedOvertaken = "refused-overtaken",
    /// The DUP flag of the broker does not reach the runtime.
    DupDropped = "dup-dropped",
    /// The ordinal of a quote is its place in the message, not its rank among quotes of the same identity.
    OrdinalByPlace = "ordinal-by-place",
    /// Copies of a message for overlapping filters all go to the runtime.
    CopiesTraded = "copies-traded",
    /// Messages that an earlier connection left behind go to the runtime on a new stream, although another bridge may have
    /// had them meanwhile.
    LeftBehindSent = "left-behind-sent",
    /// A PUBACK that never comes is awaited for ever.
    PubackAwaitedForever = "puback-awaited-forever",
    /// A PINGRESP confirms acknowledgements that were written after its PINGREQ.
    LaterAcksConfirmed = "later-acks-confirmed",
    /// An entry that is published keeps its room, so that the runtime gets no credit for it again.
    RoomNotReturned = "room-not-returned",
    /// Credit that the runtime had on the stream before is taken for credit of the new one.
    CreditOfEarlierStream = "credit-of-earlier-stream",
    /// Batches that were under way when a stream ended count against the next stream.
    BatchesOfEarlierStream = "batches-of-earlier-stream",
    /// Deliveries without an outcome are not sent again on a new stream.
    UnsentOnNewStream = "unsent-on-new-stream",
    /// Retained messages are traded on.
    RetainedTraded = "retained-traded",
    /// Dead letters that come back on a channel are read as quotes.
    DeadLettersRead = "dead-letters-read",
    /// Every position up to the highest one with a PUBACK counts as done.
    DoneByHighest = "done-by-highest",
    /// Entries that the runtime sends again are taken in again.
    EntriesTakenTwice = "entries-taken-twice",
    /// A message that finds no room in the queue of events is dropped.
    EventDropped = "event-dropped",
    /// Events of the connection wait behind messages that have no room.
    NewsBehindMessages = "news-behind-messages",
    /// Messages are taken from the broker without regard to how many are in flight.
    ReadsWithoutRoom = "reads-without-room",
    /// The state is published beyond the broker's Receive Maximum.
    StateBeyondWindow = "state-beyond-window",
    /// The outbox goes on although the runtime's ledger has gone back.
    WentBackUnnoticed = "went-back-unnoticed",
    /// Bytes that were at the runtime when a stream ended count as under way on the next one.
    UnderWayOfEarlierStream = "under-way-of-earlier-stream",
    /// Messages with outcomes that were lost with a ledger are acknowledged all the same.
    AcknowledgedAfterLedgerLoss = "acknowledged-after-ledger-loss",
    /// The runtime does not record the filters that the session has left.
    UnsubscribedUnrecorded = "unsubscribed-unrecorded",
    /// A recording that was not answered when its stream ended is awaited on the next one.
    RecordingsOfEarlierStream = "recordings-of-earlier-stream",
    /// A refused decision counts as being tried again although the connection of that trial has ended.
    TrialOfEarlierConnection = "trial-of-earlier-connection",
    /// An entry that was sent alone is awaited although its connection has ended.
    LoneOfEarlierConnection = "lone-of-earlier-connection",
    /// A refused decision that was on its way when the connection ended is never tried again.
    RetryLostAtReconnect = "retry-lost-at-reconnect",
    /// An entry that the bridge has already uses up no credit on its side.
    CreditOfKnownEntries = "credit-of-known-entries",
    /// The last position of the previous ledger is sent to a ledger that has gone back.
    LastPositionOfEarlierLedger = "last-position-of-earlier-ledger",

    // Of the runtime.
    /// A ledger that has gone back goes on under the id that the bridge knows.
    LedgerThatWentBack = "ledger-that-went-back",
    /// The runtime notices a ledger that has gone back only if the bridge has published more entries than it holds, not
    /// if the bridge was sent more.
    LastPositionLeftOut = "last-position-left-out",
    /// A redelivery is looked up in the session of its URL alone.
    SessionOfOneUrl = "session-of-one-url",
    /// An equal number or id with other content is taken for a repetition.
    RepetitionByNumber = "repetition-by-number",
    /// A number that is not above the last one of its source is taken for a new one.
    SequenceWentBackIsNew = "sequence-went-back-is-new",
    /// The era of a source is no part of a number's identity: after a reset the numbers of the era before are found.
    EraLeftOut = "era-left-out",
    /// A number is recorded as the last of its source when its quote is recognised, not with the quote's outcome.
    NumberBeforeOutcome = "number-before-outcome",
    /// A second gap of the same source is counted and not recorded.
    GapNotRecorded = "gap-not-recorded",
    /// A group is answered before its commit.
    AnswerBeforeCommit = "answer-before-commit",
    /// After a commit that failed the runtime goes on with the state in memory.
    EngineAfterFailedCommit = "engine-after-failed-commit",
    /// The trading state of the start is put in force again after a commit that failed.
    StartStateAgain = "start-state-again",
    /// A call that makes the trading state looser need not name the state that it saw.
    LooserWithoutNumber = "looser-without-number",
    /// A stop does not apply to the answers of an algorithm out of process.
    StopSparesAnswers = "stop-spares-answers",
    /// Signals about quotes of the past are booked.
    BackfillTraded = "backfill-traded",
    /// The causes in the file of a start replace recorded causes, also if the file has an older generation.
    OlderFileLifts = "older-file-lifts",
    /// Settings of an older generation replace newer ones.
    OlderSettings = "older-settings",
    /// A request to sell by hand that comes a second time is carried out a second time.
    CloseAgain = "close-again",
    /// The outbox is done up to the highest position that is published: the holes before it are lost.
    PublishedByHighest = "published-by-highest",
    /// The starting cash is deposited at every start.
    DepositAtStart = "deposit-at-start",
    /// The proceeds of a sale are rounded up.
    ProceedsRoundedUp = "proceeds-rounded-up",
    /// The state of an algorithm out of process is saved one answer late.
    StateBehind = "state-behind",
    /// A repetition that only its packet identifies is not counted.
    AmbiguousUncounted = "ambiguous-uncounted",
    /// A message of entries and outcomes grows beyond its bound in bytes.
    MessageUnbounded = "message-unbounded",
    /// The count of entries that were given up is not saved.
    GivenUpUnsaved = "given-up-unsaved",
    /// A suspension by the settings does not change the number of the trading state.
    SuspendedUnnumbered = "suspended-unnumbered",
    /// Deliveries that wait are decided under the run of the bridge that opens the next stream.
    BacklogOfEarlierBridge = "backlog-of-earlier-bridge",
    /// A quote with a decision does not wait for the publications beside it.
    PublicationNotAwaited = "publication-not-awaited",
}

#[cfg(planted)]
mod switch {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mistake;

    /// The index of the mistake plus 1; 0: none.
    static ON: AtomicUsize = AtomicUsize::new(0);

    /// Switches one mistake on for the whole process, or all off.
    pub fn switch(mistake: Option<Mistake>) {
        ON.store(mistake.map_or(0, |mistake| mistake as usize + 1), Ordering::Relaxed);
    }

    /// Whether the mistake is to be made.
    pub fn is(mistake: Mistake) -> bool {
        ON.load(Ordering::Relaxed) == mistake as usize + 1
    }
}

#[cfg(planted)]
pub use switch::{is, switch};

/// Whether the mistake is to be made: never, in this build.
#[cfg(not(planted))]
pub const fn is(_mistake: Mistake) -> bool {
    false
}
