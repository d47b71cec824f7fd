//! The steps of the data path. Each is a function that is never inlined, since counts are by function.

use algo_runtime::{
    responses::Reader,
    writer::{Command, Writer, WriterError},
};
use bridge::machine::{Action, Input, Machine};
use bytes::Bytes;
use intuition_api::v1::{ProcessRequest, ProcessResponse};
use intuition_common::clock::Now;
use intuition_mqtt::Incoming;
use prost::{DecodeError, Message as _};

/// The steps by name, with a part of the name of the function that each is.
pub const STAGES: [(&str, &str); 6] = [
    ("receive", "stage::receive"),
    ("request", "stage::request"),
    ("decide", "stage::decide"),
    ("commit", COMMIT),
    ("response", "stage::response"),
    ("publish", "stage::publish"),
];
/// The function that `decide` calls, and which counts by itself.
pub const COMMIT: &str = "SqliteLedger as algo_runtime::ledger::Ledger>::commit";

/// In the bridge: parses messages, holds them, and makes batches of them.
#[inline(never)]
pub fn receive(machine: &mut Machine, messages: Vec<Incoming>, now: Now) -> Vec<Action> {
    for message in messages {
        machine.handle(Input::Subscribing(intuition_mqtt::Event::Message(message)), now);
    }
    machine.advance(now);
    machine.take_actions()
}

/// Between both: encodes requests and decodes them.
#[inline(never)]
pub fn request(requests: Vec<ProcessRequest>) -> Result<Vec<ProcessRequest>, DecodeError> {
    requests.into_iter().map(|request| ProcessRequest::decode(Bytes::from(request.encode_to_vec()))).collect()
}

/// In the runtime: recognises, decides and books the ticks of a group, and makes its answers. The commit counts by itself.
#[inline(never)]
pub fn decide(
    mut writer: Writer,
    reader: &mut Reader,
    commands: Vec<Command>,
    now: Now,
) -> Result<(Writer, Vec<ProcessResponse>), WriterError> {
    for command in commands {
        writer.handle(command, now);
    }
    let writer = writer.settle(now)?;
    let responses = std::iter::from_fn(|| reader.try_next(now.instant)).filter_map(Result::ok).collect();
    Ok((writer, responses))
}

/// Between both: encodes responses and decodes them.
#[inline(never)]
pub fn response(responses: Vec<ProcessResponse>) -> Result<Vec<ProcessResponse>, DecodeError> {
    responses.into_iter().map(|response| ProcessResponse::decode(Bytes::from(response.encode_to_vec()))).collect()
}

/// In the bridge: publishes entries, and acknowledges messages.
#[inline(never)]
pub fn publish(machine: &mut Machine, inputs: Vec<Input>, now: Now) -> Vec<Action> {
    for input in inputs {
        machine.handle(input, now);
    }
    machine.advance(now);
    machine.take_actions()
}
