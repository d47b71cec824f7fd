//! The streams between bridges and runtimes.

use std::collections::BTreeMap;

use bridge::{machine::StreamEvent, runtime::RuntimeError};
use intuition_api::v1::{self, process_request, process_response};
use prost::Message as _;
use tonic::Status;

use super::{
    Event, SOON, Sleeper, World,
    network::{Between, Pipe},
};
use crate::{
    facts::{Fact, RunId, Violation},
    process::{
        bridge::{StreamId, ToRuntime},
        runtime,
    },
};

struct Line {
    bridge: RunId,
    /// The runtime, once the stream has reached it.
    runtime: Option<RunId>,
    up: Pipe,
    down: Pipe,
}

/// See the module.
#[derive(Default)]
pub(super) struct Streams {
    lines: BTreeMap<StreamId, Line>,
    opened: StreamId,
}

impl World<'_> {
    /// Sends the messages of a bridge to its runtime.
    pub(super) fn send_to_runtime(&mut self, run: RunId, messages: Vec<ToRuntime>) {
        for message in messages {
            let now = self.now;
            if let ToRuntime::Open(open) = message {
                self.streams.opened += 1;
                let id = self.streams.opened;
                let mut line = Line { bridge: run, runtime: None, up: Pipe::default(), down: Pipe::default() };
                let at = self.network.arrival(Between::BridgeAndRuntime, &mut line.up, now);
                self.streams.lines.insert(id, line);
                self.queue.plan(at, Event::Opening(id, Box::new(open)));
                if let Some(bridge) = self.bridges.get_mut(&run) {
                    bridge.stream = Some(id);
                    bridge.sending = Some(id);
                }
                continue;
            }
            let Some(id) = self.bridges.get(&run).and_then(|bridge| bridge.sending) else { continue };
            let Some(line) = self.streams.lines.get_mut(&id) else { continue };
            let at = self.network.arrival(Between::BridgeAndRuntime, &mut line.up, now);
            self.queue.plan(
                at,
                match message {
                    ToRuntime::Send(message) => Event::ToRuntime(id, Box::new(message)),
                    ToRuntime::Close => Event::RuntimeLost { stream: id, has_broken: true },
                    ToRuntime::Finish | ToRuntime::Open(_) => Event::RuntimeLost { stream: id, has_broken: false },
                },
            );
        }
    }

    pub(super) fn reach_opening(&mut self, id: StreamId, open: v1::Open) -> Result<(), Violation> {
        // The service has the newest process that runs.
        let run = self.runtimes.keys().next_back().copied();
        let sizes = self.plan.runtime.sizes.responses;
        let Some(line) = self.streams.lines.get_mut(&id) else { return Ok(()) };
        line.runtime = run;
        let bridge = line.bridge;
        match run.and_then(|run| self.runtimes.get_mut(&run)) {
            Some(runtime) => {
                runtime.open(id, open.clone(), sizes);
                let run = runtime.run;
                self.tell(&Fact::Opening { bridge, open: Box::new(open) })?;
                self.say(id, StreamEvent::Connected);
                self.wake_at(Sleeper::Runtime(run), self.now + SOON);
            }
            None => self.say(id, StreamEvent::Ended(RuntimeError::Close)),
        }
        Ok(())
    }

    pub(super) fn reach_runtime(&mut self, id: StreamId, message: process_request::Message) {
        let run = self.streams.lines.get(&id).and_then(|line| line.runtime);
        if let Some(runtime) = run.and_then(|run| self.runtimes.get_mut(&run)) {
            runtime.request(id, message);
            let run = runtime.run;
            self.wake_at(Sleeper::Runtime(run), self.now + SOON);
        }
    }

    pub(super) fn lose_runtime(&mut self, id: StreamId, has_broken: bool) {
        let run = self.streams.lines.get(&id).and_then(|line| line.runtime);
        if let Some(runtime) = run.and_then(|run| self.runtimes.get_mut(&run)) {
            runtime.close(id, has_broken);
            let run = runtime.run;
            self.wake_at(Sleeper::Runtime(run), self.now + SOON);
        }
        if has_broken {
            self.streams.lines.remove(&id);
        }
    }

    /// Something comes to a bridge on a stream.
    fn say(&mut self, id: StreamId, event: StreamEvent) {
        let now = self.now;
        if let Some(line) = self.streams.lines.get_mut(&id) {
            let at = self.network.arrival(Between::BridgeAndRuntime, &mut line.down, now);
            self.queue.plan(at, Event::ToBridge(id, Box::new(event)));
        }
    }

    pub(super) fn reach_bridge(&mut self, id: StreamId, event: StreamEvent) {
        // Not by the line: the runtime may have noticed the end of a connection before its bridge does.
        if let Some(bridge) = self.bridges.values_mut().find(|bridge| bridge.stream == Some(id)) {
            bridge.hear(id, event);
            let run = bridge.run;
            self.wake_at(Sleeper::Bridge(run), self.now + SOON);
        }
    }

    /// Passes on the messages, errands and answers of a runtime.
    pub(super) fn pass_on(&mut self, run: RunId, done: runtime::Done) -> Result<(), Violation> {
        for (id, message) in done.to_bridge {
            if let Ok(message) = &message {
                self.measure(message)?;
                if self.is_too_large(message) {
                    self.refuse_message(id);
                    continue;
                }
            }
            self.say(
                id,
                match message {
                    Ok(message) => StreamEvent::Message(message),
                    Err(status) => StreamEvent::Ended(RuntimeError::End(Box::new(status))),
                },
            );
        }
        for id in done.closed {
            self.say(id, StreamEvent::Ended(RuntimeError::Close));
        }
        for (life, errand) in done.errands {
            self.algorithms.errand(run, life, errand, self.now);
        }
        self.wake_algorithms();
        for (id, answer) in done.answers {
            self.send_answer(id, answer);
        }
        Ok(())
    }

    /// Only a message of a single part may be larger than the bound up to which messages are filled.
    fn measure(&mut self, message: &process_response::Message) -> Result<(), Violation> {
        let process_response::Message::Committed(committed) = message else { return Ok(()) };
        if committed.entries.len() + committed.outcomes.len() < 2 {
            return Ok(());
        }
        let response = v1::ProcessResponse { message: Some(message.clone()) };
        self.tell(&Fact::Measured {
            what: "bytes of a message of several entries and outcomes",
            value: response.encoded_len(),
            bound: self.plan.runtime.sizes.message_bytes,
        })
    }

    /// Whether gRPC refuses to encode a message.
    fn is_too_large(&self, message: &process_response::Message) -> bool {
        let response = v1::ProcessResponse { message: Some(message.clone()) };
        response.encoded_len() > self.plan.runtime.largest_message
    }

    /// gRPC ends a stream at a message that is too large, at both sides.
    fn refuse_message(&mut self, id: StreamId) {
        let status = Status::out_of_range("the encoded message is too large");
        self.say(id, StreamEvent::Ended(RuntimeError::End(Box::new(status))));
        self.queue.plan(self.now, Event::RuntimeLost { stream: id, has_broken: true });
    }

    /// The process of a runtime died.
    pub(super) fn break_streams(&mut self, run: RunId) {
        let lines = self.streams.lines.iter();
        let ids: Vec<StreamId> = lines.filter(|(_, line)| line.runtime == Some(run)).map(|(id, _)| *id).collect();
        for id in ids {
            self.say(id, StreamEvent::Ended(RuntimeError::Close));
        }
    }

    /// The process of a bridge died.
    pub(super) fn abandon_streams(&mut self, run: RunId) {
        let now = self.now;
        let lines = self.streams.lines.iter_mut();
        for (id, line) in lines.filter(|(_, line)| line.bridge == run) {
            let at = self.network.arrival(Between::BridgeAndRuntime, &mut line.up, now);
            self.queue.plan(at, Event::RuntimeLost { stream: *id, has_broken: true });
        }
    }

    /// The connections between bridges and runtimes break: both ends notice.
    pub(super) fn break_runtime_connections(&mut self) -> Result<(), Violation> {
        self.tell(&Fact::Injected("network: connection to the runtime reset"))?;
        let ids: Vec<StreamId> = self.streams.lines.keys().copied().collect();
        for id in ids {
            self.say(id, StreamEvent::Ended(RuntimeError::Close));
            let later = self.network.one_way();
            self.queue.plan(self.now + later, Event::RuntimeLost { stream: id, has_broken: true });
        }
        Ok(())
    }
}
