//! The stream to the bridge: its beginning, its messages in both directions, its end.

use intuition_api::{
    capability,
    v1::{Committed, HoldingRecorded, Open, ProcessResponse, Waiting, process_request, process_response::Message},
};
use tonic::Status;

use super::{Answer, PAGE, Responses, Writer, status_of};
use crate::{
    engine::{RequestError, Settled},
    wire,
};

impl Writer {
    pub(super) fn open(&mut self, stream: u64, open: &Open, responses: Responses, answers: &mut Vec<Answer>) {
        let opened = match self.engine.open(stream, open, session_name()) {
            Ok(opened) => opened,
            Err(error) => {
                send(&responses, Err(status_of(&error)));
                return;
            }
        };
        self.end_stream(Status::aborted("a newer stream of the same account was opened"));
        self.stream = Some((stream, responses));
        let (after, through) = (opened.published_through, self.engine.position());
        answers.push(Answer::Stream { stream, message: Message::Opened(opened) });
        self.told = 0;
        self.knows_inputs = open.capabilities.iter().any(|known| known == capability::INPUTS);
        if let Some(channels) = self.engine.channels_for_bridge(self.knows_inputs) {
            self.told = channels.version;
            answers.push(Answer::Stream { stream, message: Message::Channels(channels) });
        }
        answers.push(Answer::Replay { stream, after, through });
    }

    pub(super) fn request(
        &mut self,
        stream: u64,
        message: process_request::Message,
        answers: &mut Vec<Answer>,
    ) -> Result<(), RequestError> {
        use process_request::Message as Request;
        match message {
            Request::Open(_) => return Err(RequestError::BreakContract("Open comes first, and only first".to_owned())),
            Request::Batch(batch) => self.engine.take(batch.deliveries)?,
            Request::Holding(holding) => {
                self.engine.hold(&holding)?;
                answers.push(Answer::Stream { stream, message: Message::HoldingRecorded(HoldingRecorded {}) });
            }
            Request::Marker(marker) => self.engine.mark(marker)?,
            Request::Published(published) => self.engine.published(published)?,
            Request::Acknowledged(report) => self.engine.acknowledged(report),
            // Nothing is sent on demand: this runtime does not name the capability yet.
            Request::Credit(_) => {}
        }
        Ok(())
    }

    /// The outcomes for the current stream. A stream that did not bring the deliveries gets only the entries to publish.
    pub(super) fn addressed(&self, settled: Settled) -> Option<Answer> {
        let (stream, _) = self.stream.as_ref()?;
        let mut committed = settled.committed;
        if settled.stream != *stream {
            committed.outcomes.clear();
        }
        let is_empty = committed.entries.is_empty() && committed.outcomes.is_empty();
        (!is_empty).then_some(Answer::Stream { stream: *stream, message: Message::Committed(committed) })
    }

    /// Sends changed channels.
    pub(super) fn tell_channels(&mut self) {
        // Most commits change no channels: nothing is copied for those.
        if self.engine.channels().is_none_or(|channels| channels.version <= self.told) {
            return;
        }
        let Some(channels) = self.engine.channels_for_bridge(self.knows_inputs) else { return };
        let Some((stream, _)) = &self.stream else { return };
        let stream = *stream;
        self.told = channels.version;
        self.say(stream, Message::Channels(channels));
    }

    /// Tells the bridge that its deliveries are not forgotten.
    pub(super) fn ask_to_wait(&mut self) {
        if !self.engine.has_work() {
            return;
        }
        let Some((stream, _)) = &self.stream else { return };
        let stream = *stream;
        let (reason, message) = self.engine.trouble().unwrap_or(("", "the algorithm is at work"));
        let waiting = Waiting { reason: reason.to_owned(), message: message.to_owned() };
        self.say(stream, Message::Waiting(waiting));
    }

    /// Sends a message, unless its stream has ended.
    pub(super) fn say(&self, stream: u64, message: Message) {
        if let Some((current, responses)) = &self.stream
            && *current == stream
        {
            send(responses, Ok(ProcessResponse { message: Some(message) }));
        }
    }

    /// Sends the outbox entries behind `after`, up to `through`, from the ledger.
    pub(super) fn replay(&mut self, stream: u64, mut after: u64, through: u64) {
        while after < through {
            let limit = usize::try_from(through - after).unwrap_or(PAGE).min(PAGE);
            let rows = match self.ledger.outbox(after, limit) {
                Ok(rows) => rows,
                Err(error) => return self.end_stream(Status::internal(format!("{}: {error}", error.reason()))),
            };
            let Some(last) = rows.last() else { return };
            after = last.position;
            let (account, ledger_id) = self.engine.names();
            let entries = rows.iter().map(|row| wire::outbox_entry(account, ledger_id, row)).collect();
            let committed = Committed { entries, outcomes: Vec::new() };
            self.say(stream, Message::Committed(committed));
        }
    }

    pub(super) fn end_stream(&mut self, status: Status) {
        if let Some((_, responses)) = self.stream.take() {
            send(&responses, Err(status));
        }
    }
}

fn session_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

fn send(responses: &Responses, response: Result<ProcessResponse, Status>) {
    // It fails only when the bridge has gone.
    drop(responses.send(response));
}
