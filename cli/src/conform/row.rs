//! The rows of the report: what a server is checked for. Each rule of the contract belongs to one row, so that one
//! mistake fails one row, wherever it was met.

/// What is checked, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Row {
    Describe,
    Schema,
    Initialize,
    ParametersRefused,
    ParametersMalformed,
    Order,
    Batches,
    Signals,
    Publications,
    UnknownKinds,
    MessageSize,
    Details,
    Indicators,
    Reconfigure,
    Accounts,
    DescribeBusy,
    StateRestored,
    StateUnchanged,
    StateOverMemory,
    StateSize,
    Unary,
    FirstMessage,
    SecondInitialize,
    EmptyMessage,
    Cancel,
    HalfClose,
    Deadline,
    Shutdown,
}

/// All rows. The last one ends the server where it is asked for; `Deadline` tells of all before it.
pub(crate) const ROWS: &[Row] = &[
    Row::Describe,
    Row::Schema,
    Row::Initialize,
    Row::ParametersRefused,
    Row::ParametersMalformed,
    Row::Order,
    Row::Batches,
    Row::UnknownKinds,
    Row::MessageSize,
    Row::Details,
    Row::Indicators,
    Row::Reconfigure,
    Row::Accounts,
    Row::DescribeBusy,
    Row::StateRestored,
    Row::StateUnchanged,
    Row::StateOverMemory,
    Row::StateSize,
    Row::Unary,
    Row::FirstMessage,
    Row::SecondInitialize,
    Row::EmptyMessage,
    Row::Cancel,
    Row::HalfClose,
    Row::Signals,
    Row::Publications,
    Row::Deadline,
    Row::Shutdown,
];

impl Row {
    /// As the report names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Schema => "schema",
            Self::Initialize => "initialize",
            Self::ParametersRefused => "parameters-refused",
            Self::ParametersMalformed => "parameters-malformed",
            Self::Order => "order",
            Self::Batches => "batches",
            Self::Signals => "signals",
            Self::Publications => "publications",
            Self::UnknownKinds => "unknown-kinds",
            Self::MessageSize => "message-size",
            Self::Details => "details",
            Self::Indicators => "indicators",
            Self::Reconfigure => "reconfigure",
            Self::Accounts => "accounts",
            Self::DescribeBusy => "describe-busy",
            Self::StateRestored => "state-restored",
            Self::StateUnchanged => "state-unchanged",
            Self::StateOverMemory => "state-over-memory",
            Self::StateSize => "state-size",
            Self::Unary => "unary",
            Self::FirstMessage => "first-message",
            Self::SecondInitialize => "second-initialize",
            Self::EmptyMessage => "empty-message",
            Self::Cancel => "cancel",
            Self::HalfClose => "half-close",
            Self::Deadline => "deadline",
            Self::Shutdown => "shutdown",
        }
    }

    /// What the contract says.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(crate) const fn contract(self) -> &'static str {
        match self {
            Self::Describe => {
                "DescribeResponse: `name` is 1 to 64 letters, digits, '.', '_' and '-', `version` at most 64 characters, \
                 `contract` is \"intuition.v1\"; all calls of a server are answered alike"
            }
            Self::Schema => {
                "DescribeResponse.parameters_schema_json is empty, or a JSON Schema (draft 2020-12) of at most 256 KiB, \
                 4,096 objects and arrays, 128 levels and 64 patterns that refers to nothing outside itself"
            }
            Self::DescribeBusy => "Describe answers while other calls are busy",
            Self::Initialize => {
                "Initialize is answered by `initialized` with 1 to 64 MQTT topic filters in `channels`, of at most 256 \
                 bytes each, or with a `refusal`"
            }
            Self::ParametersRefused => {
                "parameters that do not fit the schema do not come from the runtime; a server that gets them all the same \
                 answers, best by InitializeResponse.refusal, and goes on serving"
            }
            Self::ParametersMalformed => {
                "parameters_json is one JSON object; anything else is answered by a `refusal` or by INVALID_ARGUMENT"
            }
            Self::Order => {
                "every message is answered by one message of its kind, in order; EventBatchResult.number is \
                 EventBatch.number"
            }
            Self::Batches => {
                "EventBatchResult.results has one EventResult per event, in order, each with its event's number"
            }
            Self::Signals => {
                "Signal.event is the quote of its event, or an earlier one of the batch; `side` is SIDE_BUY or SIDE_SELL, \
                 `quantity` is empty or, for a sale, a decimal above 0 with at most 8 places; at most 64 signals an event, \
                 and none beside a `reject`"
            }
            Self::Publications => {
                "Publication.channel is a topic without wildcards of at most 256 bytes, `payload` at most 256 KiB; at most \
                 1,000 publications a batch"
            }
            Self::UnknownKinds => {
                "kinds of events that an algorithm does not know are passed over: an EventResult with the event's number and \
                 nothing else"
            }
            Self::MessageSize => {
                "a batch has up to 256 events, a symbol up to 64 characters; a message is at most 4 MiB, and is taken"
            }
            Self::Details => {
                "a quote has any of `size`, `open`, `high`, `low`, `volume`, `bid`, `ask` and `interval_micros`, each alone or \
                 beside others, or none: prices as `price`, `size` and `volume` from 0 with up to 28 digits before and 8 after \
                 the point, a bid above the ask too"
            }
            Self::Indicators => {
                "the values of indicators are events in front of the quote that they include, in the same batch: up to 32 indicators \
                 with up to 8 values of 16 digits before and 10 after the point and a sign. Each is answered by an EventResult \
                 without signals, since only a quote can be traded"
            }
            Self::Reconfigure => {
                "Reconfigure is answered by `reconfigured`: accepted, with the channels wanted from here on or none for no \
                 change, or with a `refusal`, after which the old parameters go on"
            }
            Self::Accounts => {
                "one backend serves many accounts at once; a stream is one account's, and so is its state"
            }
            Self::StateRestored => {
                "InitializeRequest.state is what EventBatchResult.state gave last: the algorithm goes on from there as if \
                 nothing had been in between"
            }
            Self::StateUnchanged => {
                "an absent EventBatchResult.state means that the state is the same as before the batch; what is not in it is \
                 lost with the stream"
            }
            Self::StateOverMemory => {
                "a stream begins with InitializeRequest.state, empty at the first start; what the server remembers of an \
                 account from an earlier stream does not count, since events without a saved answer come again"
            }
            Self::StateSize => "EventBatchResult.state is at most 1 MiB",
            Self::Unary => {
                "the unary Initialize and Event answer what the stream does, with parameters and state in and the new state \
                 out; INVALID_ARGUMENT where parameters are refused"
            }
            Self::FirstMessage => {
                "the first message of a stream is Initialize; any other ends the stream with an error"
            }
            Self::SecondInitialize => {
                "Initialize is the first message and only the first; a second ends the stream with an error"
            }
            Self::EmptyMessage => "an EventsRequest without a message ends the stream with an error",
            Self::Cancel => "a stream may be cancelled at any time; the account opens a new one at once",
            Self::HalfClose => "when the runtime closes its side, the server ends the stream with OK",
            Self::Deadline => "an answer is there within 10 seconds",
            Self::Shutdown => "at SIGTERM a server ends its streams and then itself, within 10 seconds",
        }
    }

    /// What to do about it.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::Describe => "return these three fields from Describe, the same at each call and from each replica",
            Self::Schema => "try the schema in a validator of draft 2020-12; leave the field empty for any object",
            Self::DescribeBusy => {
                "answer Describe without a lock that a stream holds, and give the server more threads than there are streams"
            }
            Self::Initialize => "answer the first message with InitializeResponse.channels, for example [\"quotes\"]",
            Self::ParametersRefused => "catch what reading the parameters throws, and put its message into `refusal`",
            Self::ParametersMalformed => "catch the JSON parser's error, and put its message into `refusal`",
            Self::Order => {
                "write exactly one answer per message, on the stream that it came on, before reading the next; where the \
                 algorithm fails at a quote, correct that, or answer the quote with a `reject`"
            }
            Self::Batches => "append one EventResult per event of the batch, also where nothing came of it",
            Self::Signals => "copy `event` from the InputEvent that holds the quote; leave `quantity` empty for a buy",
            Self::Publications => {
                "name the channel like `averages/GOOG`, without `+`, `#` and a leading `$share/`; publish at most 3 messages an \
                 event, since up to 256 events share the 1,000 of a batch"
            }
            Self::UnknownKinds => {
                "test whether `quote` is set; where it is not, append an EventResult with the number alone"
            }
            Self::MessageSize => {
                "where the server refuses the message, raise its limit of received messages to 4 MiB and keep no shorter buffer \
                 for a symbol; where the algorithm fails at 256 events, make it do less for each, for example publish at most \
                 3 messages"
            }
            Self::Details => {
                "test whether each value is present before it is read, and read it as a decimal of any length; where the \
                 algorithm needs one that is absent, answer the quote with a `reject`"
            }
            Self::Indicators => {
                "test whether `indicator` is set; append an EventResult with the number alone, keep the values until the next quote \
                 of the batch, and give them to the algorithm with that quote"
            }
            Self::Reconfigure => "read the new parameters whole before any of them is put in place",
            Self::Accounts => {
                "keep no state outside the stream's own variables, and give the server enough threads for its streams"
            }
            Self::StateRestored => "read everything that decisions depend on from InitializeRequest.state",
            Self::StateUnchanged => "set `state` in every answer to a batch that changed it",
            Self::StateOverMemory => "build the algorithm anew at every Initialize, from `state` alone",
            Self::StateSize => "keep less: a window instead of the whole history",
            Self::Unary => "serve both unary calls with the code that serves the stream",
            Self::FirstMessage | Self::SecondInitialize | Self::EmptyMessage => {
                "end the stream with INVALID_ARGUMENT or FAILED_PRECONDITION, and leave the others alone"
            }
            Self::Cancel => "let a cancelled stream release what it holds: locks, threads, entries by account",
            Self::HalfClose => "return from the handler when the requests end",
            Self::Deadline => "answer sooner: heavy work belongs before the server starts, or elsewhere",
            Self::Shutdown => {
                "at SIGTERM stop taking calls, end the open streams, and do not wait for clients to leave"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use intuition_api::{indicator, limits};

    use super::*;

    #[test]
    fn every_row_is_reported_once_under_a_name_of_its_own() {
        let names: BTreeSet<_> = ROWS.iter().map(|row| row.name()).collect();
        // `Shutdown` is the last variant.
        assert_eq!((names.len(), ROWS.len()), (Row::Shutdown as usize + 1, Row::Shutdown as usize + 1));
    }

    fn grouped(number: usize) -> String {
        format!("{},{:03}", number / 1_000, number % 1_000)
    }

    #[test]
    fn rules_name_the_limits_of_the_contract() {
        let kib = |bytes: usize| format!("{} KiB", bytes >> 10);
        let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
        for (row, limit) in [
            (Row::Describe, format!("`name` is 1 to {} letters", limits::MAX_NAME_CHARS)),
            (Row::Describe, format!("`version` at most {} characters", limits::MAX_NAME_CHARS)),
            (Row::Describe, format!("{:?}", intuition_api::describe::CONTRACT)),
            (Row::Schema, kib(limits::MAX_SCHEMA_BYTES)),
            (Row::Schema, format!("{} objects and arrays", grouped(limits::MAX_SCHEMA_PARTS))),
            (Row::Schema, format!("{} levels", limits::MAX_SCHEMA_LEVELS)),
            (Row::Schema, format!("{} patterns", limits::MAX_SCHEMA_PATTERNS)),
            (Row::Initialize, format!("1 to {} MQTT topic filters", limits::MAX_CHANNELS)),
            (Row::Initialize, format!("at most {} bytes each", limits::MAX_CHANNEL_BYTES)),
            (Row::Signals, format!("at most {} signals an event", limits::MAX_SIGNALS_PER_EVENT)),
            (Row::Publications, format!("wildcards of at most {} bytes", limits::MAX_CHANNEL_BYTES)),
            (Row::Publications, format!("`payload` at most {}", kib(limits::MAX_PUBLICATION_BYTES))),
            (Row::Publications, format!("{} publications a batch", grouped(limits::MAX_PUBLICATIONS_PER_BATCH))),
            (Row::MessageSize, format!("up to {} events", limits::MAX_EVENTS_PER_BATCH)),
            (Row::MessageSize, format!("at most {}", mib(limits::MAX_MESSAGE_BYTES))),
            (Row::Indicators, format!("up to {} indicators", indicator::MAX_INDICATORS)),
            (Row::Indicators, format!("up to {} values", indicator::MAX_VALUES)),
            (Row::StateSize, format!("at most {}", mib(limits::MAX_STATE_BYTES))),
        ] {
            assert!(row.contract().contains(&limit), "{limit:?} is not in {:?}", row.contract());
        }
    }
}
